"""TMP117: temperature, 16 bits of 1/128 degree.

Maker: Texas Instruments (US)
Source: TMP117 datasheet, "Register Map"
"""

from motefw.driver import Driver


class TMP117(Driver):
    ADDRESSES = (0x48, 0x49, 0x4A, 0x4B)
    CHANNELS = (("temperature", "Cel", 1 / 128, 0),)

    def identify(self):
        if self.bus.readfrom_mem(self.address, 0x0F, 2) != b"\x01\x17":
            raise self.error("is no TMP117")

    def read(self, block):
        high, low = self.bus.readfrom_mem(self.address, 0x00, 2)
        block.columns[0][block.count] = ((high << 8 | low) ^ 0x8000) - 0x8000
        block.count += 1


DRIVER = TMP117
