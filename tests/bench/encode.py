"""Encode cost on the MicroPython VM: instructions and heap bytes a value, for each encoder.

Instructions are callgrind's count in the 64-bit VM, of 2N rounds less N, so that start-up and
loading cancel. Heap bytes are what `gc.mem_alloc` rises by in the 32-bit VM while the collector is
off; the same values in packets of half the length tell a value's share from a packet's.
"""

import itertools
import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from motefw import packet
from motekit import firmware
from motekit.errors import MotekitError
from motekit.sim import vm

from .report import has_program

VM_SCRIPTS = Path(__file__).parent / "vm"
SCRIPT = VM_SCRIPTS / "encode_cost.py"
SAMPLES = 512
PACKETS = 6
MARCH = {32: "x86", 64: "x64"}
# (name, kernel, linear prediction tried, array type, rounds, goal in instructions a value)
ENCODERS = (
    ("plain", "plain", False, "i", 1, 3000),
    ("plain_16_bit", "plain", False, "h", 1, None),
    ("plain_lpc", "plain", True, "i", 1, None),
    ("viper", "viper", False, "i", 4, 250),
    ("viper_16_bit", "viper", False, "h", 4, 250),
    ("viper_lpc", "viper", True, "i", 4, None),
)
TYPES = {"i": np.int32, "h": np.int16}
TIMEOUT_S = 300
CAPTION = (
    f"{PACKETS} packets of {SAMPLES} samples of {{trace}}, {{channels}} channels. Instructions: "
    "callgrind, 64-bit VM, 2N rounds less N; they do not foretell those of another CPU. Heap: "
    "32-bit VM, collector off; a packet may cost some bytes, a value none. lpc: linear prediction "
    "tried on every channel of every packet, which a board does only where it pays. 16_bit: "
    'columns of type "h", as drivers have, which viper copies to 32 bits first.'
)


def command(machine, arguments, script=SCRIPT):
    """Return argv and environment that run a script on a VM with the compiled firmware."""
    compiled = firmware.compiled(MARCH[machine.bits])
    environment = {**os.environ, "MICROPYPATH": f"{compiled}:.frozen"}
    return [*machine.argv, "-X", "heapsize=8m", str(script), *map(str, arguments)], environment


def output(argv, environment, fed=None):
    """Run a program, `fed` an open file; return its two outputs. RuntimeError if it fails."""
    done = subprocess.run(
        argv,
        env=environment,
        stdin=fed,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def run_script(machine, trace, samples, encoder, rounds, *, valgrind=False):
    """Encode the first rows of the trace on a VM; return what the script and valgrind said."""
    _, kernel, linear, code, _, _ = encoder
    packets = PACKETS * SAMPLES // samples
    shape = (samples, len(trace.channels), packets)
    arguments = (kernel, int(linear), code, *shape, rounds, packet.MAX_PACKET_BYTES)
    argv, environment = command(machine, arguments)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as file:
        for _, columns, _ in itertools.islice(trace.packets(samples), packets):
            file.write(np.ascontiguousarray(columns, TYPES[code]).tobytes())
        file.seek(0)
        if valgrind:
            counter = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p"]
            argv = [*counter, "--trace-children=yes", *argv]  # the VM may be behind a script
        return output(argv, environment, file)


def instructions(machine, trace, encoder, rounds):
    """Return callgrind's count of one run, or None where the VM cannot run the encoder."""
    said, talk = run_script(machine, trace, SAMPLES, encoder, rounds, valgrind=True)
    if said.startswith("no "):
        return None
    counts = re.findall(r"Collected\s*:\s*([0-9]+)", talk)
    if not counts:
        raise RuntimeError(f"callgrind printed no count: {talk}")
    return int(counts[-1])


def heap_bytes(machine, trace, samples, encoder):
    """Return heap bytes of a round in packets of so many samples, or None as above."""
    rounds = encoder[4]
    said, _ = run_script(machine, trace, samples, encoder, rounds)
    found = re.search(r"heap (-?[0-9]+)", said)
    return int(found[1]) / rounds if found else None


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
    trace = max(long_enough, key=lambda trace: len(trace.channels))
    figures = measure_instructions(report, trace) + measure_heap(report, trace)
    if figures:
        caption = CAPTION.format(trace=trace.name, channels=len(trace.channels))
        report.figures_table("Encode on the VM", figures, caption)


def measure_instructions(report, trace):
    """Add and return instructions a value of every encoder."""
    rows = "encode instructions"
    if not has_program("valgrind"):
        report.missing("no program valgrind", rows)
        return []
    machine = find(64, report, rows)
    values = SAMPLES * len(trace.channels) * PACKETS
    costs = {}
    for encoder in ENCODERS if machine else ():
        name, kernel, _, _, rounds, _ = encoder
        once = instructions(machine, trace, encoder, rounds)
        if once is None:
            report.missing(f"the 64-bit VM cannot run the {kernel} encoder", f"{rows} {name}")
        else:
            twice = instructions(machine, trace, encoder, 2 * rounds)
            costs[name] = (twice - once) / rounds / values
    return [
        report.add(
            f"encode.{name}.instructions_per_value",
            costs[name],
            "instr/value",
            goal=goal,
            beside={other: cost for other, cost in costs.items() if other != name},
        )
        for name, *_, goal in ENCODERS
        if name in costs
    ]


def measure_heap(report, trace):
    """Add and return heap bytes a value, and those of each packet, of every encoder."""
    rows = "encode heap"
    machine = find(32, report, rows)
    values = SAMPLES * len(trace.channels) * PACKETS
    figures = []
    for encoder in ENCODERS if machine else ():
        name, kernel = encoder[:2]
        whole, half = (heap_bytes(machine, trace, n, encoder) for n in (SAMPLES, SAMPLES // 2))
        if whole is None:
            report.missing(f"the 32-bit VM cannot run the {kernel} encoder", f"{rows} {name}")
            continue
        # The same values in twice as many packets: what is more, packets cost; the rest, values.
        per_packet = (half - whole) / PACKETS
        per_value = max(0.0, (whole - per_packet * PACKETS) / values)
        stem = f"encode.{name}"
        figures += [
            report.add(f"{stem}.heap_bytes_per_value", per_value, "B/value", goal=0),
            report.add(f"{stem}.heap_bytes_per_packet", per_packet, "B/packet"),
        ]
    return figures
