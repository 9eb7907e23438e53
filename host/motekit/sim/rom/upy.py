"""`micropython` of a virtual board: the VM's own, but the supervisor looks for Ctrl-C."""

import micropython as _vm

from . import control

for _name in dir(_vm):
    if not _name.startswith("__"):
        globals()[_name] = getattr(_vm, _name)


def kbd_intr(char):
    """Choose the key that interrupts a program, -1 for none."""
    control.call("intr {}".format(char))
