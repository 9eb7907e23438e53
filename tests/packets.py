"""Packets for tests, made by the board's own encoder."""

import json

from motefw import packet, packet_anchor
from motefw.keys import Tagger
from motefw.keys_host import device_key
from motekit.store import Received

ROOT = bytes(range(32))
DEVICE = "a0b1c2d3e4f5"


def _sealed(out, n, device, generation):
    tagger = Tagger(device_key(ROOT, device.encode(), generation), device.encode())
    return bytes(out[: packet.seal(out, n, tagger)])


def samples(
    columns=((1, 2, 3),),
    *,
    device=DEVICE,
    generation=0,
    stream=0,
    schema=0,
    epoch=1,
    seq=0,
    index=0,
    time_us=0,
    invalid=(),
    steps_us=None,
):
    """Return a packet of samples; `invalid` are (channel, sample) pairs."""
    count = len(columns[0])
    block = packet.Block(len(columns), count, steps_us is not None)
    for column, values in zip(block.columns, columns, strict=True):
        for i, value in enumerate(values):
            column[i] = value
    block.count = count
    for channel, sample in invalid:
        block.mark_invalid(channel, sample)
    if steps_us is not None:
        for i, step in enumerate(steps_us):
            block.steps_us[i] = step
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet.encode(out, generation, stream, schema, epoch, seq, index, time_us, block)
    return _sealed(out, n, device, generation)


def note(content, *, device=DEVICE, generation=0, epoch=1, seq=0, time_us=0):
    """Return a note; `content` is an object, or the bytes of the body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet.encode_note(out, generation, epoch, seq, time_us, body)
    return _sealed(out, n, device, generation)


def anchor(utc_us, quality=3, error_us=1000, *, generation=0, epoch=1, seq=0, time_us=0):
    """Return a time anchor."""
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet_anchor.encode_anchor(
        out, generation, epoch, seq, time_us, utc_us, quality, error_us
    )
    return _sealed(out, n, DEVICE, generation)


def schema(number=0, stream=0, name="adxl345", channels=("accel_x", "accel_y"), **more):
    """Return the table of a schema note: unit g, scale 0.5, offset 0."""
    return {
        "id": number,
        "stream": stream,
        "name": name,
        "driver": name.partition("-")[0],
        "channels": [[channel, "g", 0.5, 0] for channel in channels],
    } | more


def received(data, device=DEVICE, verified=False):
    """Return a packet as a collector hands it in."""
    return Received(device, data, verified)
