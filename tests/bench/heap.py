"""What the firmware takes of a board's heap while it samples, and what is left for its queue.

The real firmware, compiled, runs with three sensors on a virtual 32-bit board that has more heap
than a board; `heap()` of its port tells it what would be free in 64 KiB. Counted is what
`gc.mem_alloc` gives after a collection, each time the watchdog is fed, less what it gave before
the firmware was loaded, when the virtual board's modules and line and the bench itself were. The
queue is what 64 KiB in two pieces have left for it once every sensor has begun and a host asks.
"""

import json
import os
import re
import select
import tempfile
import time
from pathlib import Path

from motekit import config
from motekit.sim import image, scenario
from motekit.sim.fleet import running
from motekit.sim.world import World

from .encode import find

BUDGET_BYTES = 64 * 1024
ROOM_BYTES = 192 * 1024
LISTEN_S = 8
QUEUE_MIN_BYTES = 4096
SCENARIO = """
seed = 7
duration_s = 60
clock = "real"

[[board]]
board = "esp32-c3-devkitm-1"
sensor = [
    { driver = "adxl345", options = { rate_hz = 200 }, source = { accel_z = 1 } },
    { driver = "sht4x", period_s = 1, source = { temperature = 21.5, humidity = 45 } },
    { driver = "pms5003", source = { pm2_5 = 12 } },
]

[[network]]
ssid = "site"
password = "only in here"
"""
WIFI = {"networks": [{"ssid": "site", "password": "only in here"}]}
MAIN = f"""
import gc
from rom import port_sim

class Port(port_sim.Port):
    def heap(self):
        gc.collect()
        return max({BUDGET_BYTES} - gc.mem_alloc() + before, 0)

    def watchdog(self, timeout_ms):
        watchdog = super().watchdog(timeout_ms)
        feed = watchdog.feed

        def fed():
            feed()
            gc.collect()
            print("allocated", gc.mem_alloc())

        watchdog.feed = fed
        return watchdog

port = Port()
held = port.serial, port.uart({{"name": "uart1", "baud": 9600}})
gc.collect()
before = gc.mem_alloc()
print("allocated", before)
from motefw import app
app.run(port)
"""
CAPTION = "32-bit VM, compiled, ADXL345 at 200 Hz, SHT4x and PMS5003; the queue is part of it."


def run(report, _traces):
    """Let a board boot and sample, with an empty queue that nobody reads; take its last word."""
    machine = find(32, report, "heap")
    if machine is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heap.toml"
        path.write_text(SCENARIO)
        loaded = scenario.load(path)
    plan = loaded.boards[0]
    settings = config.device_config(plan.board, [each.sensor for each in plan.sensors])
    files = {
        **image.firmware_files(machine.march),
        "/main.py": MAIN.encode(),
        "/config.json": json.dumps(settings).encode(),
    }
    taken = measure(loaded, machine, files)
    joined = measure(loaded, machine, {**files, "/wifi.json": json.dumps(WIFI).encode()})
    queue = left(loaded, machine)
    figures = [
        report.add("board.heap_bytes", taken, "B", goal=BUDGET_BYTES),
        report.add("board.heap_bytes_in_wifi", joined, "B", goal=BUDGET_BYTES),
        report.add("board.queue_bytes", queue, "B", goal=QUEUE_MIN_BYTES, better="higher"),
    ]
    report.figures_table("Firmware on the board", figures, CAPTION)


def measure(loaded, machine, files):
    """Return what a board with these files takes once it samples."""
    with running(loaded, vm=machine, heap_bytes=ROOM_BYTES, files=files) as fleet:
        said = listen(fleet.boards[0].serial)
    told = [int(n) for n in re.findall(r"allocated (\d+)", said)]
    expected = len(loaded.boards[0].sensors)
    if len(told) < 2 or "Error" in said or said.count(": ok") != expected:
        raise RuntimeError(f"the board did not come to sampling: {said!r}")
    if "/wifi.json" in files and "site: joined" not in said:
        raise RuntimeError(f"the board did not join its network: {said!r}")
    return told[-1] - told[0]


def left(loaded, machine):
    """Return the size of the queue in a heap of 64 KiB, after some requests."""
    with World(loaded, vm=machine, heap_bytes=BUDGET_BYTES) as world:
        world.run(until_s=LISTEN_S)
        for name in ("config.get", "schema", "status"):
            args = {"schema": 0} if name == "schema" else {}
            answer = world.collector.ask(world.boards[0].device, name, args)
            world.run(until_s=world.now_s + LISTEN_S)
        return answer.result(timeout=0)["queue_size_bytes"]


def listen(serial):
    """Return what a board says in the time in which each sensor has begun."""
    line = os.open(serial, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    said = b""
    end = time.monotonic() + LISTEN_S
    try:
        while time.monotonic() < end:
            if select.select([line], [], [], 1)[0]:
                said += os.read(line, 4096)
    except OSError:  # the board has ended
        pass
    finally:
        os.close(line)
    return said.decode(errors="replace")
