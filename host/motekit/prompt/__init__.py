"""A board's MicroPython prompt: starting the firmware from it, and what else is done there."""
