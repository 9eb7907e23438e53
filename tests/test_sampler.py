"""The sampler on models of the chips in virtual time: what is logged, and what failures do."""

import itertools

import pytest

from motefw import packet

ADXL = {"name": "adxl345", "driver": "adxl345", "options": {"rate_hz": 200}}
SHT = {"name": "sht4x", "driver": "sht4x", "period_ms": 1000}
PMS = {"name": "pms5003", "driver": "pms5003", "options": {"warmup_s": 0}}
WRAP_US = (1 << 30) - 3_000_000  # the ticks wrap three seconds after the start


@pytest.fixture
def vm(board_vm):
    board_vm.call("reset", WRAP_US, 128)
    return board_vm


def taken(vm):
    """Return all logged packets, decoded: (samples by stream, notes)."""
    streams, notes = {}, []
    for data in vm.call("packets"):
        decoded = packet.decode(bytes.fromhex(data))
        if decoded.header.kind == packet.NOTE:
            notes.append(decoded.body)
        else:
            streams.setdefault(decoded.header.stream, []).append(decoded)
    return streams, notes


def gaps(notes):
    return [n["gap"] for n in notes if "gap" in n]


def rows(packets):
    return [row for p in packets for row in zip(*p.columns, strict=True)]


def ramp(i, channels):
    return tuple(i * (c + 1) % 2000 for c in range(channels))


def test_three_sensors_give_every_sample_once_and_in_order(vm):
    for sensor in (ADXL, SHT, PMS):
        vm.call("add", sensor)
    vm.call("advance", 21_000)
    vm.call("stop")
    streams, notes = taken(vm)
    assert gaps(notes) == []
    for number, channels, least in ((0, 3, 4100), (1, 2, 20), (2, 12, 15)):
        got = rows(streams[number])
        assert len(got) >= least
        assert got == [ramp(i, channels) for i in range(len(got))]
        following = 0
        for p in streams[number]:
            assert p.header.index == following
            following += p.header.count


def test_packets_keep_the_latency_limit(vm):
    vm.call("add", ADXL, 512, 1000)
    vm.call("add", SHT, 512, 1000)
    vm.call("advance", 10_000)
    streams, _ = taken(vm)
    assert all(180 <= p.header.count <= 201 for p in streams[0])
    assert all(p.header.count == 1 for p in streams[1])


def test_they_keep_it_when_nothing_follows(vm):
    vm.call("add", PMS, 512, 5_000)
    vm.call("advance", 10_500)
    vm.call("fault", 0, "silent", True)
    vm.call("advance", 5_200)
    streams, _ = taken(vm)
    (status,) = vm.call("status")
    assert status["samples"] == sum(p.header.count for p in streams[0]) >= 9


def test_a_packet_closes_when_it_is_full(vm):
    vm.call("add", ADXL, 100, 60_000)
    vm.call("advance", 3_000)
    streams, _ = taken(vm)
    assert [p.header.count for p in streams[0]] == [100] * 5


def test_times_are_the_boards_own_over_the_wrap_of_its_ticks(vm):
    vm.call("add", ADXL)
    vm.call("add", SHT)
    vm.call("advance", 20_000)
    streams, _ = taken(vm)
    for number, period_us, tolerance_us in ((0, 5_000, 5_000), (1, 1_000_000, 2_000)):
        first = streams[number][0].header
        for p in streams[number]:
            expected = first.time_us + (p.header.index - first.index) * period_us
            assert abs(p.header.time_us - expected) <= tolerance_us


def test_the_first_time_is_of_the_first_sample(vm):
    vm.call("add", ADXL)
    vm.call("add", SHT)
    vm.call("advance", 10_000)
    streams, _ = taken(vm)
    assert 0 < streams[0][0].header.time_us <= 10_000  # at 200 Hz, though drained 80 ms later
    assert streams[1][0].header.time_us <= 10_000  # at once


def test_each_sample_of_a_part_that_speaks_when_it_likes_has_a_time(vm):
    vm.call("add", PMS, 512, 20_000)
    vm.call("advance", 41_000)
    streams, _ = taken(vm)
    times = [t for p in streams[0] for t in p.times_us]
    assert len(times) >= 15
    # The part measures each second at first, then every 2.3 s or sooner: a poll of 100 ms sees it.
    assert all(100_000 <= b - a <= 2_500_000 for a, b in itertools.pairwise(times))


def test_an_overrun_is_a_gap_as_long_as_what_was_lost(vm):
    vm.call("add", ADXL)
    vm.call("advance", 10_000)
    vm.call(
        "advance", 5_000, 3_000
    )  # nothing runs for 3 s: 600 samples, of which the FIFO keeps 32
    vm.call("stop")
    streams, notes = taken(vm)
    (gap,) = gaps(notes)
    assert gap["why"] == "overrun"
    assert abs(gap["lost"] - (600 - 32)) <= 20
    values = rows(streams[0])
    places = [p.header.index + i for p in streams[0] for i in range(p.header.count)]
    jump = next(i for i in range(1, len(places)) if places[i] != places[i - 1] + 1)
    assert places[jump] - places[jump - 1] - 1 == gap["lost"]
    assert places[jump] == gap["index"] + gap["lost"]
    lost = (values[jump][0] - values[jump - 1][0] - 1) % 2000
    assert abs(lost - gap["lost"]) <= 3
    assert vm.call("status")[0]["lost"] == gap["lost"]


@pytest.mark.parametrize("kind", ["silent", "bad_sum"])
def test_a_part_that_is_silent_for_seconds_has_lost_what_it_would_have_said(vm, kind):
    """It is not failing yet, and says itself when it speaks: only time tells."""
    vm.call("add", PMS)
    vm.call("advance", 8_000)
    vm.call("fault", 0, kind, True)
    vm.call("advance", 8_000)
    vm.call("fault", 0, kind, False)
    vm.call("advance", 10_000)
    vm.call("stop")
    streams, notes = taken(vm)
    (gap,) = gaps(notes)
    assert gap["why"] == "silence"
    assert abs(gap["lost"] - 8) <= 1
    indexes = [p.header.index + i for p in streams[0] for i in range(p.header.count)]
    assert indexes[-1] == len(indexes) - 1 + gap["lost"]
    assert vm.call("status")[0]["state"] == "ok"


def test_a_part_whose_bytes_waited_for_the_program_has_lost_nothing(vm):
    vm.call("add", PMS)
    vm.call("advance", 8_000)
    vm.call("advance", 6_000, 6_000)  # nothing runs for 6 s: the UART's buffer holds the frames
    vm.call("advance", 10_000)
    vm.call("stop")
    streams, notes = taken(vm)
    assert gaps(notes) == []
    assert len(rows(streams[0])) >= 14


@pytest.mark.parametrize("jump_ms", [400_000, -400_000])
def test_a_jump_of_the_ticks_is_no_loss_and_no_time(vm, jump_ms):
    """Of no part: neither are samples missing that a clock went past, nor do times go with it."""
    for sensor in (ADXL, SHT, PMS):
        vm.call("add", sensor)
    vm.call("advance", 5_000)
    vm.call("jump", jump_ms)
    vm.call("advance", 16_000)
    vm.call("stop")
    streams, notes = taken(vm)
    assert gaps(notes) == []
    assert [n["sensor"]["state"] for n in notes if "sensor" in n] == ["ok"] * 3
    assert len(rows(streams[1])) in (21, 22)
    for number in (0, 1, 2):
        times = [p.header.time_us for p in streams[number]]
        assert times == sorted(times)
        assert times[-1] < 21_000_000


def test_slots_that_went_by_are_left_out(vm):
    vm.call("add", SHT)
    vm.call("advance", 5_500)
    vm.call("advance", 5_000, 3_000)
    vm.call("stop")
    streams, notes = taken(vm)
    (gap,) = gaps(notes)
    assert gap["why"] == "late"
    assert gap["lost"] in (2, 3)
    indexes = [p.header.index + i for p in streams[0] for i in range(p.header.count)]
    assert indexes[-1] == len(indexes) - 1 + gap["lost"]


def test_one_failed_reading_is_invalid_and_no_gap(vm):
    vm.call("add", SHT, 512, 20_000)
    vm.call("advance", 5_500)
    vm.call("fault", 0, "bad_crc", True)
    vm.call("advance", 1_000)
    vm.call("fault", 0, "bad_crc", False)
    vm.call("advance", 5_000)
    vm.call("stop")
    streams, notes = taken(vm)
    values = rows(streams[0])
    assert values.count((None, None)) == 1
    assert gaps(notes) == []
    (status,) = vm.call("status")
    assert (status["state"], status["errors"], status["bad"]) == ("ok", 1, 1)
    assert "CRC" in status["last_error"]


def test_an_absent_sensor_stops_no_other_and_comes_back_by_itself(vm):
    vm.call("add", ADXL)
    vm.call("add", SHT)
    vm.call("fault", 0, "nack", True)
    vm.call("advance", 30_000)
    before = vm.call("status")
    assert before[0]["state"] == "absent"
    assert before[0]["samples"] == 0
    assert 4 <= before[0]["errors"] <= 6  # at 0, 1, 3, 7, 15 s
    assert before[1]["state"] == "ok"
    assert before[1]["samples"] >= 29
    vm.call("fault", 0, "nack", False)
    vm.call("advance", 60_000)
    assert vm.call("status")[0]["state"] == "ok"
    streams, notes = taken(vm)
    assert rows(streams[0]) == [ramp(i, 3) for i in range(len(rows(streams[0])))]
    assert [
        n["sensor"]["state"] for n in notes if "sensor" in n and n["sensor"]["stream"] == 0
    ] == [
        "absent",
        "ok",
    ]


def test_a_wrong_sensor_is_said_to_be_one(vm):
    vm.call("add", ADXL)
    vm.call("fault", 0, "wrong_id", True)
    vm.call("advance", 100)
    (status,) = vm.call("status")
    assert status["state"] == "wrong"
    assert "0xe6, expected 0xe5" in status["last_error"]
    assert any("wrong" in line for line in vm.call("said"))


@pytest.mark.parametrize("kind", ["nack", "silent", "brownout"])
def test_a_sensor_that_fails_is_restarted_and_the_outage_is_left_out(vm, kind):
    vm.call("add", ADXL)
    vm.call("advance", 10_000)
    vm.call("fault", 0, kind, True)
    vm.call("advance", 12_000)
    vm.call("fault", 0, kind, False)
    vm.call("advance", 70_000)
    (status,) = vm.call("status")
    assert status["state"] == "ok"
    assert status["gaps"] == 1
    streams, notes = taken(vm)
    (gap,) = gaps(notes)
    assert gap["why"] == "restart"
    last = streams[0][-1].header
    elapsed_us = last.time_us - streams[0][0].header.time_us
    assert abs(last.index - elapsed_us / 5_000) <= 2 + elapsed_us / 5_000 * 0.001


def test_a_polled_sensor_that_fails_leaves_its_slots_out(vm):
    vm.call("add", SHT)
    vm.call("advance", 5_500)
    vm.call("fault", 0, "nack", True)
    vm.call("advance", 20_000)
    assert vm.call("status")[0]["state"] == "absent"
    vm.call("fault", 0, "nack", False)
    vm.call("advance", 40_000)
    vm.call("stop")
    streams, notes = taken(vm)
    (gap,) = gaps(notes)
    last = streams[0][-1].header
    assert last.index + last.count + 1 >= 65
    assert abs(last.time_us - last.index * 1_000_000 - streams[0][0].header.time_us) < 20_000
    assert sum(p.header.count for p in streams[0]) + gap["lost"] == last.index + last.count


def test_the_pause_between_attempts_doubles_up_to_half_a_minute(vm):
    vm.call("add", SHT)
    vm.call("fault", 0, "nack", True)
    vm.call("advance", 63_500)
    assert vm.call("status")[0]["errors"] == 7  # at 0, 1, 3, 7, 15, 31, 61 s
    vm.call("advance", 600_000)
    assert vm.call("status")[0]["errors"] == 27


def test_the_pause_is_short_again_once_a_sensor_was_well(vm):
    vm.call("add", SHT)
    for errors in (5, 10):
        vm.call("fault", 0, "nack", True)
        vm.call("advance", 12_000)  # three failures, then attempts after 1, 3, 7 s
        assert errors - 1 <= vm.call("status")[0]["errors"] <= errors + 2
        vm.call("fault", 0, "nack", False)
        vm.call("advance", 60_000)
        assert vm.call("status")[0]["state"] == "ok"


def test_a_bus_that_hangs_is_freed_one_that_says_no_is_left_alone(vm):
    number = vm.call("add_steady", False)
    vm.call("break_steady", number, "nodev")
    vm.call("advance", 500)
    assert vm.call("recovered") == 0
    vm.call("break_steady", number, "os")
    vm.call("advance", 5_000)
    assert vm.call("recovered") >= 1


@pytest.mark.parametrize("kind", ["bug", "sensor"])
def test_a_bug_in_a_driver_stops_only_its_sensor(vm, kind):
    number = vm.call("add_steady", False)
    vm.call("add", SHT)
    vm.call("break_steady", number, kind)
    vm.call("advance", 10_000)
    broken, healthy = vm.call("status")
    assert broken["state"] in ("wrong", "failing", "absent")
    assert broken["errors"] >= 3
    assert healthy["samples"] >= 9


def test_samples_that_fit_in_no_packet_are_split(vm):
    number = vm.call("add_steady", True, False, True, 12)
    vm.call("advance", 11_000)
    vm.call("stop")
    (status,) = vm.call("status")
    assert status["errors"] == 0, status
    streams, notes = taken(vm)
    assert gaps(notes) == []
    got = rows(streams[number])
    assert len(got) == status["samples"]
    assert got == [((i * 0x3779B9 ^ i << 9) & 0x3FFFFFFF,) * 12 for i in range(len(got))]
    times = [p.header.time_us for p in streams[number]]
    assert times == sorted(times)
    assert len(set(times)) == len(times)


@pytest.mark.parametrize(("streaming", "timed"), [(True, False), (True, True), (False, False)])
def test_sampling_allocates_nothing(vm, streaming, timed):
    vm.call("reset", 0, 128)
    number = vm.call("add_steady", streaming, timed)
    vm.call("advance", 100)
    taken_bytes, samples = vm.call("allocated", number, 80)
    assert samples >= 40
    assert taken_bytes == 0


def test_schemas_tell_units_and_rates(vm):
    for sensor in (ADXL, SHT, PMS):
        vm.call("add", sensor)
    vm.call("advance", 10)
    adxl, sht, pms = vm.call("schemas")
    assert adxl["rate_hz"] == 200
    assert adxl["channels"][0][:2] == ["accel_x", "g"]
    assert sht["period_ms"] == 1000
    assert sht["id"] == sht["stream"] == 1
    assert len(pms["channels"]) == 12


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("claim", [1, 100, 1000])
def test_samples_that_a_driver_only_claims_are_none(vm, streaming, claim):
    number = vm.call("add_steady", streaming, False, False, 2, 16, 10_000)
    vm.call("advance", 300)
    vm.call("overclaim", number, claim)
    vm.call("advance", 40)
    vm.call("stop")
    (status,) = vm.call("status")
    asked = 4 if streaming else 1
    said = f"SensorError: steady: {asked + claim} samples given, {asked} asked for"
    assert status["last_error"] == said
    values = [row[0] for row in rows(taken(vm)[0][number]) if row[0] is not None]
    assert values == list(range(len(values)))
