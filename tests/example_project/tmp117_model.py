"""Model of the TMP117: two registers of 16 bits behind a pointer."""

from . import Faults


class Tmp117(Faults):
    FAULTS = ("nack", "wrong_id")
    ADDRESSES = (0x48, 0x49, 0x4A, 0x4B)
    RATES = ()  # any

    @staticmethod
    def limits(_options):
        return ((-32768, 32767),)

    def __init__(self, source, clock_us, _options):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._pointer = 0

    def write(self, data):
        if "nack" in self.faults:
            raise OSError(19)
        if data:
            self._pointer = data[0]

    def read_into(self, buf):
        if "nack" in self.faults:
            raise OSError(19)
        word = 0
        if self._pointer == 0x00:
            (value,) = self._source.at(self._clock_us())
            word = round(value if self._source.raw else value * 128) & 0xFFFF
        elif self._pointer == 0x0F and "wrong_id" not in self.faults:
            word = 0x0117
        for i in range(len(buf)):
            buf[i] = word & 0xFF if i % 2 else word >> 8


CHIP = Tmp117
