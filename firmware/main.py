"""Run the firmware on the hardware of this board."""

from motefw import app, port_esp32

app.run(port_esp32.Port())
