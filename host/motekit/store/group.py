"""One group of packets on its way into a store: sorted out, then written in one go.

A transaction is begun by the first that needs the database, so that none is where all is known.
"""

import json
import sqlite3
import struct
from collections.abc import Sequence
from typing import Any, cast

from motefw.errors import PacketError
from motefw.keys import TAG_BYTES
from motekit.errors import StoreError

from .header import ANCHOR, SAMPLES, Head, read_headers
from .ledger import Key, Ledger
from .quarantine import Quarantine
from .records import CONTROL, Anchor, Appended, Received
from .seen import Seen
from .tail import Entry, pack

ANCHOR_BODY = struct.Struct("<QBI")  # UTC since 1970 in us, quality, error in us


class Group:
    """Takes packets; `write` puts those that are new into the tail."""

    def __init__(self, db: sqlite3.Connection, ledger: Ledger, quarantine: Quarantine) -> None:
        self._db = db
        self._ledger = ledger
        self._quarantine = quarantine
        self._entries: list[Entry] = []
        self._packets: list[bytes] = []
        self._touched: dict[tuple[str, int, int], Seen] = {}
        self._by_stream: dict[tuple[str, int], tuple[int, int]] = {}
        self._duplicates = 0
        self._quarantined = 0
        self._deferred = 0

    def take(self, group: Sequence[Received]) -> None:
        """Sort out packets: new, seen before, or none at all."""
        unread = [received.data for received in group if received.header is None]
        read = iter(read_headers(unread))
        for device, data, verified, header in group:
            head = next(read) if header is None else header
            if isinstance(head, PacketError):
                self._set_aside(device, data, str(head))
            else:
                self._take(device, data, verified, head)

    def _take(self, device: str, data: bytes, verified: bool, header: Head) -> None:
        kind, generation, stream, _, epoch, seq, _, time_us, count, _, _ = header
        key = (device, generation, epoch)
        seen = self._touched.get(key) or self._touch(key, data)
        if seen is None:
            return
        if seq == seen.next and not seen.ahead:  # the usual case, short
            seen.next += 1
        elif not seen.room(seq):
            self._deferred += 1
            return
        elif not seen.add(seq):
            self._duplicates += 1
            return
        if kind == SAMPLES:
            packets, total = self._by_stream.get((device, stream), (0, 0))
            self._by_stream[device, stream] = (packets + 1, total + count)
        else:
            stream, count = CONTROL, 0
            self._heed(device, data, header, seen)
        self._entries.append((seen.id, stream, seq, time_us, count, verified, len(data)))
        self._packets.append(data)

    def _touch(self, key: Key, data: bytes) -> Seen | None:
        seen = self._ledger.known(key)
        if seen is None:
            self._begin()
            try:
                seen = self._ledger.enter(key)
            except StoreError as e:
                self._set_aside(key[0], data, str(e))
                return None
        self._touched[key] = seen
        return seen

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def write(self, number: int) -> Appended:
        """Append what is new as row `number`; return what became of the group."""
        if self._entries:
            self._begin()
            row = pack(self._entries, self._packets)
            self._db.execute("INSERT INTO groups (id, data) VALUES (?, ?)", (number, row))
        return Appended(
            len(self._entries),
            self._duplicates,
            self._quarantined,
            self._deferred,
            self._by_stream,
            {key: seen.next - 1 if seen.next else None for key, seen in self._touched.items()},
        )

    def size_bytes(self) -> int:
        """Return the length of the packets that are new."""
        return sum(map(len, self._packets))

    def _set_aside(self, device: str, data: bytes, why: str) -> None:
        self._begin()
        self._quarantine.add(self._db, device, data, why)
        self._quarantined += 1

    def _heed(self, device: str, data: bytes, header: Head, seen: Seen) -> None:
        """Draw from a note or an anchor what has a table of its own.

        One that makes no sense is stored and acknowledged like any other, so that it does not come
        again, and a copy is set aside to be looked at.
        """
        self._begin()
        body = data[header.body : -TAG_BYTES]
        try:
            if header.kind == ANCHOR:
                self._ledger.add_anchor(device, header.epoch, _anchor(header, body))
            else:
                note = _note(body)
                if "schema" in note:
                    self._ledger.announce(device, header.epoch, note["schema"])
                if isinstance(note.get("boot"), dict):
                    self._ledger.set_boot(seen.id, json.dumps(note["boot"]))
        except StoreError as e:
            self._set_aside(device, data, f"stored, but not heeded: {e}")


def _anchor(header: Head, body: bytes) -> Anchor:
    if len(body) != ANCHOR_BODY.size:
        raise StoreError(f"anchor: body of {len(body)} bytes, {ANCHOR_BODY.size} expected")
    return Anchor(header.time_us, *ANCHOR_BODY.unpack(body))


def _note(body: bytes) -> dict[str, Any]:
    try:
        note: object = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise StoreError(f"note: not JSON ({type(e).__name__})") from e
    if not isinstance(note, dict):
        raise StoreError(f"note: {note!r:.80}, an object expected")
    return cast("dict[str, Any]", note)
