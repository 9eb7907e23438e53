"""What goes over the buses, told as lines of text beside the packets; for `motekit record`.

    ~tap BASE64     of: line number:u16 s:u32 us:u32, entries, CRC-32 of all before:u32
    entry           op | bus << 4 | 0x80 if time has passed, [us since the entry before:u24],
                    size:u8, then as many bytes

Little-endian. The time is that of the board's clock when it was last looked at, which is the time
that samples get. A line is told when it is full, and each second; nothing else is kept. Lines that
the serial line loses show in the numbers; entries that fit in no line are counted at the end.
Telling takes its time on the line (2.6 KB/s for an accelerometer at 200 Hz).

| op | | bytes |
|---|---|---|
| 0 | a bus begins | kind:u8 (0 I2C, 1 UART, 2 one-wire) name |
| 1 | I2C | address:u8 n:u8 written[n] read[..] |
| 2 | I2C, the same as the last in this line of this bus | read[..] |
| 3 | I2C that failed | address:u8 n:u8 written[n] size of the read:u8 errno:u8 |
| 4, 5 | UART: received, sent | bytes |
| 6 | one-wire: reset | 1 if a part is there |
| 7, 8 | one-wire: bit read, bit written | bit |
| 9, 10 | one-wire: read, written | bytes |
| 11 | one-wire: ROM codes found | 8 bytes each |
| 15 | the end | lost entries:u16 |

Loaded when a recording was asked for, and then stays.
"""

import struct
from binascii import b2a_base64

from .compat import const
from .crc import crc32

_HEAD_BYTES = const(10)
_LINE_BYTES = const(120)
_ENTRY_BYTES = const(5)
_MOVED_MAX_US = const(0xFFFFFF)
_CHUNK_BYTES = const(64)
_BUS = const(0)
_I2C = const(1)
_AGAIN = const(2)
_FAILED = const(3)
_RECEIVED = const(4)
_SENT = const(5)
_RESET = const(6)
_BIT_IN = const(7)
_BIT_OUT = const(8)
_IN = const(9)
_OUT = const(10)
_FOUND = const(11)
_END = const(15)
_MATCH_ROM = const(0x55)


class Tap:
    """Gathers entries and tells them; `wrap` puts it between a bus and its drivers."""

    def __init__(self, clock, for_s):
        self._clock = clock
        self._for_s = for_s
        self._line = bytearray(_LINE_BYTES + 4)
        self._have = _HEAD_BYTES
        self._s = self._us = 0
        self._buses = 0
        self._lost = 0
        self.number = 0  # of the line
        self.on = True

    def wrap(self, kind, name, bus):
        """Return a bus with the same methods, which tells all that goes over it."""
        kinds = ("i2c", "uart", "onewire")
        number = self._buses
        self._buses += 1
        self.put(_BUS, number, bytes((kinds.index(kind),)) + name.encode())
        return (TappedI2C, TappedUart, TappedOneWire)[kinds.index(kind)](self, number, bus)

    def room(self, size):
        """Begin a new line unless an entry of so many bytes fits in this one."""
        if self._have + _ENTRY_BYTES + size > _LINE_BYTES:
            self.flush()

    def put(self, op, number, data):
        """Add an entry; one that fits in no line is lost."""
        if not self.on:
            return
        try:
            self._put(op | number << 4, data)
        except MemoryError:
            self._lost += 1

    def _put(self, head, data):
        n = len(data)
        if n > _LINE_BYTES - _HEAD_BYTES - _ENTRY_BYTES:
            self._lost += 1
            return
        self.room(n)
        line, at, clock = self._line, self._have, self._clock
        if at == _HEAD_BYTES:
            struct.pack_into("<HII", line, 0, self.number & 0xFFFF, clock.s, clock.us)
            moved = 0
        else:
            moved = min(clock.since_us(self._s, self._us), _MOVED_MAX_US)
        self._s, self._us = clock.s, clock.us
        line[at] = head | 0x80 if moved else head
        at += 1
        if moved:
            struct.pack_into("<HB", line, at, moved & 0xFFFF, moved >> 16)
            at += 3
        line[at] = n
        at += 1
        line[at : at + n] = data
        self._have = at + n

    def flush(self):
        """Tell what has been gathered."""
        have = self._have
        if have == _HEAD_BYTES:
            return
        self._have = _HEAD_BYTES
        self.number += 1
        line = self._line
        struct.pack_into("<I", line, have, crc32(memoryview(line)[:have]))
        print("~tap " + b2a_base64(bytes(memoryview(line)[: have + 4])).decode().strip())

    def tick(self):
        """Tell what there is; end when the time is up. Called each second."""
        if self._clock.s >= self._for_s:
            self.end()
        self.flush()

    def end(self):
        """Tell nothing more but that this is the end."""
        if self.on:
            self.put(_END, 0, struct.pack("<H", min(self._lost, 0xFFFF)))
            self.on = False


class TappedI2C:
    """An I2C bus with the methods of `machine.I2C` that drivers use."""

    def __init__(self, tap, number, bus):
        self._tap = tap
        self._number = number
        self._bus = bus
        self._last = self._key = None
        self._last_line = -1

    def _tell(self, address, out, buf, function, *args):
        """Do a transaction; `out` is written, `buf` read."""
        tap = self._tap
        try:
            function(*args)
        except OSError as error:
            told = bytes((address, len(out))) + out + bytes((len(buf), (error.errno or 0) & 0xFF))
            tap.put(_FAILED, self._number, told)
            raise
        if not tap.on:
            return
        tap.room(2 + len(out) + len(buf))
        head = bytes((address, len(out))) + out
        if self._last_line == tap.number and self._last == head and self._key == len(buf):
            tap.put(_AGAIN, self._number, buf)
        else:
            tap.put(_I2C, self._number, head + bytes(buf))
            self._last, self._key, self._last_line = head, len(buf), tap.number

    def writeto(self, addr, buf, stop=True):
        """Write to a part; return the number of bytes."""
        self._tell(addr, bytes(buf), b"", self._bus.writeto, addr, buf, stop)
        return len(buf)

    def writevto(self, addr, vector, stop=True):
        """Write several buffers as one."""
        return self.writeto(addr, b"".join([bytes(part) for part in vector]), stop)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        """Write to registers from a pointer on."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def readfrom_into(self, addr, buf, stop=True):
        """Fill the buffer from a part."""
        self._tell(addr, b"", buf, self._bus.readfrom_into, addr, buf, stop)

    def readfrom(self, addr, nbytes, stop=True):
        """Return bytes from a part."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf, stop)
        return bytes(buf)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        """Set the register pointer and fill the buffer."""
        out = memaddr.to_bytes(addrsize // 8, "big")
        if addrsize == 8:
            self._tell(addr, out, buf, self._bus.readfrom_mem_into, addr, memaddr, buf)
        else:
            self._tell(addr, out, buf, self._wide, addr, memaddr, buf, addrsize)

    def _wide(self, addr, memaddr, buf, addrsize):
        self._bus.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        """Set the register pointer and return bytes."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)

    def scan(self):
        """Return the addresses that acknowledge; not told."""
        return self._bus.scan()


class TappedUart:
    """A UART with the methods of `machine.UART` that drivers use."""

    def __init__(self, tap, number, bus):
        self._tap = tap
        self._number = number
        self._bus = bus
        self.any = bus.any

    def _tell(self, op, data):
        for at in range(0, len(data), _CHUNK_BYTES):
            self._tap.put(op, self._number, data[at : at + _CHUNK_BYTES])

    def read(self, nbytes=None):
        """Return what has come, or None."""
        data = self._bus.read() if nbytes is None else self._bus.read(nbytes)
        if data:
            self._tell(_RECEIVED, data)
        return data

    def readinto(self, buf, nbytes=None):
        """Read into a buffer; return the number of bytes, or None."""
        n = self._bus.readinto(buf) if nbytes is None else self._bus.readinto(buf, nbytes)
        if n:
            self._tell(_RECEIVED, bytes(memoryview(buf)[:n]))
        return n

    def write(self, buf):
        """Send to the part; return the number of bytes."""
        n = self._bus.write(buf)
        self._tell(_SENT, bytes(buf))
        return n


class TappedOneWire:
    """A one-wire bus with the methods of MicroPython's `onewire.OneWire`."""

    def __init__(self, tap, number, bus):
        self._tap = tap
        self._number = number
        self._bus = bus
        self.crc8 = bus.crc8

    def _tell(self, op, data):
        self._tap.put(op, self._number, bytes(data))

    def reset(self, required=False):
        """Return whether a part is there."""
        there = self._bus.reset(required)
        self._tell(_RESET, (1 if there else 0,))
        return there

    def readbit(self):
        """Return a bit."""
        bit = self._bus.readbit()
        self._tell(_BIT_IN, (bit,))
        return bit

    def writebit(self, value):
        """Write a bit."""
        self._bus.writebit(value)
        self._tell(_BIT_OUT, (value & 1,))

    def readbyte(self):
        """Return a byte."""
        value = self._bus.readbyte()
        self._tell(_IN, (value,))
        return value

    def writebyte(self, value):
        """Write a byte."""
        self.write(bytes((value,)))

    def readinto(self, buf):
        """Fill a buffer."""
        self._bus.readinto(buf)
        self._tell(_IN, buf)

    def write(self, buf):
        """Write the bytes of a buffer."""
        self._bus.write(buf)
        self._tell(_OUT, buf)

    def select_rom(self, rom):
        """Address one part."""
        self.reset()
        self.writebyte(_MATCH_ROM)
        self.write(rom)

    def scan(self):
        """Return the ROM codes on the wire."""
        found = self._bus.scan()
        self._tell(_FOUND, b"".join([bytes(rom) for rom in found[:10]]))
        return found
