"""The pure modules of the wire within the VM: bytes go in and out as hex."""

import binascii
import json

from motefw import cobs, compat, crc, frame, frame_host, keys, keys_host, message


def _bytes(text):
    return binascii.unhexlify(text)


def _hex(data):
    return binascii.hexlify(data).decode()


def frame_hex(payload):
    """Return the frame of a payload."""
    return _hex(frame_host.encode(_bytes(payload)))


def unframe_hex(data):
    """Return the payload of a frame to the board."""
    middle = bytearray(_bytes(data)[1:-1])
    n = frame.unstuff(middle, len(middle))
    n = frame.decode_into(middle, n, middle)
    return _hex(middle[:n])


def cobs_hex(data):
    """Return the bytes stuffed and unstuffed again."""
    data = _bytes(data)
    out = bytearray(2 * len(data) + 2)
    end = cobs.encode_into(data, len(data), out)
    back = bytearray(len(out))
    n = cobs.decode_into(out, 0, end, back)
    return [_hex(out[:end]), _hex(back[:n])]


def hmac_hex(key, data):
    """Return the HMAC-SHA256 of the data."""
    return _hex(compat.Hmac(_bytes(key)).digest(_bytes(data)))


def tag_hex(key, device, data):
    """Return the tag of the data, and whether it holds."""
    tagger = keys.Tagger(_bytes(key), device.encode())
    tag = tagger.tag(_bytes(data))
    return [_hex(tag), tagger.check(tag, _bytes(data))]


def key_hex(root, device, generation):
    """Return the data key of a device."""
    return _hex(
        keys_host.device_key(keys_host.purpose_root(_bytes(root), keys.DATA), device, generation)
    )


def sums(data):
    """Return CRC-32, CRC-8 and the 16-bit sum of the data."""
    data = _bytes(data)
    return [crc.crc32(data), crc.crc8_sensirion(data), crc.sum16(data)]


def open_request(key, device, nonce, data):
    """Return what the board reads in a request."""
    tagger = keys.Tagger(_bytes(key), device.encode())
    return message.open_request(tagger, _bytes(nonce), _bytes(data))


def reply_hex(key, device, nonce, number, ok, result):
    """Return a reply of the board; `result` is JSON in UTF-8, as hex."""
    tagger = keys.Tagger(_bytes(key), device.encode())
    return _hex(message.reply(tagger, _bytes(nonce), number, ok, json.loads(_bytes(result))))
