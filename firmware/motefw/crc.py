"""Checksums of sensors and frames; CRC-32 is `binascii.crc32` (C on both sides)."""

import binascii


def crc32(data, crc=0):
    """Return the CRC-32 of IEEE 802.3 (reflected 0xEDB88320)."""
    return binascii.crc32(data, crc) & 0xFFFFFFFF


def crc8_sensirion(data, start=0, stop=None):
    """Return the CRC-8 of Sensirion parts: polynomial 0x31, initial 0xFF (SHT4x datasheet)."""
    crc = 0xFF
    for i in range(start, len(data) if stop is None else stop):
        crc ^= data[i]
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def sum16(data, start=0, stop=None):
    """Return the 16-bit sum of the bytes, as Plantower frames carry it (PMS5003 manual)."""
    total = 0
    for i in range(start, len(data) if stop is None else stop):
        total += data[i]
    return total & 0xFFFF
