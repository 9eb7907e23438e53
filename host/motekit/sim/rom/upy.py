"""`micropython` of a virtual board: the VM's own, but kbd_intr reaches the supervisor, who sees Ctrl-C first."""

import micropython as _vm

from . import control

for _name in dir(_vm):
    if not _name.startswith("__"):
        globals()[_name] = getattr(_vm, _name)


def kbd_intr(char):
    control.call("intr {}".format(char))
