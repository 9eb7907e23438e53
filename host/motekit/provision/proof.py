"""A board proves that it is what it was told to be, over its link and under its own keys.

It says hello under the new keys, tells its configuration back, has each sensor measure something
that can be, joins its network if it was given one, and delivers a packet whose tag holds. Nothing
is acknowledged: what the board has measured stays with it, for a collector.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard, cast

from motefw.sampler import NO_MEMORY
from motekit import drivers, wifi
from motekit.board import Sensor
from motekit.client import Client, SilentError
from motekit.collector.intake import Intake, judge
from motekit.errors import LinkError, MotekitError
from motekit.hello import Hello
from motekit.keys import KeyStore
from motekit.provision.look import differing, mapping, told
from motekit.provision.plausible import implausible
from motekit.provision.wanted import Wanted
from motekit.store import Received
from motekit.transports.link import Packet

HELLO_S = 30.0
SENSORS_S = 20.0  # beyond what a part says that it needs to warm up
PACKET_S = 30.0
LATE_S = 15.0  # beyond a packet's latency: an old laptop with sixteen boards takes its time
WIFI_S = 45.0
_WRONG = "wrong password"  # of which another try makes nothing better
_POLL_S = 0.2
_BAD = ("wrong", "absent", "failing")
_SURE_ERRORS = 3  # a part that fails so often at first is not there, or not well


class ProofError(MotekitError):
    """What a board does not do as it should, in words for who holds it in hand."""


class _State(NamedTuple):
    """What a board says of a sensor."""

    state: str
    errors: int
    last_error: str


@dataclass(frozen=True)
class Proof:
    """What a board has shown; `readings` are {sensor: {channel: value}}."""

    firmware: str
    micropython: str
    epoch: int
    seq: int  # of the packet whose tag was checked
    readings: Mapping[str, Mapping[str, float | None]] = field(
        default_factory=dict[str, Mapping[str, float | None]]
    )
    network: str = ""  # the one that it joined


def prove(
    client: Client, wanted: Wanted, key_store: KeyStore, on_step: Callable[[str], None]
) -> Proof:
    """Have a board prove itself; ProofError or LinkError names what it does not do."""
    on_step("hello")
    hello = greet(client)
    name = client.pipe.name
    if hello.device != wanted.device:
        raise ProofError(f"{name}: {hello.device} answers, {wanted.device} was meant: exchanged?")
    if hello.generation != wanted.generation:
        raise ProofError(
            f"{name}: runs under keys of generation {hello.generation}, "
            f"{wanted.generation} was written"
        )
    found = told(client, hello)
    if wrong := differing(found, wanted):
        raise ProofError(f"{name}: read back, {', '.join(wrong)} is not as it was written")
    on_step("sensors")
    readings = _sensors(client, wanted.role.sensors)
    network = _network(client, on_step) if wanted.networks else ""
    on_step("packet")
    epoch, seq = _packet(client, hello, key_store, wanted.role.latency_ms)
    return Proof(hello.firmware, hello.micropython, epoch, seq, readings, network)


def greet(client: Client, wait_s: float | None = None) -> Hello:
    """Greet a board that may yet have to boot."""
    end = time.monotonic() + (HELLO_S if wait_s is None else wait_s)
    while True:
        try:
            return client.connect()
        except SilentError:
            if time.monotonic() > end:
                raise


def _sensors(client: Client, sensors: tuple[Sensor, ...]) -> dict[str, Mapping[str, float | None]]:
    """Wait until each sensor has measured; ProofError names those that do not, and why."""
    end = time.monotonic() + SENSORS_S + max(map(_warm_up_s, sensors), default=0.0)
    while True:
        status: Mapping[str, Any] = client.request("status")
        states = _states(client.pipe.name, status.get("sensors"))
        readings = _physical(sensors, _rows(client))
        missing = [each for each in sensors if each.name not in readings or _ill(states, each)]
        over = time.monotonic() > end
        if missing and not over and not all(_hopeless(states, each) for each in missing):
            _pump(client, _POLL_S)
            continue
        wrong = [_why(states, each, status.get("config_error")) for each in missing]
        for each in sensors:
            if each.name in readings:
                wrong += implausible(each.name, _units(each), readings[each.name])
        if not wrong:
            return readings
        if over or missing:
            raise ProofError(f"{client.pipe.name}: " + "; ".join(wrong))
        _pump(client, _POLL_S)  # the first of some parts are no good: there is time


def _states(name: str, told: object) -> dict[str, _State]:
    """Return what the board says of its sensors, checked: it comes over a wire."""
    states: dict[str, _State] = {}
    for each in cast("list[object]", told) if isinstance(told, list) else []:
        row: Mapping[str, object] = mapping(each)
        errors = row.get("errors")
        if not isinstance(errors, int):
            raise ProofError(f"{name}: status: sensor {str(each)[:80]!r} makes no sense")
        why = row.get("last_error") or ""
        states[str(row.get("name"))] = _State(str(row.get("state")), errors, str(why)[:200])
    return states


def _rows(client: Client) -> list[list[int | None]]:
    """Return a late sample of each stream, empty where there is none."""
    told = client.request("readings").get("readings")
    rows = cast("list[object]", told) if isinstance(told, list) else []
    listed = [cast("list[object]", row) if isinstance(row, list) else [] for row in rows]
    return [[raw if _is_raw(raw) else None for raw in row] for row in listed]


def _is_raw(value: object) -> TypeGuard[int]:
    return type(value) is int and -(1 << 32) < value < 1 << 32


def _warm_up_s(sensor: Sensor) -> float:
    """Return how long a part may take to its first sample, as its options say."""
    info = drivers.describe(sensor.driver, dict(sensor.options))
    options: dict[str, Any] = {each.name: each.default for each in info.options}
    options.update(sensor.options)
    warm_up = options.get("warmup_s", 0)
    period = options.get("period_s", (sensor.period_ms or 0) / 1000)
    return float(warm_up) + max(float(period), 5.0 if info.streaming else 0.0)


def _ill(states: Mapping[str, _State], sensor: Sensor) -> bool:
    return sensor.name not in states or states[sensor.name].state != "ok"


def _hopeless(states: Mapping[str, _State], sensor: Sensor) -> bool:
    """Tell whether waiting will not help: it is another part, or fails again and again."""
    state = states.get(sensor.name)
    if state is None or state.state == NO_MEMORY:
        return True
    return state.state in _BAD and state.errors >= _SURE_ERRORS


def _why(states: Mapping[str, _State], sensor: Sensor, config_error: object) -> str:
    state = states.get(sensor.name)
    where = f"{sensor.name} on {sensor.bus}"
    if state is None:
        return f"{where}: the board has no such sensor ({config_error or 'and says no reason'})"
    if state.state == "ok":
        return f"{where}: gives no valid reading"
    why = state.last_error or "says nothing; is it wired, and has it power?"
    if state.state == NO_MEMORY:
        return f"{where}: the board's heap has no room for it beside the others; take one out"
    return f"{where} is {state.state}: {why}"


def _units(sensor: Sensor) -> dict[str, str]:
    channels = drivers.describe(sensor.driver, dict(sensor.options)).channels
    return {channel.name: channel.unit for channel in channels}


def _physical(
    sensors: tuple[Sensor, ...], rows: list[list[int | None]]
) -> dict[str, Mapping[str, float | None]]:
    """Return what those sensors read that have read something valid."""
    found: dict[str, Mapping[str, float | None]] = {}
    for sensor, row in zip(sensors, rows, strict=False):
        channels = drivers.describe(sensor.driver, dict(sensor.options)).channels
        if len(row) != len(channels) or all(raw is None for raw in row):
            continue
        found[sensor.name] = {
            channel.name: None if raw is None else round(raw * channel.scale + channel.offset, 4)
            for channel, raw in zip(channels, row, strict=True)
        }
    return found


def _network(client: Client, on_step: Callable[[str], None]) -> str:
    """Wait until the board is in one of its networks; return which."""
    on_step("wifi")
    end = time.monotonic() + WIFI_S
    while True:
        state = wifi.get(client)
        if state.joined:
            return state.ssid or ""
        sure = state.state == wifi.FAILED and _WRONG in (state.why or "")
        if sure or time.monotonic() > end:
            why = state.why or f"is {state.state}"
            raise ProofError(f"{client.pipe.name}: Wi-Fi is not joined: {why}")
        _pump(client, _POLL_S)


def _pump(client: Client, wait_s: float) -> list[Packet]:
    return [each for each in client.step(wait_s) if isinstance(each, Packet)]


def _packet(client: Client, hello: Hello, key_store: KeyStore, latency_ms: int) -> tuple[int, int]:
    """Wait for a packet whose tag holds under the device's key; return (epoch, seq)."""
    intake = Intake(key_store, hello.device, hello.generation, provisioned=True)
    end = time.monotonic() + min(PACKET_S, LATE_S + latency_ms / 1000)
    client.say_hello()  # the board begins anew with the first that is not acknowledged
    bad = 0
    while time.monotonic() < end:
        for packet in _pump(client, _POLL_S):
            (verdict,) = judge([(intake, packet.data)])
            header = verdict.header if isinstance(verdict, Received) else None
            if isinstance(verdict, Received) and verdict.verified and header is not None:
                return header.epoch, header.seq
            bad += 1
    raise ProofError(
        f"{client.pipe.name}: no packet with a right tag came ({bad} with a wrong one); "
        f"is something between board and host that changes bytes?"
        if bad
        else f"{client.pipe.name}: no packet came within the time that its latency allows"
    )


def keep(client: Client, wanted: Wanted) -> None:
    """End the trial, if there is one, and see that the board says what it is now."""
    answer: Any = client.request("provision.keep", {"mark": wanted.mark()})
    mark = mapping(answer.get("mark"))
    if mark.get("plan") != wanted.plan or answer.get("step"):
        raise LinkError(f"{client.pipe.name}: does not keep what it was given; provision it again")
