"""Model of the SC7A20: that of the LIS3DH with another identity and scale.

Source: SC7A20 datasheet (Silan); the scale as in public drivers, range / 2048 a digit.
"""

from .lis3dh import Lis3dh


class Sc7a20(Lis3dh):
    """An SC7A20 on I2C; see Motion for the faults."""

    RATES = (25, 50, 100, 200, 400)
    RESET = ((0x0F, 0x11), (0x20, 0x07), (0x70, 0x28))
    PER_G = (1024, 512, 256, 128)


CHIP = Sc7a20
