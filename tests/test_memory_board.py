"""What the firmware takes of a board's heap, from compiled .mpy on the 32-bit VM.

`pytest -s tests/test_memory_board.py` prints the table of SPEC.md, section "Memory".
"""

import contextlib
import functools
import json
import os
import random
import subprocess

import pytest

from motefw.sampler import NO_MEMORY
from motekit import firmware
from motekit.client import RefusedError
from motekit.configuration import wire
from motekit.sim import vm
from motekit.sim.world import World
from tests.coprocess import ON_VM, ROOT
from tests.nightly import day

WHOLE_BYTES = 64 << 10  # for all, the queue included
LIMIT_BYTES = 54 << 10  # to sample, with the smallest queue: boot and requests need the rest
QUEUE_MIN_BYTES = 4096
ROUNDS = 3
ANSWER_S = 20
NOW = {"utc_us": 1_800_000_000_000_000, "error_us": 5}
PLAIN = ("status", "config.get", "config.mark", "time.get", "provision.get", "readings")
SCENARIO = """
seed = 7
clock = "virtual"

[[board]]
board = "esp32-c3-devkitm-1"
sensor = [
    { driver = "adxl345", options = { rate_hz = 200 }, source = { accel_z = 1 } },
    { driver = "sht4x", period_s = 1, source = { temperature = 21.5, humidity = 45 } },
    { driver = "pms5003", source = { pm2_5 = 12 } },
]
"""
MORE = """
    { driver = "bme280", source = { temperature = 12 } },
    { driver = "scd4x", source = { co2 = 500 } },
    { driver = "sen55", source = { pm2_5 = 12 } },
"""
FAULTS = """
[[fault]]
kind = "i2c_nack"
sensor = "sht4x"
at_s = 60
for_s = 5

[[fault]]
kind = "link_down"
at_s = 75
for_s = 60
"""
NETWORK = """
[[network]]
ssid = "site"
password = "only in here"
"""
ROM = ROOT / "host" / "motekit" / "sim" / "rom"
MODELS = (
    "__init__",
    "bus",
    "fast",
    "fifo",
    *(f"chips/{n}" for n in ("__init__", "adxl345", "sht4x", "pms5003")),
)


def measured(heap_bytes, root):
    """Run the firmware with three sensors in such a heap; return the table and its reports."""
    compiled = firmware.for_board("x86")
    models = firmware.compiled_tree(
        {f"rom/{name}.py": ROM / f"{name}.py" for name in MODELS}, "x86"
    )
    done = subprocess.run(
        [
            *vm.find(32).argv,
            "-X",
            f"heapsize={heap_bytes}",
            str(ON_VM / "memory_bed.py"),
            str(compiled),
            str(models),
            str(root),
        ],
        env={**os.environ, "MICROPYPATH": f"{ON_VM}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    table = [json.loads(line) for line in lines if line.startswith("[")]
    return table, [line for line in lines if not line.startswith("[")]


def test_three_sensors_fit_and_take_no_more_in_time(tmp_path):
    table, said = measured(1 << 20, tmp_path)
    for name, bytes_, total in table:
        print(f"{name:24} {bytes_:7} {total:7}")
    assert sorted(said[1:]) == [f"motefw: {n}: ok" for n in ("adxl345", "pms5003", "sht4x")]
    assert table[-1][2] <= LIMIT_BYTES
    assert abs(table[-1][1]) <= 1024


class Asked:
    """A board in a world of its own, and what it answers to a collector's requests."""

    def __init__(self, plan):
        self.world = World(plan, bits=32, heap_bytes=WHOLE_BYTES)
        self.board = self.world.boards[0]

    def __call__(self, name, args=None):
        answer = self.world.collector.ask(self.board.device, name, dict(args or {}))
        end_s = self.world.now_s + ANSWER_S
        while not answer.done() and self.world.now_s < end_s:
            self.rest(0.2)
        return answer.result(timeout=0)

    def rest(self, for_s):
        self.world.run(until_s=self.world.now_s + for_s)

    def meet_anew(self):
        """Have another collector say hello."""
        self.world.stop_collecting()
        self.world.collect()
        self.rest(2)

    def configure(self, config):
        """Send a configuration on trial, in pieces; leave none there."""
        mark = wire.send(self, config, wire.marks(self))
        assert wire.marks(self).next == mark
        assert self("config.set", {"config": config}) == {"reboot": True}

    def everything(self, order):
        """Ask for all that a board can be asked for, in some order."""
        config = self("config.get")
        asked = [
            *((name, {}) for name in PLAIN),
            *(("schema", {"schema": number}) for number in range(3)),
            ("wifi.get", {}),
            ("time.set", NOW),
            ("bus.scan", {"bus": "i2c0"}),
            ("status", {"files": True}),
        ]
        asks = [functools.partial(self, *each) for each in asked]
        asks += [self.meet_anew, self.refused, functools.partial(self.configure, config)]
        order.shuffle(asks)
        for ask in asks:
            ask()
        assert self("config.get") == config

    def refused(self):
        for name, args in (("nonsense", {}), ("schema", {"schema": 9}), ("config.set", {})):
            with pytest.raises(RefusedError):
                self(name, args)

    def check(self):
        """Return the board's status, in which nothing may have gone without room."""
        status = self("status")
        assert status["starved_requests"] == status["restarted_tasks"] == 0, status
        assert status["queue_size_bytes"] >= QUEUE_MIN_BYTES
        assert [each["state"] for each in status["sensors"]] == ["ok"] * 3, status["sensors"]
        assert self.board.counts.starts == 1, self.board.last_words()
        return status


@pytest.fixture
def asked(write_scenario):
    """Return a function that starts the board of a scenario's text in a small heap."""
    with contextlib.ExitStack() as stack:

        def start(text):
            one = Asked(write_scenario(text))
            stack.callback(one.world.close)
            one.rest(6)
            return one

        yield start


def test_a_small_heap_in_two_pieces_is_enough_to_boot_sample_and_answer(asked):
    board = asked(SCENARIO)
    for seed in range(ROUNDS):
        board.everything(random.Random(seed))
        status = board.check()
        assert all(each["lost"] == each["errors"] == 0 for each in status["sensors"])
    assert status["queue_dropped"] == 0
    assert board.world.store.summary().devices[0].missing == 0


def test_a_small_heap_is_enough_for_a_sensor_that_fails_and_a_queue_that_runs_over(asked):
    board = asked(SCENARIO + FAULTS)
    board.everything(random.Random(1))
    board.world.run(until_s=160)
    status = board.check()
    assert [each["errors"] > 0 for each in status["sensors"]] == [False, True, False]
    assert status["queue_dropped"] > 0
    board.everything(random.Random(2))
    board.rest(5)
    status = board.check()
    assert status["next_seq"] - status["tail_seq"] <= 2
    summary = board.world.store.summary().devices[0]
    assert summary.missing == 0
    assert 0 < summary.lost <= status["queue_dropped"]  # what was dropped may have arrived before


def test_a_small_heap_has_room_for_wifi(asked):
    board = asked(SCENARIO + NETWORK)
    networks = [{"ssid": "site", "password": "only in here"}]
    assert board("wifi.set", {"networks": networks}) == {"trial": False, "reboot": False}
    board.rest(10)
    for seed in range(2):
        board.everything(random.Random(seed))
        assert board("wifi.get")["state"] == "joined"
        assert board("wifi.scan")["heard"]
    board.check()


def test_of_too_many_sensors_those_run_that_fit_and_one_can_be_taken_out(asked):
    board = asked(SCENARIO.replace("\n]\n", MORE + "]\n"))
    status = board("status")
    states = {each["name"]: each["state"] for each in status["sensors"]}
    assert len(states) == 6
    assert set(states.values()) == {"ok", NO_MEMORY}
    board.meet_anew()
    config = board("config.get")
    assert board("schema", {"schema": 0})["schema"]["name"] == "adxl345"
    rows = board("readings")["readings"]
    assert [row is not None for row in rows] == [
        states[each["name"]] == "ok" for each in config["sensors"]
    ]
    config["sensors"] = config["sensors"][:3]
    mark = wire.send(board, config, wire.marks(board))
    board("reboot")
    board.rest(10)
    wire.keep(board, mark)
    assert [each["state"] for each in board("status")["sensors"]] == ["ok"] * 3
    assert board.board.counts.starts == 2
    epochs = board.world.store.summary().devices[0]
    assert epochs.missing == epochs.lost == 0


@pytest.mark.parametrize(("sensors", "hours"), [(day.SLOW, 24), (day.FAST, 1)])
def test_a_day_and_an_hour_at_200_hz_leave_the_heap_as_it_was(sensors, hours):
    """`make nightly` has a day of it at 200 Hz."""
    found = day.live(sensors, hours, bits=32, heap_bytes=day.TIGHT_BYTES)
    assert found.growth_bytes <= day.GROWTH_BYTES, found.free
    assert found.samples[len(sensors) - 1] > hours * 350
    if sensors is day.FAST:
        assert found.samples[0] >= hours * 3600 * 200 - 32  # which its FIFO may hold
