"""The ROM of a virtual board: what runs inside the MicroPython VM beneath the firmware.

The supervisor (`motekit.sim.fleet`) compiles this package with mpy-cross and starts each board's
VM with `rom.start.start(...)`. Chip models and buses in here also run on CPython; the rest needs
MicroPython.
"""
