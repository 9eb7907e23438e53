"""Checksums of sensors and frames; CRC-32 is `binascii.crc32` (C on both sides)."""

import binascii

_NIBBLES = b"\x00\x31\x62\x53\xc4\xf5\xa6\x97\xb9\x88\xdb\xea\x7d\x4c\x1f\x2e"


def crc32(data, crc=0):
    """Return the CRC-32 of IEEE 802.3 (reflected 0xEDB88320)."""
    return binascii.crc32(data, crc) & 0xFFFFFFFF


def crc8_sensirion(data, start=0, stop=None):
    """Return the CRC-8 of Sensirion parts: polynomial 0x31, initial 0xFF (SHT4x datasheet)."""
    crc = 0xFF
    table = _NIBBLES
    if stop is None:
        stop = len(data)
    while start < stop:
        crc ^= data[start]
        crc = crc << 4 & 0xFF ^ table[crc >> 4]
        crc = crc << 4 & 0xFF ^ table[crc >> 4]
        start += 1
    return crc


def sum16(data, start=0, stop=None):
    """Return the 16-bit sum of the bytes, as Plantower frames carry it (PMS5003 manual)."""
    total = 0
    for i in range(start, len(data) if stop is None else stop):
        total += data[i]
    return total & 0xFFFF
