"""What every sensor driver is and does; a chip's module adds its registers and its numbers.

A driver is handed its bus and nothing else. Physical value = raw * scale + offset, with scale and
offset of `CHANNELS`; what it writes to a block are the sensor's own integers.

    polled parts     measure() -> ms to wait, then read(block)    one sample
    streaming parts  pending() -> n, then drain(block, n)         n samples, or none and a gap

All are synchronous and allocate nothing per sample. They raise SensorError for a part that is
another one or answers wrongly, and let the bus's OSError through for one that does not answer.

A board that is short of heap keeps of a started driver what `measure`, `read`, `pending`, `drain`
and `stop` reach; for another start the driver is loaded and made anew.
"""

from .errors import ConfigError
from .sampling import Sampling


class Driver(Sampling):
    """Base of all drivers; a subclass gives the class attributes and `configure`."""

    ADDRESSES: tuple = ()  # what the part's pins can choose, its default first; () on a UART
    ID: tuple = ()  # (register, value) of an identity register, and a mask if some bits vary
    CHANNELS: tuple = ()  # (name, unit, scale, offset) in the order of a sample
    OPTIONS: tuple = ()  # (name, default, tuple or range of what is allowed)

    @classmethod
    def channels(cls, _options):
        """Return CHANNELS, as options, which are complete, make them."""
        return cls.CHANNELS

    def __init__(self, bus, address=None):
        if address is None and self.ADDRESSES:
            address = self.ADDRESSES[0]
        elif self.ADDRESSES and address not in self.ADDRESSES:
            raise ConfigError(f"address: {address} is not one of {self.ADDRESSES}")
        self.bus = bus
        self.address = address
        self.period_us = 0  # nominal time between samples, once started
        self.poll_us = 0  # time in which a streaming part's FIFO becomes half full
        self.gap = False  # samples were lost before the ones that wait; the reader clears it
        self.bad = 0  # replies or frames that failed their checksum and were dropped

    def start(self, **options):
        """Check the options, make sure of the part, configure it; may be called again any time."""
        from .options import check_options  # loaded for it

        options = check_options(self, options)
        self.gap = False
        self.identify()
        self.configure(**options)
        self.poll_us = self.period_us * self.FIFO // 2

    def identify(self):
        """Raise SensorError if the identity register does not hold what it should."""
        if self.ID:
            register, expected = self.ID[:2]
            got = self.bus.readfrom_mem(self.address, register, 1)[0]
            if got & (self.ID + (255,))[2] != expected:
                raise self.error(
                    f"id is 0x{got:02x}, expected 0x{expected:02x} (wrong chip or address?)"
                )

    def configure(self):
        """Set the part up with the checked options, and `period_us`."""
