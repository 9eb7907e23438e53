"""Real mpremote, run as a program, against a virtual board that is running."""

import subprocess
import sys
import time

import pytest
from terminal import Terminal

BOARD = '[[board]]\nboard = "esp32-c3-devkitm-1"\n'
MAIN = b"""
import asyncio
print('up')
async def main():
    n = 0
    while True:
        await asyncio.sleep_ms(5)
        print('tick', n)
        n += 1
asyncio.run(main())
"""


@pytest.fixture(params=[32, 64])
def port(fleet, request):
    """Return the serial port of a board whose program prints all the time."""
    board = fleet(BOARD, files={"/main.py": MAIN, "/data.txt": b"abc\n"}, bits=request.param)
    with Terminal(board.boards[0].serial) as user:
        user.see(b"tick 3")
    return board.boards[0].serial


def mpremote(port, *args, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.replace("\r", "")


def test_lists_and_executes_while_the_program_runs(port):
    listed = mpremote(port, "fs", "ls")
    assert "main.py" in listed
    assert "4 data.txt" in listed
    assert mpremote(port, "exec", "print(6 * 7)") == "42\n"


def test_resumes_in_the_midst_of_a_program(port):
    assert mpremote(port, "resume", "exec", "print('tick' in dir(), 'main' in dir())") == (
        "False True\n"
    )


def test_an_exception_on_the_board_fails_the_command(port):
    done = mpremote(port, "exec", "print(1)\n1/0", code=1)
    assert done.startswith("1\nTraceback")
    assert done.endswith(
        'File "<stdin>", line 2, in <module>\nZeroDivisionError: divide by zero\n'
    )
    assert "rom/" not in done


def test_copies_files_there_and_back(port, tmp_path):
    data = bytes(range(256)) * 8
    (tmp_path / "there.bin").write_bytes(data)
    mpremote(port, "cp", str(tmp_path / "there.bin"), ":/there.bin")
    mpremote(port, "cp", ":/there.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == data
    mpremote(port, "fs", "mkdir", ":/d", "+", "fs", "cp", ":/there.bin", ":/d/x")
    assert "2048 x" in mpremote(port, "fs", "ls", ":/d")
    assert "littlefs" not in mpremote(port, "df")
    mpremote(port, "fs", "rm", "-r", ":/d")


def test_runs_a_script_of_the_host(port, tmp_path):
    (tmp_path / "s.py").write_text("for i in range(3):\n    print('line', i)\n" + "# long\n" * 500)
    assert mpremote(port, "run", str(tmp_path / "s.py")) == "line 0\nline 1\nline 2\n"


def test_mounts_a_folder_of_the_host(port, tmp_path):
    (tmp_path / "remote_module.py").write_text("value = b'\\x03\\x04' + bytes(300)\n")
    out = mpremote(
        port, "mount", str(tmp_path), "exec", "import remote_module as m; print(len(m.value))"
    )
    assert out.endswith("302\n")


def test_soft_reset_and_reset_start_the_program_again(port):
    mpremote(port, "soft-reset")
    mpremote(port, "exec", "open('/here', 'w').close()")
    mpremote(port, "reset")
    with Terminal(port) as user:
        user.see(b"tick 3")
    assert "here" in mpremote(port, "fs", "ls")


def test_interrupts_code_that_never_sleeps(port):
    mpremote(port, "exec", "--no-follow", "while True: pass")
    assert mpremote(port, "exec", "print('free')") == "free\n"


def test_the_firmware_is_interrupted_within_a_frame_of_a_collector(fleet):
    board = fleet(BOARD, heap_bytes=128 << 10).boards[0]
    with Terminal(board.serial) as user:
        user.see(b"motefw: 0.")
        user.type(b"\0!Mabc")
    assert mpremote(board.serial, "exec", "print(6 * 7)") == "42\n"


def test_a_ctrl_c_within_a_frame_is_noise(fleet):
    board = fleet(BOARD, heap_bytes=128 << 10).boards[0]
    with Terminal(board.serial) as user:
        user.see(b"motefw: 0.")
        time.sleep(1)  # its boot has to be over
        user.type(b"\0!Mabc\x03def\0")
        with pytest.raises(AssertionError):
            user.see(b">>> ", 2.5)
        user.type(b"\x03").see(b">>> ")
    assert board.counts.forced == 0


def test_the_firmware_is_interrupted_and_started_again(fleet):
    board = fleet(BOARD, heap_bytes=128 << 10).boards[0]
    with Terminal(board.serial) as user:
        user.see(b"motefw")
    listed = mpremote(board.serial, "fs", "ls")
    assert {"boot.py", "main.py", "config.json", "lib/"} <= set(listed.split())
    code = "import json; print(json.load(open('/config.json'))['board'])"
    assert mpremote(board.serial, "exec", code) == "esp32-c3-devkitm-1\n"
    mpremote(board.serial, "soft-reset", "reset")
    with Terminal(board.serial) as user:
        user.see(b"motefw: 0.")


def test_a_board_whose_epoch_file_is_removed_begins_one_that_no_counter_has_reached(fleet):
    board = fleet(BOARD, heap_bytes=128 << 10).boards[0]

    def epoch():
        with Terminal(board.serial) as user:
            said = user.see(b"sht4x").decode()
        return int(said.rpartition(" epoch ")[2].split()[0])

    epoch()
    backup = "with open('epoch.json', 'w') as file: file.write('{\"epoch\": 6}')"
    mpremote(board.serial, "exec", backup, "+", "reset")
    assert epoch() == 7
    mpremote(board.serial, "fs", "rm", ":epoch.json", "+", "reset")
    assert epoch() >= 1 << 31
