"""Virtual boards: simulated seconds a wall second, what a board costs, how many run at once.

Speeds are of one board with its line, the real collector and a store, all in one virtual time, in
a World; beside each stand the VM's instructions a simulated second. Wall time is the least of some
runs, as an idle machine would show it; `cpu_us` is the processor's time of VM and host together.
"""

import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from motekit.collector import Collector
from motekit.keys import Host, KeyStore
from motekit.sim import scenario
from motekit.sim.world import World
from motekit.store import Store
from motekit.transports import serial

from .encode import find
from .report import has_program

ARCHES = {64: "amd64", 32: "i386"}
SETTLED_S = 5
RUNS = 3
ACCELERATION = """
  [[board.sensor]]
  driver = "adxl345"
  options = { rate_hz = 200 }

    [board.sensor.source]
    accel_x = { sine = { amplitude = 0.4, period_s = 0.04 }, noise = { sd = 0.02 } }
    accel_y = { sine = { amplitude = 0.2, period_s = 0.02 }, noise = { sd = 0.02 } }
    accel_z = { constant = 1.0, noise = { sd = 0.01 } }
"""
SLOW = """
  [[board.sensor]]
  driver = "sht4x"
  period_s = 1
  source = { temperature = 21.5, humidity = { sine = { mean = 50, amplitude = 9, period_s = 9 } } }

  [[board.sensor]]
  driver = "pms5003"
  options = { warmup_s = 0 }

    [board.sensor.source]
    pm1_0 = { noise = { mean = 6, sd = 1 } }
    pm2_5 = { noise = { mean = 9, sd = 2 } }
    pm10 = { noise = { mean = 12, sd = 3 } }
"""
KINDS = {  # name: (sensors, goal by bits, simulated seconds of a run)
    "accel200": (ACCELERATION + SLOW, {64: 2000, 32: 1000}, 200),
    "slow": (SLOW, {64: 10000, 32: 10000}, 600),
}
START_MS = 50
BOARD_MIB = 3
REAL_TIME_BOARDS = 200
REAL_TIME_S = 15
CORES = 1.5
MANY_BOARDS = 1000
MANY_S = 5
MANY_GIB = 1
FLEET_CAPTION = (
    "a gap is a FIFO that ran over, as when a busy machine lets a board wait for 160 ms; "
    "goals are for an idle machine"
)
READY_MS = 5  # of a board's own time, in which it boots
CAPTION = "one board, one line, collector and store; goals are for an idle machine"


def text(sensors, count, clock):
    """Return the scenario of some equal boards, as TOML."""
    head = f'seed = 7\nclock = "{clock}"\n[[board]]\ncount = {count}\n'
    return f'{head}board = "esp32-c3-devkitm-1"\n{sensors}'


def plan(sensors, count=1):
    """Return such a scenario, read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.toml"
        path.write_text(text(sensors, count, "virtual"))
        return scenario.load(path)


def run(report, _traces):
    """Measure one board on both VMs, then fleets of the default one."""
    machines = {bits: find(bits, report, f"sim.*.{ARCHES[bits]}") for bits in ARCHES}
    figures = []
    for name, (sensors, goals, lasts_s) in KINDS.items():
        for bits, machine in machines.items():
            if machine:
                prefix = f"sim.{name}.{ARCHES[bits]}"
                figures += speed(report, prefix, machine, plan(sensors), lasts_s, goals[bits])
    report.figures_table("Virtual time", figures, CAPTION)
    machine = machines[32] or machines[64]
    if machine:
        fleet = [*one_board(report, machine), *real_time(report, machine), *many(report, machine)]
        report.figures_table("Virtual boards", fleet, f"{machine.bits}-bit VM; {FLEET_CAPTION}")


def speed(report, prefix, machine, scenario_, lasts_s, goal):
    """Add and return speed and processor time of one kind of board."""
    walls, cpus = [], []
    with World(scenario_, vm=machine) as world:
        world.run(SETTLED_S)
        for turn in range(1, RUNS + 1):
            began, used = time.perf_counter(), cpu_s(world)
            world.run(SETTLED_S + turn * lasts_s)
            walls.append(time.perf_counter() - began)
            cpus.append(cpu_s(world) - used)
    beside = {}
    count = instructions(report, machine, scenario_) if machine.bits == 64 else None
    if count:
        beside["VM instructions/s"] = count
    return [
        report.add(
            f"{prefix}.speed",
            lasts_s / min(walls),
            "simulated s/s",
            goal=goal,
            better="higher",
            beside=beside,
        ),
        report.add(f"{prefix}.cpu_us", min(cpus) / lasts_s * 1e6, "us/simulated s"),
    ]


def cpu_s(fleet):
    """Return the processor time that this process and the VMs of a fleet or world have taken."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    return total + sum(_process_cpu_s(board.pid) for board in fleet.boards)


def _process_cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def instructions(report, machine, scenario_):
    """Return the VM's instructions a simulated second, None where they cannot be counted."""
    if not has_program("valgrind"):
        report.missing("no program valgrind", "VM instructions a simulated second")
        return None
    counts = {lasts_s: _collected(machine, scenario_, lasts_s) for lasts_s in (10, 40)}
    return (counts[40] - counts[10]) / 30


def _collected(machine, scenario_, lasts_s):
    with tempfile.TemporaryDirectory() as folder:
        tool = ("valgrind", "--tool=callgrind", "--trace-children=yes")
        out = f"--callgrind-out-file={folder}/%p"
        counted = replace(machine, argv=(*tool, out, *machine.argv))
        with World(scenario_, vm=counted, folder=Path(folder)) as world:
            world.run(lasts_s)
            world.boards[0].finish()
            said = world.boards[0].last_words()
    return int(re.findall(r"Collected\s*:\s*([0-9]+)", said)[-1])


def one_board(report, machine):
    """Add and return what one board takes to start, and of memory."""
    starts = []
    for _ in range(RUNS + 1):  # the first one makes the flash
        began = time.perf_counter()
        with World(plan(ACCELERATION + SLOW), vm=machine) as world:
            world.run(READY_MS / 1000)
            starts.append(time.perf_counter() - began)
            world.run(SETTLED_S)
            mib = memory_bytes(world.boards) / (1 << 20)
    return [
        report.add("sim.start_ms", min(starts) * 1000, "ms", goal=START_MS),
        report.add("sim.board_mib", mib, "MiB", goal=BOARD_MIB),
    ]


def memory_bytes(boards):
    """Return the boards' proportional share of memory (PSS)."""
    total = 0
    for board in boards:
        text = Path(f"/proc/{board.pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024
    return total


def real_time(report, machine):
    """Add and return what a fleet in real time takes, over ptys, and whether it kept up."""
    name = f"sim.real{REAL_TIME_BOARDS}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports, pid = stack.enter_context(fleet(machine, folder))
        store = stack.enter_context(Store.open(folder / "bench.motekit", create=True))
        again = []
        append = store.append

        def counting(*args):
            appended = append(*args)
            again.append(appended.duplicates)
            return appended

        store.append = counting
        host = Host(folder / "host.json")
        lines = [serial.make(port) for port in ports]
        collector = Collector(store, lines, KeyStore.empty(), host, lambda _notice: None)
        thread = threading.Thread(target=collector.run)
        thread.start()
        try:
            time.sleep(REAL_TIME_S)  # all are met, and what they held is collected
            late, lost = sum(again), lost_of(collector)
            used, began = tree_cpu_s(pid), time.perf_counter()
            time.sleep(REAL_TIME_S)
            cores = (tree_cpu_s(pid) - used) / (time.perf_counter() - began)
            late = sum(again) - late
            lost = lost_of(collector) - lost + REAL_TIME_BOARDS - len(collector.live.rows())
        finally:
            collector.stop()
            thread.join()
    return [
        report.add(f"{name}.cores", cores, "cores", goal=CORES),
        report.add(f"{name}.late_acks", late, "packets sent again", goal=0),
        report.add(f"{name}.lost", lost, "gaps, lost packets, boards", goal=0),
    ]


def lost_of(collector):
    """Return how many gaps and lost packets a collector has been told of."""
    return sum(row.gaps + row.lost_packets for row in collector.live.rows())


@contextlib.contextmanager
def fleet(machine, folder):
    """Run the boards in a process of their own; yield their ports and its id."""
    path = folder / "bench.toml"
    path.write_text(text(ACCELERATION, REAL_TIME_BOARDS, "real"))
    command = [sys.executable, "-m", "motekit", "sim", "--json", "--bits", str(machine.bits)]
    process = subprocess.Popen(
        [*command, "--scenario", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        rows = (process.stdout.readline() for _ in range(REAL_TIME_BOARDS))
        yield [json.loads(row)["serial"] for row in rows], process.pid
    finally:
        process.terminate()
        process.wait()


def tree_cpu_s(pid):
    """Return the processor time of this process, of another and of its children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime + _process_cpu_s(pid)
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += sum(_process_cpu_s(child) for child in (task / "children").read_text().split())
    return total


def many(report, machine):
    """Add and return how long many boards take to be up, and their memory."""
    name = f"sim.boards{MANY_BOARDS}"
    began = time.perf_counter()
    with World(plan(SLOW, MANY_BOARDS), vm=machine) as world:
        world.run(READY_MS / 1000)
        up_s = time.perf_counter() - began
        gib = memory_bytes(world.boards) / (1 << 30)
    return [
        report.add(f"{name}.up_s", up_s, "s", goal=MANY_S),
        report.add(f"{name}.gib", gib, "GiB", goal=MANY_GIB),
    ]
