"""Start of a virtual board: put the ROM in place, run boot.py and main.py, serve the prompt."""

import gc
import json
import sys

from micropython import const

from . import board, clock, control

_STONE_BYTES = const(64)
_SECTOR_BYTES = const(4096)
_NAMES = const(300)  # with the ROM's at least 350, more than 620; with all others, fewer than 1260
# Before each of its own modules the VM looks for a file of that name, whenever it is imported.
_BUILT_IN = ("array", "binascii", "hashlib", "io", "json", "os", "struct")
_CORRUPTED = """import time
while True:
    print("The filesystem appears to be corrupted. (It is left as it is.)")
    time.sleep(3)
"""


def start(path, fd, many=False):
    """Become the board that the JSON file at path describes; fd is the control channel.

    `many`: be a nursery of boards like it.
    """
    control.setup(fd)
    control.die_with_parent()
    if many:
        from .nursery import attend

        board.before_port = attend
    repl = _prepare(path)
    _fence(board.spec["fence"])
    if many:
        pass  # each newborn begins by itself
    elif board.spec["lockstep"]:
        from .lockstep import begin

        begin()
    globals = __import__("__main__").__dict__
    then = board.spec["then"]
    if not board.mounted and then in ("main", "raw"):
        repl.show(repl.execute(_CORRUPTED, "_boot.py", "exec", "main", globals))
    if then in ("main", "raw"):
        _run("boot.py", globals, repl)
    if then == "main":
        _run("main.py", globals, repl)
    repl.run(then, globals)


def measure(path):
    """Print how many bytes of the heap the ROM takes on such a board, with what it hands out."""
    control.setup(2)
    control.say = control.call = _nobody  # listens
    _prepare(path)
    control.say = control.call = _nobody  # a World has words of its own
    from . import port_sim

    port = port_sim.Port()
    kinds = board.spec["buses"]
    uarts = [port.uart({"name": n, "baud": 9600}) for n in kinds if kinds[n][0] == "uart"]
    held = port.serial, port.watchdog(1), uarts
    gc.collect()
    board.line.stdout.write(str(gc.mem_alloc()))
    del held


def _nobody(text):
    pass


def _prepare(path):
    """Put everything in place that is beneath the firmware."""
    with open(path) as f:
        board.spec = spec = json.load(f)
    clock.setup(spec["virtual"], spec["start_ms"], spec["ticks_ms"])
    if spec["lockstep"]:
        from . import lockstep, stepped_line

        board.line = stepped_line
        lockstep.setup()
    else:
        from . import line

        board.line = line
    board.line.setup()
    _install_modules()
    from . import port_sim, repl

    port_sim.setup()
    if spec["hardware"]:  # what is flashed is what a real board gets, and asks for its hardware
        sys.modules["motefw.port_esp32"] = port_sim
    from .flash import Flash

    flash = Flash(spec["flash"], port_sim.lose_power, *spec["vfs"])
    port_sim.take_flash(flash)
    board.mounted = mount(flash)
    _widen_names()
    gc.collect()
    return repl


def _widen_names():
    """Have the VM's table of names, which doubles beyond 620, grow now.

    It is for the ROM's own names that it has to: a board has no more than half as many.
    """
    for i in range(_NAMES):
        getattr(board, "rom{}".format(i), None)


def _install_modules():
    """Put the ROM's modules where a board's own would be, then load asyncio on top of them."""
    from . import tasks, upy

    sys.modules["_asyncio"] = tasks
    sys.modules["micropython"] = upy
    for name in ("machine", "select", "time"):  # the ROM's: asyncio must find them
        __import__(name)
    import asyncio.core

    tasks.take(asyncio.core)


def mount(flash, anew=False):
    """Make the littlefs on a flash the root, which hides the machine's files; False: it is broken.

    As on an ESP32, a blank flash gets a new file system, and a broken one is left as it is.
    """
    import vfs

    built_in = {name: __import__(name) for name in _BUILT_IN}
    vfs.umount("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    if not anew:
        try:
            vfs.mount(vfs.VfsLfs2(flash), "/")
            _keep(built_in)
            return True
        except OSError:
            first = bytearray(_SECTOR_BYTES)
            flash.readblocks(0, first, 0)
            if bytes(first).strip(b"\xff"):
                return False
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash, mtime=not anew), "/")
    return True


def _keep(built_in):
    """Have the VM find its own modules at once, but for those that the board has a file of."""
    ilistdir = built_in["os"].ilistdir
    for folder in ("/", "/lib"):
        try:
            found = list(ilistdir(folder))
        except OSError:
            continue  # there is no such folder
        for entry in found:
            built_in.pop(entry[0].split(".")[0], None)
    sys.modules.update(built_in)


def _fence(at_bytes):
    """Leave a stone where the heap is full to at_bytes, as a board's split heap has a gap there.

    Small pieces fill every hole from the bottom, so that the last one lies above them all.
    """
    if at_bytes <= gc.mem_alloc():
        return
    pieces = None
    while (left := at_bytes - gc.mem_alloc()) > 0:  # which walks all of the heap
        for _ in range(left // (4 * _STONE_BYTES) + 1):
            pieces = (pieces, bytearray(_STONE_BYTES))
    board.fence = pieces[1]
    del pieces
    gc.collect()


def _run(name, globals, repl):
    try:
        with open("/" + name) as f:
            source = f.read()
    except OSError:
        return
    error = repl.execute(source, name, "exec", "main", globals)
    if isinstance(error, SystemExit):
        repl.soft_reset(False)
    if error:
        repl.show(error)
