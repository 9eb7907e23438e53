"""PMSA003I: particulate matter by laser scattering, mass and counts: a PMS5003's frames over I2C.

Maker: Plantower (CN)
Bus: I2C 0x12, at most 100 kHz
Source: PMSA003I series data manual V2.6, "I2C protocol"
Rates: on demand; the part measures every 0.2 to 2.3 s
Unverified: that it does not acknowledge until it is up

Each reading is the part's latest frame. What is read in the first `warmup_s` after the start, and
a payload of nothing but zeros, is the fan running up and not air: marked invalid.
"""

from motefw.drivers.pms5003 import PMS5003


class PMSA003I(PMS5003):
    """Reads the latest frame: mass in ug/m3 (ambient, then "CF=1") and counts per 0.1 litre."""

    BUS = "i2c"
    ADDRESSES = (0x12,)
    OPTIONS = (("warmup_s", 30, range(601)),)
    STREAMING = False
    TIMED = False
    LONGEST = 32

    def identify(self):
        """Read a frame and look at its head."""
        self._fetch()

    def configure(self, warmup_s):
        """Begin to warm up; there is nothing to set."""
        self.begin(1, warmup_s)

    def measure(self):
        """Return 0: there is always a latest frame."""
        return 0

    def read(self, block):
        """Append the latest frame's sample; nothing is appended when it raises."""
        self._fetch()
        self._append(block)

    def stop(self):
        """Do nothing: the part takes no commands over I2C."""

    def _fetch(self):
        frame = self.frame
        self.bus.readfrom_into(self.address, frame)
        if self.size(len(frame)) != len(frame):
            raise self.error("no frame of 32 bytes begins what it says (another part?)")
        if not self.sound(len(frame)):
            self.bad += 1
            raise self.error("the sum of its frame is wrong")


DRIVER = PMSA003I
