"""How a host changes the configuration: loaded for a request.

A configuration comes whole in one request, or in pieces where it is too large for that. A host
names the one that it means to replace (`was`), so that it never undoes what somebody else has set
meanwhile. On trial, a configuration is taken by the next boot and lasts as long as that, unless
the host then keeps it: one with which the board does not come up costs a boot.

Ref: SPEC.md, section "Configuration".
"""

import binascii
import hashlib
import os

from .compat import const
from .errors import MessageError
from .files import CONFIG_FILE, CONFIG_NEXT, CONFIG_TRIAL, MAX_BYTES, read_json, remove, write_json

_PART = "config.part"
_MARK_BYTES = const(8)
_STEP_BYTES = const(128)


def marks(board, args):
    """Tell the marks of the configuration that was kept and of those on trial, None: no such."""
    root = board.port.root
    return {
        "kept": _mark(root + CONFIG_FILE),
        "next": _mark(root + CONFIG_NEXT),
        "trial": _mark(root + CONFIG_TRIAL),
    }


def part(board, args):
    """Take a piece of a configuration's text; what comes again is known by where it begins."""
    at = args.get("at")
    text = args.get("text")
    if type(at) is not int or not isinstance(text, str):
        raise MessageError("config.part: at, a whole number, and text are expected")
    data = text.encode()
    path = board.port.root + _PART
    size = _size(path) if at else 0
    if at and at + len(data) == size:
        return {}
    if at != size or size + len(data) > MAX_BYTES:
        raise MessageError(f"at: {at}, {size} bytes are here, {MAX_BYTES} at most can be")
    with open(path, "ab" if at else "wb") as file:
        file.write(data)
    return {}


def save(board, args):
    """Check a configuration and save it; the next boot applies it.

    `config` checks first, then `fit`, then `commit` here saves: in a short heap there is room for
    one of them. What the last step needs to know goes with the configuration.
    """
    root = board.port.root
    mark = args.get("part")
    value = args.get("config")
    if "was" in args:
        _expect("was", args["was"], root + CONFIG_FILE)
    if mark is not None:
        _expect("part", mark, root + _PART)
        value = read_json(root + _PART)
    if not isinstance(value, dict):
        raise MessageError("config: an object is expected")
    args["config"] = value
    return "config", "put", args


def commit(board, args):
    """Save a configuration that was checked."""
    root = board.port.root
    trial = args.get("trial") is True
    if args.get("part") is None:
        write_json(root + _PART, args["config"])
    remove(root + CONFIG_NEXT)
    if not trial:
        remove(root + CONFIG_TRIAL)
    os.rename(root + _PART, root + (CONFIG_NEXT if trial else CONFIG_FILE))
    return {"reboot": True}


def keep(board, args):
    """Keep the configuration on trial that has this mark; one that is kept already is."""
    root = board.port.root
    mark = args.get("mark")
    if mark is None or mark != _mark(root + CONFIG_TRIAL):
        _expect("mark", mark, root + CONFIG_FILE)
    else:
        os.rename(root + CONFIG_TRIAL, root + CONFIG_FILE)
    return {}


def _expect(name, mark, path):
    found = _mark(path)
    if mark != found:
        raise MessageError(f"{name}: {mark}, and the configuration here is {found}; read it again")


def _size(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


def _mark(path):
    """Return the first bytes of a file's SHA-256 in hex, None if there is no such file."""
    digest = hashlib.sha256()
    data = memoryview(bytearray(_STEP_BYTES))
    try:
        with open(path, "rb") as file:
            while True:
                n = file.readinto(data)
                if not n:
                    return binascii.hexlify(digest.digest()[:_MARK_BYTES]).decode()
                digest.update(data[:n])
    except OSError:
        return None
