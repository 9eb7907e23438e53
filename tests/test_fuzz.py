"""Damaged and made-up bytes: an error, or values that fail their tag; no crash, not for ever.

Prints how many inputs were tried. MOTEKIT_FUZZ multiplies the count.
"""

import contextlib
import json
import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from motefw import frame, frame_host, keys, packet
from motefw.errors import FrameError, PacketError

TIMES = int(os.environ.get("MOTEKIT_FUZZ", "1"))
PATHS = sorted((Path(__file__).parent / "vectors" / "packet").glob("*.json"))
VECTORS = [json.loads(path.read_text()) for path in PATHS]
PACKETS = [bytes.fromhex(vector["packet"]) for vector in VECTORS]
TAGGER = keys.Tagger(bytes.fromhex(VECTORS[0]["key"]), VECTORS[0]["device"].encode())


def truncated(data, rng):
    return data[: rng.randrange(len(data))]


def extended(data, rng):
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 40)) + data[at:]


def flipped(data, rng):
    bad = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    return bytes(bad)


def spliced(data, rng):
    other = rng.choice(PACKETS)
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def stitched(data, rng):
    at, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:at] + data[end:]


def overwritten(data, rng):
    at = rng.randrange(len(data))
    fill = bytes([rng.choice((0, 0xFF, 0x80, 0x7F))]) * rng.randint(1, 30)
    return data[:at] + fill + data[at + len(fill) :]


def header_kept(data, rng):
    body = packet.read_header(data).body
    return data[:body] + rng.randbytes(rng.randint(0, 300)) + data[-8:]


def made_up(_, rng):
    return bytes([0x40 | rng.randrange(64)]) + rng.randbytes(rng.randint(0, 200))


DAMAGES = (truncated, extended, flipped, spliced, stitched, overwritten, header_kept, made_up)


def _bounded(decoded):
    header = decoded.header
    assert 1 <= header.count <= packet.MAX_SAMPLES
    for column in decoded.columns:
        assert len(column) == header.count
        assert all(x is None or -(2**31) <= x < 2**31 for x in column)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_packets(damage, capsys):
    rng = random.Random(damage.__name__)
    tried = changed = refused = 0
    slowest_s = 0.0
    for _ in range(120 * TIMES):
        for data in PACKETS:
            bad = damage(data, rng)
            tried += 1
            begun = time.perf_counter()
            try:
                _bounded(packet.decode(bad))
            except PacketError:
                refused += 1
            slowest_s = max(slowest_s, time.perf_counter() - begun)
            if bad not in PACKETS:
                changed += 1
                assert not packet.verify(bad, TAGGER), "damage passed as good"
    assert slowest_s < 2
    with capsys.disabled():
        print(f" {tried} tried, {changed} changed, {tried - refused} decode, none passes")


def test_a_small_packet_cannot_make_the_reader_allocate_much(capsys):
    rng = random.Random(4)
    heads = [data for data in PACKETS if packet.read_header(data).kind == packet.SAMPLES]
    peak = 0
    for _ in range(300 * TIMES):
        bad = bytearray(header_kept(rng.choice(heads), rng))
        bad[0] |= 8
        bad[2] |= 15
        bad[4] = 0xFF
        tracemalloc.start()
        try:
            packet.decode(bytes(bad))
        except PacketError:
            pass
        finally:
            peak = max(peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    values = packet.MAX_SAMPLES * 16
    assert peak < 100 * values
    with capsys.disabled():
        print(f" {300 * TIMES} tried, at most {peak} bytes for {values} values")


def test_no_flipped_bit_of_any_vector_goes_unnoticed(capsys):
    tried = 0
    for data in PACKETS:
        for i in range(len(data)):
            for bit in range(8):
                bad = bytearray(data)
                bad[i] ^= 1 << bit
                tried += 1
                assert not packet.verify(bytes(bad), TAGGER)
    with capsys.disabled():
        print(f" {tried} bits flipped, none unnoticed")


def test_damaged_frames(capsys):
    rng = random.Random(9)
    tried = 0
    for _ in range(4000 * TIMES):
        payload = rng.randbytes(rng.randint(1, frame.PAYLOAD_MAX_BYTES))
        bad = rng.choice(DAMAGES[:3])(frame_host.encode(payload)[1:-1], rng)
        tried += 1
        with contextlib.suppress(FrameError):
            assert frame_host.decode(bad) == payload, "a damaged frame passed as good"
    for _ in range(4000 * TIMES):
        tried += 1
        with pytest.raises(FrameError):
            frame_host.decode(rng.randbytes(rng.randint(0, 200)))
    with capsys.disabled():
        print(f" {tried} frames tried")
