"""SCD40, SCD41, SCD43: carbon dioxide, temperature and humidity, each word CRC-checked.

Maker: Sensirion (CH)
Bus: I2C 0x62
Source: SCD4x datasheet v1.7, section 3 "Digital interface description"
Rates: as the part decides, every 5 s, or every 30 s in low-power mode
Unverified: 0 ppm as "not measured" in periodic modes (a measurement without CO2 says so)

Sample by sample as the part has them ready. Settings are made anew at each start and never written
to its EEPROM. Self-calibration takes the lowest CO2 of a week for fresh air (400 ppm): "off" where
a room never has that. A part that measures already, after a reset of the board, is stopped first,
which takes it half a second.
"""

import time

from motefw.compat import const
from motefw.sensirion import Sensirion, command

_SERIAL = const(b"\x36\x82")
_STOP = const(b"\x3f\x86")
_READY = const(b"\xe4\xb8")
_READ = const(b"\xec\x05")
_MODES = {"periodic": (b"\x21\xb1", 5000), "low_power": (b"\x21\xac", 30000)}  # command, ms
_STOP_MS = const(500)
_POLL_MS = const(250)


class SCD4x(Sensirion):
    """Streams (CO2, temperature, humidity); `serial` holds the part's number once started."""

    ADDRESSES = (0x62,)
    CHANNELS = (
        ("co2", "ppm", 1, 0),
        ("temperature", "Cel", 175 / 65535, -45),
        ("humidity", "%RH", 100 / 65535, 0),
    )
    OPTIONS = (
        ("mode", "periodic", ("periodic", "low_power")),
        ("self_calibration", "on", ("on", "off")),
        ("altitude_m", 0, range(3001)),
    )
    STREAMING = True
    TIMED = True

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._reply = bytearray(9)
        self._flag = bytearray(3)
        self._asked_ms = self._heard_ms = self._period_ms = 0
        self.serial = None

    def identify(self):
        """Read the serial number, which only a part that does not measure gives."""
        try:
            self.ask(_SERIAL, self._reply)
        except OSError:
            self.stop()
            self.ask(_SERIAL, self._reply)
        self.serial = bytes([self._reply[i] for i in (0, 1, 3, 4, 6, 7)])

    def configure(self, mode, self_calibration, altitude_m):
        """Make the settings and begin."""
        self.send(command(0x2416, self_calibration == "on"))
        time.sleep_ms(1)
        self.send(command(0x2427, altitude_m))
        time.sleep_ms(1)
        begin, self._period_ms = _MODES[mode]
        self.send(begin)
        self.period_us = 1000 * self._period_ms
        self._asked_ms = self._heard_ms = time.ticks_ms()

    def pending(self):
        """Return 1 when a measurement is ready; SensorError when two have failed to come."""
        now = time.ticks_ms()
        if time.ticks_diff(now, self._asked_ms) < _POLL_MS:
            return 0
        self._asked_ms = now
        flag = self._flag
        self.ask(_READY, flag)
        if flag[0] & 0x07 or flag[1]:
            self._heard_ms = now
            return 1
        if time.ticks_diff(now, self._heard_ms) > 5 * self._period_ms // 2:
            raise self.error("it has stopped measuring (supply interrupted?)")
        return 0

    def drain(self, block, _n):
        """Append the measurement that is ready."""
        data = self._reply
        self.ask(_READ, data)
        i = block.count
        for c in range(3):
            block.columns[c][i] = data[3 * c] << 8 | data[3 * c + 1]
        if not block.columns[0][i]:
            block.mark_invalid(0, i)
        block.count = i + 1

    def stop(self):
        """End the measurement, and wait until the part takes other commands."""
        self.send(_STOP)
        time.sleep_ms(_STOP_MS)


DRIVER = SCD4x
