"""What drivers of like parts are held to, and how tests start them."""

import pytest

from tests.coprocess import VmError
from tests.oracle import Clock

# Parts on a serial line, which send frames.


def begin(vm, name, rows, options=None, baud=9600):
    """Start the driver on the model, warm."""
    options = {"warmup_s": 0, **(options or {})}
    vm.call("new", name, rows, True, options, 64, None, baud)
    return vm.call("start", options)


def script(vm, name, options=None):
    """Put the driver on a line that the test feeds."""
    vm.call("new_script", name)
    vm.call("start", {"warmup_s": 0, **(options or {})})


def finds_whole_frames(vm, frame_of, parts, size, quiet_bytes):
    """Check that rows among garbage are found, however the line is cut into pieces of a size."""
    line = b"".join(frame_of(p) if isinstance(p, list) else p for p in parts) + bytes(quiet_bytes)
    chunks = [line[i : i + size].hex() for i in range(0, len(line), size)]
    assert vm.call("feed", chunks) == [p for p in parts if isinstance(p, list)]


def particle_row(got):
    """Return what Adafruit's driver of a PMS part has read, in the order of our channels."""
    mass = [
        got[f"{size} {kind}"] for kind in ("env", "standard") for size in ("pm10", "pm25", "pm100")
    ]
    sizes = ("03um", "05um", "10um", "25um", "50um", "100um")
    return mass + [got[f"particles {size}"] for size in sizes]


# Sensirion's parts, and what is like them: words of 16 bits, each with its CRC.


def raw_words_come_through(vm, begin, rows):
    """Check that words are samples as they are; two that mean "invalid" in a packet are none."""
    begin(vm, rows)
    expected = [[None, None] if row == (0x8000, 0x8000) else list(row) for row in rows]
    assert vm.call("measure_all") == expected


def refuses_any_wrong_bit(vm, begin, at, adafruit, reading):
    """Check each bit of a byte of the answer, with our driver and with Adafruit's."""
    for mask in (1 << bit for bit in range(8)):
        begin(vm, [[0xBEEF, 0x1234]])
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("measure")
        assert caught.value.kind == "SensorError"
        assert f"CRC of word {at // 3}" in caught.value.text
        assert vm.call("get", "bad") == 1
        assert vm.call("rows") == []
        bus, sensor = adafruit(Clock(), [[0xBEEF, 0x1234]])
        bus.flip = (at, mask)
        with pytest.raises(RuntimeError, match="CRC"):
            getattr(sensor, reading)
