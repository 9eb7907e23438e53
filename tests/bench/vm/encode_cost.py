"""Runs on the MicroPython VM: encode packets over and over; print what the heap lost.

    encode_cost.py KERNEL LINEAR SAMPLES CHANNELS ROUNDS FILE

FILE holds int32 columns in the native byte order, one after the other, SAMPLES a packet and
channel.
"""

import gc
import sys

from motefw import packet


def load(path, samples, channels):
    """Return the blocks of a file of columns."""
    blocks = []
    with open(path, "rb") as file:
        while True:
            block = packet.Block(channels, samples)
            for column in block.columns:
                if file.readinto(column) != 4 * samples:
                    return blocks
            block.count = samples
            blocks.append(block)


def main():
    """Encode every block ROUNDS times; print packets, values and heap bytes spent on them."""
    kernel, linear, samples, channels, rounds, path = sys.argv[1:]
    name, chosen = packet.select_kernel()
    if kernel == "plain":
        name, chosen = "plain", packet.PLAIN
    if name != kernel:
        print("no", kernel)
        return
    blocks = load(path, int(samples), int(channels))
    out = bytearray(packet.MAX_PACKET_BYTES)
    encode = packet.encode
    for block in blocks:
        block.linear = linear == "1"
        encode(out, 1, 1, 1, 1, 1, 1, 1, block, chosen)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(int(rounds)):
        for block in blocks:
            encode(out, 1, 1, 1, 1, 1, 1, 1, block, chosen)
    print("heap", gc.mem_alloc() - before)


main()
