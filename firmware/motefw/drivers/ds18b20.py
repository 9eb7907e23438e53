"""DS18B20: temperature on a one-wire bus, CRC-checked.

Maker: Analog Devices, once Maxim (US), and many copies
Bus: one-wire, three wires; several parts are told apart by `address`, their serial number
Source: DS18B20 datasheet 19-7487 Rev. 6, "Memory", "1-Wire Bus System", Tables 2 and 3
Rates: on demand; one measurement takes 750, 375, 188 or 94 ms (12, 11, 10, 9 bits)
Unverified: that copies keep to the longest conversion time of the datasheet

The serial number is written as Linux has it: 28-0316a2794aff is address 0x0316a2794aff. Without an
address there must be one part alone. A part that lost its supply would say 85 Cel: at the start
its alarm byte is set to what it would not be then, and each reply must show that. A part without
a supply of its own (two wires) is refused: while it measures, nothing else could use the wire.
"""

import time

from motefw.compat import const
from motefw.driver import Driver

_FAMILY = const(0x28)
_MATCH_ROM = const(0x55)
_CONVERT = const(0x44)
_READ_SCRATCHPAD = const(0xBE)
_WRITE_SCRATCHPAD = const(0x4E)
_RECALL = const(0xB8)
_READ_POWER_SUPPLY = const(0xB4)
_ENODEV = const(19)


class DS18B20(Driver):
    """Measures when asked; raw values are Cel / 16 at any resolution."""

    BUS = "onewire"
    CHANNELS = (("temperature", "Cel", 1 / 16, 0),)
    OPTIONS = (("resolution_bits", 12, range(9, 13)),)

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._select = bytearray(10)  # match, ROM code, command
        self._select[0] = _MATCH_ROM
        self._data = bytearray(9)
        self._alarm = self._config = 0
        self._wait_ms = 750

    def identify(self):
        """Find the part on the wire; SensorError if it cannot be told which is meant."""
        if not self.bus.reset():
            raise OSError(_ENODEV)
        if not self.bus.readbit():
            raise self.error("the data line is held low")
        roms = [rom for rom in self.bus.scan() if not self.bus.crc8(rom)]
        parts = {int.from_bytes(rom[1:7], "little"): rom for rom in roms if rom[0] == _FAMILY}
        if self.address is None and len(parts) != 1:
            if not parts:
                found = ", ".join([f"0x{rom[0]:02x}" for rom in roms]) or "none"
                raise self.error(f"families on the wire: {found}, expected 0x28")
            known = ", ".join([f"0x{serial:012x}" for serial in sorted(parts)])
            raise self.error(f"there are several, each needs its address: {known}")
        rom = parts.get(self.address or min(parts)) if parts else None
        if rom is None:
            raise OSError(_ENODEV)
        self._select[1:9] = rom

    def configure(self, resolution_bits):
        """Set resolution and mark in the part's memory, not in its EEPROM."""
        self._command(_READ_POWER_SUPPLY)
        if not self.bus.readbit():
            raise self.error("it has no supply but the data line; wire its VDD pin")
        self._command(_RECALL)
        time.sleep_ms(10)
        self._receive()
        self._alarm = self._data[2] ^ 0xFF
        self._config = (resolution_bits - 9) << 5 | 0x1F
        self._command(_WRITE_SCRATCHPAD)
        self.bus.write(bytes((self._alarm, self._data[3], self._config)))
        self._receive()
        self._check()
        self._wait_ms = 750 >> 12 - resolution_bits
        self.period_us = 1000000

    def measure(self):
        """Begin one measurement; return the milliseconds it takes."""
        self._command(_CONVERT)
        return self._wait_ms + 1

    def read(self, block):
        """Append one temperature; nothing is appended when it raises."""
        self._receive()
        self._check()
        data = self._data
        unused = 3 - (self._config >> 5)  # lowest bits, undefined below 12
        raw = ((data[0] | data[1] << 8) ^ 0x8000) - 0x8000
        i = block.count
        block.columns[0][i] = raw >> unused << unused
        block.count = i + 1

    def _command(self, command):
        """Address the part and send a command."""
        if not self.bus.reset():
            raise OSError(_ENODEV)
        self._select[9] = command
        self.bus.write(self._select)

    def _receive(self):
        """Read the scratchpad."""
        self._command(_READ_SCRATCHPAD)
        self.bus.readinto(self._data)
        if self.bus.crc8(self._data):
            self.bad += 1
            raise self.error("CRC is wrong (noise, or a wire too long?)")

    def _check(self):
        """Raise SensorError if the part does not hold what it was told."""
        if self._data[2] != self._alarm or self._data[4] != self._config:
            raise self.error("it has lost its settings (supply interrupted?)")


DRIVER = DS18B20
