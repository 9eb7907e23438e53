"""SC7A20: acceleration, three axes of 12 bits, drained from its FIFO; a relative of the LIS3DH.

Maker: Silan (CN)
Bus: I2C 0x18, 0x19
Source: SC7A20 datasheet (Silan); registers as LIS2DH and LIS3DH, whose driver this is
Rates: 25, 50, 100, 200, 400 Hz
Unverified: the scale: range / 2048 a count as public drivers have it, while Linux takes the
    LIS3DH's 1, 2, 4, 12 mg; that FIFO and overrun behave as the LIS3DH's
"""

from .lis3dh import LIS3DH


class SC7A20(LIS3DH):
    """The LIS3DH's driver with its own identity, scale, and the rates that both have."""

    ID = (0x0F, 0x11)
    OPTIONS = (("rate_hz", 100, (25, 50, 100, 200, 400)), LIS3DH.OPTIONS[1])

    @classmethod
    def scale(cls, range_g):
        """Return the g of one count."""
        return range_g / 2048


DRIVER = SC7A20
