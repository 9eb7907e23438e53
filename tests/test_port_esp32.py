"""The ESP32's port, as far as it runs without one."""

import os
import subprocess

import pytest

from motekit.sim import vm
from tests.coprocess import ON_VM, PATHS
from tests.programs import started


@pytest.mark.parametrize("bits", [32, 64])
def test_what_lies_behind_a_ctrl_c_is_left_on_the_line(bits):
    """It may be the prompt's: nothing can be put back."""
    environment = {**os.environ, "MICROPYPATH": ":".join(str(p) for p in PATHS)}
    with started(
        [*vm.find(bits).argv, str(ON_VM / "port_bed.py"), "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        process.stdin.write(b"abc\r\x03" + b"IMPROV\x01\x03" + b"\x03\r\x01rest")
        process.stdin.flush()
        lines = [process.stdout.readline().decode().strip() for _ in range(4)]
        process.stdin.close()
    assert lines == [r"b'abc\r\x03'", r"b'IMPROV\x01\x03'", r"b'\x03'", r"b'\r\x01rest'"]
