"""The process of a VM that runs only while it is granted time; see rom/lockstep.py."""

import json
import multiprocessing.connection
import os
import signal
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from motekit.errors import VmError
from motekit.sim.child import last_words, processor_s
from motekit.sim.image import environment
from motekit.sim.nursery import Newborn, Nursery
from motekit.sim.preparation import Prepared
from motekit.sim.vm import Vm

STUCK_S = 10.0  # of wall time: a program that never reads its clock does not report
_LOOKS = 2  # in this time; from one to the next, a stuck program runs
_RUNS = 0.25  # as much of the time as this, or the machine is too busy to tell
_STARVED_LOOKS = 24  # two minutes, after which nobody waits any longer
_HEAD = struct.Struct("<II")
_INPUT = struct.Struct("<IH")
_RECORD = struct.Struct("<BIH")
_WRITTEN, _CREDITED, _TOLD = b"oct"
_LATER = 0xFFFFFFFF  # in the place of a size: what was written is not to be heard yet
_AHEAD = 0x80000000  # with a size: text, ahead of the report
_CREDIT = 0xFFFF  # in the place of an input's length
_READ_BYTES = 1 << 16


class EndedError(VmError):
    """The process ended unasked."""


class StuckError(VmError):
    """The program runs on without looking at its clock."""


class Awaited(NamedTuple):
    """The credit that the host waits for, and how long it waits for more if that comes."""

    frame: bytes
    end_ms: int


class Report(NamedTuple):
    """What a board did with its time: until when, what it wrote on the line when, what it told.

    `credited`: what it wrote before all others, and was heard in time.
    """

    now_ms: int
    credited: list[tuple[int, bytes]]
    printed: bytes
    written: list[tuple[int, bytes]]
    told: list[str]


class SteppedVm:
    """A VM with its control channel; `end` it."""

    def __init__(
        self, vm: Vm, prepared: Prepared, spec: dict[str, Any], nursery: Nursery | None = None
    ) -> None:
        """Start the ROM, in a nursery or alone; the board waits for its first grant."""
        folder = prepared.folder
        self._printed = os.open(folder / "serial.txt", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self._position = os.fstat(self._printed).st_size
        self._process: subprocess.Popen[bytes] | Newborn
        if nursery:
            self._process = nursery.bear(prepared, spec)
            self._control = self._process.control
        else:
            path = folder / "spec.json"
            path.write_text(json.dumps(spec))
            self._control, theirs = socket.socketpair()
            self._process = _start(vm, prepared.heap_bytes, path, self._printed, theirs)
            theirs.close()
        self._control.settimeout(STUCK_S / _LOOKS)
        self._ahead: list[str] = []

    def grant(
        self, end_ms: int, inputs: list[tuple[int, bytes]], awaited: Awaited | None = None
    ) -> None:
        """Let the board run until `end_ms`, or until what it writes is to be heard."""
        body = b"".join([_INPUT.pack(at_ms, len(data)) + data for at_ms, data in inputs])
        if awaited:
            body += _INPUT.pack(awaited.end_ms, _CREDIT) + awaited.frame
        try:
            self._control.sendall(_HEAD.pack(end_ms, len(body)) + body)
        except OSError as e:
            raise EndedError(f"the VM has ended: {e}") from None

    def report(self) -> Report:
        """Wait until the board has used its time; StuckError, EndedError."""
        data = self._receive()
        size, now_ms = _HEAD.unpack_from(data)
        told = self.told_ahead()
        if size == _LATER:
            return Report(now_ms, [], b"", [], told)
        credited: list[tuple[int, bytes]] = []
        written: list[tuple[int, bytes]] = []
        at = _HEAD.size
        while at < _HEAD.size + size:
            kind, at_ms, n = _RECORD.unpack_from(data, at)
            at += _RECORD.size + n
            record = data[at - n : at]
            if kind == _WRITTEN:
                written.append((at_ms, record))
            elif kind == _CREDITED:
                credited.append((at_ms, record))
            elif kind == _TOLD:
                told.append(record.decode())
        return Report(now_ms, credited, self._take_printed(), written, told)

    def _receive(self) -> bytes:
        data = b""
        used_s: list[float] = []  # of a processor, at each look
        try:
            while len(data) < _HEAD.size or len(data) < _size(data):
                try:
                    more = self._control.recv(_READ_BYTES)
                except TimeoutError:
                    self._look_after(used_s)
                    continue
                if not more:
                    raise EndedError("the VM has ended")
                data = self._without_ahead(data + more)
        except OSError as e:
            raise EndedError(f"the VM has ended: {e}") from None
        return data

    def told_ahead(self) -> list[str]:
        """Return what the board has told ahead of its report, once."""
        told, self._ahead = self._ahead, []
        return told

    def _without_ahead(self, data: bytes) -> bytes:
        """Return what was received without texts that are ahead of the report, which are kept."""
        while len(data) >= _HEAD.size:
            size, _ = _HEAD.unpack_from(data)
            end = _HEAD.size + (size ^ _AHEAD)
            if size == _LATER or not size & _AHEAD or len(data) < end:
                break
            self._ahead.append(data[_HEAD.size : end].decode())
            data = data[end:]
        return data

    def _look_after(self, used_s: list[float]) -> None:
        """Raise StuckError if nothing will come; a program that waits for its turn may go on."""
        wants, now_s = processor_s(self.pid)
        used_s.append(now_s)
        if len(used_s) < _LOOKS:
            return
        starved = wants and used_s[-1] - used_s[-2] < _RUNS * STUCK_S / _LOOKS
        answered = multiprocessing.connection.wait([self._control], 0)  # after it was looked at
        if not (answered or starved) or len(used_s) >= _STARVED_LOOKS:
            raise StuckError(f"the program did not look at its clock for {STUCK_S:g} s")

    def _take_printed(self) -> bytes:
        size = os.fstat(self._printed).st_size
        if size == self._position:
            return b""
        data = os.pread(self._printed, size - self._position, self._position)
        self._position += len(data)
        return data

    def finish(self) -> None:
        """Have the process end by itself, as its channel does."""
        self._control.close()
        self._process.wait(STUCK_S)
        os.close(self._printed)

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def end(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGKILL)  # before it sees the channel end, and complains
        self._process.wait()
        self._control.close()
        os.close(self._printed)


def _size(data: bytes) -> int:
    """Return how many bytes a report has, of which its head is there."""
    size, _ = _HEAD.unpack_from(data)
    return _HEAD.size + (0 if size == _LATER else size & ~_AHEAD)


def _start(
    vm: Vm, heap_bytes: int, spec: Path, printed: int, control: socket.socket
) -> "subprocess.Popen[bytes]":
    program = f"import rom.start as s; s.start({str(spec)!r}, {control.fileno()})"
    with last_words(spec.parent).open("ab") as stderr:
        return subprocess.Popen(
            [*vm.argv, "-X", f"heapsize={heap_bytes}", "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=stderr,
            pass_fds=(control.fileno(),),
            env=environment(vm),
            start_new_session=True,  # a terminal's Ctrl-C is for the supervisor alone
        )
