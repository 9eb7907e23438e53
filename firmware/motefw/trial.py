"""New files of a board, all of them or none: on trial first, then kept, or undone.

A host brings NAME.try for each of them, then this, which is the one moment that decides:

    trial.json {"step": "apply", "files": [NAME...], "had": [NAMEs that there were before],
                "mark": {"plan", "unit", "keys", "at"}}

From then on each boot carries out what it says, so that a power cut finds no way between: "apply"
puts the new files in the place of the old ones, which become NAME.old; "keep" drops those and
makes the mark /provision.json; "undo" brings them back. Each may be cut off anywhere and is
begun again. Loaded where there is such a file, and for a request.
"""

import os

from .files import TRIAL_FILE, read_json, remove, write_json

MARK_FILE = "provision.json"
_NEW = ".try"  # not .new: a file that is replaced is called so for a moment
_OLD = ".old"


def finish(root):
    """Carry out what a trial says, as far as power let it come before; nothing without one."""
    trial = read_json(root + TRIAL_FILE)
    if trial is None:
        return
    step = trial["step"]
    for name in trial["files"]:
        path = root + name
        had = name in trial["had"]
        if step == "apply":
            _apply(path, had)
        elif step == "keep":
            remove(path + _OLD)
        else:
            _undo(path, had)
    if step == "keep":
        write_json(root + MARK_FILE, trial["mark"])
    if step != "apply":
        os.remove(root + TRIAL_FILE)


def _apply(path, had):
    if _is_there(path + _NEW):
        if had and not _is_there(path + _OLD):
            os.rename(path, path + _OLD)
        os.rename(path + _NEW, path)


def _undo(path, had):
    remove(path + _NEW)
    if _is_there(path + _OLD):
        os.rename(path + _OLD, path)
    elif not had:
        remove(path)


def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def get(board, args):
    """Tell what the board was made, and what it is on trial for."""
    root = board.port.root
    trial = read_json(root + TRIAL_FILE) or {}
    return {
        "mark": read_json(root + MARK_FILE),
        "trial": trial.get("mark"),
        "step": trial.get("step"),
    }


def keep(board, args):
    """End the trial: what is on trial stays. Without one, `mark` says what the board is."""
    root = board.port.root
    mark = args.get("mark")
    if _step(root, "keep"):
        finish(root)
    elif isinstance(mark, dict):
        write_json(root + MARK_FILE, mark)
    return get(board, args)


def undo(board, args):
    """End the trial: boot again with the former files."""
    if _step(board.port.root, "undo"):
        board.stop("reboot")
    return {}


def _step(root, step):
    """Write down what the trial comes to, if there is one; tell whether there is."""
    trial = read_json(root + TRIAL_FILE)
    if trial is None:
        return False
    trial["step"] = step
    write_json(root + TRIAL_FILE, trial)
    return True
