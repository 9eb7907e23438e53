"""A gateway's file: its adapter, its buses, its sensors; an error names file and key.

name = "bench"
adapter = "mcp2221"          # or "ft232h", or "linux": the computer's own pins
[bus.i2c0]
kind = "i2c"                 # scl and sda: names in Blinka's `board`, default SCL and SDA
[bus.uart1]
kind = "uart"
port = "/dev/ttyUSB0"
baud = 9600
[[sensor]]                   # as in a board file
driver = "sht4x"
"""

from dataclasses import dataclass
from pathlib import Path

from motekit import board as boards
from motekit.board import BAUD, HZ, Bus, Sensor
from motekit.errors import BoardError
from motekit.fields import Fields, read_toml

ADAPTERS = ("ft232h", "linux", "mcp2221")


@dataclass(frozen=True)
class BusPlan:
    """A bus: `pins` (scl, sda) of an I2C, `port` of a UART; `speed` in Hz or baud."""

    kind: str
    speed: int
    pins: tuple[str, str] = ("SCL", "SDA")
    port: str = ""


@dataclass(frozen=True)
class GatewayPlan:
    """What a gateway's file says."""

    name: str
    adapter: str
    buses: dict[str, BusPlan]
    sensors: tuple[Sensor, ...]
    samples: int = 256
    latency_ms: int = 5000


def load(path: Path) -> GatewayPlan:
    """Return the gateway of a file; raise BoardError that names the key."""
    fields = read_toml(path, BoardError)
    name = fields.text("name")
    adapter = fields.text("adapter", ADAPTERS)
    section = fields.table("bus")
    buses = {each: _bus(section.table(each)) for each in section.names()}
    entries = fields.tables("sensor")
    sensors = boards.read_sensors(
        entries, {each: Bus(each, plan.kind, {}, {}) for each, plan in buses.items()}
    )
    if not sensors:
        raise fields.fail("sensor", "missing, at least one [[sensor]] expected")
    for entry in entries:
        entry.done()
    fields.done()
    return GatewayPlan(name, adapter, buses, sensors)


def _bus(fields: Fields) -> BusPlan:
    kind = fields.text("kind")
    if kind == "i2c":
        hz = fields.integer("hz", *HZ) if "hz" in fields else 100_000
        pins = [fields.text(pin) if pin in fields else pin.upper() for pin in ("scl", "sda")]
        plan = BusPlan("i2c", hz, (pins[0], pins[1]))
    elif kind == "uart":
        plan = BusPlan("uart", fields.integer("baud", *BAUD), port=fields.text("port"))
    else:
        raise fields.fail("kind", f"{kind!r} is neither i2c nor uart, which a gateway can have")
    fields.done()
    return plan
