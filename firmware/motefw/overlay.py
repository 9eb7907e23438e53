"""Code that is needed rarely, loaded for as long as it takes: all of it would fill the heap.

    overlay.call("commands", "opened", board, data)

Where the heap is short a module is let go of after the call, and so must keep nothing that has to
last, nor leave a function of its own behind: that would keep all of it. Loading may fail for want
of memory like any other call.
"""

import gc
import sys

from .compat import const

_ROOM_BYTES = const(32768)  # with more than this free, modules may stay
_PLENTY_BYTES = const(65536)
_CALL_BYTES = const(7168)  # the largest module and what it does
ALL_BYTES = const(0x3FFFFFFF)
_DRIVERS = ".drivers"
_PACKAGE = __name__.split(".")[0]
_RARE = const(
    " actions attach authority boot commands config configure ending files fit hello identity "
    "improv message networks options packet_anchor packet_linear packet_setup readings relief "
    "reply scan schema start status stored trial trouble wlan accelerometer driver register "
    "sensirion uart_asked uart_part "
)  # the last six are what drivers have in common


def _unknown():
    return ALL_BYTES


# Who tells what is free: the port, once there is one; CPython cannot. What may be left of that.
_measure = [getattr(gc, "mem_free", _unknown), 0]
_lent = []  # what gives up room for a call, a piece at a time
kept = [0]  # pieces that nothing is to take which lasts: see `attach`


def setup(heap):
    """Have `heap()` tell how many bytes are free; what another run has lent is not kept."""
    _measure[0] = heap
    _measure[1] = 0
    _lent.clear()


def call(name, function, *args):
    """Call a function of a module that is loaded for it; return its result."""
    name = _PACKAGE + "." + name
    module = sys.modules.get(name)
    if module:  # there was room for it to stay
        return getattr(module, function)(*args)
    make_room()
    try:
        return getattr(__import__(name, None, None, (name,)), function)(*args)
    finally:
        _measure[1] -= _CALL_BYTES
        if _measure[1] < _ROOM_BYTES:
            tidy()


def roomy(room_bytes=_ROOM_BYTES):
    """Tell whether the heap has this much room."""
    return _free(room_bytes) >= room_bytes


def _free(room_bytes):
    """Return how many bytes are free: with the garbage taken out, if they are fewer than this."""
    free = _measure[0]()
    if free < room_bytes:
        gc.collect()
        free = _measure[0]()
    _measure[1] = free
    return free


def lend(give):
    """Have `give()` called where there is no room for a call; False says that it has no more."""
    _lent[:] = (give,)


def _give_up():
    """Give up a piece of what is lent, if there is one, and tell whether there was."""
    given = bool(_lent) and _lent[0]()
    gc.collect()
    return given


def make_room():
    """See that there is room to load a module, as far as there is something to give up for it."""
    if _measure[0] is _unknown or _measure[1] >= _ROOM_BYTES:
        return
    gc.collect()
    while _measure[0]() < _CALL_BYTES and _give_up():
        pass


def insist(make, *args):
    """Return make(*args); while there is no room for it something is given up, if there is any."""
    while True:
        try:
            return make(*args)
        except MemoryError:
            if not _give_up():
                raise


def learn():
    """Load each module once, if the heap is short, for the sake of the names in it.

    MicroPython keeps names for ever, in tables of which each is twice as large as the one before,
    and in one piece. When the board starts there is such a piece; later, loading would fail.
    """
    if not roomy(_PLENTY_BYTES):
        for name in _RARE.split():
            try:
                __import__(_PACKAGE + "." + name)
            except (ImportError, MemoryError):
                pass  # who needs it will be told
            tidy(ALL_BYTES)


def shed(*classes):
    """Let go of what makes objects of classes that will have no more, if the heap is short."""
    if not roomy():
        _measure.append(True)
        for each in classes:
            each.__init__ = None  # to delete it would leave the function in the table


def forget():
    """Have the package loaded anew by who imports it, if it is not whole any more."""
    if len(_measure) > 2:
        for name in list(sys.modules):
            if name.split(".")[0] == _PACKAGE:
                del sys.modules[name]


def forgotten():
    """Tell whether another has to be loaded in place of this."""
    return _PACKAGE not in sys.modules


def tidy(room_bytes=_ROOM_BYTES):
    """Let go of modules that are needed rarely, if the heap has less room than this.

    Return how many bytes are free; where nobody can tell, as on a host, nothing is let go of.
    """
    if _measure[0] is _unknown:
        return 0
    free = _free(room_bytes)
    if free < room_bytes:
        while _let_go():
            pass
        gc.collect()
    return free


def _let_go():
    """Let go of one module that is needed rarely; False if there is none."""
    for name in sys.modules:
        if name.startswith(_PACKAGE):
            package, _, last = name.rpartition(".")
            driver = package == _PACKAGE + _DRIVERS and last[0] != "_"  # that is half of one
            if driver or (package == _PACKAGE and " " + last + " " in _RARE):
                del sys.modules[name]
                delattr(sys.modules[package], last)
                return True
    return False
