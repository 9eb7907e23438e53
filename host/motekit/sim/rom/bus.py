"""Buses with the methods of `machine.I2C` and `machine.UART`, and chip models on them.

With `hz` a transaction takes its time on the bus: nine clocks a byte, addresses included.
"""

from . import fifo
from .fast import advance
from .fifo import read

_ENODEV = 19  # not acknowledged
_ETIMEDOUT = 110  # a line is held low
_TIMEOUT_US = 50000  # of port_esp32's buses
_OVERFLOWING_BYTES = 16
_NO_FIFO = fifo.new(0, 0, 0)


class I2CBus:
    """An I2C bus; `models` are (address, model) pairs.

    Faults: `stuck` (a part holds SDA until `recover`), `shorted` (held whatever is tried),
    `stretch` (parts hold SCL for `stretch_us` in each transaction; `wait_us` lets time pass).
    """

    FAULTS = ("stuck", "shorted", "stretch")

    def __init__(self, models, hz=0):
        self._models = dict(models)
        self._byte_us = 9000000 // hz if hz else 0
        self._fifos = [(a, m.quick) for a, m in self._models.items() if hasattr(m, "quick")]
        # That of one part is quick, as long as the wires are sound.
        self._fifo = self._fifos[0][1] if self._fifos else _NO_FIFO
        self._pointer = bytearray(1)
        self.faults = set()
        self._let()
        self.stretch_us = 0
        self.wait_us = None
        self._transactions = 0
        self._direct = {a: m.read_mem for a, m in self._models.items() if hasattr(m, "read_mem")}

    @property
    def transactions(self):
        """How many there were."""
        return self._transactions + sum([each[0][fifo.READS] for _, each in self._fifos])

    def _let(self):
        """Let FIFOs be read the quick way while nothing is wrong with the wires."""
        for address, each in self._fifos:
            fifo.attach(each, None if self.faults else address, self._byte_us)

    def fault(self, kind, on=True):
        """Begin or end a fault of the wires; ValueError for an unknown kind."""
        if kind not in self.FAULTS:
            raise ValueError("fault {}: known are {}".format(kind, ", ".join(self.FAULTS)))
        if on:
            self.faults.add(kind)
        else:
            self.faults.discard(kind)
        self._let()

    def recover(self):
        """Clock nine times, START, STOP: frees a part that was cut off in a read."""
        self.fault("stuck", False)

    def scan(self):
        """Return the addresses that acknowledge."""
        found = []
        for address in range(0x08, 0x78):
            try:
                self.writeto(address, b"")
                found.append(address)
            except OSError:
                pass
        return found

    def readfrom_into(self, addr, buf, _stop=True):
        """Fill the buffer from a part."""
        self._at(addr, 1 + len(buf)).read_into(buf)

    def readfrom(self, addr, nbytes, _stop=True):
        """Return bytes from a part."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf)
        return bytes(buf)

    def writeto(self, addr, buf, _stop=True):
        """Write to a part; return the number of acknowledged bytes."""
        self._at(addr, 1 + len(buf)).write(buf)
        return len(buf)

    def writevto(self, addr, vector, _stop=True):
        """Write several buffers as one."""
        return self.writeto(addr, b"".join(bytes(part) for part in vector))

    def readfrom_mem_into(self, addr, memaddr, buf, addrsize=8):
        """Set the register pointer and fill the buffer, in one go."""
        if not read(self._fifo, addr << 8 | memaddr, buf):
            self._check(addrsize)
            self._read_mem(addr, memaddr, buf)

    def _read_mem(self, addr, memaddr, buf):
        read_mem = self._direct.get(addr)
        if read_mem and not self.faults:
            self._transactions += 1
            if self._byte_us:
                advance((3 + len(buf)) * self._byte_us)
            read_mem(memaddr, buf)
            return
        model = self._at(addr, 3 + len(buf))
        self._pointer[0] = memaddr
        model.write(self._pointer)
        model.read_into(buf)

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        """Set the register pointer and return bytes."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        """Write to registers from a pointer on."""
        self._check(addrsize)
        self.writeto(addr, bytes((memaddr,)) + bytes(buf))

    def _check(self, addrsize):
        if addrsize != 8:
            raise ValueError("addrsize {}: no model has but 8 bits".format(addrsize))

    def _at(self, addr, size):
        self._transactions += 1
        if self._byte_us:
            advance(size * self._byte_us)
        if self.faults:
            self._suffer()
        if addr not in self._models:
            raise OSError(_ENODEV)
        return self._models[addr]

    def _suffer(self):
        """Wait for a clock that is stretched; OSError when it takes the port's timeout."""
        if self.wait_us and "stretch" in self.faults:
            self.wait_us(min(self.stretch_us, _TIMEOUT_US))
        if self.faults != {"stretch"} or self.stretch_us >= _TIMEOUT_US:
            raise OSError(_ETIMEDOUT)


class Uart:
    """A UART with a model at its other end.

    Bytes arrive no faster than the line carries them, and what the receive buffer has no room for
    is gone without a word, as on a board; `dropped` counts it. A wrong baud rate makes every byte
    another. Fault: `overflow` (the receive buffer has room for few bytes).
    """

    FAULTS = ("overflow",)

    def __init__(self, model, clock_us, baud=9600, rxbuf=256):
        self._model = model
        self._clock_us = clock_us
        self._byte_us = 10000000 // baud
        self._rxbuf = self._room = rxbuf
        self._garbled = baud != model.BAUD
        self._line = bytearray(0)
        self._rx = bytearray(0)
        self._last_us = clock_us()
        self._punctual = hasattr(model, "due_us")
        self.dropped = 0

    def fault(self, kind, on=True):
        """Begin or end a fault; ValueError for an unknown kind."""
        if kind not in self.FAULTS:
            raise ValueError("fault {}: known are {}".format(kind, ", ".join(self.FAULTS)))
        self._room = _OVERFLOWING_BYTES if on else self._rxbuf

    def any(self):
        """Return the number of bytes that can be read."""
        now = self._clock_us()
        if self._line or not self._punctual or now >= self._model.due_us:
            self._pump(now)
        else:
            self._last_us = now
        return len(self._rx)

    def read(self, nbytes=None):
        """Return at most `nbytes` bytes that have come, or None."""
        n = self.any()
        data = bytearray(n if nbytes is None else min(nbytes, n))
        return bytes(data) if self._take(data, len(data)) else None

    def readinto(self, buf, nbytes=None):
        """Read into a buffer; return the number of bytes, or None."""
        n = min(self.any(), len(buf) if nbytes is None else min(nbytes, len(buf)))
        return self._take(buf, n)

    def _take(self, buf, n):
        """Move n bytes that have come into a buffer; return how many, None for none."""
        if not n:
            return None
        received = self._rx
        if n == len(received) == len(buf):
            buf[:] = received
            self._rx = bytearray(0)
        else:
            buf[:n] = received[:n]
            self._rx = received[n:]
        return n

    def write(self, buf):
        """Send to the part; return the number of bytes."""
        data = bytes(buf)
        self._model.write(self._garble(data) if self._garbled else data)
        return len(data)

    def _garble(self, data):
        return bytes(b * 37 + 11 & 0xFF for b in data)

    def _pump(self, now):
        sent = self._model.poll(now)
        if sent:
            self._line += self._garble(sent) if self._garbled else sent
        if not self._line:
            self._last_us = now
            return
        self._arrive(min((now - self._last_us) // self._byte_us, len(self._line)))

    def _arrive(self, n):
        """Take n bytes from the line, as far as there is room for them."""
        self._last_us += n * self._byte_us
        if n == len(self._line) and not self._rx and n <= self._room:
            self._rx, self._line = self._line, self._rx
            return
        fits = min(n, max(0, self._room - len(self._rx)))
        self.dropped += n - fits
        self._rx += self._line[:fits]
        self._line = self._line[n:]
