"""The process of one VM and its pipes: keystrokes, output, control channel, last words."""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path

_LAST_WORDS_BYTES = 2000
_WANTS = "RD"  # states of a process that waits for a processor, or for a disk


class Child:
    """A VM that runs; `end` it. Reads and writes never block."""

    def __init__(
        self, argv: Sequence[str], heap_bytes: int, spec: Path, env: dict[str, str]
    ) -> None:
        """Start the ROM on the board that the JSON file `spec` describes."""
        self._stdin_r, self._stdin = os.pipe()
        self.stdout, stdout_w = os.pipe()
        self.control, theirs = socket.socketpair()
        for fd in (self._stdin_r, self._stdin, self.stdout, self.control.fileno()):
            os.set_blocking(fd, False)
        program = f"import rom.start as s; s.start({str(spec)!r}, {theirs.fileno()})"
        with last_words(spec.parent).open("ab") as stderr:
            self._process = subprocess.Popen(
                [*argv, "-X", f"heapsize={heap_bytes}", "-c", program],
                stdin=self._stdin_r,
                stdout=stdout_w,
                stderr=stderr,
                pass_fds=(theirs.fileno(),),
                env=env,
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor alone
            )
        os.close(stdout_w)
        theirs.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def block_stdin(self, blocking: bool) -> None:
        """Have the VM's reads wait for input, as a program expects, or return at once."""
        os.set_blocking(self._stdin_r, blocking)

    def unread(self) -> int:
        """Return how many keystrokes the VM has not read yet."""
        return struct.unpack("i", fcntl.ioctl(self._stdin, termios.FIONREAD, bytes(4)))[0]

    def type(self, data: bytes) -> None:
        """Give keystrokes to the VM."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            if data:
                os.write(self._stdin, data)

    def output(self) -> bytes | None:
        """Return some of what the VM wrote; None if there is nothing now, b"" at the end."""
        try:
            return os.read(self.stdout, 65536)
        except BlockingIOError:
            return None

    def tell(self, data: bytes) -> None:
        """Say something on the control channel."""
        with contextlib.suppress(OSError):
            self.control.send(data)

    def told(self) -> bytes | None:
        """Return what the VM said on the control channel; None if nothing, b"" at the end."""
        try:
            return self.control.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def end(self) -> None:
        """End the process; what it wrote can still be read until `close`."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Close the pipes."""
        for fd in (self._stdin, self._stdin_r, self.stdout):
            os.close(fd)
        self.control.close()


def last_words(folder: Path) -> Path:
    """Return the file that a board's VM writes its errors to."""
    return folder / "stderr.txt"


def read_last_words(folder: Path) -> str:
    """Return the end of what a board's VM wrote to its standard error."""
    path = last_words(folder)
    return path.read_text(errors="replace")[-_LAST_WORDS_BYTES:].strip() if path.exists() else ""


def processor_s(pid: int | None) -> tuple[bool, float]:
    """Return whether a process wants to run, and the processor time that it has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False, 0.0
    return fields[0] in _WANTS, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
