"""Runs on the MicroPython VM: load one driver, sample over and over; print what the heap lost.

    driver_cost.py DRIVER SAMPLES ROUNDS REPLY [REGISTERS]

The bus costs nothing: each read gives the bytes of REPLY (hexadecimal) again. A register may have
replies of its own, given in turn: `15=6000 2d=80/00`. A part that needs to be set up first is,
from REGISTERS, which begin at 0x88.
"""

import gc
import sys

from motefw import drivers, options, packet

FIRST = 0x88
SHARED = ("driver", "register", "accelerometer", "crc")  # what drivers have in common


class Bus:
    """I2C and UART of a part that always says the same."""

    at = 0  # of the reply, on a UART

    def __init__(self, text, registers):
        self.registers = registers
        self.own = {}
        self.turn = {}
        self.reply = b""
        for word in text.split():
            register, _, replies = word.rpartition("=")
            if register:
                self.own[int(register, 16)] = [bytes.fromhex(r) for r in replies.split("/")]
                self.turn[int(register, 16)] = 0
            else:
                self.reply = bytes.fromhex(replies)

    def readfrom_mem(self, _addr, memaddr, nbytes):
        data = self.registers[memaddr - FIRST :][:nbytes]
        return data + bytes(nbytes - len(data))

    def readfrom_mem_into(self, _addr, memaddr, buf):
        reply = self.reply
        if memaddr in self.own:
            turn = self.turn[memaddr]
            reply = self.own[memaddr][turn]
            self.turn[memaddr] = (turn + 1) % len(self.own[memaddr])
        for i in range(len(buf)):
            buf[i] = reply[i]

    def writeto_mem(self, _addr, _memaddr, _buf):
        pass

    def readfrom_into(self, _addr, buf):
        for i in range(len(buf)):
            buf[i] = self.reply[i]

    def reset(self):
        return True

    def crc8(self, _data):
        return 0

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
    bus = Bus(reply, bytes.fromhex(registers))
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
    block = packet.Block(len(options.channels_of(cls, {})), 64)
    sample(part, block, int(samples))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(int(rounds)):
        sample(part, block, int(samples))
    print("loaded", loaded - empty, "object", made - loaded, "heap", gc.mem_alloc() - before)


main()
