"""Processes to ride schedules in."""

import signal
import tempfile
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context


@contextmanager
def workers(jobs: int) -> Generator[ProcessPoolExecutor]:
    """Have processes to ride in; a Ctrl-C ends them at once, and leaves no files of theirs."""
    with tempfile.TemporaryDirectory(prefix="motekit-", ignore_cleanup_errors=True) as folder:
        how = {"initializer": _begin, "initargs": (folder,)}
        with ProcessPoolExecutor(jobs, get_context("spawn"), **how) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in active_children():
                    worker.terminate()
                raise


def _begin(folder: str) -> None:
    """Leave a terminal's Ctrl-C to who began this process, and to it a place for files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = folder
