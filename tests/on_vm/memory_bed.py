"""What the firmware takes of a heap: run in a VM from compiled .mpy, prints a table.

Arguments: the folder of the compiled firmware, that of the chips' models, a scratch folder. The
models and the port are loaded first: what they take is not the firmware's.
"""

import gc
import json
import sys

sys.path[:0] = sys.argv[1:3]

import asyncio
import hashlib
import select
import struct
import time

import fake_port
from rom import chips
from rom.bus import I2CBus, Uart

LOADED = hashlib, select, struct  # the VM's own, which the firmware finds in place
CONFIG = {
    "board": "test",
    "buses": {
        "i2c0": {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000},
        "uart1": {"kind": "uart", "id": 1, "tx": 21, "rx": 20, "baud": 9600},
    },
    "sensors": [
        {"driver": "adxl345", "bus": "i2c0", "options": {"rate_hz": 200}},
        {"driver": "sht4x", "bus": "i2c0", "period_ms": 1000},
        {"driver": "pms5003", "bus": "uart1", "options": {"warmup_s": 0}},
    ],
}


class Source:
    """The same for ever: it takes no heap."""

    raw = True
    row = (100,) * 12

    def sample(self, i):
        return self.row

    def at(self, t_us):
        return self.row


last = [time.ticks_us(), 0]


def now_us():
    """Return the time as models want it: it does not wrap in the middle of a run."""
    ticks = time.ticks_us()
    last[1] += time.ticks_diff(ticks, last[0])
    last[0] = ticks
    return last[1]


def model(name):
    return chips.load(name)(Source(), now_us, {})


class Port(fake_port.Port):
    """The models on their buses."""

    def __init__(self, root):
        super().__init__(root)
        self._i2c = I2CBus([(0x53, model("adxl345")), (0x44, model("sht4x"))])
        self._uart = Uart(model("pms5003"), now_us, 9600)

    def i2c(self, spec):
        return self._i2c

    def uart(self, spec):
        return self._uart

    def heap(self):
        return 0  # always short: rarely used modules are let go, the queue is as small as can be


gc.collect()
base = gc.mem_alloc()
taken = [0]


def say(name):
    """Print what was taken since the last line."""
    gc.collect()
    now = gc.mem_alloc() - base
    print(json.dumps([name, now - taken[0], now]))
    taken[0] = now


port = Port(sys.argv[3])
with open(sys.argv[3] + "/config.json", "w") as file:
    json.dump(CONFIG, file)
gc.collect()
base = gc.mem_alloc()

from motefw import app

say("program")
board = app.Board(port)
say("scratch of the encoder")
from motefw import packet_setup

packet_setup.select_kernel()
packet_setup = None
del sys.modules["motefw.packet_setup"]
delattr(sys.modules["motefw"], "packet_setup")
say("kernel of the encoder")
board.boot()
say("queue, drivers, buffers and blocks")


async def main():
    task = asyncio.create_task(board.run())
    await asyncio.sleep_ms(6500)
    say("running")
    await asyncio.sleep_ms(3000)
    say("still running")
    task.cancel()


asyncio.run(main())
