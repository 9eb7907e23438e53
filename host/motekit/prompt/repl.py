"""MicroPython's raw REPL: runs code on a board, whatever runs there.

A program that runs is interrupted: this is for flashing and provisioning, over the cable. Code
goes over in raw paste mode, whose window keeps the board's 260 bytes of input from running over.

Ref: MicroPython documentation, "The MicroPython Interactive Interpreter Mode (aka REPL)".
"""

import ast
import time
from typing import Self

import serial

from motekit.errors import LinkError
from motekit.transports.serial import open_port

CONNECT_S = 8.0
EXECUTE_S = 10.0
_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_INTERRUPT, _RAW, _FRIENDLY, _DO, _PASTE = b"\x03", b"\x01", b"\x02", b"\x04", b"\x05A\x01"
_TRY_S = 1.5
_BETWEEN_S = 0.1  # two interrupts that are apart are meant; one may be noise
_TAIL_BYTES = 200
_SAID_MAX_BYTES = 1 << 20  # of one answer; what never ends has to
_SIGNS = (
    *(b">>> ", b"raw REPL", b"MicroPython v", b"motefw"),
    *(b"KeyboardInterrupt", b"Traceback (most recent call last)"),
)


class PromptError(LinkError):
    """No prompt, or what was run there failed.

    `raised` is the board's traceback, "" if none; `heard` all that came where no prompt did.
    """

    def __init__(self, text: str, raised: str = "", heard: bytes = b"") -> None:
        super().__init__(text)
        self.raised = raised
        self.heard = heard


def is_micropython(heard: bytes) -> bool:
    """Tell whether MicroPython, or motekit's firmware on it, has said what came over a line."""
    return any(sign in heard for sign in _SIGNS)


class Repl:
    """A board's raw prompt at the end of an open port; closing leaves the board at its prompt."""

    def __init__(self, port: serial.Serial, name: str) -> None:
        self.name = name
        self._port = port
        self._port.timeout = 0.05
        self._held = bytearray()

    @classmethod
    def open(cls, name: str, wait_s: float = CONNECT_S) -> Self:
        """Open a port and interrupt what runs there; PromptError if no prompt comes."""
        prompt = cls(open_port(name), name)
        try:
            prompt.enter(wait_s)
        except BaseException:
            prompt.close()
            raise
        return prompt

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the port."""
        self._port.close()

    def enter(self, wait_s: float = CONNECT_S) -> None:
        """Interrupt what runs until the raw prompt answers."""
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            self._write(b"\r" + _INTERRUPT)
            time.sleep(_BETWEEN_S)
            self._write(_INTERRUPT + b"\r" + _RAW)
            if self._until(_BANNER, min(_TRY_S, max(end - time.monotonic(), 0.1))) is not None:
                return
        raise PromptError(
            f"{self.name}: no MicroPython prompt within {wait_s:.0f} s; last heard:"
            f" {bytes(self._held[-_TAIL_BYTES:])!r}; is it the right port, and not held by a"
            " program that takes Ctrl-C?",
            heard=bytes(self._held),
        )

    def execute(self, code: str, wait_s: float = EXECUTE_S, what: str = "") -> str:
        """Run code and return what it printed; PromptError if it raised or does not end.

        `what` stands for the code in errors: code may hold a secret.
        """
        what = what or repr(code.strip().splitlines()[0][:60])
        self._send(code.strip().encode(), wait_s)
        said = self._part(wait_s, what)
        raised = self._part(wait_s, what).decode("utf-8", "replace").strip()
        self._part(wait_s, what, b">")
        if raised:
            last = raised.splitlines()[-1]
            raise PromptError(f"{self.name}: the board says {last}", raised)
        return said.decode("utf-8", "replace").replace("\r\n", "\n")

    def _send(self, code: bytes, wait_s: float) -> None:
        """Send code in raw paste mode, never more than the board has said it has room for."""
        self._held.clear()
        self._write(_PASTE)
        answer = self._exactly(2, wait_s)
        if answer != b"R\x01":
            raise PromptError(f"{self.name}: raw paste is answered by {answer!r}, R 0x01 expected")
        room = step = int.from_bytes(self._exactly(2, wait_s), "little")
        at = 0
        while at < len(code):
            while room == 0 or self._held or self._port.in_waiting:
                sign = self._exactly(1, wait_s)
                if sign == _DO:  # the board wants no more of it
                    self._write(_DO)
                    return
                room += step
            piece = code[at : at + room]
            self._write(piece)
            at += len(piece)
            room -= len(piece)
        self._write(_DO)
        self._part(wait_s, "the end of the code")

    def leave(self) -> None:
        """Leave raw mode for the prompt that people type at; what is in RAM stays."""
        self._write(b"\r" + _FRIENDLY)

    def restart(self) -> None:
        """Soft-reset into boot.py and main.py; the prompt is gone then."""
        self._write(b"\r" + _FRIENDLY + _DO)
        self._until(b"soft reboot", 2)

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as e:
            raise PromptError(f"{self.name}: the port is gone ({e})") from e

    def _more(self) -> None:
        try:
            self._held += self._port.read(max(self._port.in_waiting, 1))
        except OSError as e:
            raise PromptError(f"{self.name}: the port is gone ({e})") from e

    def _exactly(self, n: int, wait_s: float) -> bytes:
        end = time.monotonic() + wait_s
        while len(self._held) < n:
            if time.monotonic() > end:
                raise PromptError(f"{self.name}: no answer for {wait_s:.0f} s")
            self._more()
        found = bytes(self._held[:n])
        del self._held[:n]
        return found

    def _part(self, wait_s: float, what: str, end: bytes = _DO) -> bytes:
        found = self._until(end, wait_s)
        if found is None:
            raise PromptError(f"{self.name}: no end of {what} within {wait_s:.0f} s")
        return found

    def _until(self, mark: bytes, wait_s: float) -> bytes | None:
        """Return what came before a mark and drop both; None if it does not come in time."""
        end = time.monotonic() + wait_s
        while mark not in self._held:
            if time.monotonic() > end:
                return None
            if len(self._held) > _SAID_MAX_BYTES:
                raise PromptError(
                    f"{self.name}: says more than {_SAID_MAX_BYTES:,} bytes",
                    heard=bytes(self._held),
                )
            self._more()
        found, _, rest = bytes(self._held).partition(mark)
        self._held[:] = rest
        return found


def literal(said: str) -> object:
    """Return the value that a board has printed; ValueError if it is none."""
    try:
        return ast.literal_eval(said)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as e:
        raise ValueError(f"{said[:80]!r} is no value") from e
