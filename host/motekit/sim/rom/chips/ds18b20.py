"""Model of the DS18B20, bit by bit: ROM commands and search, scratchpad, EEPROM, conversion.

Source: DS18B20 datasheet 19-7487 Rev. 6, "Memory" (Figure 9), "ROM Commands", "DS18B20 Function
Commands" (Table 3), Table 2 (times). Byte 6 of the scratchpad is as parts show it, unverified.

A one-wire part has `reset()` (True: it shows that it is there), `write_bit(bit)` and `read_bit()`;
a slot that nobody pulls low reads 1, and to a part that listens it is a 1. A part that draws its
supply from the wire (fault `parasite`) never finishes a conversion, as no strong pull-up is
modelled. Not modelled: alarm search.
"""

from . import Faults

_POWER_ON = 0x0550  # 85 Cel
_EEPROM = b"\x4b\x46\x7f"
_CONVERSION_US = 750000
_LISTEN_ROM, _LISTEN, _MATCH, _SEARCH, _WRITE, _SEND, _DESELECTED = range(7)


def crc8(data):
    """CRC-8 of one-wire parts, reflected 0x8C: 02 1C B8 01 00 00 00 gives 0xA2."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


class Ds18b20(Faults):
    """A DS18B20 on a wire.

    Faults: `nack` (is not there), `bad_crc`, `wrong_id` (is a DS18S20), `parasite` (two wires),
    `brownout` (starts anew, at once).
    """

    ADDRESSES = ()
    RATES = ()
    FAULTS = ("nack", "bad_crc", "wrong_id", "parasite", "brownout")

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest),) raw values: -55..125 Cel / 16."""
        return ((-880, 2000),)

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._ended = False
        self._eeprom = _EEPROM
        self.serial = 0x0316A2794AFF
        self._power_up()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self._power_up()

    def rom(self):
        """Return the ROM code: family, serial number from its lowest byte on, CRC."""
        family = 0x10 if "wrong_id" in self.faults else 0x28
        code = bytes((family,)) + self.serial.to_bytes(6, "little")
        return code + bytes((crc8(code),))

    def _power_up(self):
        self._temperature = _POWER_ON
        self._settings = bytearray(self._eeprom)  # TH, TL, configuration
        self._done_us = 0
        self._converted = _POWER_ON
        self._converting = False
        self._state = _DESELECTED

    def reset(self):
        """Begin anew; return whether the part shows that it is there."""
        self._state = _LISTEN_ROM
        self._count = self._value = 0
        return "nack" not in self.faults and not self._ended

    def read_bit(self):
        """Give one bit; a part that listens takes it for a 1."""
        if "nack" in self.faults:
            return 1
        if self._state == _SEND:
            return self._next_bit()
        if self._state == _SEARCH:
            bit = self._rom_bit()
            self._count += 1
            return bit if self._count % 3 == 1 else 1 - bit
        self.write_bit(1)
        return 1

    def write_bit(self, bit):
        """Take one bit."""
        state = self._state
        if state in (_MATCH, _SEARCH):
            self._compare(bit)
        elif state in (_LISTEN_ROM, _LISTEN, _WRITE):
            self._value |= bit << self._count
            self._count += 1
            if self._count == (24 if state == _WRITE else 8):
                value, self._count, self._value = self._value, 0, 0
                if state == _LISTEN_ROM:
                    self._rom_command(value)
                elif state == _LISTEN:
                    self._function(value)
                else:
                    self._settings[:] = value.to_bytes(3, "little")
                    self._settings[2] = self._settings[2] & 0x60 | 0x1F
                    self._state = _DESELECTED

    def _rom_command(self, command):
        self._rom_bits = int.from_bytes(self.rom(), "little")
        if command == 0xF0:
            self._state = _SEARCH
        elif command == 0x55:
            self._state = _MATCH
        elif command == 0xCC:
            self._state = _LISTEN
        elif command == 0x33:
            self._send(self.rom())
        else:
            self._state = _DESELECTED

    def _rom_bit(self):
        """Return the bit of the ROM code that it is the turn of."""
        place = self._count // 3 if self._state == _SEARCH else self._count
        return self._rom_bits >> place & 1

    def _compare(self, bit):
        """Go on as long as the master's bits are those of the ROM code."""
        if self._rom_bit() != bit:
            self._state = _DESELECTED
            return
        self._count += 1
        if self._count == (192 if self._state == _SEARCH else 64):
            self._count = 0
            self._state = _LISTEN

    def _function(self, command):
        self._finish()
        self._state = _DESELECTED
        if command == 0x44:
            self._convert()
            self._send(None)
        elif command == 0xBE:
            self._send(self._scratchpad())
        elif command == 0x4E:
            self._state = _WRITE
        elif command == 0x48:
            self._eeprom = bytes(self._settings)
        elif command == 0xB8:
            self._settings[:] = self._eeprom
        elif command == 0xB4:
            self._send(b"\x00" if "parasite" in self.faults else b"\xff")

    def _send(self, data):
        """Send bytes, and 1 after them; None: 0 until the conversion is done."""
        self._out = data
        self._state = _SEND
        self._count = 0

    def _next_bit(self):
        if self._out is None:
            self._finish()
            return 0 if self._converting else 1
        at, self._count = self._count, self._count + 1
        return self._out[at >> 3] >> (at & 7) & 1 if at < 8 * len(self._out) else 1

    def _scratchpad(self):
        low, high = self._temperature & 0xFF, self._temperature >> 8 & 0xFF
        sixth = 0x0C if self._temperature == _POWER_ON else 0x10 - (low & 0x0F)
        data = bytes((low, high)) + bytes(self._settings) + bytes((0xFF, sixth, 0x10))
        return data + bytes((crc8(data) ^ ("bad_crc" in self.faults),))

    def _convert(self):
        values = None if self._ended else self._source.at(self._clock_us())
        if values is None:
            self._ended = True
            return
        raw = values[0] if self._source.raw else round(16 * values[0])
        unused = 3 - (self._settings[2] >> 5)
        self._converted = max(-880, min(2000, raw)) >> unused << unused
        self._done_us = self._clock_us() + (_CONVERSION_US >> unused)
        self._converting = True

    def _finish(self):
        """Take a conversion over that is done."""
        due = self._converting and self._clock_us() >= self._done_us
        if due and "parasite" not in self.faults:
            self._temperature = self._converted
            self._converting = False


CHIP = Ds18b20
