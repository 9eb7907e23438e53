"""What a recording becomes for a virtual board: its configuration, and a file for each part.

A track is what went over a bus to and from one I2C address, out of or into a UART, or over a
one-wire bus: of these the order is kept. Between tracks it may differ a little from run to run.

    s:u32 us:u32 op:u8 errno:u8 written:u16 size:u16, written bytes, bytes read      little-endian

The highest bit of `op` is set in the first entry of its time: there a step of the sampler began.

See rom/replay.py, which reads it.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from motekit.fields import Fields
from motekit.recording import file as recording
from motekit.recording.tap import OPS, Entry

_HEAD = struct.Struct("<IIBBHH")
_SECOND_US = 1_000_000
_FIRST = 0x80


@dataclass(frozen=True)
class Replay:
    """A recording that a virtual board replays."""

    path: Path
    header: recording.Header

    @property
    def device(self) -> str:
        """The id of the board that was recorded."""
        return self.header.device

    def config(self) -> dict[str, Any]:
        """Return the configuration that the board had."""
        return self.header.config

    def buses(self) -> dict[str, tuple[str, int]]:
        """Return (kind, bits a second or 0) of each bus."""
        return {
            name: (bus["kind"], bus.get("hz", 0))
            for name, bus in self.header.config["buses"].items()
        }

    def prepare(self, folder: Path) -> list[tuple[str, str, str]]:
        """Write the tracks into a folder; return (bus, part, file) of each."""
        files: dict[tuple[str, str], IO[bytes]] = {}
        last_us = -1
        try:
            for entry in recording.read(self.path):
                key = entry.bus, _part(entry)
                if key not in files:
                    files[key] = (folder / f"track-{len(files)}").open("wb")
                files[key].write(_pack(entry, entry.us > last_us))
                last_us = entry.us
        finally:
            for file in files.values():
                file.close()
        return [(bus, part, str(file.name)) for (bus, part), file in files.items()]


def read(fields: Fields, key: str, base: Path) -> Replay:
    """Return the replay of a scenario's key, a file relative to `base`; the whole file is read."""
    path = base / fields.text(key)
    header = recording.read_header(path)
    for _ in recording.read(path):
        pass
    return Replay(path, header)


def _part(entry: Entry) -> str:
    if entry.op == "i2c":
        return str(entry.address)
    return entry.op if entry.op in {"rx", "tx"} else "wire"


def _pack(entry: Entry, first: bool) -> bytes:
    s, us = divmod(entry.us, _SECOND_US)
    op = OPS.index(entry.op) | _FIRST * first
    head = _HEAD.pack(s, us, op, min(entry.errno, 255), len(entry.written), entry.size)
    return head + entry.written + entry.read
