"""Firmware of a motekit sensor board; the pure modules are imported by the host as they are."""

__version__ = "0.1.0"
