"""Other ways to carry the same samples, each given one packet's worth and asked for its bytes.

A peer gets int32 columns (channels, samples) and validity of that shape or None, and returns the
bytes of the samples alone: the bench adds to each what our packet spends on identity, time, tag.
What a format has no room for is given to it free of charge or at the cheapest: names of one
letter, no device name in SenML (the identity stands outside), magicless zstd frames, a FLAC frame
without the stream's header. A format without "missing" gets the last valid reading in its place
and a bitmap of one bit a value.
"""

import functools
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import gorilla, sprintz

NAMES = "abcdefghijklmnop"
FLAC_CHANNELS = 8


@dataclass(frozen=True)
class Peer:
    """A format: the package it needs (None: our own code here), and its encoder.

    `encode(columns, valid, period_s)` returns bytes, or None for what the format cannot carry.
    """

    name: str
    package: str | None
    encode: Callable[..., bytes | None]


def filled(columns, valid):
    """Return columns without missing values, and the bitmap that tells which they were."""
    if valid is None:
        return columns, b""
    last = np.maximum.accumulate(np.where(valid, np.arange(columns.shape[1]), 0), axis=1)
    return np.take_along_axis(columns, last, axis=1), np.packbits(valid).tobytes()


def narrow(columns):
    """Return the columns as int16 where every value fits, as int32 otherwise."""
    fits = columns.size == 0 or (columns.min() >= -(2**15) and columns.max() < 2**15)
    return columns.astype(np.int16 if fits else np.int32)


def rows_with_nulls(columns, valid):
    """Return one list of int or None for each channel."""
    rows = columns.tolist()
    if valid is not None:
        rows = [
            [value if ok else None for value, ok in zip(row, mask, strict=True)]
            for row, mask in zip(rows, valid.tolist(), strict=True)
        ]
    return rows


def senml_records(columns, valid, period_s, keys):
    """Return the records of a SenML pack (RFC 8428) under the given keys of name, time, value."""
    name, time, value = keys
    records = []
    for i, sample in enumerate(zip(*rows_with_nulls(columns, valid), strict=True)):
        for channel, reading in enumerate(sample):
            if reading is not None:
                record = {name: NAMES[channel], value: reading}
                if i:
                    record[time] = round(i * period_s, 6)
                records.append(record)
    return records


def senml_json(columns, valid, period_s):
    """SenML JSON, RFC 8428 section 5."""
    records = senml_records(columns, valid, period_s, ("n", "t", "v"))
    return json.dumps(records, separators=(",", ":")).encode()


def senml_cbor(columns, valid, period_s):
    """SenML CBOR with integer labels, RFC 8428 section 6, floats at their shortest."""
    import cbor2

    return cbor2.dumps(senml_records(columns, valid, period_s, (0, 6, 2)), canonical=True)


def messagepack(columns, valid, _period_s):
    """MessagePack: a list of integers for each channel, nil where missing."""
    import msgpack

    return msgpack.packb(rows_with_nulls(columns, valid))


@functools.cache
def protobuf_class():
    """Return a message class: `repeated sint32 a..p = 1..16 [packed]; bytes valid = 17`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="packet.proto", syntax="proto3")
    message = file.message_type.add(name="Packet")
    kind = descriptor_pb2.FieldDescriptorProto
    for number, name in enumerate(NAMES, 1):
        message.field.add(
            name=name, number=number, type=kind.TYPE_SINT32, label=kind.LABEL_REPEATED
        )
    message.field.add(name="valid", number=17, type=kind.TYPE_BYTES, label=kind.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Packet"))


def protobuf(columns, valid, _period_s):
    """Protocol Buffers, packed zig-zag varints for each channel."""
    columns, bitmap = filled(columns, valid)
    message = protobuf_class()(valid=bitmap)
    for name, column in zip(NAMES, columns.tolist(), strict=False):
        getattr(message, name).extend(column)
    return message.SerializeToString()


def zstd(columns, valid, _period_s):
    """zstd -19 of int16 (int32 where needed), the better of by channel and by sample."""
    import zstandard

    columns, bitmap = filled(columns, valid)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    raw = narrow(columns)
    orders = (np.ascontiguousarray(raw).tobytes(), np.ascontiguousarray(raw.T).tobytes())
    return min((compressor.compress(order) for order in orders), key=len) + bitmap


def flac(columns, valid, period_s):
    """FLAC -8: one frame of the packet's samples, without the file's header."""
    import soundfile

    channels, samples = columns.shape
    limit = np.abs(columns.astype(np.int64)).max()
    if channels > FLAC_CHANNELS or limit >= 2**23:
        return None
    columns, bitmap = filled(columns, valid)
    raw = narrow(columns).T
    subtype, shift = ("PCM_16", 0) if raw.dtype == np.int16 else ("PCM_24", 8)
    file = io.BytesIO()
    file.name = "packet.flac"
    rate = min(max(1, round(1 / period_s)), 65535)
    options = {"format": "FLAC", "subtype": subtype, "compression_level": 1.0}
    soundfile.write(file, raw << shift, rate, **options)
    data = file.getvalue()
    file.seek(0)
    back, _ = soundfile.read(file, dtype=raw.dtype.name, always_2d=True)
    if not np.array_equal(back >> shift, raw):
        raise RuntimeError(f"libFLAC does not return {samples} samples x {channels} as they were")
    return data[flac_frames(data) :] + bitmap


def flac_frames(data):
    """Return where the frames of a FLAC file begin, behind its metadata blocks (RFC 9639)."""
    at, last = 4, False
    while not last:
        last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    return at


def gorilla_doubles(columns, valid, _period_s):
    """Gorilla on doubles, a stream for each channel, NaN where missing."""
    doubles = columns.astype(float)
    if valid is not None:
        doubles = np.where(valid, doubles, np.nan)
    return b"".join(gorilla.encode(column) for column in doubles)


def sprintz_best(columns, valid, _period_s):
    """Sprintz without Huffman: the better of its delta and FIRE forecasters."""
    columns, bitmap = filled(columns, valid)
    columns = narrow(columns)
    forms = (sprintz.encode(columns, fire=fire) for fire in (False, True))
    return min(forms, key=len) + bitmap


PEERS = (
    Peer("senml_json", None, senml_json),
    Peer("senml_cbor", "cbor2", senml_cbor),
    Peer("messagepack", "msgpack", messagepack),
    Peer("protobuf", "google.protobuf", protobuf),
    Peer("gorilla", None, gorilla_doubles),
    Peer("sprintz", None, sprintz_best),
    Peer("zstd19", "zstandard", zstd),
    Peer("flac8", "soundfile", flac),
)
