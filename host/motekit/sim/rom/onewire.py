"""A one-wire bus with the methods of MicroPython's `onewire.OneWire`, and chip models on it."""

from .chips.ds18b20 import crc8 as _crc8

_SEARCH_ROM = 0xF0
_MATCH_ROM = 0x55
_PASSES_MAX = 255


class OneWire:
    """A one-wire bus; `models` are (serial number or None for the model's own, model) pairs.

    Fault: `shorted` (the wire is held low).
    """

    FAULTS = ("shorted",)

    def __init__(self, models):
        self._models = []
        for serial, model in models:
            if serial is not None:
                model.serial = serial
            self._models.append(model)
        self.faults = set()

    def fault(self, kind, on=True):
        """Begin or end a fault of the wire; ValueError for an unknown kind."""
        if kind not in self.FAULTS:
            raise ValueError("fault {}: known are {}".format(kind, ", ".join(self.FAULTS)))
        if on:
            self.faults.add(kind)
        else:
            self.faults.discard(kind)

    def recover(self):
        """Do nothing: a reset frees the wire."""

    def reset(self, _required=False):
        """Return whether a part is there; a wire that is held low looks like one."""
        present = False
        for model in self._models:
            present = model.reset() or present
        return present or bool(self.faults)

    def readbit(self):
        """Return a bit: 0 if anybody pulls."""
        bit = 1
        for model in self._models:
            bit &= model.read_bit()
        return 0 if self.faults else bit

    def writebit(self, value):
        """Write a bit."""
        for model in self._models:
            model.write_bit(0 if self.faults else value & 1)

    def readbyte(self):
        """Return a byte, its lowest bit read first."""
        value = 0
        for i in range(8):
            value |= self.readbit() << i
        return value

    def writebyte(self, value):
        """Write a byte, its lowest bit first."""
        for i in range(8):
            self.writebit(value >> i & 1)

    def readinto(self, buf):
        """Fill a buffer."""
        for i in range(len(buf)):
            buf[i] = self.readbyte()

    def write(self, buf):
        """Write the bytes of a buffer."""
        for i in range(len(buf)):
            self.writebyte(buf[i])

    def select_rom(self, rom):
        """Address one part."""
        self.reset()
        self.writebyte(_MATCH_ROM)
        self.write(rom)

    def crc8(self, data):
        """Return the CRC of data: 0 over bytes and their CRC."""
        return _crc8(data)

    def scan(self):
        """Return the ROM codes on the wire, unchecked."""
        found = []
        code, fork = 0, 64
        for _ in range(_PASSES_MAX):
            code, fork = self._search(code, fork)
            if code is None:
                break
            found.append(bytearray(code.to_bytes(8, "little")))
            if fork < 0:
                break
        return found

    def _search(self, before, fork):
        """Return the next ROM code and the last place where it could have turned to a 1.

        As before up to `fork`, a 1 there, zeros preferred behind it.
        """
        if not self.reset():
            return None, -1
        self.writebyte(_SEARCH_ROM)
        code, last = 0, -1
        for place in range(64):
            bit, complement = self.readbit(), self.readbit()
            if bit and complement:
                return None, -1
            if bit == complement:
                bit = before >> place & 1 if place < fork else int(place == fork)
                if not bit:
                    last = place
            code |= bit << place
            self.writebit(bit)
        return code, last
