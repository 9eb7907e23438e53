"""What boards' samples come to in a store, and what must hold of them whatever went wrong.

The accelerometer sees a recording in which each row tells its own number, so that what is lost,
doubled or out of order shows.
"""

import json
from typing import Any, NamedTuple

import numpy as np

from motefw.keys import TAG_BYTES
from motefw.packet import NOTE
from motekit import decode
from motekit.store import Store
from motekit.store.records import CONTROL

ROWS = 100_000  # of the recording, which begins again at its end
_STEP = 2000
_TOLD_WITHIN = 64  # samples


def write_count(path, rows=ROWS):
    """Write the recording."""
    rows = (f"{i % _STEP},{i // _STEP},7\n" for i in range(rows))
    path.write_text("x,y,z\n" + "".join(rows))


class Flow(NamedTuple):
    """A stream of one run of a board."""

    index: np.ndarray  # of each sample
    values: np.ndarray  # (samples, channels)

    @property
    def rows(self):
        """Return which row of the recording each sample is."""
        return self.values[:, 0] + self.values[:, 1] * _STEP


class Run(NamedTuple):
    """A board from one start to the next."""

    epoch: int
    notes: list[dict[str, Any]]
    flows: dict[str, Flow]
    names: dict[int, str]  # of streams

    def gaps(self, stream):
        """Return the notes on lost samples of a stream's number."""
        gaps = (note["gap"] for note in self.notes if "gap" in note)
        return [gap for gap in gaps if gap["stream"] == stream]

    def states(self, name):
        """Return what was said of a sensor, in order."""
        told = (note["sensor"] for note in self.notes if "sensor" in note)
        return [each["state"] for each in told if each["name"] == name]


def runs(store: Store, device: str) -> list[Run]:
    """Return all that is held of a board."""
    found = []
    for epoch in store.epochs(device):
        names = {n: each.name for n, each in store.schemas(device, epoch.epoch).items()}
        flows = {}
        for stream in store.streams(device):
            if stream.epoch == epoch.id and stream.stream != CONTROL:
                name = names.get(stream.stream, f"stream-{stream.stream}")
                flows[name] = _flow(_packets(store, epoch.id, stream.stream))
        notes = _notes(_packets(store, epoch.id, CONTROL))
        found.append(Run(epoch.epoch, notes, flows, names))
    return found


def _packets(store, epoch, stream):
    return [stored.data for batch in store.batches(epoch, stream) for stored in batch]


def _notes(packets):
    heads = decode.headers(packets) if packets else []
    pairs = zip(heads, packets, strict=True)
    return [
        json.loads(data[head["body"] : -TAG_BYTES]) for head, data in pairs if head["kind"] == NOTE
    ]


def _flow(packets):
    samples = decode.samples(packets)
    heads, counts = samples.headers, np.diff(samples.offsets)
    first = np.repeat(heads["index"].astype(np.int64) - samples.offsets[:-1], counts)
    return Flow(first + np.arange(len(first)), samples.values)


def check(store: Store, device: str) -> dict[str, int]:
    """Hold that nothing acked is missing, and nothing is there twice; return what was lost.

    Keys: the streams' names. Values: samples that the notes say were lost.
    """
    lost: dict[str, int] = {}
    row = -1
    epochs = store.epochs(device)
    for run, epoch in zip(runs(store, device), epochs, strict=True):
        where = f"{device}, epoch {run.epoch}"
        if epoch is epochs[-1]:  # what others had not got rid of went with their RAM
            assert epoch.missing == 0, f"{where}: {epoch.missing} packets are missing"
        _check_acked(store, epoch, where)
        for name, flow in run.flows.items():
            steps = np.diff(flow.index)
            assert (steps > 0).all(), f"{where}: {name} has samples twice"
            if name == "adxl345" and len(flow.rows):
                gaps = [gap["index"] for gap in run.gaps(0)]
                row = _check_rows(flow, row, gaps, where)
        for note in run.notes:
            if "gap" in note:
                name = run.names.get(note["gap"]["stream"], "?")
                lost[name] = lost.get(name, 0) + note["gap"]["lost"]
    return lost


def _check_acked(store, epoch, where):
    """Hold that the packets below what is acked are there, but for those declared lost."""
    device, generation, number = epoch.device, epoch.generation, epoch.epoch
    held = store.find(device, generation, number, 0, epoch.next - 1)
    given_up = sum(last - first + 1 for first, last in store.lost(device, generation, number))
    assert len(held) + given_up == epoch.next, f"{where}: acked, and not there"


def _check_rows(flow, before, gaps, where):
    """Hold that the recording goes forward, by one where the index does; return its last row.

    What is lost while a FIFO is being read, by a bus slower than the part, is told right after.
    """
    steps = np.diff(flow.rows) % ROWS
    assert (steps > 0).all(), f"{where}: the same row twice"
    assert (steps < ROWS // 2).all(), f"{where}: rows go back"
    follows = np.diff(flow.index) == 1
    near = np.searchsorted(gaps, flow.index[:-1], "right")
    to_gap = np.append(gaps, 1 << 60)[near] - flow.index[:-1]
    torn = np.flatnonzero(follows & (steps != 1) & (to_gap > _TOLD_WITHIN))
    assert not len(torn), (
        f"{where}: a gap of {steps[torn[0]]} rows after index {flow.index[torn[0]]} that no index "
        f"tells"
    )
    if before >= 0:
        on = (int(flow.rows[0]) - before) % ROWS
        assert 0 < on < ROWS // 2, f"{where}: begins at row {flow.rows[0]}, after {before}"
    return int(flow.rows[-1])
