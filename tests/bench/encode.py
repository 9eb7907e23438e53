"""Encode cost on the MicroPython VM: instructions and heap bytes a value, for each encoder.

Instructions are callgrind's count in the 64-bit VM, of 2N rounds less N, so that start-up and
loading cancel. Heap bytes a value are what `gc.mem_alloc` rises by in the 32-bit VM, collector off,
from packets of 256 samples to packets of 512, so that what each packet costs whatever it holds
cancels; that is a figure of its own.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from motekit import firmware
from motekit.errors import MotekitError
from motekit.sim import vm

from .report import has_program

VM_SCRIPTS = Path(__file__).parent / "vm"
SCRIPT = VM_SCRIPTS / "encode_cost.py"
SAMPLES = 512
PACKETS = 6
MARCH = {32: "x86", 64: "x64"}
# (name, kernel, linear prediction tried, rounds, goal in instructions a value)
ENCODERS = (
    ("plain", "plain", False, 1, 3000),
    ("plain_lpc", "plain", True, 1, None),
    ("viper", "viper", False, 4, 250),
    ("viper_lpc", "viper", True, 4, None),
)
TIMEOUT_S = 300
CAPTION = (
    f"{PACKETS} packets of {SAMPLES} samples of {{trace}}, {{channels}} channels. Instructions: "
    "callgrind, 64-bit VM, 2N rounds less N. Heap: 32-bit VM, collector off. A packet may cost a "
    "constant number of bytes; a value none. These counts do not foretell those of another CPU."
)


def command(machine, arguments, script=SCRIPT):
    """Return argv and environment that run a script on a VM with the compiled firmware."""
    compiled = firmware.compiled(MARCH[machine.bits])
    environment = {**os.environ, "MICROPYPATH": f"{compiled}:.frozen"}
    return [*machine.argv, "-X", "heapsize=8m", str(script), *map(str, arguments)], environment


def output(argv, environment):
    """Run a program and return what it said on both streams; RuntimeError if it fails."""
    done = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def instructions(machine, arguments):
    """Return callgrind's instruction count of one run, or None where the VM lacks the encoder."""
    argv, environment = command(machine, arguments)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={folder}/%p"]
        said, talk = output(["valgrind", *options, *argv], environment)
    if said.startswith("no "):
        return None
    counts = re.findall(r"Collected\s*:\s*([0-9]+)", talk)
    if not counts:
        raise RuntimeError(f"callgrind printed no count: {talk}")
    return int(counts[-1])


def heap_bytes(machine, arguments):
    """Return the heap bytes of all rounds, or None where the VM lacks the encoder."""
    said, _ = output(*command(machine, arguments))
    found = re.search(r"heap (-?[0-9]+)", said)
    return int(found[1]) if found else None


def find(bits, report, rows):
    """Return the VM of that width, or None after saying that it is missing."""
    try:
        return vm.find(bits=bits)
    except MotekitError as error:
        report.missing(str(error), rows)
        return None


def run(report, traces):
    """Measure each encoder on the first trace of most channels."""
    long_enough = [trace for trace in traces if trace.rows >= SAMPLES * PACKETS]
    if not long_enough:
        report.missing(f"no trace of {SAMPLES * PACKETS} rows", "encode")
        return
    trace = max(long_enough, key=lambda trace: (bool(trace.goals), len(trace.channels)))
    figures = []
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        columns = [part for _, part, _ in trace.packets(SAMPLES)][:PACKETS]
        file.write(b"".join(np.ascontiguousarray(part).tobytes() for part in columns))
        file.flush()
        shape = (SAMPLES, len(trace.channels))
        values = SAMPLES * len(trace.channels) * PACKETS
        figures += measure_instructions(report, shape, values, file.name)
        figures += measure_heap(report, shape, values, file.name)
    if figures:
        caption = CAPTION.format(trace=trace.name, channels=len(trace.channels))
        report.figures_table("Encode on the VM", figures, caption)


def measure_instructions(report, shape, values, path):
    """Add and return instructions a value of every encoder."""
    rows = "encode instructions"
    if not has_program("valgrind"):
        report.missing("no program valgrind", rows)
        return []
    machine = find(64, report, rows)
    costs = {}
    for name, kernel, linear, rounds, _ in ENCODERS if machine else ():
        once, twice = (
            instructions(machine, (kernel, int(linear), *shape, n, path))
            for n in (rounds, 2 * rounds)
        )
        if once is None or twice is None:
            report.missing(f"the 64-bit VM cannot run the {kernel} encoder", f"{rows} {name}")
        else:
            costs[name] = (twice - once) / rounds / values
    return [
        report.add(
            f"encode.{name}.instructions_per_value",
            costs[name],
            "instr/value",
            goal=goal,
            beside={other: cost for other, cost in costs.items() if other != name},
        )
        for name, _, _, _, goal in ENCODERS
        if name in costs
    ]


def measure_heap(report, shape, values, path):
    """Add and return heap bytes a value and a packet of every encoder."""
    rows = "encode heap"
    machine = find(32, report, rows)
    figures = []
    for name, kernel, linear, rounds, _ in ENCODERS if machine else ():
        spent = heap_bytes(machine, (kernel, int(linear), *shape, rounds, path))
        if spent is None:
            report.missing(f"the 32-bit VM cannot run the {kernel} encoder", f"{rows} {name}")
            continue
        per_value, per_packet = spent / rounds / values, spent / rounds / PACKETS
        stem = f"encode.{name}"
        figures.append(report.add(f"{stem}.heap_bytes_per_value", per_value, "B/value", goal=0))
        figures.append(report.add(f"{stem}.heap_bytes_per_packet", per_packet, "B/packet"))
    return figures
