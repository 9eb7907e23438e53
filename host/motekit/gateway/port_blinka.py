"""The buses of a gateway, with the methods of `machine.I2C` and `machine.UART` that drivers use.

I2C is Blinka's `busio`, a UART is a serial port. What goes wrong becomes an OSError with the errno
that a board's would have: ENODEV where a part does not acknowledge. After any other failure the
bus is opened anew, so that an adapter which was unplugged is found again.
"""

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Callable, Generator
from typing import Any, Protocol

import serial

from motekit.errors import MotekitError
from motekit.gateway.adapters import RENEWALS, absent
from motekit.gateway.config import BusPlan, GatewayPlan

_NACKS = (errno.ENODEV, errno.ENXIO, errno.EREMOTEIO)  # as drivers of Linux's I2C hosts say it
_LOCK_TRIES = 1000
_ADAPTER_PACKAGES = {"mcp2221": "hidapi", "ft232h": "pyftdi"}


class Busio(Protocol):
    """What is used of busio.I2C."""

    def try_lock(self) -> bool:
        """Take the bus, if nobody else has it."""
        ...

    def unlock(self) -> None:
        """Let go of it."""
        ...

    def deinit(self) -> None:
        """Close it."""
        ...

    def scan(self) -> list[int]:
        """Return the addresses that acknowledge."""
        ...

    def writeto(self, address: int, buffer: bytes) -> None:
        """Write to a part."""
        ...

    def readfrom_into(self, address: int, buffer: bytearray) -> None:
        """Fill a buffer from a part."""
        ...

    def writeto_then_readfrom(self, address: int, buffer_out: bytes, buffer_in: bytearray) -> None:
        """Write, then read without a STOP between."""
        ...


Opener = Callable[[BusPlan], Any]


def blinka(adapter: str) -> Opener:
    """Return what opens an I2C bus of an adapter; MotekitError says what is missing."""
    os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")
    if adapter != "linux":
        os.environ[f"BLINKA_{adapter.upper()}"] = "1"
    with _explained(adapter):
        busio: Any = importlib.import_module("busio")

    tried: set[BusPlan] = set()

    def open_bus(plan: BusPlan) -> Any:
        with _explained(adapter):
            if plan in tried and adapter in RENEWALS:
                RENEWALS[adapter]()
            tried.add(plan)
            board: Any = importlib.import_module("board")
            scl, sda = (getattr(board, pin) for pin in plan.pins)
            return busio.I2C(scl, sda, frequency=plan.speed)

    return open_bus


@contextlib.contextmanager
def _explained(adapter: str) -> Generator[None]:
    """Have Blinka's failures say what to do; an OSError may pass when an adapter is plugged in."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where Blinka warns
            yield
    except ModuleNotFoundError as e:
        raise MotekitError(_missing(adapter, e.name or "")) from None
    except AttributeError as e:
        raise MotekitError(
            f"{adapter}: Blinka's board has no such pin ({e}); `python -c 'import board; "
            f"print(dir(board))'` lists them; scl and sda of the bus name them"
        ) from None
    except (ImportError, NotImplementedError, RuntimeError, ValueError) as e:
        if "backend" in str(e):  # of pyusb
            raise MotekitError(
                f"{adapter}: no libusb here ({e}); try: apt install libusb-1.0-0, or "
                f"brew install libusb"
            ) from None
        raise MotekitError(
            f"{adapter}: Blinka finds no I2C bus here ({e}); is this the right adapter, is it "
            f"plugged in, and is its I2C switched on?"
        ) from None
    except Exception as e:
        if (there_is_none := absent(e)) is not None:
            raise there_is_none from None
        raise


def _missing(adapter: str, name: str) -> str:
    if name in {"hid", "pyftdi", "usb"}:
        return (
            f"{adapter}: Blinka needs the Python package {name!r}; "
            f"try: pip install {_ADAPTER_PACKAGES.get(adapter, name)}"
        )
    return (
        f"a gateway needs Adafruit's Blinka ({name!r} is not installed); "
        f'try: pip install "motekit[gateway]"'
    )


def translated(error: Exception) -> OSError:
    """Return the OSError that a board's bus would raise."""
    if isinstance(error, OSError) and error.errno in _NACKS:
        return OSError(errno.ENODEV, "not acknowledged")
    if "NACK" in str(error):  # what USB adapters say has no errno
        return OSError(errno.ENODEV, "not acknowledged")
    code = error.errno if isinstance(error, OSError) else None
    return OSError(code or errno.EIO, f"{type(error).__name__}: {error}")


class BlinkaI2C:
    """An I2C bus; it is opened when it is used first, and after a failure again."""

    def __init__(self, plan: BusPlan, opener: Opener) -> None:
        self._plan = plan
        self._opener = opener
        self._bus: Busio | None = None

    def _do(self, call: Callable[[Busio], Any]) -> Any:
        try:
            bus = self._locked()
            try:
                return call(bus)
            finally:
                bus.unlock()
        except (OSError, RuntimeError) as e:
            raise translated(e) from e

    def _locked(self) -> Busio:
        """Return the bus, opened and locked."""
        bus = self._bus
        if bus is None:
            bus = self._bus = self._opener(self._plan)
        for _ in range(_LOCK_TRIES):
            if bus.try_lock():
                return bus
        raise OSError(errno.EBUSY, "the bus is locked by somebody else")

    def recover(self) -> None:
        """Let go of the bus: the next use opens it anew."""
        bus, self._bus = self._bus, None
        try:
            if bus is not None:
                bus.deinit()
        except (OSError, RuntimeError):
            return  # it is gone

    def scan(self) -> list[int]:
        """Return the addresses that acknowledge."""
        return list(self._do(lambda bus: bus.scan()))

    def writeto(self, addr: int, buf: Any, _stop: bool = True) -> int:
        """Write to a part; return the number of bytes."""
        self._do(lambda bus: bus.writeto(addr, bytes(buf)))
        return len(buf)

    def readfrom_into(self, addr: int, buf: bytearray, _stop: bool = True) -> None:
        """Fill the buffer from a part."""
        self._do(lambda bus: bus.readfrom_into(addr, buf))

    def readfrom(self, addr: int, nbytes: int, _stop: bool = True) -> bytes:
        """Return bytes from a part."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf)
        return bytes(buf)

    def readfrom_mem_into(
        self, addr: int, memaddr: int, buf: bytearray, *, addrsize: int = 8
    ) -> None:
        """Set the register pointer and fill the buffer, in one go."""
        out = memaddr.to_bytes(addrsize // 8, "big")
        self._do(lambda bus: bus.writeto_then_readfrom(addr, out, buf))

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """Set the register pointer and return bytes."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)

    def writeto_mem(self, addr: int, memaddr: int, buf: Any, *, addrsize: int = 8) -> None:
        """Write to registers from a pointer on."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))


class SerialUart:
    """A UART on a serial port; reads return at once with what is there."""

    def __init__(self, plan: BusPlan) -> None:
        self._plan = plan
        self._port: serial.Serial | None = None

    def _open(self) -> serial.Serial:
        if self._port is None:
            self._port = serial.Serial(  # alone: two readers would have half of each frame
                self._plan.port, self._plan.speed, timeout=0, write_timeout=1, exclusive=True
            )
        return self._port

    def scan(self) -> list[int]:
        """Return no address: a UART has none."""
        return []

    def recover(self) -> None:
        """Let go of the port: the next use opens it anew."""
        port, self._port = self._port, None
        try:
            if port is not None:
                port.close()
        except OSError:
            return  # it is gone

    def any(self) -> int:
        """Return the number of bytes that can be read."""
        return self._open().in_waiting

    def read(self, nbytes: int | None = None) -> bytes | None:
        """Return what has come, or None."""
        return self._open().read(self.any() if nbytes is None else nbytes) or None

    def readinto(self, buf: bytearray, nbytes: int | None = None) -> int | None:
        """Read into a buffer; return the number of bytes, or None."""
        data = self.read(len(buf) if nbytes is None else min(nbytes, len(buf)))
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def write(self, buf: Any) -> int:
        """Send to the part; return the number of bytes."""
        return self._open().write(bytes(buf)) or 0


class BlinkaPort:
    """The port object of a gateway: its buses by name."""

    def __init__(self, plan: GatewayPlan, opener: Opener | None = None) -> None:
        self._plan = plan
        self._opener = opener
        self._buses: dict[str, BlinkaI2C | SerialUart] = {}

    def check(self) -> None:
        """Raise MotekitError for what no waiting mends; an adapter may still be plugged in."""
        for name, plan in self._plan.buses.items():
            if plan.kind == "i2c":
                with contextlib.suppress(OSError):
                    self.bus(name).scan()

    def bus(self, name: str) -> BlinkaI2C | SerialUart:
        """Return a bus, the same each time."""
        if name not in self._buses:
            plan = self._plan.buses[name]
            if plan.kind == "i2c":
                self._opener = self._opener or blinka(self._plan.adapter)
                self._buses[name] = BlinkaI2C(plan, self._opener)
            else:
                self._buses[name] = SerialUart(plan)
        return self._buses[name]

    def recover(self, name: str) -> None:
        """Open a bus anew that fails."""
        if name in self._buses:
            self._buses[name].recover()

    def close(self) -> None:
        """Let go of all."""
        for bus in self._buses.values():
            bus.recover()
