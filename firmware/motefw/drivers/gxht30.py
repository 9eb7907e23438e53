"""GXHT30: temperature and relative humidity, in all that is used here an SHT30.

Maker: GXCAS (CN)
Bus: I2C 0x44, 0x45
Source: GXHT30 datasheet (Chinese), commands and conversion as in the SHT3x-DIS datasheet
Rates: on demand; one measurement takes 15.5, 6.5 or 4.5 ms (high, medium, low precision)
Unverified: that its times are those of the SHT30; no register tells the two apart
"""

from motefw.drivers.sht3x import SHT3x


class GXHT30(SHT3x):
    """Measures when asked, one shot each."""


DRIVER = GXHT30
