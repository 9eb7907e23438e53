"""The configuration as it lies on the flash, not looked into: see `config` for that."""

import os

from .files import CONFIG_FILE, CONFIG_NEXT, CONFIG_TRIAL, read_json, write_json


def begin(root):
    """Return the configuration to boot with: one that is to be tried, else the one that was kept.

    One that was tried by the boot before and that nobody has kept is let go of. Each step is one
    change of one name, so a power cut leaves a board that boots with one of the two.
    """
    try:
        os.remove(root + CONFIG_TRIAL)
    except OSError:
        pass  # there is none
    try:
        os.rename(root + CONFIG_NEXT, root + CONFIG_TRIAL)
    except OSError:
        pass
    return load(root)


def load(root):
    """Return what the configuration's file holds, a bare one if there is no file."""
    config = read_json(root + CONFIG_TRIAL)
    if config is None:
        config = read_json(root + CONFIG_FILE)
    return {"board": "unknown"} if config is None else config


def save(path, config):
    """Write a configuration to a file, in place of what was there, whole."""
    write_json(path, config)


def get(board, args):
    """Tell the configuration that this boot has, unless another was set since."""
    return "config", "checked", load(board.port.root)
