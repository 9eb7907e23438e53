"""Registers of an I2C chip as class attributes, so that a driver reads like its datasheet.

    rate_hz = Bits(0x2C, 0, 4, {100: 10, 200: 11})   # physical value: code
    measure = Bits(0x2D, 3)
    id = Reg(0x00)

    self.rate_hz = 200      # one read-modify-write
    self.axes               # one read

They are data descriptors; the object they belong to has `bus` (the methods of `machine.I2C`) and
`address`. Each access is a transaction and allocates: sampling reads into a buffer of its own.
"""

import struct

from .errors import ConfigError, SensorError, one_of


class Reg:
    """One register, or a burst of them, as `struct` sees it (`fmt` "<3h": a tuple of three)."""

    def __init__(self, register, fmt="B"):
        self.register = register
        self._fmt = fmt
        self._size = struct.calcsize(fmt)

    def __get__(self, device, owner=None):
        if device is None:
            return self
        data = device.bus.readfrom_mem(device.address, self.register, self._size)
        values = struct.unpack(self._fmt, data)
        return values[0] if len(values) == 1 else values

    def __set__(self, device, value):
        """Write an integer, or a tuple of a burst; ConfigError if one does not fit."""
        values = value if isinstance(value, tuple) else (value,)
        data = struct.pack(self._fmt, *values)
        if struct.unpack(self._fmt, data) != values:  # MicroPython packs the low bits silently
            raise ConfigError(
                f'register 0x{self.register:02x}: {value} does not fit "{self._fmt}"'
            )
        device.bus.writeto_mem(device.address, self.register, data)


class Bits:
    """`width` bits from bit `lsb` of an 8-bit register; `codes` maps physical values to codes."""

    def __init__(self, register, lsb, width=1, codes=None):
        self.register = register
        self._lsb = lsb
        self._mask = (1 << width) - 1
        self._codes = codes

    def __get__(self, device, owner=None):
        if device is None:
            return self
        data = device.bus.readfrom_mem(device.address, self.register, 1)
        code = data[0] >> self._lsb & self._mask
        if not self._codes:
            return code
        for value in self._codes:
            if self._codes[value] == code:
                return value
        raise SensorError(f"register 0x{self.register:02x}: code {code} stands for no known value")

    def __set__(self, device, value):
        """Read, change, write; ConfigError for a value that the field cannot hold."""
        codes = self._codes
        allowed = range(self._mask + 1) if codes is None else sorted(codes)
        if value not in allowed:
            raise ConfigError(f"register 0x{self.register:02x}: {value} is not {one_of(allowed)}")
        code = value if codes is None else codes[value]
        data = bytearray(1)
        device.bus.readfrom_mem_into(device.address, self.register, data)
        data[0] = data[0] & ~(self._mask << self._lsb) | code << self._lsb
        device.bus.writeto_mem(device.address, self.register, data)
