"""The drivers: one module per chip, loaded only when a configuration names it.

A new one is a module here, whose name is what configurations call it and whose `DRIVER` is its
class. Its docstring has a title and the lines `Maker:`, `Bus:`, `Source:`, `Rates:` and, where
something is, `Unverified:`; its class says the rest. Its model goes to the host's sim/rom/chips
under the same name; the contract test finds both by itself. A part much like another can be a
subclass of that one's class; the two modules then share public names only (see the host's
shorten.py). There is no table of them: it would take heap on every board for every chip that the
board does not have.

Where the heap is short a class is loaded to check a configuration, to start its sensor and to tell
its channels; what samples meanwhile keeps the half of it that sampling needs: see the host's
halves.py.
"""

from motefw import overlay
from motefw.errors import ConfigError


def load(name):
    """Return the driver class of a name; ConfigError for one that is not here, or not whole."""
    overlay.tidy()  # there is room for one at a time
    overlay.make_room()
    why = "no name of a module"
    if name and "." not in name and "/" not in name:
        try:
            return __import__(__name__ + "." + name, None, None, ("DRIVER",)).DRIVER
        except (ImportError, AttributeError) as error:
            why = error
    raise ConfigError(f"driver: {name} is not on this board: {why}; `motekit sensors` lists them")
