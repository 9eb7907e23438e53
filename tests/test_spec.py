"""The worked examples of SPEC.md, byte for byte, against the code that both sides run."""

import re
from pathlib import Path

import pytest

from motefw import frame, frame_host, keys, keys_host, message, message_host, receipt

SPEC = (Path(__file__).parents[1] / "firmware" / "SPEC.md").read_text("utf-8")
DEVICE = b"a0b1c2d3e4f5"
NONCE = bytes(range(1, 9))
TAGGER = keys.Tagger(bytes(keys.KEY_BYTES), DEVICE)
LINE = re.compile(r"((?:[0-9a-f]{2} {1,2})*[0-9a-f]{2})(?: |$)")


def _dumps(section):
    """Return the bytes of each hex dump in a section."""
    text = SPEC.split(f"\n## {section}\n")[1].split("\n## ")[0]
    dumps = []
    for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        rows = [LINE.match(line) for line in block.splitlines()]
        if len(rows) > 1 and all(rows):
            dumps.append(bytes.fromhex("".join(row[1] for row in rows)))
    return dumps


def test_keys():
    (dump,) = _dumps("Keys")
    root = keys_host.purpose_root(bytes(range(32)), keys.DATA)
    assert dump == root + keys_host.device_key(root, DEVICE, 1)


def test_frames():
    to_host, to_board = _dumps("Frame")
    assert to_host == frame_host.encode(b"C\x07\x00")
    assert to_board == frame_host.encode_to_board(b"RP\x2c\x05\x00\x00\x00")


def test_the_longest_frame_to_the_board_is_as_said():
    worst = max(len(frame_host.encode_to_board(bytes([b]) * 92)) for b in range(256))
    assert worst <= 199


@pytest.mark.parametrize(
    ("number", "made"),
    [
        (0, lambda: message_host.request(TAGGER, NONCE, 1, 0x11223344, 5, "status", {})),
        (1, lambda: message.reply(TAGGER, NONCE, 1, True, {})),
        (2, lambda: message_host.receipt(TAGGER, receipt.ACK, 0, 3, 300)),
        (3, lambda: message_host.receipt(TAGGER, receipt.REFUSED, 0, 3, 301)),
    ],
)
def test_messages(number, made):
    assert _dumps("Message")[number] == made()


def test_what_the_specification_says_of_sizes_is_what_the_code_has():
    assert f"1 to {frame.PAYLOAD_MAX_BYTES} bytes towards the host" in SPEC
    assert f"1 to {frame_host.TO_BOARD_MAX_BYTES} towards the board" in SPEC
    assert f"at most {message.MAX_TO_BOARD_BYTES} bytes" in SPEC
    assert f"at most {message.MAX_TO_HOST_BYTES} bytes" in SPEC
