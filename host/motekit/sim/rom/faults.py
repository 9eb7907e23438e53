"""Faults of the board as a whole: its time, its heap, its program that stands still.

Loaded only where a scenario has one. What a fault does is done in an event of the clock.
"""

import gc

from micropython import const

from . import board, clock

_DRIFT_MS = const(1000)
_PIECE_BYTES = const(256)
_RESERVE_BYTES = const(1024)  # of the virtual board, for what it hears
_MASK = const(0x3FFFFFFF)
_left_us = 0  # that the milliseconds have not crept yet
_presses = []  # how much of the heap each fault leaves
_ballast = None  # what they take, a chain of pieces
_drifts = []  # faults that last


def setup():
    """Do nothing: it is enough that this is loaded."""


def apply(fault, on):
    """Begin or end a fault."""
    kind = fault["kind"]
    value = fault["value"]
    if kind == "memory_pressure":
        _press(int(value), on)
    elif kind == "ticks_drift":
        _drift(fault, on)
    elif not on:
        return
    elif kind == "ticks_jump":
        _jump(value)
    elif kind == "fifo_overrun":
        _stall(round(value * 1000))
    elif kind == "stall":
        _stall(fault["end_ms"] - fault["at_ms"])


def _stall(ms):
    """Have the program stand still, as in a long erase of the flash; a watchdog may end it."""
    while ms > 0:
        part = min(ms, 1000)
        ms -= part
        clock.sleep_us(part * 1000)


def _press(free_bytes, on):
    """Take all of the heap but so many bytes, or but what other faults leave."""
    global _ballast
    if on:
        _presses.append(free_bytes)
    else:
        _presses.remove(free_bytes)
    _ballast = board.reserve = None
    gc.collect()
    if not _presses:
        return
    board.reserve = bytearray(_RESERVE_BYTES)
    while gc.mem_free() > min(_presses) + 2 * _PIECE_BYTES:
        try:
            _ballast = (_ballast, bytearray(_PIECE_BYTES))
        except MemoryError:  # what is left is in smaller pieces
            break


def _jump(seconds):
    """Have the counters of the board jump; they hold 2^30 each."""
    ms = int(seconds * 1000)
    clock.shift(ms & _MASK, ms * 1000 & _MASK)


def _drift(fault, on):
    if on:
        if not _drifts:
            clock.at(clock.now_ms() + _DRIFT_MS, _creep)
        _drifts.append([fault, 0.0])
    else:
        _drifts[:] = [each for each in _drifts if each[0] is not fault]


def _creep():
    """Have the counters go on by what a second of theirs is longer or shorter."""
    global _left_us
    us = 0
    for each in _drifts:
        each[1] += each[0]["value"] * _DRIFT_MS / 1000
        whole = int(each[1])
        each[1] -= whole
        us += whole
    _left_us += us
    ms = _left_us // 1000
    _left_us -= 1000 * ms
    clock.shift(ms & _MASK, us & _MASK)
    if _drifts:
        clock.at(clock.now_ms() + _DRIFT_MS, _creep)
