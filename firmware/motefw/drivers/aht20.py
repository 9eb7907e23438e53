"""AHT20, AHT21, DHT20: temperature and relative humidity, CRC-checked.

Maker: Aosong (CN)
Bus: I2C 0x38
Source: AHT20 datasheet V1.0 and DHT20 datasheet V1.0, section 7 "Sensor communication"
Rates: on demand; one measurement takes 80 ms
Unverified: how long a reset of the calibration takes (10 ms, from public drivers)

It has no identity register: it is known by the calibrated bit of its status. An AHT10 sends no
CRC, so what it says is refused. Of the 20 bits of a value the upper 16 travel: the datasheet gives
0.01 Cel and 0.024 %RH as the resolution, they are 0.003 Cel and 0.0015 %RH.
"""

import time

from motefw.compat import const
from motefw.crc import crc8_sensirion
from motefw.driver import Driver

_RESET = const(b"\xba")
_INITIALISE = const(b"\xbe\x08\x00")
_MEASURE = const(b"\xac\x33\x00")
_BUSY = const(0x80)
_CALIBRATED = const(0x08)
_TRIES = const(5)


class AHT20(Driver):
    """Measures when asked."""

    ADDRESSES = (0x38,)
    CHANNELS = (
        ("temperature", "Cel", 200 / 65536, -50),
        ("humidity", "%RH", 100 / 65536, 0),
    )

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._reply = bytearray(7)

    def identify(self):
        """Reset the part and have it load its calibration, if it has not."""
        self.bus.writeto(self.address, _RESET)
        time.sleep_ms(20)
        if not self._status() & _CALIBRATED:
            self.bus.writeto(self.address, _INITIALISE)
            time.sleep_ms(10)
        status = self._status()
        if status & (_BUSY | _CALIBRATED) != _CALIBRATED:
            raise self.error(f"status is 0x{status:02x}, not idle and calibrated (another part?)")

    def configure(self):
        """Set nothing: a measurement a second, unless the sampler is told otherwise."""
        self.period_us = 1000000

    def measure(self):
        """Begin one measurement; return the milliseconds it takes."""
        self.bus.writeto(self.address, _MEASURE)
        return 80

    def read(self, block):
        """Append (temperature, humidity); nothing is appended when it raises."""
        data = self._reply
        for _ in range(_TRIES):
            self.bus.readfrom_into(self.address, data)
            if not data[0] & _BUSY:
                break
            time.sleep_ms(2)
        expected = crc8_sensirion(data, 0, 6)
        if data[6] != expected:
            self.bad += 1
            raise self.error(
                f"CRC is 0x{data[6]:02x}, expected 0x{expected:02x} (noise, or an AHT10?)"
            )
        if data[0] & (_BUSY | _CALIBRATED) != _CALIBRATED:
            raise self.error(f"status is 0x{data[0]:02x}: still busy, or reset meanwhile")
        i = block.count
        block.columns[0][i] = (data[3] & 0x0F) << 12 | data[4] << 4 | data[5] >> 4
        block.columns[1][i] = data[1] << 8 | data[2]
        block.count = i + 1

    def _status(self):
        return self.bus.readfrom(self.address, 1)[0]


DRIVER = AHT20
