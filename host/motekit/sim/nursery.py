"""A VM that forks for each of many boards that are alike: a start costs a fraction of one alone.

See rom/nursery.py for what it does. The boards are its children, so their process ids stay theirs
until it is closed.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from typing import Any

from motekit.errors import VmError
from motekit.sim.child import last_words
from motekit.sim.image import environment
from motekit.sim.preparation import OWN, Prepared, shape_of
from motekit.sim.vm import Vm

FEWEST = 4  # boards that are worth a nursery
_NAMES_BYTES = 1024  # of heap, on 32 bits: the names of rom/nursery.py stay with all
_AHEAD = 64  # boards that it may be behind
_READY_S = 90.0
_END_S = 10.0
_WORD = struct.Struct("<i")
_HEAD = struct.Struct("<II")


class Nursery:
    """Begins boards of one shape; `close` it after all of them have ended."""

    def __init__(self, vm: Vm, first: Prepared, boards: int) -> None:
        """Start the VM; VmError if it cannot fork."""
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(_READY_S)
        pairs = [socket.socketpair() for _ in range(boards)]
        self._waiting = [(ours, other.fileno()) for ours, other in reversed(pairs)]
        self._pids: list[int] = []
        self._born = 0
        spec = {**first.spec, "reset": "power_on", "then": "main"}
        path = first.folder / "nursery.json"
        path.write_text(json.dumps(spec))
        number = theirs.fileno()
        heap_bytes = first.heap_bytes + _NAMES_BYTES * vm.bits // 32
        program = f"import rom.start as s; s.start({str(path)!r}, {number}, True)"
        with last_words(first.folder).open("ab") as stderr:
            self._process = subprocess.Popen(
                [*vm.argv, "-X", f"heapsize={heap_bytes}", "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=(number, *(other.fileno() for _, other in pairs)),
                env=environment(vm),
                start_new_session=True,
            )
        for other in (theirs, *(other for _, other in pairs)):
            other.close()
        if self._word() != 0:
            self.close()
            raise VmError(f"{vm.path}: cannot fork")

    def _word(self) -> int | None:
        """Return what the nursery says next; None if it says nothing more."""
        data = b""
        with contextlib.suppress(OSError):
            while len(data) < _WORD.size and (more := self._channel.recv(_WORD.size - len(data))):
                data += more
        return _WORD.unpack(data)[0] if len(data) == _WORD.size else None

    def bear(self, prepared: Prepared, spec: dict[str, Any]) -> "Newborn":
        """Begin a board."""
        control, fd = self._waiting.pop()
        self._channel.sendall(_WORD.pack(fd))
        folder = prepared.folder
        own = {key: spec[key] for key in OWN}
        seeds = [sensor["source"]["seed"] for sensor in spec["sensors"]]
        said = [own, seeds, str(folder / "serial.txt"), str(last_words(folder))]
        body = json.dumps(said).encode()
        control.sendall(_HEAD.pack(len(body), 0) + body)
        self._born += 1
        if self._born > _AHEAD:
            self.pid(self._born - _AHEAD - 1)  # so that neither waits for the other to listen
        return Newborn(self, self._born - 1, control)

    def pid(self, number: int) -> int | None:
        """Return the process id of the board that was the `number`th to be begun, if it was."""
        while len(self._pids) <= number:
            pid = self._word()
            if pid is None:
                return None
            self._pids.append(pid)
        pid = self._pids[number]
        return pid if pid > 0 else None  # -1: the system had no room for it

    def close(self) -> None:
        """Have it end, as its channel does."""
        self._channel.close()
        for ours, _ in self._waiting:
            ours.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Newborn:
    """The process of a board that was begun in a nursery, as `subprocess` has it."""

    def __init__(self, nursery: Nursery, number: int, control: socket.socket) -> None:
        self.control = control
        self._nursery = nursery
        self._number = number

    @property
    def pid(self) -> int | None:
        """The process's id; None if the nursery has ended before it began."""
        return self._nursery.pid(self._number)

    def send_signal(self, number: int) -> None:
        """Send it a signal; one that has ended keeps its id, so nobody else can get it."""
        pid = self.pid
        with contextlib.suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, number)

    def wait(self, timeout_s: float = _END_S) -> None:
        """Wait for its end, and see to it after that time."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(OSError):  # no such process, or a system that knows no pidfd
            process = os.pidfd_open(pid)
            try:
                poll = select.poll()
                poll.register(process, select.POLLIN)
                if not poll.poll(timeout_s * 1000):
                    os.kill(pid, signal.SIGKILL)
            finally:
                os.close(process)


class Nurseries:
    """The nurseries of a world: one for each shape that many of its boards have."""

    def __init__(self, vm: Vm, boards: list[Prepared]) -> None:
        self._vm = vm
        shapes = [shape_of(board) for board in boards]
        self._counts = {shape: shapes.count(shape) for shape in set(shapes) if shape is not None}
        self._made: dict[str, Nursery | None] = {}

    def of(self, board: Prepared) -> Nursery | None:
        """Return where a board can begin; None: in a VM of its own."""
        shape = shape_of(board)
        if shape is None or self._counts[shape] < FEWEST or sys.platform != "linux":
            return None
        if shape not in self._made:
            try:
                self._made[shape] = Nursery(self._vm, board, self._counts[shape])
            except VmError:
                self._made[shape] = None
        return self._made[shape]

    def close(self) -> None:
        """End them."""
        for nursery in self._made.values():
            if nursery:
                nursery.close()
