"""Gorilla's value compression, a peer of the bench.

Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015, section
4.1.2. The first double whole; then the XOR with the one before: 0 for none, 10 and the
meaningful bits where they lie within the last window, 11 and 5 bits of leading zeros, 6 bits of
length and the bits otherwise. Times are not coded: the packet's time and rate stand outside.
"""

import itertools

import numpy as np

MAX_LEADING = 31


def encode(column):
    """Return a float64 column as Gorilla bits, padded to whole bytes."""
    words = np.ascontiguousarray(column, dtype=np.float64).view(np.uint64).tolist()
    text = [f"{words[0]:064b}"]
    leading, length = 0, 0
    for before, word in itertools.pairwise(words):
        change = before ^ word
        if not change:
            text.append("0")
            continue
        zeros = min(64 - change.bit_length(), MAX_LEADING)
        trailing = (change & -change).bit_length() - 1
        window_end = 64 - leading - length
        if length and zeros >= leading and trailing >= window_end:
            text.append(f"10{change >> window_end:0{length}b}")
        else:
            leading, length = zeros, 64 - zeros - trailing
            # A length of 64 is written as 0: six bits hold no 64, and 0 does not occur.
            text.append(f"11{leading:05b}{length % 64:06b}{change >> trailing:0{length}b}")
    bits = "".join(text)
    size = -(-len(bits) // 8)
    return int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")


def decode(data, count):
    """Return the `count` doubles of `encode`."""
    bits = f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}"
    word = int(bits[:64], 2)
    words = [word]
    at, leading, length = 64, 0, 0
    while len(words) < count:
        if bits[at] == "0":
            at += 1
        else:
            if bits[at + 1] == "1":
                leading = int(bits[at + 2 : at + 7], 2)
                length = int(bits[at + 7 : at + 13], 2) or 64
                at += 11
            at += 2
            word ^= int(bits[at : at + length], 2) << (64 - leading - length)
            at += length
        words.append(word)
    return np.array(words, np.uint64).view(np.float64)
