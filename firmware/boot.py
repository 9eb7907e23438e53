from motefw import port_esp32

port_esp32.hold_after_soft_reset(10)
