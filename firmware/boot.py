"""Before main.py: keep a board alive at a prompt that a soft reset leads to."""

from motefw import port_esp32

port_esp32.hold_after_soft_reset(10)
