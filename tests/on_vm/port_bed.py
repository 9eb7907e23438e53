"""The line of an ESP32's port on this VM's standard input: prints what each read gives.

Only what the line is made of is the VM's own: `machine` has nothing here that it needs.
"""

import asyncio
import sys

sys.modules["machine"] = sys  # whatever module

import micropython

from motefw.port_esp32 import Serial

micropython.kbd_intr(-1)
serial = Serial()
buf = bytearray(64)


async def read():
    return await serial.readinto(buf)


for _ in range(int(sys.argv[1])):
    n = asyncio.run(read())
    print(bytes(buf[:n]))
left = b""
while True:
    b = serial.take()
    if b < 0:
        break
    left += bytes((b,))
print(left)
