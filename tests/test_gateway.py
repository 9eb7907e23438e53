"""Gateways: the firmware's drivers and sampler on CPython, over a fake Blinka bus and models."""

import errno
import importlib
import os
import subprocess
import sys
import textwrap
import time
import tty
import types

import pytest

import motekit
from motekit.errors import BoardError, MotekitError, UsageError
from motekit.gateway import config, port_blinka
from motekit.gateway.gateway import Gateway, device_id
from motekit.gateway.lent_time import lent, ticks_diff
from motekit.gateway.port_blinka import BlinkaPort, translated
from motekit.sim.rom.bus import I2CBus
from motekit.sim.world import World
from motekit.store import Store

DEVICE = "020000000a01"
SHT4X = [(24000 + 7 * i, 30000 + 13 * i) for i in range(60)]
ADXL345 = [(i % 200 - 100, (i * 7) % 300 - 150, 256 - i % 9) for i in range(6000)]
CONFIG = """
name = "bench"
adapter = "mcp2221"

[bus.i2c0]
kind = "i2c"
hz = 400_000

[[sensor]]
driver = "adxl345"
options = { rate_hz = 200 }

[[sensor]]
driver = "sht4x"
period_s = 1
"""
SAME_ON_A_BOARD = """
duration_s = 12
clock = "virtual"

[[board]]
board = "esp32-c3-devkitm-1"

  [[board.sensor]]
  driver = "adxl345"
  options = { rate_hz = 200 }
  replay = { file = "adxl345.csv", raw = true }

  [[board.sensor]]
  driver = "sht4x"
  replay = { file = "sht4x.csv", raw = true }
"""


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self):
        self.now_us = 5_000_000
        self.slept_s = 0  # which the monotonic clock of Linux does not count

    def monotonic(self):
        self.now_us += 3
        return self.now_us / 1e6

    def utc(self):
        return 1_790_000_000 + self.slept_s + self.now_us / 1e6

    def sleep(self, seconds):
        self.now_us += round(1e6 * seconds)


class Rows:
    """A source that gives rows, again and again."""

    raw = True
    batches = False

    def __init__(self, rows):
        self._rows = rows
        self._next = 0

    def sample(self, i):
        return self._rows[i % len(self._rows)]

    def at(self, _t_us):
        self._next += 1
        return self.sample(self._next - 1)


class Adapter:
    """An adapter with models behind it, which can be unplugged; stands in for busio.I2C."""

    def __init__(self, clock, models):
        self.bus = I2CBus(models)
        self.plugged = True
        self.opened = 0
        self.locked = False

    def open(self, _plan):
        if not self.plugged:
            raise OSError("open failed")
        self.opened += 1
        return self

    def deinit(self):
        pass

    def try_lock(self):
        self.locked = True
        return True

    def unlock(self):
        self.locked = False

    def _use(self, function, *args):
        assert self.locked
        if not self.plugged:
            raise OSError("MCP2221 HID write was incomplete.")
        try:
            return function(*args)
        except OSError as e:
            raise OSError(errno.EREMOTEIO, "Remote I/O error") from e

    def scan(self):
        return self._use(self.bus.scan)

    def writeto(self, address, buffer):
        self._use(self.bus.writeto, address, buffer)

    def readfrom_into(self, address, buffer):
        self._use(self.bus.readfrom_into, address, buffer)

    def writeto_then_readfrom(self, address, buffer_out, buffer_in):
        self._use(self.bus.writeto, address, buffer_out)
        self._use(self.bus.readfrom_into, address, buffer_in)


class Bench:
    """A gateway with its clock, its models and what it said."""

    def __init__(self, tmp_path, text=CONFIG):
        self.clock = Clock()
        path = tmp_path / "bench.toml"
        path.write_text(text)
        self.plan = config.load(path)
        chip = {
            name: importlib.import_module(f"motekit.sim.rom.chips.{name}").CHIP
            for name in ("adxl345", "sht4x")
        }
        now_us = self._now_us
        self.adxl345 = chip["adxl345"](Rows(ADXL345), now_us, {})
        self.sht4x = chip["sht4x"](Rows(SHT4X), now_us, {})
        self.adapter = Adapter(self.clock, [(0x53, self.adxl345), (0x44, self.sht4x)])
        self.said = []

    def _now_us(self):
        return self.clock.now_us

    def gateway(self, store):
        port = BlinkaPort(self.plan, self.adapter.open)
        return Gateway(self.plan, store, DEVICE, port, self.said.append, self.clock)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "gateway.motekit", create=True) as opened:
        yield opened


def columns(path, stream):
    with motekit.open(path) as opened:
        table = opened.read(stream=stream, raw=True)
        names = {"adxl345": ("accel_x", "accel_y", "accel_z")}.get(
            stream, ("temperature", "humidity")
        )
        return [tuple(int(v) for v in row) for row in zip(*(table[n] for n in names), strict=True)]


def test_gives_the_integers_that_a_board_gives(bench, store, write_scenario, tmp_path):
    with bench.gateway(store) as running:
        running.run(12, lambda: False)
    assert sorted(bench.said) == ["adxl345: ok", "sht4x: ok"]
    for name, rows, head in (
        ("adxl345", ADXL345, "x,y,z"),
        ("sht4x", SHT4X, "temperature,humidity"),
    ):
        text = "\n".join([head, *(",".join(map(str, row)) for row in rows)])
        (tmp_path / f"{name}.csv").write_text(text + "\n")
    with World(write_scenario(SAME_ON_A_BOARD), store=tmp_path / "board.motekit") as world:
        world.run()
    for stream, least in (("adxl345", 2300), ("sht4x", 11)):
        here = columns(tmp_path / "gateway.motekit", stream)
        there = columns(tmp_path / "board.motekit", stream)
        n = min(len(here), len(there))
        assert n >= least
        assert here[:n] == there[:n]


def test_times_are_utc_and_nothing_is_missing(bench, store, tmp_path):
    began = bench.clock.utc()
    with bench.gateway(store) as running:
        running.run(30, lambda: False)
    (device,) = store.summary().devices
    assert (device.device, device.missing, device.gaps) == (DEVICE, 0, 0)
    with motekit.open(tmp_path / "gateway.motekit") as opened:
        times = opened.read(stream="sht4x")["time"].astype("int64") / 1e9
    assert abs(times[0] - began) < 0.5
    assert abs(times[-1] - times[0] - (len(times) - 1)) < 0.01


@pytest.mark.parametrize("slept_s", [28_800, -3])
def test_times_are_utc_on_both_sides_of_a_sleep_of_the_machine(bench, store, tmp_path, slept_s):
    began = bench.clock.utc()
    with bench.gateway(store) as running:
        running.run(30, lambda: False)
        bench.clock.slept_s = slept_s
        running.run(630, lambda: False)
    with motekit.open(tmp_path / "gateway.motekit") as opened:
        times = opened.read(stream="sht4x")["time"].astype("int64") / 1e9
    assert min(times[:29]) >= began
    assert max(times[:29]) - began < 30
    assert abs(min(times[31:]) - began - slept_s - 31) < 1.5
    assert abs(max(times[31:]) - began - slept_s - 659) < 1.5


def test_the_first_sample_after_a_sleep_of_the_machine_is_timed_after_it(tmp_path, store):
    streaming = '[[sensor]]\ndriver = "adxl345"\noptions = { rate_hz = 200 }\n'
    bench = Bench(tmp_path, CONFIG.replace(streaming, ""))
    began = bench.clock.utc()
    sleep, write = bench.clock.sleep, bench.adapter.writeto

    def write_slowly(address, buffer):
        bench.clock.now_us += 50_000
        write(address, buffer)

    def sleep_long(seconds):
        sleep(seconds)
        if bench.clock.monotonic() > 25:
            bench.clock.slept_s = 3600

    bench.clock.sleep, bench.adapter.writeto = sleep_long, write_slowly
    with bench.gateway(store) as running:
        running.run(40, lambda: False)
    with motekit.open(tmp_path / "gateway.motekit") as opened:
        times = opened.read(stream="sht4x")["time"].astype("int64") / 1e9 - began
    assert max(times[times < 3600]) < 19.5
    assert min(times[times >= 3600]) > 3619.5


@pytest.mark.parametrize("pause_s", [31, 40, 1000])
def test_a_pause_of_the_program_is_counted_as_loss_however_long(bench, store, tmp_path, pause_s):
    """Stopped by a signal, or a bus that hangs: nothing ends a gateway as a watchdog would."""
    began = bench.clock.utc()
    with bench.gateway(store) as running:
        running.run(30, lambda: False)
        bench.clock.now_us += pause_s * 1_000_000
        running.run(30, lambda: False)
        lost = {stream.name: (stream.gaps, stream.lost) for stream in running.streams}
    assert lost["sht4x"][0] == lost["adxl345"][0] == 1
    assert abs(lost["sht4x"][1] - pause_s) <= 1
    assert abs(lost["adxl345"][1] - 200 * pause_s) <= 64
    with motekit.open(tmp_path / "gateway.motekit") as opened:
        times = opened.read(stream="sht4x")["time"].astype("int64") / 1e9 - began
    assert not ((times > 30.1) & (times < 29.9 + pause_s)).any()


def test_a_part_that_does_not_answer_is_reported_retried_and_its_gap_told(bench, store):
    with bench.gateway(store) as running:
        running.run(5, lambda: False)
        bench.adxl345.fault("nack")
        running.run(8, lambda: False)
        assert "adxl345: absent (OSError: [Errno 19] not acknowledged)" in bench.said
        bench.adxl345.fault("nack", False)
        running.run(20, lambda: False)
        states = {name: state for name, state, _, _ in running.states()}
    assert states == {"adxl345": "ok", "sht4x": "ok"}
    assert store.summary().devices[0].gaps >= 1
    assert bench.adapter.opened == 1  # a missing acknowledge is no fault of the bus


def test_a_wrong_checksum_makes_no_sample(bench, store):
    with bench.gateway(store) as running:
        running.run(4, lambda: False)
        bench.sht4x.fault("bad_crc")
        running.run(3, lambda: False)
        (_, state, _, error) = running.states()[1]
        assert "CRC" in error
        assert state != "ok"


def test_a_part_that_is_absent_from_the_start_stops_nobody_else(tmp_path, store):
    bench = Bench(tmp_path)
    bench.sht4x.fault("nack")
    with bench.gateway(store) as running:
        running.run(5, lambda: False)
        states = {name: (state, samples) for name, state, samples, _ in running.states()}
    assert states["sht4x"] == ("absent", 0)
    assert states["adxl345"][1] > 900


def test_an_adapter_that_is_unplugged_is_opened_again(bench, store):
    with bench.gateway(store) as running:
        running.run(5, lambda: False)
        bench.adapter.plugged = False
        running.run(10, lambda: False)
        assert any("HID write was incomplete" in text for text in bench.said)
        bench.adapter.plugged = True
        running.run(40, lambda: False)
        assert {state for _, state, _, _ in running.states()} == {"ok"}
    assert bench.adapter.opened >= 2
    assert store.summary().devices[0].missing == 0


def test_an_adapter_may_come_later(bench, store):
    bench.adapter.plugged = False
    with bench.gateway(store) as running:
        running.run(3, lambda: False)
        bench.adapter.plugged = True
        running.run(20, lambda: False)
        assert {state for _, state, _, _ in running.states()} == {"ok"}


def test_each_start_is_an_epoch_of_its_own(bench, store):
    for _ in range(2):
        with bench.gateway(store) as running:
            running.run(3, lambda: False)
    assert len(store.epochs(DEVICE)) == 2


def test_time_is_lent_and_taken_back():
    clock = Clock()
    with lent(clock) as ticks:
        began = time.ticks_ms()
        time.sleep_ms(1500)
        assert ticks_diff(ticks.ms(), began) == pytest.approx(1500, abs=1)
    assert not hasattr(time, "ticks_ms")
    assert ticks_diff(3, (1 << 30) - 2) == 5


def test_a_uart_reads_what_is_there():
    master, slave = os.openpty()
    tty.setraw(slave)
    plan = config.BusPlan("uart", 9600, port=os.ttyname(slave))
    uart = port_blinka.SerialUart(plan)
    try:
        assert (uart.any(), uart.read()) == (0, None)
        os.write(master, b"BM\x00\x1c")
        while uart.any() < 4:
            time.sleep(0.001)
        buf = bytearray(3)
        assert (uart.readinto(buf), bytes(buf), uart.read()) == (3, b"BM\x00", b"\x1c")
        assert uart.write(b"\x01\x02") == 2
        assert os.read(master, 8) == b"\x01\x02"
    finally:
        uart.recover()
        os.close(master)
        os.close(slave)


def test_a_uart_has_its_port_alone():
    """Two readers would have half of each frame."""
    master, slave = os.openpty()
    plan = config.BusPlan("uart", 9600, port=os.ttyname(slave))
    first, second = port_blinka.SerialUart(plan), port_blinka.SerialUart(plan)
    try:
        assert first.any() == 0
        with pytest.raises(OSError, match="exclusively lock"):
            second.any()
        first.recover()
        assert second.any() == 0
    finally:
        first.recover()
        second.recover()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.EREMOTEIO, "Remote I/O error"), errno.ENODEV),
        (OSError("I2C slave address was NACK'd"), errno.ENODEV),
        (OSError("open failed"), errno.EIO),
        (OSError(errno.ETIMEDOUT, "timed out"), errno.ETIMEDOUT),
        (RuntimeError("no reply"), errno.EIO),
    ],
)
def test_failures_are_those_of_a_board(error, code):
    assert translated(error).errno == code


def in_blinka(script, **env):
    """Run a script with the real Blinka, which can be loaded but once in a process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BLINKA")}
    env = {**kept, "PYTHONPATH": os.pathsep.join(sys.path), **env}
    ran = subprocess.run(
        [sys.executable, "-c", FOR_BLINKA + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    print(ran.stderr)
    return ran.stdout.split()


FOR_BLINKA = """
import sys, types
from motekit.gateway.config import BusPlan
from motekit.gateway.port_blinka import blinka

def opens(opener):
    try:
        opener(BusPlan("i2c", 100_000))
    except OSError as e:
        print(e, file=sys.stderr)
        return False
    return True
"""


def test_blinka_opens_an_mcp2221_again_that_was_unplugged():
    said = in_blinka(
        """
        there = True

        class Device:
            def open(self, vid, pid):
                self.is_open = there
                if not there:
                    raise OSError("open failed")

            def close(self):
                self.is_open = False

            def write(self, report):
                if not (there and self.is_open):
                    raise OSError("write failed")
                self.command = report[1]
                return len(report)

            def read(self, size, *_):
                return [self.command, 0, 0, 0x20, *bytes(60)]  # the speed is taken

        found = [{"vendor_id": 0x04D8, "product_id": 0x00DD}]
        sys.modules["hid"] = types.SimpleNamespace(device=Device, enumerate=lambda *_: found)
        opener = blinka("mcp2221")
        print(opens(opener))
        there = False
        print(opens(opener))
        there = True
        print(opens(opener))
        """,
        BLINKA_MCP2221_RESET_DELAY="-1",
    )
    assert said == ["True", "False", "True"]


def test_an_ft232h_that_is_not_there_is_looked_for_each_time():
    said = in_blinka(
        """
        from pyftdi.ftdi import Ftdi
        from pyftdi.usbtools import UsbTools

        looked = []

        class Usb:
            def enumerate_devices(self):
                looked.append(self)
                return []

        def i2c(*_, **options):
            known = Ftdi.SCHEME, Ftdi.VENDOR_IDS, Ftdi.PRODUCT_IDS, Ftdi.DEFAULT_VENDOR
            return UsbTools.parse_url("ftdi://ftdi:ft232h/1", *known)

        UsbTools._load_backend = classmethod(lambda cls: Usb())
        sys.modules["busio"] = types.SimpleNamespace(I2C=i2c)
        sys.modules["board"] = types.SimpleNamespace(SCL=1, SDA=2)
        opener = blinka("ft232h")
        print(opens(opener), len(looked))
        print(opens(opener), len(looked))
        """
    )
    assert said[::2] == ["False", "False"]
    assert int(said[3]) > int(said[1]) > 0


def test_without_blinka_it_says_what_to_install(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MotekitError, match=r'pip install "motekit\[gateway\]"'):
        port_blinka.blinka("linux")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ModuleNotFoundError(name="hid"), "pip install hidapi"),
        (NotImplementedError("Board not supported"), "finds no I2C bus here"),
        (RuntimeError("no pull up"), "finds no I2C bus here"),
        (ValueError("No backend available"), "apt install libusb"),
        (AttributeError("module 'board' has no attribute 'SCL'"), "no such pin"),
    ],
)
def test_a_board_that_blinka_cannot_use_is_told_at_the_start(
    monkeypatch, tmp_path, store, raised, said
):
    bench = Bench(tmp_path)
    monkeypatch.delenv("BLINKA_MCP2221", raising=False)

    def refuse(*_args, **_options):
        raise raised

    busio = types.SimpleNamespace(I2C=refuse)
    board = types.SimpleNamespace(SCL=1, SDA=2)
    usual = importlib.import_module
    monkeypatch.setattr(
        importlib,
        "import_module",
        lambda name, *rest: {"busio": busio, "board": board}.get(name) or usual(name, *rest),
    )
    running = Gateway(bench.plan, store, DEVICE, BlinkaPort(bench.plan), bench.said.append)
    with pytest.raises(MotekitError, match=said), running:
        pass
    assert not hasattr(time, "ticks_ms")


class TestConfig:
    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('"mcp2221"', '"ch341"', "adapter: 'ch341' is unknown; known: ft232h, linux, mcp2221"),
            ('kind = "i2c"', 'kind = "onewire"', "neither i2c nor uart"),
            ('driver = "sht4x"', 'driver = "pms5003"', "needs uart"),
            ("hz = 400_000", "hz = 1", "hz: 1 is not an integer in"),
            ("hz = 400_000", "speed = 1", "unknown key"),
            ('name = "bench"', "", "name: missing"),
        ],
    )
    def test_names_what_is_wrong(self, tmp_path, old, new, said):
        path = tmp_path / "g.toml"
        path.write_text(CONFIG.replace(old, new))
        with pytest.raises(BoardError, match=said):
            config.load(path)


class TestDeviceId:
    def test_is_of_the_machine_and_the_name(self, tmp_path):
        path = tmp_path / "machine-id"
        path.write_text("0123456789abcdef0123456789abcdef\n")
        one = device_id("bench", (str(path),))
        assert one == device_id("bench", ("nowhere", str(path)))
        assert one != device_id("roof", (str(path),))
        assert len(bytes.fromhex(one)) == 6
        assert int(one[:2], 16) & 3 == 2
        assert "0123456789ab" not in one

    def test_says_what_to_do_without_one(self, tmp_path):
        with pytest.raises(MotekitError, match="systemd-machine-id-setup"):
            device_id("bench", (str(tmp_path / "none"),))

    def test_takes_a_given_one(self):
        assert device_id("x", (), given="aabbccddeeff") == "aabbccddeeff"
        with pytest.raises(UsageError, match="12 lower-case hex digits"):
            device_id("x", (), given="AA")
