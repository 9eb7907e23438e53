"""Serial ports: opened exclusively and without resetting the board, found again when replugged.

    serial:/dev/ttyUSB0     one port (a pty too); serial:COM3 on Windows
    serial:*                every USB serial port, those plugged in later included
    serial:/dev/ttyACM*     every port of a pattern

A port's name may be a URL of pyserial's, such as rfc2217://host:port: it is opened as that.

Boards with an auto-reset circuit (two transistors, ESP32 boards) reset when RTS is asserted and
DTR is not. Opening a port asserts both on Linux, which does nothing; then RTS is released first,
then DTR. HUPCL off leaves both as they are when the port is closed.
"""

import errno
import os
import secrets
import stat
from pathlib import Path

import serial
from serial.tools import list_ports

from motekit.clock import SYSTEM
from motekit.errors import LinkError

from . import Ended, Event, Recorded
from .link_pipe import LinkPipe

BAUD = 115200
WRITE_TIMEOUT_S = 2.0
BUSY_POLL_S = 0.02
READ_MAX_BYTES = 65536
_WILD = "*?["


class PortBusyError(LinkError):
    """Another program holds the port."""


class PortGoneError(LinkError):
    """The port is not there, or no longer."""


class PortForbiddenError(LinkError):
    """The system does not let this user open the port."""


class SerialTransport:
    """One port, or a pattern of ports."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.explicit = not any(c in pattern for c in _WILD)

    def find(self) -> list[str]:
        """Return the ports that are there now."""
        if self.explicit:
            return [self._pattern]
        if self._pattern == "*":
            return usb_ports()
        path = Path(self._pattern)
        base = Path(path.anchor or ".")
        return sorted(str(found) for found in base.glob(str(path.relative_to(path.anchor))))

    def open(self, name: str) -> "SerialPipe":
        """Open a port for motekit alone."""
        return SerialPipe(name)


make = SerialTransport


def usb_ports() -> list[str]:
    """Return the names of all USB serial ports."""
    return sorted(port.device for port in list_ports.comports() if port.vid is not None)


def open_port(name: str) -> serial.Serial:
    """Open a port for this program alone, leaving the board as it is; LinkError says why not."""
    if "://" in name:
        return _open_url(name)
    posix = os.name == "posix"
    port = serial.Serial(
        baudrate=BAUD,
        timeout=BUSY_POLL_S,
        write_timeout=WRITE_TIMEOUT_S,
        exclusive=True,
        dsrdtr=posix,  # POSIX: only says that `open` is to leave DTR to us
    )
    port.port = name
    port.rts = False
    port.dtr = False
    try:
        port.open()
    except (OSError, ValueError) as e:  # SerialException is an OSError
        raise _explain(name, e) from None
    if posix:
        _release_dtr(port)
    return port


def _open_url(name: str) -> serial.Serial:
    """Open a port at the other end of a network."""
    try:
        port = serial.serial_for_url(name, baudrate=BAUD, timeout=BUSY_POLL_S, do_not_open=True)
        port.rts = False
        port.dtr = False
        port.open()
    except (OSError, ValueError) as e:  # SerialException is an OSError
        raise LinkError(f"{name}: cannot be opened: {e}") from None
    return port


def _release_dtr(port: serial.Serial) -> None:
    import termios

    try:
        port.dtr = False
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTTY):
            raise
    attributes = termios.tcgetattr(port.fileno())
    attributes[2] &= ~termios.HUPCL
    termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)


def _explain(name: str, error: Exception) -> LinkError:
    """Say what keeps a port from being opened, and what to try."""
    code = getattr(error, "errno", None)
    if os.name == "nt" and "PermissionError" in str(error):
        code = errno.EBUSY
    if code == errno.ENOENT or (os.name == "nt" and "FileNotFoundError" in str(error)):
        there = ", ".join(usb_ports()) or "none"
        return PortGoneError(f"{name}: no such port; attached USB serial ports: {there}")
    if code in (errno.EBUSY, errno.EAGAIN):
        return PortBusyError(
            f"{name}: in use by {holder(name) or 'another program'}; "
            f"close it (a terminal, an IDE, another collector), then try again"
        )
    if code in (errno.EACCES, errno.EPERM):
        return PortForbiddenError(
            f"{name}: permission denied; it belongs to group {group_of(name)!r}: "
            f"sudo usermod -aG {group_of(name)} $USER, then log in again"
        )
    if Path(name).exists() and not _is_device(name):
        return LinkError(f"{name}: no serial port, but a file or folder")
    if _is_no_tty(error):
        return LinkError(f"{name}: a device, but no serial port; `motekit ports` lists those")
    return LinkError(f"{name}: cannot be opened: {error}")


def _is_no_tty(error: Exception) -> bool:
    """Tell whether the system opened a device and then could not set its speed."""
    cause = error.__context__  # of pyserial's own error, which has no number
    return cause is not None and errno.ENOTTY in cause.args[:1]


def _is_device(name: str) -> bool:
    return stat.S_ISCHR(Path(name).stat().st_mode)


def group_of(name: str) -> str:
    """Return the group that may open a port."""
    try:
        return Path(name).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"


def holder(name: str) -> str | None:
    """Return "program (pid n)" of who has a port open, where the system tells (Linux).

    Whoever made a pty has it open too, and closing that would end the board: others come first.
    """
    real = os.path.realpath(name)
    makers: list[str] = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if int(folder.parent.name) == os.getpid():
                continue
            opened = {str(link.readlink()) for link in folder.iterdir()}
            if real in opened:
                comm = (folder.parent / "comm").read_text().strip()
                said = f"{comm} (pid {folder.parent.name})"
                if not opened & {"/dev/ptmx", "/dev/pts/ptmx"}:
                    return said
                makers.append(said)
        except OSError:
            continue
    return makers[0] if makers else None


class SerialPipe(LinkPipe):
    """An open port and its link."""

    def __init__(self, name: str) -> None:
        super().__init__(name, SYSTEM, secrets.randbelow(1 << 16))
        self._port = open_port(name)

    def receive(self, timeout_s: float) -> list[Event | Recorded | Ended]:
        """Move bytes both ways until there is an event, or timeout_s is over, or `wake`."""
        if not self._port.is_open:
            raise PortGoneError(f"{self.name}: is closed")
        return super().receive(timeout_s)

    def _patience_s(self, left_s: float) -> float:
        return min(BUSY_POLL_S, left_s) if self._link.busy else left_s

    def _read(self, wait_s: float) -> bytes:
        try:
            rounded = max(BUSY_POLL_S, round(wait_s, 1))  # setting a timeout costs system calls
            if self._port.timeout != rounded:
                self._port.timeout = rounded
            data = self._port.read(1)
            if data:
                data += self._port.read(min(self._port.in_waiting, READ_MAX_BYTES))
            return data
        except (OSError, TypeError, ValueError) as e:  # TypeError: pyserial, closed meanwhile
            raise PortGoneError(f"{self.name}: unplugged or closed") from e

    def _write(self, data: bytes) -> None:
        if not data:
            return
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise LinkError(
                f"{self.name}: takes no bytes for {WRITE_TIMEOUT_S:.0f} s; "
                f"unplug the board and plug it in again"
            ) from None
        except (OSError, TypeError, ValueError) as e:
            raise PortGoneError(f"{self.name}: unplugged or closed") from e

    def wake(self) -> None:
        """End a `receive` that waits in another thread."""
        super().wake()
        try:
            self._port.cancel_read()
        except (OSError, AttributeError, TypeError):
            return  # closed meanwhile, or a system that cannot: the wait ends by itself

    def close(self) -> None:
        """Close the port; DTR and RTS stay as they are."""
        try:
            self._port.close()
        except OSError:
            return  # unplugged: nothing is left to close
