"""Writes MicroPython and the firmware onto boards, many at once."""
