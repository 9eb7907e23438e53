"""The command that looks at an I2C bus, on models of chips; tests call this function in a VM."""

from rom import chips
from rom.bus import I2CBus
from virtual_time import clock

from motefw import scan
from motefw.files import write_json


class Nothing:
    """A source that is never asked."""

    raw = True

    def sample(self, _i):
        return None

    at = sample


class Port:
    """Where the configuration lies."""

    def __init__(self, root):
        self.root = root


class Board:
    """A board with one I2C bus and a UART; `recovered` counts how often the bus was freed."""

    def __init__(self, root, bus):
        self.port = Port(root)
        self.recovered = 0
        self._bus = bus

    def bus(self, spec):
        assert spec["name"] == "i2c0"
        return self._bus

    def recover(self, _spec):
        self.recovered += 1
        self._bus.recover()


def ask(root, parts, args, faults=(), silent=None):
    """Return the answer of a board with these (address, driver) on its bus, and its recoveries."""
    models = [(at, chips.load(name)(Nothing(), clock.clock_us, {})) for at, name in parts]
    clock.now_us += 1_000_000
    bus = I2CBus(models)
    for fault in faults:
        bus.fault(fault)
    for at, model in models:
        if at == silent:
            model.fault("nack")
    i2c = {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000}
    uart = {"kind": "uart", "id": 1, "tx": 21, "rx": 20, "baud": 9600}
    write_json(root + "config.json", {"board": "b", "buses": {"i2c0": i2c, "uart1": uart}})
    board = Board(root, bus)
    return scan.scan(board, args), board.recovered
