"""One group of packets on its way into a store: sorted out, then written in one go.

A transaction is begun by the first that needs the database, so that none is where all is known.
"""

import json
import sqlite3
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

from motefw.errors import PacketError
from motefw.keys import TAG_BYTES
from motekit.errors import StoreError

from .header import ANCHOR, SAMPLES, Head, read_header
from .ledger import Key, Ledger
from .quarantine import Quarantine
from .records import CONTROL, Anchor, Appended, Received
from .seen import Seen
from .tail import entry, pack

ANCHOR_BODY = struct.Struct("<QBI")  # UTC since 1970 in us, quality, error in us


class Group:
    """Takes packets; `write` puts those that are new into the tail."""

    def __init__(self, db: sqlite3.Connection, ledger: Ledger, quarantine: Quarantine) -> None:
        self._db = db
        self._ledger = ledger
        self._quarantine = quarantine
        self._entries: list[bytes] = []
        self._new: list[Received] = []
        self._touched: dict[Key, Seen] = {}
        self._duplicates = 0
        self._quarantined = 0
        self._deferred = 0

    def take(self, group: Sequence[Received]) -> None:
        """Sort out packets: new, seen before, or none at all."""
        touched, entries, new = self._touched, self._entries, self._new
        known = self._ledger.known
        for received in group:
            device, data, verified, header = received
            if header is None:
                header = self._read(device, data)
            if header is None:
                continue
            kind, generation, stream, _, epoch, seq, _, time_us, samples, _, _ = header
            key = (device, generation, epoch)
            seen = known(key) or self._enter(key, data)
            if seen is None:
                continue
            touched[key] = seen
            if seq == seen.next and not seen.ahead:  # the usual case, short
                seen.next += 1
            elif not self._settle(seen, seq):
                continue
            if kind != SAMPLES:
                stream, samples = CONTROL, 0
                self._heed(device, data, header, seen)
            entries.append(entry(seen.id, stream, seq, time_us, samples, verified, len(data)))
            new.append(received if received.header else received._replace(header=header))

    def _read(self, device: str, data: bytes) -> Head | None:
        try:
            return read_header(data)
        except PacketError as e:
            self._set_aside(device, data, str(e))
            return None

    def _settle(self, seen: Seen, seq: int) -> bool:
        """Settle a seq that is not the next; False if the packet is not taken."""
        if not seen.room(seq):
            self._deferred += 1
        elif seen.add(seq):
            return True
        else:
            self._duplicates += 1
        return False

    def _enter(self, key: Key, data: bytes) -> Seen | None:
        self._begin()
        try:
            return self._ledger.enter(key)
        except StoreError as e:
            self._set_aside(key[0], data, str(e))
            return None

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def write(self, number: int, committing: Callable[[], None]) -> Appended:
        """Append what is new as row `number`; return what became of the group.

        `committing` is called before what may be the commit: without anything else to change, the
        row is a transaction of its own, in one call that lets go of the interpreter once.
        """
        row = pack(self._entries, [received.data for received in self._new])
        committing()
        if self._new:
            self._db.execute("INSERT INTO groups (id, data) VALUES (?, ?)", (number, row))
        return Appended(
            len(self._new),
            self._duplicates,
            self._quarantined,
            self._deferred,
            self._new,
            {key: seen.next - 1 if seen.next else None for key, seen in self._touched.items()},
            len(row),
        )

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
