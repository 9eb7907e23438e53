"""Recordings of a board's buses, and boards that replay them: the same samples, gaps and times."""

import base64
import contextlib
import json
import os
import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motefw import packet
from motefw.packet_header import NOTE, SAMPLES
from motekit.errors import LinkError, ScenarioError, UsageError
from motekit.recording.recorder import BusRecorder
from motekit.recording.tap import Entry, TapError, TapReader
from motekit.sim import scenario as scenarios
from motekit.sim.rom.chips.sht4x import with_crc
from motekit.sim.world import World

FOR_S = 20
BOARD = f"""
seed = 3
duration_s = {FOR_S + 30}
clock = "virtual"

[[board]]
board = "esp32-c3-devkitm-1"

  [[board.sensor]]
  driver = "adxl345"
  options = {{ rate_hz = 100 }}

    [board.sensor.source]
    accel_x = {{ sine = {{ amplitude = 0.4, period_s = 0.7 }}, noise = {{ sd = 0.02 }} }}
    accel_z = {{ constant = 1.0, noise = {{ sd = 0.01 }} }}

  [[board.sensor]]
  driver = "sht4x"
  period_s = 1
  source = {{ humidity = {{ sine = {{ mean = 45, amplitude = 9, period_s = 60 }} }} }}

  [[board.sensor]]
  driver = "pms5003"
  options = {{ warmup_s = 3 }}
"""
MORE = """
  [[board.sensor]]
  driver = "ds18b20"

  [[board.sensor]]
  driver = "mpu6050"
  options = { rate_hz = 50 }

  [[board.sensor]]
  driver = "aht20"

  [[board.sensor]]
  driver = "bme280"
"""
FAULTS = """
[[fault]]
kind = "i2c_nack"
sensor = "adxl345"
at_s = 15
for_s = 3

[[fault]]
kind = "bad_checksum"
sensor = "sht4x"
at_s = 19
for_s = 2.5

[[fault]]
kind = "uart_garbage"
at_s = 17
for_s = 4
"""

CUT_OFF = """
[[fault]]
kind = "link_down"
at_s = 9.5
for_s = 2
"""


def record(world, folder, for_s=FOR_S):
    """Record the first board of a world, which runs meanwhile."""
    recorder = BusRecorder(folder, for_s, lambda: world.now_s)
    seen = 0
    while not recorder.done:
        world.run(until_s=world.now_s + 0.5)
        notices = list(world.notices)
        for notice in notices[seen:]:
            recorder.notice(notice)
        seen = len(notices)
        recorder.tick(world.collector)
    recorder.close()
    return recorder.result()


def told(store, device):
    """Return {stream: [(index, time_us, values)]} of a board's last run, and what it noted."""
    epoch = max(store.epochs(device), key=lambda each: each.id)
    found = store.find(device, epoch.generation, epoch.epoch, 0, 1 << 20)
    assert sorted(found) == list(range(len(found)))
    rows, notes = {}, []
    for _, data in sorted(found.items()):
        whole = packet.decode(data)
        header = whole.header
        if header.kind == NOTE and next(iter(whole.body)) in {"gap", "sensor"}:
            notes.append(whole.body)
        for i in range(header.count if header.kind == SAMPLES else 0):
            us = whole.times_us[i] if whole.times_us else header.time_us
            values = tuple(column[i] for column in whole.columns)
            rows.setdefault(header.stream, []).append((header.index + i, us, values))
    return rows, notes


@pytest.mark.parametrize("bits", [32, 64])
def test_a_replay_gives_the_same_samples_gaps_and_failures(write_scenario, tmp_path, bits):
    # on 32 bits the heap is a board's, which has no room for a fourth sensor and the tap
    plan = write_scenario(BOARD + (MORE if bits == 64 else "") + FAULTS)
    heap_bytes = 512 << 10 if bits == 64 else None
    with World(plan, bits=bits, heap_bytes=heap_bytes) as world:
        world.run(until_s=2)
        result = record(world, tmp_path / "taken")
        first, first_notes = told(world.store, result.device)
        names = {stream.name for stream in world.store.summary().devices[0].streams}
    assert result.lost_lines == result.lost_entries == 0
    events = []
    again = scenarios.load(tmp_path / "taken" / "scenario.toml")
    with World(
        again, bits=bits, heap_bytes=heap_bytes, on_event=lambda _, text: events.append(text)
    ) as world:
        world.run()
        assert world.board(0).device == result.device
        second, second_notes = told(world.store, result.device)
    assert events == ["hello", "done"]
    failed = {note["sensor"]["name"] for note in first_notes if "sensor" in note}
    assert failed == names  # each was not well at first
    assert sum("gap" in note for note in first_notes) == 2
    assert second_notes == first_notes
    assert [len(second[stream]) for stream in (0, 1, 2)] >= [1600, 18, 17]
    for stream, rows in second.items():
        recorded = first[stream][: len(rows)]
        assert [(i, values) for i, _, values in rows] == [(i, v) for i, _, v in recorded]
        apart_us = max(abs(a[1] - b[1]) for a, b in zip(rows, recorded, strict=True))
        assert apart_us <= (100_000 if stream == 2 else 1000)  # a UART is looked at every 100 ms


HEADER = {
    "recording": 1,
    "device": "020000000001",
    "config": {
        "board": "esp32-c3-devkitm-1",
        "buses": {"i2c0": {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000}},
        "sensors": [{"name": "sht4x", "driver": "sht4x", "bus": "i2c0"}],
    },
}
START = [
    {"us": 10, "written": "94"},
    {"us": 10, "written": "89"},
    {"us": 10, "read": (with_crc(0x0F4A) + with_crc(0x2C11)).hex()},
    {"us": 9000, "written": "fd"},
    {"us": 9000, "errno": 19, "size": 6},
    {"us": 9000, "read": (with_crc(0x6666) + with_crc(0x8000)).hex()},
]
REPLAYED = """
duration_s = 5
clock = "virtual"

[[board]]
board = "esp32-c3-devkitm-1"
recording = "bus.jsonl"
"""


def write_recording(folder, rows, header=HEADER):
    lines = [header, *({"bus": "i2c0", "op": "i2c", "address": 0x44, **row} for row in rows)]
    (folder / "bus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))


class TestReplay:
    def test_what_differs_is_told_with_its_place(self, write_scenario, tmp_path):
        rows = [*START[:1], {"us": 10, "written": "aa55"}, *START[1:]]
        write_recording(tmp_path, rows)
        events = []
        with World(
            write_scenario(REPLAYED), on_event=lambda _, text: events.append(text)
        ) as world:
            world.run()
        assert events[0] == (
            "replay: i2c0 0x44: entry 1 at 10 us: recorded was i2c aa55, now comes i2c 89; "
            "1 entries left out"
        )
        assert "replay: i2c0 0x44: the recording has ended" in events

    def test_a_part_without_an_answer_does_not_acknowledge(self, write_scenario, tmp_path):
        write_recording(tmp_path, [{"us": 10, "written": "94"}, {"us": 10, "written": "12"}])
        events = []
        with World(
            write_scenario(REPLAYED), on_event=lambda _, text: events.append(text)
        ) as world:
            world.run()
            noted = [n.text for n in world.notices if n.kind == "log"]
        assert events[0].endswith("recorded was i2c 12, now comes i2c 89; not answered")
        assert any("sht4x: absent (OSError" in text for text in noted)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"recording": 2}, "version 2, 1 expected"),
            ({"device": "xy"}, "not the first line of a recording"),
            ({"config": {}}, "not the first line of a recording"),
        ],
    )
    def test_a_header_that_cannot_be_is_refused(self, write_scenario, tmp_path, change, said):
        write_recording(tmp_path, START, {**HEADER, **change})
        with pytest.raises(ScenarioError, match=said):
            write_scenario(REPLAYED)

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ({"us": 5}, "us 5, 9000 at least"),
            ({"us": 9000, "bus": "i2c9"}, "bus 'i2c9' is none of i2c0"),
            ({"us": 9000, "op": "spi"}, "op 'spi' is none of"),
            ({"us": 9000, "address": 200}, "address 200"),
            ({"us": 9000, "read": "0"}, "no line of a recording"),
            ({"us": 9000, "size": 6}, "size 6, and 0 bytes read"),
            ({"us": 1 << 61}, "us 2305843009213693952, 9000 at least"),
        ],
    )
    def test_a_line_that_cannot_be_is_refused_with_its_number(
        self, write_scenario, tmp_path, row, said
    ):
        write_recording(tmp_path, [*START, row])
        with pytest.raises(ScenarioError, match=rf"bus.jsonl:8: .*{said}"):
            write_scenario(REPLAYED)

    def test_a_line_of_nothing_but_brackets_is_refused(self, write_scenario, tmp_path):
        write_recording(tmp_path, START)
        with (tmp_path / "bus.jsonl").open("a") as file:
            file.write("[" * 60000)
        with pytest.raises(ScenarioError, match=r"bus.jsonl:8: .* is no JSON object"):
            write_scenario(REPLAYED)

    def test_a_recording_has_its_own_sensors(self, write_scenario, tmp_path):
        write_recording(tmp_path, START)
        with pytest.raises(ScenarioError, match="a recording has its own sensors"):
            write_scenario(REPLAYED + '[[board.sensor]]\ndriver = "sht4x"\n')
        with pytest.raises(ScenarioError, match="a recording is of one board"):
            write_scenario(REPLAYED + "count = 2\n")


def line(number, entries):
    body = struct.pack("<HII", number, 1, 500) + entries
    return "~tap " + base64.b64encode(body + struct.pack("<I", zlib.crc32(body))).decode()


BUS = b"\x00\x05\x00i2c0"


class TestTapReader:
    def test_takes_entries_with_their_times(self):
        reader = TapReader()
        entries = BUS + b"\x81\x10\x00\x00\x05\x53\x01\x32\xaa\xbb" + b"\x02\x02\xcc\xdd"
        assert reader.take(line(0, entries)) == [
            Entry(1000516, "i2c0", "i2c", 0x53, b"\x32", b"\xaa\xbb", 2),
            Entry(1000516, "i2c0", "i2c", 0x53, b"\x32", b"\xcc\xdd", 2),
        ]
        assert reader.buses == {"i2c0": "i2c"}

    def test_counts_lines_that_are_missing(self):
        reader = TapReader()
        reader.take(line(0, BUS))
        assert reader.take(line(3, b"\x03\x04\x53\x00\x06\x13"))[0].errno == 19
        assert reader.take(line(2, BUS)) == []
        assert reader.lost_lines == 2

    def test_without_the_line_that_names_a_bus_it_says_so(self):
        reader = TapReader()
        with pytest.raises(TapError, match="names one of the buses; record again"):
            reader.take(line(1, b"\x03\x04\x53\x00\x06\x13"))
        with pytest.raises(TapError, match="another version"):
            TapReader().take(line(0, b"\x03\x04\x53\x00\x06\x13"))

    def test_tells_what_the_board_lost(self):
        reader = TapReader()
        reader.take(line(0, b"\x0f\x02\x07\x00"))
        assert (reader.lost_entries, reader.ended_us) == (7, 1000500)

    @given(st.binary(max_size=100), st.booleans())
    def test_survives_whatever_comes(self, data, intact):
        reader = TapReader()
        text = line(0, data) if intact else "~tap " + data.decode("latin-1")
        with contextlib.suppress(TapError):
            for entry in reader.take(text):
                assert entry.bus in reader.buses

    @given(st.integers(5, 60), st.integers(0, 255))
    def test_a_damaged_line_is_none(self, place, byte):
        text = line(0, BUS + b"\x01\x04\x53\x01\x32\xaa" * 4)
        damaged = text[:place] + chr(byte) + text[place + 1 :]
        reader = TapReader()
        took = reader.take(damaged)
        assert took == [] or len(took) == 4


class TestBusRecorder:
    def test_refuses_a_folder_that_holds_something(self, tmp_path):
        (tmp_path / "x").touch()
        with pytest.raises(UsageError, match="not empty"):
            BusRecorder(tmp_path, 5, lambda: 0.0)

    def test_one_that_is_broken_off_replays_what_came(self, write_scenario, tmp_path):
        with World(write_scenario(BOARD)) as world:
            recorder = BusRecorder(tmp_path / "new", FOR_S, lambda: world.now_s)
            seen = 0
            while world.now_s < 10:
                world.run(until_s=world.now_s + 0.5)
                notices = list(world.notices)
                for notice in notices[seen:]:
                    recorder.notice(notice)
                seen = len(notices)
                recorder.tick(world.collector)
            recorder.close()
        duration_s = scenarios.load(tmp_path / "new" / "scenario.toml").duration_s
        last = json.loads((tmp_path / "new" / "bus.jsonl").read_text().splitlines()[-1])
        assert duration_s == pytest.approx(last["us"] / 1e6, abs=0.001)
        assert 2 < duration_s < 10

    @pytest.mark.parametrize("faults", ["", CUT_OFF], ids=["told", "not_told"])
    def test_broken_off_it_leaves_no_board_telling(self, write_scenario, tmp_path, faults):
        with World(write_scenario(BOARD + faults), folder=tmp_path / "boards") as world:
            recorder = BusRecorder(tmp_path / "new", FOR_S, lambda: world.now_s)
            while world.now_s < 10:
                world.run(until_s=world.now_s + 0.5)
                recorder.tick(world.collector)
            recorder.close()
            world.stop_collecting()
            if faults:
                world.collect()  # one that knows nothing of it
            world.run(until_s=15)
            serial = tmp_path / "boards" / "board-0" / "serial.txt"
            told = serial.read_bytes().count(b"~tap ")
            world.run(until_s=17)
            assert told > 10
            assert serial.read_bytes().count(b"~tap ") == told

    def test_leaves_nothing_behind_where_it_did_not_begin(self, tmp_path):
        folder = tmp_path / "new"
        for _ in range(2):
            recorder = BusRecorder(folder, 5, lambda: 0.0)
            (folder / "packets.jsonl").touch()
            recorder.close()
            assert not folder.exists()
        folder.mkdir()
        recorder = BusRecorder(folder, 5, lambda: 0.0)
        (folder / "packets.jsonl").write_text("of a board that has no sensors\n")
        recorder.close()
        assert [path.name for path in folder.iterdir()] == ["packets.jsonl"]

    def test_gives_up_without_a_board(self, tmp_path):
        now = [0.0]
        recorder = BusRecorder(tmp_path / "new", 5, lambda: now[0])

        class Nobody:
            def devices(self):
                return []

        recorder.tick(Nobody())
        now[0] = 61.0
        with pytest.raises(LinkError, match="no board in 60 s"):
            recorder.tick(Nobody())
        recorder.close()


REAL = """
clock = "real"

[[board]]
board = "esp32-c3-devkitm-1"

  [[board.sensor]]
  driver = "sht4x"
"""


def test_the_command_records_a_board_behind_its_port(fleet, tmp_path):
    port = fleet(REAL).boards[0].serial
    folder = tmp_path / "taken"
    command = [sys.executable, "-m", "motekit", "record", f"serial:{port}"]
    done = subprocess.run(
        [*command, "--for", "3", "--out", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["lost_lines"] == said["lost_entries"] == 0
    assert said["entries"] > 8
    assert scenarios.load(folder / "scenario.toml").boards[0].device == said["device"]
    assert (folder / "packets.jsonl").stat().st_size > 500
