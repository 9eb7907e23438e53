"""Model of the GXHT30: an SHT30, as far as is known.

Source: GXHT30 datasheet; that its timing is the SHT30's is unverified.
"""

from .sht3x import Sht3x


class Gxht30(Sht3x):
    """A GXHT30 on I2C; faults as the SHT3x."""


CHIP = Gxht30
