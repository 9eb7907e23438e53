"""Runs on the MicroPython VM: load one driver, sample over and over; print what the heap lost.

    driver_cost.py DRIVER SAMPLES ROUNDS REPLY [REGISTERS]

The bus costs nothing: each read gives the bytes of REPLY (hexadecimal) again. A part that needs to
be set up first is, from REGISTERS, which begin at 0x88.
"""

import gc
import sys

from motefw import drivers, packet

FIRST = 0x88
SHARED = ("driver", "register", "crc")  # what drivers have in common


class Bus:
    """I2C and UART of a part that always says the same."""

    at = 0  # of the reply, on a UART

    def __init__(self, reply, registers):
        self.reply = reply
        self.registers = registers

    def readfrom_mem(self, _addr, memaddr, nbytes):
        data = self.registers[memaddr - FIRST :][:nbytes]
        return data + bytes(nbytes - len(data))

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
    name, samples, rounds, reply = sys.argv[1:5]
    registers = sys.argv[5] if len(sys.argv) > 5 else ""
    bus = Bus(bytes.fromhex(reply), bytes.fromhex(registers))
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
    if registers:
        part.configure()
    block = packet.Block(len(cls.CHANNELS), 64)
    sample(part, block, int(samples))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(int(rounds)):
        sample(part, block, int(samples))
    print("loaded", loaded - empty, "object", made - loaded, "heap", gc.mem_alloc() - before)


main()
