"""Where boards begin that are alike: one VM goes as far as they all do alike, and forks for each.

That is as far as the firmware's first word to its hardware. What lies on the heap by then is the
same as in a VM of its own, and so it is in each that is born here: the nursery itself allocates
nothing between two of them. It ends with its channel, once all of them have: until then nobody
else gets their process ids.

    supervisor -> nursery   fd:u32, of the channel of the next one
    nursery -> supervisor   0:u32 once it is ready, then the process id of each
    supervisor -> newborn   size:u32 0:u32 on its own channel, then JSON:
                               [what of its spec is its own, its sources' seeds, its two outputs]
"""

import json
import struct
import sys

import ffi
from micropython import const

from . import board, control

_WORD_BYTES = const(4)
_HEAD_BYTES = const(8)
_FIRST_FD = const(3)
_LAST_FD = const(0x3FFFFFFF)
_O_RDWR = const(0x0002)
_O_APPEND = const(0x0442)  # O_RDWR | O_CREAT | O_APPEND
_MODE = const(0o666)
_libc = ffi.open(None)  # what it lacks is known before anybody waits for it
_close = _libc.func("i", "close", "i")
_close_range = _libc.func("i", "close_range", "IIi")
_dup2 = _libc.func("i", "dup2", "ii")
_fork = _libc.func("i", "fork", "")
_getpid = _libc.func("i", "getpid", "")
_getppid = _libc.func("i", "getppid", "")
_open = _libc.func("i", "open", "sii")
_prctl = _libc.func("i", "prctl", "iLLLL")
_wait = _libc.func("i", "wait", "p")


def attend():
    """Fork for each board that is asked for; return in the newborn, as that board."""
    stream = control.stream
    word = bytearray(_WORD_BYTES)
    stream.write(word)
    parent = _getpid()
    while True:
        if stream.readinto(word) != _WORD_BYTES:
            while _wait(None) > 0:
                pass
            sys.exit()
        fd = word[0] | word[1] << 8 | word[2] << 16
        pid = _fork()
        if not pid:
            break
        _close(fd)
        for i in range(_WORD_BYTES):
            word[i] = pid >> 8 * i & 0xFF
        stream.write(word)
    _prctl(1, 9, 0, 0, 0)  # a fork does not inherit it; see control.die_with_parent
    if _getppid() != parent:
        sys.exit()  # it has died before that, and nobody would end this process
    _become(fd)


def _become(fd):
    """Be the board whose channel is on fd."""
    from . import port_sim
    from .lockstep import begin

    flash_fd = port_sim.flash_fd()
    _dup2(fd, control.fd)
    first, last = sorted((control.fd, flash_fd))
    _close_range(_FIRST_FD, first - 1, 0)
    if last > first + 1:
        _close_range(first + 1, last - 1, 0)
    _close_range(last + 1, _LAST_FD, 0)
    size, _ = struct.unpack("<II", control.stream.read(_HEAD_BYTES))
    own, seeds, printed, words = json.loads(control.stream.read(size))
    board.spec.update(own)
    for path, flags, to in (
        (printed, _O_APPEND, 1),
        (words, _O_APPEND, 2),
        (board.spec["flash"], _O_RDWR, flash_fd),
    ):
        _dup2(_open(path, flags, _MODE), to)
    _close_range(last + 1, _LAST_FD, 0)
    port_sim.begin_anew(seeds)
    del sys.modules[__name__]  # it is no part of a board
    del sys.modules["rom"].nursery
    begin()
