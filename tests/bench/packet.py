"""Packet size: bytes a value at several packet lengths, beside other formats and the bound."""

from array import array

import numpy as np

from motefw import packet
from motefw.keys import TAG_BYTES, Tagger
from motefw.keys_host import device_key

from .bound import bound_bytes_per_value
from .peers import PEERS
from .report import cell, has_package

SIZES = (32, 128, 512)
UPTIME_S = 7 * 86_400
GENERATION, STREAM, SCHEMA, EPOCH = 1, 1, 1, 3
DEVICE = b"7cdfa1b2c3d4"
# Figures that came with the recordings: a mixture of adaptive predictors may go below linear ones.
GIVEN_BOUNDS = {
    "accel_iis2dlpc_1600hz": 0.462,
    "accel_sca3300_400hz": 0.521,
    "climate_occupancy_1min": 0.445,
}
CAPTION = (
    "What a board sends after one week. All sizes include identity, time and tag: each "
    "peer is given, on top of its own bytes, exactly what our packet spends on header and tag. "
    "Our packets are decoded and compared. Trailing rows that fill no packet are left out for all."
)


class Board:
    """Encodes packets of one stream as a board one week up would."""

    def __init__(self, trace, samples):
        self.block = packet.Block(len(trace.channels), samples)
        self.out = bytearray(packet.MAX_PACKET_BYTES)
        self.tagger = Tagger(device_key(bytes(range(32)), DEVICE, GENERATION), DEVICE)
        self.first_seq = int(UPTIME_S / (trace.period_s * samples))
        self.samples = samples
        self.period_us = trace.period_s * 1e6

    def fill(self, columns, valid):
        """Put one packet's samples into the block."""
        self.block.clear()
        for channel, column in enumerate(columns):
            self.block.columns[channel][:] = array("i", column.tolist())
        self.block.count = self.samples
        if valid is not None:
            for channel, sample in zip(*np.nonzero(~valid), strict=True):
                self.block.mark_invalid(int(channel), int(sample))

    def packet(self, number, columns, valid):
        """Return packet `number` of the stream, sealed."""
        self.fill(columns, valid)
        seq = self.first_seq + number
        index = seq * self.samples
        head = (GENERATION, STREAM, SCHEMA, EPOCH, seq, index, int(index * self.period_us))
        length = packet.encode(self.out, *head, self.block)
        return bytes(self.out[: packet.seal(self.out, length, self.tagger)])


def packets(trace, samples):
    """Yield (packet, columns, valid) for each full packet of a trace."""
    board = Board(trace, samples)
    for number, (_, columns, valid) in enumerate(trace.packets(samples)):
        yield board.packet(number, columns, valid), columns, valid


def check(data, columns, valid):
    """Raise ValueError unless the packet decodes to the samples that went in."""
    expected = columns.tolist()
    if valid is not None:
        expected = [
            [value if ok else None for value, ok in zip(row, mask, strict=True)]
            for row, mask in zip(expected, valid.tolist(), strict=True)
        ]
    if [list(column) for column in packet.decode(data).columns] != expected:
        raise ValueError("a packet does not decode to what was encoded")


def measure(trace, samples, peers):
    """Return (bytes a value, header and tag bytes a packet, {peer: bytes a value or None})."""
    total = values = overhead = count = 0
    beside = dict.fromkeys((peer.name for peer in peers), 0)
    for data, columns, valid in packets(trace, samples):
        check(data, columns, valid)
        head = packet.read_header(data).body + TAG_BYTES
        total, values, overhead = total + len(data), values + columns.size, overhead + head
        count += 1
        for peer in peers:
            size = peer.encode(columns, valid, trace.period_s)
            known = beside[peer.name]
            beside[peer.name] = None if size is None or known is None else known + len(size) + head
    return (
        total / values,
        overhead / count,
        {name: None if size is None else size / values for name, size in beside.items()},
    )


def sizes_of(trace):
    """Packet lengths to measure: the usual ones, and those that have a goal of their own."""
    return [n for n in sorted({*SIZES, *trace.goals}) if n <= trace.rows]


def run(report, traces):
    """Measure every trace at every packet length."""
    peers = []
    for peer in PEERS:
        if peer.package is None or has_package(peer.package):
            peers.append(peer)
        else:
            report.missing(f"no Python package {peer.package}", f"peer {peer.name}")
    for trace in traces:
        measure_trace(report, trace, peers)
    report.talk(f"[italic]{CAPTION}[/italic]\n")


def measure_trace(report, trace, peers):
    """Measure one trace; add its figures and print its table."""
    bound = bound_bytes_per_value(trace)
    names = [peer.name for peer in peers]
    columns = {}
    for samples in sizes_of(trace):
        size, overhead, beside = measure(trace, samples, peers)
        known = {name: value for name, value in beside.items() if value is not None}
        stem = f"packet.{trace.name}.{samples}"
        report.add(f"{stem}.bytes_per_value", size, "B/value", beside={"bound": bound, **known})
        verdict = None
        if bound:
            ratios = {name: value / bound for name, value in known.items()}
            if trace.name in GIVEN_BOUNDS:
                ratios["bound_given_with_recording"] = GIVEN_BOUNDS[trace.name] / bound
            goal = trace.goals.get(samples)
            over = report.add(
                f"{stem}.over_bound", size / bound, "ratio", goal=goal, beside=ratios
            )
            verdict = over.verdict()
        best = min(known.values(), default=None)
        smallest = "" if best is None else "[green]yes[/green]" if size < best else "[red]no[/red]"
        over_cell = cell(size / bound) if bound else None
        columns[str(samples)] = (size, over_cell, verdict, smallest, overhead, *beside.values())
    if not columns:
        report.talk(f"{trace.name}: {trace.rows} rows fill no packet of {min(SIZES)}: left out")
        return
    given = GIVEN_BOUNDS.get(trace.name)
    beside_it = "" if given is None else f" (given with the recording: {given:g})"
    ours = ("motekit", "over bound", "goal", "smallest", "header and tag, bytes")
    report.table(
        f"{trace.name}, {len(trace.channels)} channels: bytes a value; "
        f"bound {cell(bound)}{beside_it}",
        ("samples a packet", *columns),
        zip((*ours, *names), *columns.values(), strict=True),
    )
