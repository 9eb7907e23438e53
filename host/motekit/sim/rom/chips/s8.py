"""Model of the Senseair S8: its Modbus registers, errors of the meter and of a request.

Source: Modbus on Senseair S8, TDE2067, "Register map" and "Application examples".

A request whose CRC is wrong or that is for another address is not answered.
"""

from ._talker import Talker
from ._words import clipped

_ANY = 0xFE
_ADDRESS = 0x68
_STATUS = 0
_CO2 = 3
_ABC = 0x1F
_ILLEGAL_FUNCTION = 1
_ILLEGAL_ADDRESS = 2


def crc16(data):
    """Return the two bytes of the CRC of Modbus RTU over the data."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return bytes((crc & 0xFF, crc >> 8))


class S8(Talker):
    """An S8 on a UART; `status` is the error bits of its meter."""

    HEAD = b"\xfe\x04\x08"
    REPLY_US = 20000

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ) raw values of CO2."""
        return ((0, 10000),)

    def __init__(self, source, clock_us, _options=None):
        self.holding = {_ABC: 180, 0: 0, 1: 0}
        self.status = 0
        super().__init__(source, clock_us)

    @property
    def abc(self):
        """The period of the self-calibration, hours; 0: off."""
        return self.holding[_ABC]

    @abc.setter
    def abc(self, hours):
        self.holding[_ABC] = hours

    def reset(self):
        """Be as after power-on; the self-calibration's period is kept."""

    def size(self, command):
        """Return the bytes of a request that begins so, 0 for none."""
        return 8 if command[0] in (_ANY, _ADDRESS) else 0

    def obey(self, command):
        """Answer a request."""
        if crc16(command[:6]) != command[6:]:
            return False
        address, function = command[0], command[1]
        register = command[2] << 8 | command[3]
        value = command[4] << 8 | command[5]
        now = self.clock_us()
        if function == 6 and register in self.holding:
            self.holding[register] = value
            self.say(command, now + self.REPLY_US)
            return True
        inputs = function == 4
        if function not in (3, 4):
            error = _ILLEGAL_FUNCTION
        elif not self._has(inputs, register, value):
            error = _ILLEGAL_ADDRESS
        else:
            self._answer(address, function, register, value, now)
            return True
        reply = bytes((address, function | 0x80, error))
        self.say(reply + crc16(reply), now + self.REPLY_US)
        return True

    def _has(self, inputs, register, count):
        has = range(4) if inputs else self.holding
        return 1 <= count <= 8 and all(r in has for r in range(register, register + count))

    def _answer(self, address, function, register, count, now):
        words = []
        for i in range(register, register + count):
            if function == 3:
                words.append(self.holding[i])
            elif i == _CO2:
                values = self.source.at(now)
                if values is None:
                    return
                words.append(clipped(values[0], *self.limits(None)[0]))
            else:
                words.append(self.status if i == _STATUS else 0)
        data = b"".join([bytes((word >> 8, word & 0xFF)) for word in words])
        reply = bytes((address, function, len(data))) + data
        self.report(reply + crc16(reply), now + self.REPLY_US)


CHIP = S8
