"""Programs that a test starts: none outlives it, whatever fails meanwhile."""

import contextlib
import subprocess
import time
from pathlib import Path


@contextlib.contextmanager
def started(argv, **options):
    """Run a program (options of subprocess.Popen) until the block ends, at the latest.

    Popen alone waits at the end of its block without a bound: a test that has failed would hang.
    """
    with subprocess.Popen([str(each) for each in argv], **options) as program:
        try:
            yield program
        finally:
            program.kill()


def wait_until_it_sleeps(program, wait_s=60.0):
    """Wait until a program that has asked something waits for the answer.

    Python notes a Ctrl-C that comes between its prompt and its read and then reads, without end.
    Only Linux tells; elsewhere this returns at once.
    """
    path = Path(f"/proc/{program.pid}/stat")
    end = time.monotonic() + wait_s
    while path.exists() and path.read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < end, f"{program.args} does not wait for anything"
        time.sleep(0.01)
