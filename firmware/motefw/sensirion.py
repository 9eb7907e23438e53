"""What Sensirion's I2C parts have in common: 16-bit commands, and words that carry a CRC each."""

import time

from .compat import const
from .crc import crc8_sensirion
from .driver import Driver

_TRIES = const(3)
_TRY_MS = const(2)


def command(code, *words):
    """Return the bytes of a command with its arguments, each followed by its CRC."""
    data = bytearray((code >> 8, code & 0xFF))
    for word in words:
        data.extend(bytes((word >> 8, word & 0xFF)))
        data.append(crc8_sensirion(data, len(data) - 2))
    return bytes(data)


class Sensirion(Driver):
    """Sends commands and receives words; a reply is a bytearray of three bytes a word."""

    def send(self, data):
        """Write a command as it is."""
        self.bus.writeto(self.address, data)

    def ask(self, data, reply, wait_ms=1):
        """Send a command, wait and receive its reply."""
        self.send(data)
        time.sleep_ms(wait_ms)
        self.receive(reply)

    def receive(self, reply):
        """Fill the reply; SensorError for a wrong CRC.

        A part that is still at work does not acknowledge, so it is tried again for a little.
        """
        for left in range(_TRIES - 1, -1, -1):
            try:
                self.bus.readfrom_into(self.address, reply)
                break
            except OSError:
                if not left:
                    raise
            time.sleep_ms(_TRY_MS)
        for at in range(0, len(reply), 3):
            expected = crc8_sensirion(reply, at, at + 2)
            got = reply[at + 2]
            if got != expected:
                self.bad += 1
                raise self.error(
                    f"CRC of word {at // 3} is 0x{got:02x}, expected 0x{expected:02x}"
                    " (noise, or another part?)"
                )
