"""Messages of the control plane: whole, tagged and for this boot, or refused."""

import hashlib
import hmac
import json

import pytest
from coprocess import CoProcess, VmError
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import compat, crc, keys, keys_host, message, message_host, receipt
from motefw.errors import MessageError

DEVICE = b"a0b1c2d3e4f5"
KEY = bytes(range(32))
TAGGER = keys.Tagger(KEY, DEVICE)
OTHER = keys.Tagger(KEY, b"a0b1c2d3e4f6")
NONCE = bytes(range(8))
U32 = st.integers(0, 2**32 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
ARGS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)

RFC_4231 = [  # test cases 1 to 4: keys of at most 64 bytes
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
]


@pytest.fixture(scope="module")
def boards():
    """Return a VM of 32 and one of 64 bits."""
    with CoProcess(32, "wire_bed") as small, CoProcess(64, "wire_bed") as large:
        yield small, large


@pytest.mark.parametrize(("key", "data", "expected"), RFC_4231)
def test_hmac_is_that_of_rfc_4231(boards, key, data, expected):
    assert compat.Hmac(key).digest(data).hex() == expected
    for board in boards:
        assert board.call("hmac_hex", key.hex(), data.hex()) == expected


@given(st.binary(max_size=64), st.lists(st.binary(max_size=100), max_size=4))
def test_hmac_is_that_of_the_library(key, parts):
    digest = hmac.new(key, b"".join(parts), hashlib.sha256).digest()
    assert compat.Hmac(key).digest(*parts) == digest


def test_hmac_refuses_keys_that_it_would_have_to_hash():
    with pytest.raises(ValueError, match="65 bytes"):
        compat.Hmac(bytes(65))


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_same_is_equality(a, b):
    assert compat.same(a, b) == (a == b)
    assert compat.same(a, bytes(a))


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_both_sides_make_the_same_sums_tags_and_stuffing(boards, data):
    tag = hmac.new(KEY, DEVICE + data, hashlib.sha256).digest()[:8]
    assert TAGGER.tag(data) == tag
    for board in boards:
        expected = [crc.crc32(data), crc.crc8_sensirion(data), crc.sum16(data)]
        assert board.call("sums", data.hex()) == expected
        assert board.call("tag_hex", KEY.hex(), DEVICE.decode(), data.hex()) == [tag.hex(), True]
        assert board.call("cobs_hex", data.hex())[1] == data.hex()


def test_crc_8_is_that_of_the_datasheet():
    assert crc.crc8_sensirion(b"\xbe\xef") == 0x92  # SHT4x datasheet, table of CRC properties
    assert crc.crc8_sensirion(b"\0\xbe\xef\0", 1, 3) == 0x92


def test_keys_follow_purpose_device_and_generation(boards):
    def derived(root, purpose, device, generation):
        inner = hmac.new(root, purpose, hashlib.sha256).digest()
        return hmac.new(inner, device + bytes([generation]), hashlib.sha256).digest()

    root = bytes(range(100, 132))
    for purpose in keys.PURPOSES:
        own = keys_host.purpose_root(root, purpose)
        assert keys_host.device_key(own, DEVICE, 7) == derived(root, purpose, DEVICE, 7)
        assert keys_host.device_key(own, DEVICE, 0) == bytes(32)
    for board in boards:
        made = board.call("key_hex", root.hex(), DEVICE.decode(), 255)
        assert made == derived(root, keys.DATA, DEVICE, 255).hex()


@given(st.integers(0, 65535), U32, U32, st.text(min_size=1, max_size=20), ARGS)
def test_a_request_comes_back(number, host, counter, name, args):
    made = message_host.request(TAGGER, NONCE, number, host, counter, name, args)
    opened = message.open_request(TAGGER, NONCE, made)
    assert tuple(opened) == (number, host, counter, name, args)
    assert made[0] == message.REQUEST
    assert message.request_number(made) == number
    assert message.request_name(made) == name


@given(st.integers(0, 65535), st.booleans(), JSON)
def test_a_reply_comes_back(number, ok, result):
    made = message.reply(TAGGER, NONCE, number, ok, result)
    assert message_host.open_reply(TAGGER, NONCE, made) == (number, ok, result)
    assert made[0] == message.REPLY


@given(st.sampled_from((receipt.ACK, receipt.REFUSED)), st.integers(0, 255), U32, U32)
def test_a_receipt_comes_back(what, generation, epoch, seq):
    made = message_host.receipt(TAGGER, what, generation, epoch, seq)
    assert len(made) == 18
    assert receipt.open_receipt(TAGGER, made) == (what, generation, epoch, seq)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 65535), U32, ARGS)
def test_a_board_reads_requests_and_the_host_its_replies(boards, number, counter, args):
    made = message_host.request(TAGGER, NONCE, number, 9, counter, "config.set", args)
    head = (KEY.hex(), DEVICE.decode(), NONCE.hex())
    for board in boards:
        opened = board.call("open_request", *head, made.hex())
        assert opened == [number, 9, counter, "config.set", args]
        result = json.dumps(args, ensure_ascii=False).encode().hex()
        reply = bytes.fromhex(board.call("reply_hex", *head, number, True, result))
        assert message_host.open_reply(TAGGER, NONCE, reply) == (number, True, args)


MESSAGES = [
    (message_host.request(TAGGER, NONCE, 1, 2, 3, "status", {}), message.open_request),
    (message.reply(TAGGER, NONCE, 1, True, {"a": 1}), message_host.open_reply),
    (message_host.receipt(TAGGER, receipt.ACK, 1, 2, 3), None),
]


def _open(opener, tagger, nonce, data):
    return opener(tagger, nonce, data) if opener else receipt.open_receipt(tagger, data)


@pytest.mark.parametrize(("made", "opener"), MESSAGES)
def test_a_changed_cut_or_longer_message_is_refused(made, opener):
    assert _open(opener, TAGGER, NONCE, made)
    for i in range(len(made)):
        for bit in range(8):
            bad = bytearray(made)
            bad[i] ^= 1 << bit
            with pytest.raises(MessageError):
                _open(opener, TAGGER, NONCE, bytes(bad))
        with pytest.raises(MessageError):
            _open(opener, TAGGER, NONCE, made[:i])
    with pytest.raises(MessageError):
        _open(opener, TAGGER, NONCE, made + b"\0")


@pytest.mark.parametrize(("made", "opener"), MESSAGES)
def test_a_message_of_another_device_key_or_boot_is_refused(made, opener):
    for tagger in (OTHER, keys.Tagger(bytes(32), DEVICE)):
        with pytest.raises(MessageError, match="tag"):
            _open(opener, tagger, NONCE, made)
    if opener:
        with pytest.raises(MessageError, match="tag"):
            _open(opener, TAGGER, message.NO_NONCE, made)


@pytest.mark.parametrize("call", [[], ["a"], ["a", {}, 1], [1, {}], ["a", []], {}, 1, None])
def test_a_request_that_is_no_call_is_refused(boards, call):
    head = b"q" + bytes(10) + json.dumps(call).encode()
    made = head + TAGGER.tag(NONCE, head)
    with pytest.raises(MessageError, match="name, args"):
        message.open_request(TAGGER, NONCE, made)
    for board in boards:
        with pytest.raises(VmError) as caught:
            board.call("open_request", KEY.hex(), DEVICE.decode(), NONCE.hex(), made.hex())
        assert caught.value.kind == "MessageError"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'["a",', b"nul"])
def test_a_request_that_is_no_json_is_refused_by_both(boards, body):
    head = b"q" + bytes(10) + body
    made = head + TAGGER.tag(NONCE, head)
    with pytest.raises(MessageError):
        message.open_request(TAGGER, NONCE, made)
    for board in boards:
        with pytest.raises(VmError) as caught:
            board.call("open_request", KEY.hex(), DEVICE.decode(), NONCE.hex(), made.hex())
        assert caught.value.kind == "MessageError"


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_without_a_crash(data):
    for read in (message.request_number, message.request_name):
        try:
            read(data)
        except MessageError:
            continue
    for _, opener in MESSAGES:
        with pytest.raises(MessageError):
            _open(opener, TAGGER, NONCE, data)
