"""Collecting: from packets to a durable store, what that writes and takes, and reading."""

import os
import tempfile
import time
from pathlib import Path

from motefw import frame_host
from motekit.collector.intake import Intake, judge
from motekit.store import Store
from motekit.store.writer import TAIL_MAX_BYTES

from .fleet import EPOCH, Fleet
from .packet import GENERATION
from .store_collector import Collecting, recorded, root_keys
from .store_disk import disk
from .store_read import read_back

SAMPLES = 128
DEVICES = 500
TARGET_BYTES = 24 << 20  # of packets at groups of 100: three sealings
# (packets a commit, commits of one turn, turns, goal)
GROUPS = ((1, 100, 6, None), (100, 20, 0, 0.5), (1000, 4, 6, None))
IO = Path("/proc/self/io")
CAPTION = (
    "{devices} devices in turn, packets of {size:.0f} bytes and {values} values. Packets and "
    "values a second, and `over_raw_log`: headers read, tags checked and committed "
    "(synchronous=FULL), in one thread; `append_over_raw_log` is the part of the store alone, "
    "`collector_over_raw_log` the whole collector (a thread that checks, one that commits, live "
    "figures), until the acknowledgement is given out. Raw log: packets of the same sizes with "
    "their lengths, one write and fdatasync a group, turn by turn in the same run; ratios are of "
    "total times. Sealing is timed apart: `sealed` adds it to the collector's time, and the "
    "bytes written (write_bytes of /proc/self/io) include it. At groups of 100 all begins when a "
    "first sealing is done, as in a collector that has been up for minutes: from then on SQLite's "
    "log goes over a file that has its length."
)


class RawLog:
    """The limit: lengths and packets appended to a file, made durable by fdatasync."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def append(self, group):
        """Write a group."""
        parts = [part for _, data in group for part in (len(data).to_bytes(2, "little"), data)]
        os.write(self.fd, b"".join(parts))
        getattr(os, "fdatasync", os.fsync)(self.fd)

    def close(self):
        """Close the file."""
        os.close(self.fd)


def written_bytes():
    """Return what this process has had written to disk so far, None where that is not told."""
    if not IO.exists():
        return None
    lines = dict(line.split(": ") for line in IO.read_text().splitlines())
    return int(lines["write_bytes"]) - int(lines["cancelled_write_bytes"])


class Turns:
    """Raw log, collector, and one thread that checks and appends, turn by turn: totals of each."""

    def __init__(self, folder, fleet, size):
        self.store = Store.open(folder / f"{size}.motekit", create=True)
        for at, device in enumerate(fleet.names):  # which have been up for long when we meet them
            self.store.skipped(device, GENERATION, EPOCH + at, fleet.next_seq(at))
        self.store.tail_max_bytes = 1 << 40
        self.collecting = Collecting(self.store, folder, size)
        met = [fleet.group(size) for _ in range(-(-DEVICES // size))]
        self.collecting.carry(recorded(met))  # looks each device up once
        self.met = size * len(met)
        key_store = root_keys()
        self.intakes = {
            device: Intake(key_store, device, GENERATION, provisioned=True)
            for device in fleet.names
        }
        self.log = RawLog(folder / f"{size}.log")
        self.fleet = fleet
        self.size = size
        self.begin()

    def begin(self):
        """Count from here on."""
        self.seal_s = 0.0
        self.sealed_packets = self.sealed_bytes = 0
        self.raw_s = self.collect_s = self.check_s = self.append_s = 0.0
        self.packets = self.appended = 0
        self.raw_bytes = self.bytes = 0
        self.raw_written = self.store_written = 0

    def lap(self, commits):
        """Collect until the store was sealed once, so that its log has its length; forget that."""
        while self.bytes < TAIL_MAX_BYTES:
            self.turn(commits)
        self.seal()
        self.met += self.packets
        self.begin()

    def turn(self, commits):
        """Do some commits on either side, on the same packets; and appends of others."""
        groups = [self.fleet.group(self.size) for _ in range(commits)]
        self.packets += self.size * commits
        size = sum(len(data) for group in groups for _, data in group)
        self.raw_bytes += size
        self.bytes += size
        came = recorded(groups)
        before = written_bytes()
        start = time.perf_counter()
        for group in groups:
            self.log.append(group)
        self.raw_s += time.perf_counter() - start
        between = written_bytes()
        start = time.perf_counter()
        self.collecting.carry(came)
        self.collect_s += time.perf_counter() - start
        if before is not None:
            self.raw_written += between - before
            self.store_written += written_bytes() - between
        self.check([self.fleet.group(self.size) for _ in range(commits)])

    def check(self, groups):
        """Judge and append groups in one thread, as the collector does in two."""
        came = [[(self.intakes[device], data) for device, data in group] for group in groups]
        before = written_bytes()
        for group in came:
            start = time.perf_counter()
            verdicts = judge(group)
            checked = time.perf_counter()
            self.appended += self.store.append(verdicts).new
            self.append_s += time.perf_counter() - checked
            self.check_s += checked - start
        self.bytes += sum(len(data) for group in groups for _, data in group)
        if before is not None:
            self.store_written += written_bytes() - before

    def unsealed(self):
        """Return the bytes of packets that wait to be sealed."""
        return self.bytes - self.sealed_bytes

    def seal(self):
        """Seal what came, as the store does of its own accord from 8 MiB on."""
        before = written_bytes()
        start = time.perf_counter()
        self.sealed_packets += self.store.seal()
        self.seal_s += time.perf_counter() - start
        self.sealed_bytes = self.bytes
        if before is not None:
            self.store_written += written_bytes() - before

    def close(self):
        """Close both; what the store still folds in counts as written."""
        self.collecting.close(self.met + self.packets)
        if self.appended != self.packets:
            raise ValueError(f"{self.appended} of {self.packets} packets were appended")
        self.log.close()
        before = written_bytes()
        self.store.close()
        if before is not None:
            self.store_written += written_bytes() - before


def run(report, traces):
    """Measure collecting, what it writes, what is left on the disk, and reading back."""
    trace = next((t for t in traces if len(t.channels) == 3 and t.period_s < 0.01), traces[0])
    fleet = Fleet(trace, DEVICES, SAMPLES)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        figures = [figure for row in GROUPS for figure in throughput(report, fleet, folder, *row)]
        size = sum(map(len, fleet.bodies)) / len(fleet.bodies) + 24
        caption = CAPTION.format(devices=DEVICES, size=size, values=fleet.values)
        report.figures_table(f"collect, {trace.name}", figures, caption)
        frames(report, fleet)
        disk(report, traces, trace, folder)
        read_back(report, trace, folder)


def throughput(report, fleet, folder, size, commits, turns, goal):
    """Measure one group size; return its figures."""
    measured = Turns(folder, fleet, size)
    if goal is not None:
        measured.lap(commits)
    for _ in range(turns):
        measured.turn(commits)
    while goal is not None and measured.bytes < TARGET_BYTES:
        measured.turn(commits)
        if measured.unsealed() > TAIL_MAX_BYTES:
            measured.seal()
    measured.close()
    name = f"store.group{size}"
    checked_s = measured.check_s + measured.append_s
    rate = measured.packets / checked_s
    raw = {"raw log": measured.packets / measured.raw_s}
    more = {"better": "higher"}
    ratio = measured.raw_s / checked_s
    alone = measured.raw_s / measured.append_s
    whole = measured.raw_s / measured.collect_s
    figures = [
        report.add(f"{name}.packets_per_s", rate, "packets/s", beside=raw, **more),
        report.add(f"{name}.values_per_s", rate * fleet.values, "values/s", **more),
        report.add(f"{name}.over_raw_log", ratio, "ratio", goal=goal, **more),
        report.add(f"{name}.append_over_raw_log", alone, "ratio", **more),
        report.add(f"{name}.collector_over_raw_log", whole, "ratio", **more),
    ]
    return figures if goal is None else figures + sealed(report, measured, name)


def sealed(report, measured, name):
    """Return the figures that include sealing."""
    rate = measured.sealed_packets / measured.seal_s
    sealing_s = measured.packets / rate
    ratio = measured.raw_s / (measured.collect_s + sealing_s)
    figures = [
        report.add(f"{name}.sealed_over_raw_log", ratio, "ratio", better="higher"),
        report.add("store.seal.packets_per_s", rate, "packets/s", better="higher"),
    ]
    if measured.raw_written < measured.raw_bytes // 2:
        report.missing(f"{IO} does not tell what is written here", "store.write_amplification")
        return figures
    figure = report.add(
        "store.write_amplification",
        measured.store_written / measured.bytes,
        "bytes/byte",
        goal=4,
        beside={"raw log": measured.raw_written / measured.raw_bytes},
    )
    return [*figures, figure]


def frames(report, fleet, count=500):
    """Measure COBS and CRC-32 of a serial line alone, on the pieces of packets."""
    pieces = [
        frame_host.encode(b"P\0\0\0" + data[at : at + 128])[1:-1]
        for _, data in fleet.group(count)
        for at in range(0, len(data), 128)
    ]
    start = time.perf_counter()
    for piece in pieces:
        frame_host.decode(piece)
    rate = count / (time.perf_counter() - start)
    figure = report.add("store.frames.packets_per_s", rate, "packets/s", better="higher")
    caption = (
        "COBS and CRC-32 of each piece of 128 bytes, by motefw.frame. A line of 115,200 baud "
        f"brings at most {11_520 * count // sum(map(len, pieces))} of these packets a second."
    )
    report.figures_table("frames of a serial line", [figure], caption)
