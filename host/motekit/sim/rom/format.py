"""Make the file system that a board is delivered with; runs in a VM with a large heap."""

import json

from .flash import Flash
from .start import mount


def make(path):
    """Read {"flash": path, "files": [[name on the board, path here], ...]} and fill the flash."""
    with open(path) as f:
        spec = json.load(f)
    files = []
    for name, source in spec["files"]:
        with open(source, "rb") as f:
            files.append((name, f.read()))
    mount(Flash(spec["flash"]), anew=True)
    import os

    for name, data in files:
        _make_folders(os, name)
        with open(name, "wb") as f:
            f.write(data)
    os.umount("/")


def _make_folders(os, name):
    parts = name.split("/")[1:-1]
    for i in range(len(parts)):
        try:
            os.mkdir("/" + "/".join(parts[: i + 1]))
        except OSError:
            pass  # is there
