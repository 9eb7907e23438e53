"""ENS160, ENS161: air quality index, TVOC and equivalent CO2, worked out in the part.

Maker: ScioSense (NL)
Bus: I2C 0x52, 0x53
Source: ENS160 datasheet v0.95, section 16 "Registers"
Rates: 1 Hz, as the part decides
Unverified: the optional checksum (DATA_MISR), which is therefore not used

All three are estimates from metal-oxide resistances: the equivalent CO2 is no measurement of CO2.
The part says how far its output is to be trusted, and what it calls warm-up (3 minutes), initial
start-up (the first hour of its life) or invalid is marked invalid. It is told a fixed temperature
and humidity to compensate for: a sensor beside it is not asked.
"""

from motefw.compat import const
from motefw.driver import Driver
from motefw.register import Reg

_STATUS = const(0x20)
_RUNNING = const(0x80)
_FAULT = const(0x40)
_VALIDITY = const(0x0C)
_NEW = const(0x02)
_IDLE = const(0x01)
_STANDARD = const(0x02)


class ENS160(Driver):
    """Streams (index 1 to 5, ppb, ppm), each as the part makes it."""

    ADDRESSES = (0x52, 0x53)
    ID = (0x00, 0x60, 0xFE)  # low byte of 0x0160 and 0x0161
    CHANNELS = (("aqi_uba", "1", 1, 0), ("tvoc", "ppb", 1, 0), ("eco2", "ppm", 1, 0))
    OPTIONS = (("temperature_cel", 25, range(-40, 86)), ("humidity_percent", 50, range(101)))
    STREAMING = True
    TIMED = True

    mode = Reg(0x10)
    temp_in = Reg(0x13, "<H")  # 1/64 K
    rh_in = Reg(0x15, "<H")  # 1/512 %RH

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._data = bytearray(6)

    def configure(self, temperature_cel, humidity_percent):
        """Set what to compensate for and run; a part that runs already keeps warm."""
        self.temp_in = ((temperature_cel * 100 + 27315) * 64 + 50) // 100
        self.rh_in = humidity_percent * 512
        if self.mode != _STANDARD:
            self.mode = _STANDARD
        self.period_us = 1000000

    def pending(self):
        """Fetch status and data in one go; return 1 when they are new."""
        data = self._data
        self.bus.readfrom_mem_into(self.address, _STATUS, data)
        status = data[0]
        if not status & _RUNNING:
            raise self.error("it has stopped measuring (supply interrupted?)")
        if status & _FAULT:
            raise self.error(f"it reports an error, status 0x{status:02x}")
        return 1 if status & _NEW else 0

    def drain(self, block, _n):
        """Append what `pending` fetched."""
        data = self._data
        i = block.count
        block.columns[0][i] = data[1] & 0x07
        block.columns[1][i] = data[2] | data[3] << 8
        block.columns[2][i] = data[4] | data[5] << 8
        if data[0] & _VALIDITY:
            for c in range(3):
                block.mark_invalid(c, i)
        block.count = i + 1

    def stop(self):
        """Stand by."""
        self.mode = _IDLE


DRIVER = ENS160
