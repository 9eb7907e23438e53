"""What the models of Sensirion's word-wise I2C parts have in common.

A command is 16 bits, a word two bytes and a CRC, in arguments as in replies. A part that is at
work acknowledges nothing, nor does it a read that no command prepared, a command it does not know
and an argument whose CRC is wrong.
"""

from .. import fast
from . import Faults

NACK = 19  # ENODEV, as the ESP32's I2C says it


def clipped(value, low, high):
    """Return the whole number nearest to a value that the part can produce."""
    return max(low, min(high, round(value)))


class Words(Faults):
    """A part; a subclass says how it is reset and what a command does."""

    FAULTS = ("nack", "bad_crc", "wrong_id", "brownout")
    POWER_UP_US = 1000

    def __init__(self, source, clock_us):
        super().__init__()
        self.source = source
        self.clock_us = clock_us
        self.power_cycle()

    def power_cycle(self):
        """Forget everything, as after an interruption of the supply."""
        self.words: tuple = ()  # the reply that waits
        self.busy_us = self.clock_us() + self.POWER_UP_US
        self.reset()

    def reset(self):
        """Be as after power-on."""

    def obey(self, _code, _arguments):
        """Do what a command says, set `words`; return the microseconds that it takes.

        None for a command that the part does not take.
        """
        return 0

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.power_cycle()

    def write(self, data):
        """Take a command; a probe without a byte is acknowledged when the part is idle."""
        now = self.clock_us()
        if "nack" in self.faults or now < self.busy_us or len(data) == 1:
            raise OSError(NACK)
        if not data:
            return
        arguments = []
        for at in range(2, len(data), 3):
            if at + 3 > len(data) or fast.crc8(data[at : at + 2], 2) != data[at + 2]:
                raise OSError(NACK)
            arguments.append(data[at] << 8 | data[at + 1])
        self.words = ()
        busy_us = self.obey(data[0] << 8 | data[1], arguments)
        if busy_us is None:
            raise OSError(NACK)
        self.busy_us = now + busy_us

    def read_into(self, buf):
        """Give the words with their CRCs, as far as the buffer goes; 0xFF after their end."""
        if "nack" in self.faults or self.clock_us() < self.busy_us or not self.words:
            raise OSError(NACK)
        reply = bytearray(0)
        for word in self.words:
            data = bytes((word >> 8 & 0xFF, word & 0xFF))
            wrong = "wrong_id" in self.faults
            reply += bytes(3) if wrong else data + bytes((fast.crc8(data, 2),))
        if "bad_crc" in self.faults:
            reply[-1] ^= 0x01
        for i in range(len(buf)):
            buf[i] = reply[i] if i < len(reply) else 0xFF
        self.words = ()
