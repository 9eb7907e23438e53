"""Senseair S8: carbon dioxide by infrared absorption, over a UART that speaks Modbus.

Maker: Senseair (SE)
Bus: UART 9600 8N1
Source: Modbus on Senseair S8, TDE2067, sections "Register map", "Application examples"
Rates: on demand, the part measures every 2 s; the reply is there within 0.2 s
Unverified: zero as "not measured yet"; errors of the meter clear by themselves once their cause is
    gone

Self-calibration ("ABC") takes the lowest reading of its period for fresh air (400 ppm): 0 hours,
off, where a room never has that. It is set after the first reply, once a start. A reading out of
range is marked invalid; a meter that reports an error of its own says so.
"""

from motefw.compat import const
from motefw.uart_asked import UartAsked

_REPLY_BYTES = const(13)
_OUT_OF_RANGE = const(0x20)


def crc16(data, size):
    """Return the CRC of Modbus RTU: reflected 0xA001, initial 0xFFFF, sent low byte first."""
    crc = 0xFFFF
    for i in range(size):
        crc ^= data[i]
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def request(data):
    """Return a request with its CRC."""
    crc = crc16(data, len(data))
    return data + bytes((crc & 0xFF, crc >> 8))


class S8(UartAsked):
    """Measures CO2 when asked."""

    CHANNELS = (("co2", "ppm", 1, 0),)
    OPTIONS = (("self_calibration_h", 180, range(4801)),)
    REQUEST = b"\xfe\x04\x00\x00\x00\x04\xe5\xc6"  # meter status .. space CO2
    REPLY_MS = 200

    _setting = None  # still to be sent

    def configure(self, self_calibration_h):
        """Keep the setting until the part is heard."""
        hours = self_calibration_h
        self._setting = request(b"\xfe\x06\x00\x1f" + bytes((hours >> 8, hours & 0xFF)))
        self.begin(2)

    def size(self):
        """Return what a reply takes."""
        frame = self.frame
        head = frame[0] == 0xFE and frame[1] == 0x04 and frame[2] == 0x08
        return _REPLY_BYTES if head else 0

    def sound(self, size):
        """Tell whether the CRC over all, itself included, is zero."""
        return not crc16(self.frame, size)

    def values(self, block, i):
        """Write the concentration; SensorError when the meter reports an error."""
        frame = self.frame
        if self._setting:
            self.bus.write(self._setting)
            self._setting = None
        status = frame[3] << 8 | frame[4]
        if status & ~_OUT_OF_RANGE:
            raise self.error(f"its meter status is 0x{status:04x}, expected 0")
        block.columns[0][i] = ppm = frame[9] << 8 | frame[10]
        return ppm != 0 and not status


DRIVER = S8
