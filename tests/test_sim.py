"""Virtual boards: boot, prompt, Ctrl-C, reboots, files, watchdog, clocks, and the end of all."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import Terminal

from motekit.cli.sim import sim
from motekit.errors import StoreError
from motekit.store import Store
from tests.programs import started

BOARD = """
[[board]]
board = "esp32-c3-devkitm-1"
"""
PORT = "from rom.port_sim import Port\nport = Port()\n"
BUSY = b"print('up')\nwhile True: pass\n"
FOREVER = b"import time\nprint('up')\nwhile True: time.sleep_ms(20)\n"


def one(fleet, main, scenario="", boot="", **options):
    """Return the only board of a fleet, which runs `main` instead of the firmware."""
    main = main if isinstance(main, bytes) else main.encode()
    files = {"/boot.py": boot.encode(), "/main.py": main}
    return fleet(scenario + BOARD, files=files, **options).boards[0]


def until(condition, wait_s=90.0):
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("bits", [32, 64])
def test_boots_runs_main_and_comes_to_the_prompt(fleet, bits):
    board = one(fleet, "print('main')", boot="print('boot')", bits=bits)
    with Terminal(board.serial) as user:
        shown = user.see(b">>> ")
        assert shown.index(b"boot") < shown.index(b"main") < shown.index(b"MicroPython v1.")
        user.type(b"import sys; sys.maxsize > 1 << 31\r")
        assert (b"True" if bits == 64 else b"False") in user.see(b"\r\n>>> ")


def test_prompt_edits_lines_and_takes_blocks(fleet):
    board = one(fleet, "")
    with Terminal(board.serial) as user:
        user.see(b">>> ")
        assert b"\r\n42\r\n" in user.type(b"6*8\x7f7\r").see(b"\r\n>>> ")
        user.type(b"for i in range(3):\r").see(b"... ")
        assert b"0\r\n2\r\n4\r\n" in user.type(b"    print(2*i)\r\r").see(b"\r\n>>> ")
        assert b"ZeroDivisionError" in user.type(b"1/0\r").see(b"\r\n>>> ")
        user.type(b"\x05").see(b"=== ")
        assert b"\r\n7\r\n" in user.type(b"def f():\r  return 7\rprint(f())\r\x04").see(
            b"7\r\n>>> "
        )


@pytest.mark.parametrize("main", [FOREVER, BUSY], ids=["sleeps", "computes"])
def test_ctrl_c_ends_a_program_whatever_it_does(fleet, main):
    board = one(fleet, main)
    with Terminal(board.serial) as user:
        user.see(b"up")
        assert b"KeyboardInterrupt" in user.type(b"\x03").see(b">>> ")
        assert b"\r\n4\r\n" in user.type(b"2+2\r").see(b"\r\n>>> ")
    assert board.counts.forced == (main == BUSY)


def test_keystrokes_after_ctrl_c_reach_the_prompt(fleet):
    board = one(fleet, FOREVER)
    with Terminal(board.serial) as user:
        user.see(b"up")
        user.type(b"\r\x03\r\x01").see(b"raw REPL; CTRL-B to exit\r\n>")
        assert user.type(b"print(1 + 1)\x04").see(b"\x04>") == b"OK2\r\n\x04\x04>"


def test_a_program_can_turn_ctrl_c_off(fleet):
    board = one(
        fleet,
        "import micropython, sys\nmicropython.kbd_intr(-1)\nprint('up')\n"
        "print(sys.stdin.buffer.read(3))\nmicropython.kbd_intr(3)\n",
    )
    with Terminal(board.serial) as user:
        user.see(b"up")
        assert b"b'a\\x03b'" in user.type(b"a\x03b").see(b">>> ")


def test_soft_reset_runs_boot_and_main_again_and_keeps_files(fleet):
    board = one(
        fleet,
        "import os\nf = open('/n', 'a')\nf.write('x')\nprint('run', os.stat('/n')[6])",
    )
    with Terminal(board.serial) as user:
        user.see(b">>> ")
        shown = user.type(b"\x04").see(b">>> ")
        assert b"MPY: soft reboot\r\n" in shown
        assert b"run 1" in shown  # what was left open is closed, as a board's sweep does
    assert board.counts.resets == {"soft": 1}


def test_raw_soft_reset_skips_main(fleet):
    board = one(fleet, "print('main')", boot="print('boot')")
    with Terminal(board.serial) as user:
        user.see(b">>> ")
        user.type(b"\x01").see(b"exit\r\n>")
        shown = user.type(b"\x04").see(b"exit\r\n>")
        assert b"boot" in shown
        assert b"main" not in shown


def test_machine_reset_restarts_on_the_same_port_with_its_cause(fleet):
    board = one(fleet, PORT + "print('cause', port.reset_cause())")
    with Terminal(board.serial) as user:
        assert b"cause power_on" in user.see(b">>> ")
        user.type(b"import machine; machine.reset()\r").see(b"cause hard")


def test_files_survive_a_fleet_when_its_folder_is_kept(fleet, tmp_path):
    main = "try: print('was', open('/kept').read())\nexcept OSError: print('none')\n"
    with Terminal(one(fleet, main, folder=tmp_path / "state").serial) as user:
        assert b"none" in user.see(b">>> ")
        user.type(b"with open('/kept', 'w') as f: f.write('abc')\r\r").see(b"\r\n>>> ")
    with Terminal(one(fleet, main, folder=tmp_path / "state").serial) as user:
        assert b"was abc" in user.see(b">>> ")


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_watchdog_resets_a_board_that_stops_feeding(fleet, clock):
    main = PORT + (
        "import time\nprint('cause', port.reset_cause())\n"
        "if port.reset_cause() == 'power_on':\n"
        "    dog = port.watchdog(500)\n"
        "    for i in range(4): time.sleep_ms(300); dog.feed(); print('fed', i)\n"
        "    time.sleep(60)\n    print('too late')\n"
    )
    board = one(fleet, main, f'clock = "{clock}"\n')
    with Terminal(board.serial) as user:
        shown = user.see(b"cause watchdog")
        assert b"fed 3" in shown
        assert b"too late" not in shown
    assert board.counts.resets == {"watchdog": 1}


def test_watchdog_bites_while_the_program_computes(fleet, monkeypatch):
    monkeypatch.setattr("motekit.sim.virtual_board._STUCK_S", 0.5)
    main = PORT + (
        "print('cause', port.reset_cause())\n"
        "if port.reset_cause() == 'power_on':\n    port.watchdog(200)\n    while True: pass\n"
    )
    with Terminal(one(fleet, main).serial) as user:
        user.see(b"cause watchdog")


def test_hold_feeds_the_watchdog_for_its_minutes_only(fleet):
    main = PORT + (
        "print('cause', port.reset_cause())\n"
        "if port.reset_cause() == 'power_on':\n    port.watchdog(1000)\n    port.hold(10)\n"
    )
    board = one(fleet, main, 'clock = "virtual"\n')
    with Terminal(board.serial) as user:
        user.see(b">>> ")
        user.type(b"import time; time.sleep(599)\r").see(b"\r\n>>> ")
        assert board.counts.resets == {}
        user.type(b"time.sleep(3)\r").see(b"cause watchdog")


def test_virtual_time_costs_nothing_and_ticks_wrap_as_on_the_esp32(fleet):
    main = (
        "import time\nt = time.ticks_ms()\nprint('before', t)\ntime.sleep(86400)\n"
        "u = time.ticks_ms()\nprint('after', u, time.ticks_diff(u, t), time.time())\n"
    )
    start = (1 << 30) - 1000
    files = {"/main.py": main.encode()}
    text = f'clock = "virtual"\n{BOARD}ticks_ms = {start}\n'
    for bits in (32, 64):
        board = fleet(text, files=files, bits=bits).boards[0]
        began = time.monotonic()
        with Terminal(board.serial) as user:
            shown = user.see(b">>> ").decode()
        assert time.monotonic() - began < 5
        before = int(re.search(r"before (\d+)", shown)[1])
        after, passed, seconds = map(int, re.search(r"after (\d+) (\d+) (\d+)", shown).groups())
        assert start <= before < start + 100
        assert after == (before + passed) % (1 << 30) < 86_400_000
        assert 86_400_000 <= passed < 86_400_100
        assert seconds == 86400


def test_real_time_is_real(fleet):
    main = (
        "import time\nt = time.ticks_us()\ntime.sleep_ms(700)\n"
        "print('out', time.ticks_diff(time.ticks_us(), t))\n"
    )
    with Terminal(one(fleet, main).serial) as user:
        us = int(re.search(rb"out (\d+)", user.see(b">>> "))[1])
    assert 700_000 <= us < 1_500_000


def test_asyncio_runs_on_the_board_s_clock(fleet):
    main = """
import asyncio, time
order = []
async def job(name, ms, times):
    for _ in range(times):
        await asyncio.sleep_ms(ms)
        order.append(name)
async def slow():
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        order.append('cancelled')
        raise
async def main():
    t = asyncio.create_task(job('a', 300, 3))
    event = asyncio.Event()
    async def setter():
        await asyncio.sleep_ms(650)
        event.set()
    asyncio.create_task(setter())
    await event.wait()
    order.append('event')
    await asyncio.gather(t, job('b', 100, 2))
    try:
        await asyncio.wait_for(slow(), 5)
    except asyncio.TimeoutError:
        order.append('timeout')
    c = asyncio.create_task(slow())
    await asyncio.sleep_ms(10)
    c.cancel()
    await asyncio.sleep_ms(10)
    lock = asyncio.Lock()
    async with lock:
        order.append('locked')
    print('order', order, c.done())
asyncio.run(main())
"""
    board = one(fleet, main, 'clock = "virtual"\n')
    with Terminal(board.serial) as user:
        shown = user.see(b">>> ").decode()
    expected = ["a", "a", "event", "b", "b", "a", "cancelled", "timeout", "cancelled", "locked"]
    assert f"order {expected} True" in shown.replace('"', "'")


def test_ring_holds_260_bytes_and_drops_the_rest_without_a_word(fleet):
    main = (
        "import sys, time\nprint('up')\ntime.sleep_ms(1500)\n"
        "import select\np = select.poll()\np.register(sys.stdin, select.POLLIN)\nn = 0\n"
        "while p.poll(200):\n    n += len(sys.stdin.buffer.read(1))\nprint('got', n)\n"
    )
    board = one(fleet, main)
    with Terminal(board.serial) as user:
        user.see(b"up")
        user.type(b"x" * 1000)
        assert b"got 260" in user.see(b">>> ")
    assert board.counts.ring_dropped_bytes == 740


def test_line_runs_at_its_baud_rate(fleet):
    main = (
        "import sys, time\nprint('up')\nsys.stdin.buffer.read(1)\nt = time.ticks_ms()\n"
        "n = 0\nwhile n < 2303: n += len(sys.stdin.buffer.read(1))\n"
        "print('ms', time.ticks_diff(time.ticks_ms(), t))\n"
    )
    with Terminal(one(fleet, main).serial) as user:
        user.see(b"up")
        ms = int(re.search(rb"ms (\d+)", user.type(b"x" * 2304).see(b">>> "))[1])
    assert 180 <= ms < 600  # 2,304 bytes are 200 ms at 115,200 baud


def test_heap_has_a_fence_in_the_middle(fleet):
    main = (
        "import gc\ngc.collect()\nprint('free', gc.mem_free())\nsize = gc.mem_free()\n"
        "while True:\n    try:\n        b = bytearray(size)\n        break\n"
        "    except MemoryError: size -= 512\nprint('largest', size)\n"
    )
    board = one(fleet, main, heap_bytes=64 << 10)
    with Terminal(board.serial) as user:
        shown = user.see(b">>> ")
    free = int(re.search(rb"free (\d+)", shown)[1])
    largest = int(re.search(rb"largest (\d+)", shown)[1])
    assert 58_000 < free <= 65_536
    assert 20_000 < largest <= 34_000


def test_power_is_cut_for_a_while_at_its_moment(fleet):
    main = (
        PORT
        + "import time\nprint('cause', port.reset_cause(), time.time())\n"
        + "time.sleep(100)\nprint('end', time.time())\n"
    )
    faults = '[[fault]]\nkind = "power_cut"\nat_s = 10\nfor_s = 50\n'
    board = fleet(f'clock = "virtual"\n{BOARD}{faults}', files={"/main.py": main.encode()}).boards[
        0
    ]
    with Terminal(board.serial) as user:
        shown = user.see(b"end 160")
    assert b"cause power_on 60" in shown
    assert board.counts.resets == {"power_on": 1}


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("main", [FOREVER, BUSY], ids=["sleeps", "computes"])
def test_every_child_ends_with_its_supervisor(tmp_path, how, main):
    (tmp_path / "s.toml").write_text(BOARD.replace("board =", "count = 2\nboard ="))
    program = (
        "import asyncio, sys\nfrom motekit.sim.fleet import Fleet\n"
        "from motekit.sim.scenario import load\n"
        "async def main():\n"
        f"    scenario = load({str(tmp_path / 's.toml')!r})\n"
        f"    async with Fleet(scenario, files={{'/main.py': {main!r}}}):\n"
        "        print('up', flush=True)\n        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    argv = [sys.executable, "-c", program]
    with started(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as supervisor:
        assert supervisor.stdout.readline() == b"up\n"
        boards = children(supervisor.pid)
        assert len(boards) == 2
        supervisor.send_signal(how)
        supervisor.wait(90)
    until(lambda: not any(alive(pid) for pid in boards))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def motekit(*args, **options):
    return started(
        [sys.executable, "-m", "motekit", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        **options,
    )


def test_command_tells_each_board_s_port_and_ends_by_ctrl_c(tmp_path):
    (tmp_path / "s.toml").write_text(BOARD.replace("board =", "count = 2\nboard ="))
    with motekit("sim", "--scenario", str(tmp_path / "s.toml"), "--json") as program:
        rows = [json.loads(program.stdout.readline()) for _ in range(2)]
        assert {tuple(row) for row in rows} == {("device", "board", "serial")}
        assert rows[0]["device"] != rows[1]["device"]
        assert all(Path(row["serial"]).exists() for row in rows)
        ports = [f"serial:{row['serial']}" for row in rows]
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=240)
    assert program.returncode == 130
    assert out == ""
    assert err.startswith("to collect: ")
    assert err.endswith(f" collect {' '.join(ports)} --store FILE\n")


def test_a_virtual_clock_says_that_it_waits_for_a_collector(tmp_path):
    (tmp_path / "s.toml").write_text('clock = "virtual"\nduration_s = 1\n' + BOARD)
    with motekit("sim", "--scenario", str(tmp_path / "s.toml"), "--json") as program:
        port = json.loads(program.stdout.readline())["serial"]
        said = program.stderr.readline()
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=240)
    assert said.startswith("waiting for a collector: ")
    assert said.endswith(f" collect serial:{port} --store FILE\n")


def test_a_real_clock_ends_without_a_collector_and_says_what_was_lost(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("motekit.sim.fleet._LAST_S", 1.5)
    path = tmp_path / "s.toml"
    path.write_text('clock = "real"\nduration_s = 1\n' + BOARD)
    began = time.monotonic()
    sim(path)
    assert 2.5 <= time.monotonic() - began < 15
    device = capsys.readouterr()
    lost = re.search(r"^(\w+): (\d+) packets not acknowledged", device.err, re.MULTILINE)
    assert device.out.startswith(lost[1])
    assert int(lost[2]) >= 4  # a boot note, three channel tables


SLOW = """
clock = "virtual"
duration_s = 3600
[[board]]
board = "esp32-c3-devkitm-1"
[[board.sensor]]
driver = "sht4x"
period_s = 10
"""


def test_a_slow_sensor_s_hour_passes_at_once_and_waits_for_a_collector_that_died(tmp_path):
    (tmp_path / "s.toml").write_text(SLOW.replace("3600", "18000"))
    store = tmp_path / "s.motekit"
    with motekit("sim", "--scenario", str(tmp_path / "s.toml"), "--json") as program:
        port = json.loads(program.stdout.readline())["serial"]
        collect = ("collect", f"serial:{port}", "--store", str(store), "--json")
        with motekit(*collect) as first:
            until(lambda: store.exists() and samples(store) > 30, 120)
            first.kill()
            first.communicate()
        program.stderr.readline()
        assert "its time stands still; waiting for a collector" in program.stderr.readline()
        assert 30 < samples(store) < 1800
        with motekit(*collect) as second:
            program.communicate(timeout=240)
            second.send_signal(signal.SIGINT)
            second.communicate(timeout=240)
    assert program.returncode == 0
    assert samples(store) == 1800


CUT = """
clock = "virtual"
duration_s = 450
[[board]]
board = "esp32-c3-devkitm-1"
  [[board.sensor]]
  driver = "adxl345"
  options = { rate_hz = 200 }
  [board.sensor.source]
  accel_z = { noise = { sd = 4 } }
[[fault]]
kind = "link_down"
at_s = 20
for_s = 400
"""


def test_time_goes_on_after_a_cut_in_which_the_queue_overflowed(tmp_path):
    (tmp_path / "s.toml").write_text(CUT)
    store = tmp_path / "s.motekit"
    with motekit("sim", "--scenario", str(tmp_path / "s.toml"), "--json") as program:
        port = json.loads(program.stdout.readline())["serial"]
        with motekit("collect", f"serial:{port}", "--store", str(store), "--json") as collector:
            program.communicate(timeout=240)
            collector.send_signal(signal.SIGINT)
            collector.communicate(timeout=240)
    assert program.returncode == 0
    assert 10_000 < samples(store) < 70_000  # of 90,000: the queue lost most of the cut


def samples(path):
    """Return how many samples a store holds; none while it is being made."""
    with contextlib.suppress(StoreError), Store.open(path, readonly=True) as store:
        return sum(stream.samples for stream in store.streams())
    return 0


def test_command_names_a_scenario_s_mistake(tmp_path):
    (tmp_path / "s.toml").write_text(BOARD + '[[board.sensor]]\ndriver = "adxl346"\n')
    with motekit("sim", "--scenario", str(tmp_path / "s.toml")) as program:
        out, err = program.communicate(timeout=240)
    assert program.returncode == 2
    assert out == ""
    assert "did you mean adxl345?" in err
    assert "Traceback" not in err
