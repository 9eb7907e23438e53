"""The raw prompt of a virtual board, with our own firmware running on it."""

import hashlib
import os
import pty
import time

import pytest

from motekit.prompt.raw import PromptError, RawPrompt

BOARD = '[[board]]\nboard = "esp32-c3-devkitm-1"\nsensor = []\n'
EVERY = bytes(range(256)) * 9 + b"\x04\x03>"


@pytest.fixture
def port(fleet):
    return fleet(BOARD).boards[0].serial


def test_code_runs_whatever_its_length(port):
    with RawPrompt.open(port) as prompt:
        assert prompt.execute("print(6 * 7)") == "42\n"
        assert prompt.execute(f"x = {'a' * 5000!r}\nprint(len(x))") == "5000\n"


def test_what_the_board_raises_is_told(port):
    with RawPrompt.open(port) as prompt:
        with pytest.raises(PromptError, match="the board says ZeroDivisionError") as caught:
            prompt.execute("1 // 0")
        assert "Traceback" in caught.value.raised
        with pytest.raises(PromptError, match="the board says SyntaxError"):
            prompt.execute("1 +")
        assert prompt.execute("print(1)") == "1\n"


def test_files_come_over_whole(port):
    with RawPrompt.open(port) as prompt:
        told = []
        prompt.put({"/a/b/c.bin": EVERY, "/empty": b""}, on_bytes=told.append)
        assert sum(told) == len(EVERY)
        assert prompt.read("/a/b/c.bin") == EVERY
        assert prompt.read("/empty") == b""
        assert prompt.read("/nose") is None
        digest = hashlib.sha256(EVERY).digest()
        assert prompt.hashes(["/nose", "/a/b/c.bin"]) == {"/nose": None, "/a/b/c.bin": digest}
        assert prompt.names("/a") == ["/a/b/c.bin"]
        prompt.put({"/a/b/d": b"1"}, gone=["/a/b/c.bin"])
        assert prompt.names("/a") == ["/a/b/d"]
        assert prompt.names("/nose") == []


def test_an_interrupted_transfer_leaves_the_old_file(port):
    with RawPrompt.open(port) as prompt:
        prompt.put({"/a": b"old"})

    def pulled(_):
        raise KeyboardInterrupt

    with RawPrompt.open(port) as prompt, pytest.raises(KeyboardInterrupt):
        prompt.put({"/a": b"new" * 500}, on_bytes=pulled)
    with RawPrompt.open(port) as prompt:
        assert prompt.read("/a") == b"old"
        prompt.put({"/a": b"new"})
        assert prompt.read("/a") == b"new"


def test_the_firmware_comes_back(port, fleet):
    with RawPrompt.open(port) as prompt:
        prompt.restart()
    with RawPrompt.open(port) as prompt:
        assert "motefw" in prompt.execute("import sys; print(sorted(sys.modules))")


def test_a_program_that_does_not_end_is_left_in_time(port):
    with RawPrompt.open(port) as prompt:
        with pytest.raises(PromptError, match=r"no end of 'while True:' within 1 s"):
            prompt.execute("while True:\n import time\n time.sleep(1)", 1)
        prompt.enter()
        assert prompt.execute("print(1)") == "1\n"


def test_no_error_shows_what_a_file_is_to_hold(port, monkeypatch):
    with RawPrompt.open(port) as prompt:
        send, until, sent = RawPrompt._send, RawPrompt._until, [b""]

        def noted(self, code, wait_s):
            send(self, code, wait_s)
            sent.append(code)

        def lost(self, mark, wait_s):
            return None if b"canary" in sent[-1] else until(self, mark, wait_s)

        monkeypatch.setattr(RawPrompt, "_send", noted)
        monkeypatch.setattr(RawPrompt, "_until", lost)
        with pytest.raises(PromptError, match=r"no end of writing /a\.new") as caught:
            prompt.put({"/a": b"canary"})
        assert b"canary" in sent[-1]
        assert "canary" not in str(caught.value) + caught.value.raised


def test_a_line_on_which_nobody_speaks():
    master, slave = pty.openpty()
    try:
        begun = time.monotonic()
        with pytest.raises(PromptError, match="no MicroPython prompt within 1 s"):
            RawPrompt.open(os.ttyname(slave), 1)
        assert time.monotonic() - begun < 10
    finally:
        os.close(master)
        os.close(slave)
