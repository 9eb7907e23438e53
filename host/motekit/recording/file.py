"""A recording of a board's buses: a file of JSON lines, read and written here.

    {"recording": 1, "device": "c3000000001a", "config": {..}}
    {"us": 1204, "bus": "i2c0", "op": "i2c", "address": 83, "written": "00", "read": "e5"}
    {"us": 9204, "bus": "i2c0", "op": "i2c", "address": 68, "written": "fd", "errno": 19}
    {"us": 9300, "bus": "uart1", "op": "rx", "read": "424d"}

The first line says whose it is and how it was configured; the others are what went over its buses
since it booted, in order. Bytes are in hex. A read that failed has its `size`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from motekit.errors import ScenarioError
from motekit.recording.tap import KINDS, OPS, Entry

VERSION = 1
LINE_MAX_BYTES = 65536
_US_MAX = 1_000_000 << 32  # a board tells seconds in 32 bits


@dataclass(frozen=True)
class Header:
    """Whose recording it is; `config` is the board's own configuration."""

    device: str
    config: dict[str, Any]

    @property
    def buses(self) -> dict[str, str]:
        """The kind of each bus, by its name."""
        return {name: bus["kind"] for name, bus in self.config["buses"].items()}


class Writer:
    """Writes the lines of a recording."""

    def __init__(self, file: TextIO, header: Header) -> None:
        self._file = file
        self.entries = 0
        self._line({"recording": VERSION, "device": header.device, "config": header.config})

    def add(self, entry: Entry) -> None:
        """Add one entry."""
        row: dict[str, Any] = {"us": entry.us, "bus": entry.bus, "op": entry.op}
        if entry.address is not None:
            row["address"] = entry.address
        if entry.written:
            row["written"] = entry.written.hex()
        if entry.read:
            row["read"] = entry.read.hex()
        if entry.size != len(entry.read):
            row["size"] = entry.size
        if entry.errno:
            row["errno"] = entry.errno
        self._line(row)
        self.entries += 1

    def _line(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, separators=(",", ":")) + "\n")


def read_header(path: Path) -> Header:
    """Return whose recording a file is; ScenarioError if it is none."""
    for row in _rows(path):
        return _header(path, row)
    raise ScenarioError(f"{path}:1: empty, the first line of a recording expected")


def read(path: Path) -> Iterator[Entry]:
    """Yield what went over the buses; ScenarioError names the line that is wrong."""
    buses: dict[str, str] = {}
    us = 0
    for number, row in enumerate(_rows(path), 1):
        if number == 1:
            buses = _header(path, row).buses
            continue
        try:
            entry = _entry(row, buses, us)
        except (ValueError, KeyError, TypeError) as e:
            raise ScenarioError(f"{path}:{number}: no line of a recording: {e!r}") from None
        us = entry.us
        yield entry


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_MAX_BYTES):
                number += 1
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                if not isinstance(row, dict):
                    raise ScenarioError(f"{path}:{number}: {line[:60]!r} is no JSON object")
                yield cast("dict[str, Any]", row)
    except OSError as e:
        raise ScenarioError(f"{path}: cannot be read: {e.strerror}") from None


def _header(path: Path, row: dict[str, Any]) -> Header:
    try:
        version, device, config = (row[key] for key in ("recording", "device", "config"))
        header = Header(device.lower(), config)
        _must(version == VERSION, f"version {version!r}, {VERSION} expected")
        _must(len(bytes.fromhex(device)) == 6, f"device {device!r} is no id of 12 hex digits")
        _must(bool(config["sensors"]) and bool(str(config["board"])), "config: no sensors")
        for name, kind in header.buses.items():
            _must(kind in KINDS, f"bus {name!r}: {kind!r} is none of {', '.join(KINDS)}")
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ScenarioError(f"{path}:1: not the first line of a recording: {e!r}") from None
    return header


def _must(holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(why)


def _entry(row: dict[str, Any], buses: dict[str, str], after_us: int) -> Entry:
    us, bus, op = row["us"], row["bus"], row["op"]
    _must(isinstance(us, int) and after_us <= us < _US_MAX, f"us {us!r}, {after_us} at least")
    _must(bus in buses, f"bus {bus!r} is none of {', '.join(buses)}")
    _must(op in OPS, f"op {op!r} is none of {', '.join(OPS)}")
    address = row.get("address")
    there = isinstance(address, int) and 0 <= address < 0x80
    _must(there if op == "i2c" else address is None, f"address {address!r}")
    written, read = bytes.fromhex(row.get("written", "")), bytes.fromhex(row.get("read", ""))
    size, errno = row.get("size", len(read)), row.get("errno", 0)
    for name, value in (("size", size), ("errno", errno), ("written", len(written))):
        _must(isinstance(value, int) and 0 <= value < 0x10000, f"{name} {value!r}")
    _must(bool(errno) or size == len(read), f"size {size}, and {len(read)} bytes read")
    return Entry(us, bus, op, address, written, read, size, errno)
