"""What a board is told to be: the object that becomes its /config.json."""

from collections.abc import Sequence

from motekit.board import Board, Bus, Sensor

PACKET_SAMPLES = 256
LATENCY_MS = 5000


def device_config(
    board: Board,
    sensors: Sequence[Sensor] | None = None,
    *,
    samples: int = PACKET_SAMPLES,
    latency_ms: int = LATENCY_MS,
) -> dict[str, object]:
    """Return a board's configuration, with other sensors than the board file's if given.

    A packet is sent when it holds `samples`, or when its first one is `latency_ms` old.
    """
    chosen = board.sensors if sensors is None else sensors
    return {
        "board": board.name,
        "buses": {name: _bus(bus) for name, bus in board.buses.items()},
        "sensors": [_sensor(sensor) for sensor in chosen],
        "packet": {"samples": samples, "latency_ms": latency_ms},
    }


def _bus(bus: Bus) -> dict[str, object]:
    return {"kind": bus.kind, **bus.pins, **bus.settings}


def _sensor(sensor: Sensor) -> dict[str, object]:
    entry: dict[str, object] = {"name": sensor.name, "driver": sensor.driver, "bus": sensor.bus}
    if sensor.address is not None:
        entry["address"] = sensor.address
    if sensor.options:
        entry["options"] = sensor.options
    if sensor.period_ms is not None:
        entry["period_ms"] = sensor.period_ms
    return entry
