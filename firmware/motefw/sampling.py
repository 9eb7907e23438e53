"""What of every driver a board needs while it samples; the rest is in `driver`."""

from .errors import SensorError


class Sampling:
    """Base of `Driver`."""

    BUS = "i2c"
    CODE = "i"  # of the arrays that hold its values: "h" or "H" where 16 bits do
    STREAMING = False
    TIMED = False  # samples come when the part likes: each carries a time of its own
    address = None  # on its bus, where that has any
    FIFO = 1  # samples that wait in a streaming part before one is lost

    def measure(self):
        """Ask for one measurement; return the milliseconds after which `read` finds it."""
        return 0

    def stop(self):
        """Leave the part quiet and safe."""

    def error(self, text):
        """Return a SensorError that names the part and where it is."""
        where = "" if self.address is None else f" at 0x{self.address:02x}"
        return SensorError(f"{type(self).__name__}{where}: {text}")
