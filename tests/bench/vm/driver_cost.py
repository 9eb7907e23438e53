"""Runs on the MicroPython VM: load one driver, sample over and over; print what the heap lost.

    driver_cost.py DRIVER SAMPLES ROUNDS REPLY

The bus costs nothing: each read gives the bytes of REPLY (hexadecimal) again.
"""

import gc
import sys

from motefw import drivers, packet

SHARED = ("driver", "register", "crc")  # what drivers have in common


class Bus:
    """I2C and UART of a part that always says the same."""

    at = 0  # of the reply, on a UART

    def __init__(self, reply):
        self.reply = reply

    def readfrom_mem_into(self, _addr, _memaddr, buf):
        for i in range(len(buf)):
            buf[i] = self.reply[i]

    def readfrom_into(self, _addr, buf):
        for i in range(len(buf)):
            buf[i] = self.reply[i]

    def writeto(self, _addr, buf):
        return len(buf)

    def any(self):
        return len(self.reply)

    def readinto(self, buf, nbytes=None):
        n = min(nbytes or len(buf), len(self.reply))
        for i in range(n):
            buf[i] = self.reply[(self.at + i) % len(self.reply)]
        self.at = (self.at + n) % len(self.reply)
        return n

    def write(self, buf):
        self.at = 0  # a reply begins
        return len(buf)


def sample(part, block, n):
    """Take n samples into an empty block."""
    block.count = 0
    if part.STREAMING:
        part.pending()
        part.drain(block, n)
        return
    for _ in range(n):
        part.measure()
        part.read(block)


def main():
    """Print the bytes that the driver's module takes, its object, and all rounds of samples."""
    name, samples, rounds, reply = sys.argv[1:]
    bus = Bus(bytes.fromhex(reply))
    for module in SHARED:
        __import__("motefw." + module)
    gc.collect()
    empty = gc.mem_alloc()
    cls = drivers.load(name)
    gc.collect()
    loaded = gc.mem_alloc()
    part = cls(bus)
    gc.collect()
    made = gc.mem_alloc()
    block = packet.Block(len(cls.CHANNELS), 64)
    sample(part, block, int(samples))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(int(rounds)):
        sample(part, block, int(samples))
    print("loaded", loaded - empty, "object", made - loaded, "heap", gc.mem_alloc() - before)


main()
