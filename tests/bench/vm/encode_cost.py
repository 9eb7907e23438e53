"""Runs on the MicroPython VM: encode packets over and over; print what the heap lost.

    encode_cost.py KERNEL LINEAR CODE SAMPLES CHANNELS PACKETS ROUNDS OUT_BYTES <COLUMNS

COLUMNS are integers of array type CODE, one column after the other, SAMPLES each.
"""

import gc
import sys

from motefw import packet, packet_setup


def load(samples, channels, count, code):
    """Return blocks filled from standard input."""
    blocks = []
    for _ in range(count):
        block = packet.Block(channels, samples, False, code)
        for column in block.columns:
            if sys.stdin.buffer.readinto(column) != len(bytes(column)):
                raise ValueError("standard input ends within a column")
        block.count = samples
        blocks.append(block)
    return blocks


def encode(blocks, kernel, out, rounds):
    """Encode every block so many times, with no memory of where linear prediction did not pay."""
    for _ in range(rounds):
        for block in blocks:
            for channel in range(len(block.rest)):
                block.rest[channel] = 0
            packet.encode(out, 1, 1, 1, 1, 1, 1, 1, block, kernel)


def main():
    """Encode every block ROUNDS times; print the heap bytes that it took."""
    wanted, linear, code, samples, channels, count, rounds, out_bytes = sys.argv[1:]
    name, kernel = packet_setup.select_kernel()
    if wanted == "plain":
        name, kernel = "plain", None
    if name != wanted:
        print("no", wanted)
        return
    blocks = load(int(samples), int(channels), int(count), code)
    for block in blocks:
        block.linear = linear == "1"
    out = bytearray(int(out_bytes))
    encode(blocks, kernel, out, 1)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    encode(blocks, kernel, out, int(rounds))
    print("heap", gc.mem_alloc() - before)


main()
