"""Reads plans: TOML, or CSV with one row a board.

    fleet = "acme"
    site = "roof"                       # what stands here is every device's default
    board = "esp32-c3-devkitm-1"
    broker = "mqtts://broker.example:8883"
    name = "node-{id6}"                 # of boards that no [[device]] names
    [[wifi]]                            # at most 4, the first is preferred; see networks.py
    ssid = "site"
    password_env = "SITE_WIFI"
    [packet]
    samples = 256
    latency_ms = 5000
    [[sensor]]                          # as in a board file; absent: the board file's sensors
    driver = "sht4x"
    [[device]]                          # of one board, by its id; or a role to be given to any
    id = "aabbccddeeff"
    name = "roof-3"
    site = "north"                      # and board, broker, packet, [[device.wifi]],
                                        # [[device.sensor]]
    devices = "boards.csv"              # such rows of a CSV file, in the place of [[device]]

All is checked when it is loaded; an error names file, row and key, what it got and what it
expected, and no secret.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from motefw.errors import ConfigError
from motekit import board as boards
from motekit import config
from motekit.board import Board, Sensor
from motekit.errors import BoardError, UsageError
from motekit.fields import Fields, read_toml

from . import networks as wifi
from . import rows as csv_rows
from .roles import Plan, Role, named

TEXT_MAX = 32  # characters of a name, a site, a fleet: what a board's configuration takes
BROKER_MAX = 128
DEVICES_MAX = 10_000
SAMPLES = (1, 512)
LATENCY_MS = (0, 86_400_000)
TEMPLATE = "node-{id6}"
_DEVICE = re.compile(r"[0-9a-f]{12}")
NOTHING: Mapping[Path, bytes] = MappingProxyType({})
_BROKERS = ("mqtt", "mqtts")
_check_config: Any = importlib.import_module("motefw.config")  # MicroPython code, without types
_load_driver: Any = importlib.import_module("motefw.drivers")


class PlanError(UsageError):
    """A plan that names something unknown, impossible or twice."""


def load(path: Path | str, instead: Mapping[Path, bytes] = NOTHING) -> Plan:
    """Return the plan of a file; PlanError for anything that is wrong in it.

    `instead` is read in the place of files: what a plan would be.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return _of_rows(path, instead)
    return parse(read_toml(path, PlanError, instead.get(path)), path.parent, instead)


def parse(fields: Fields, folder: Path, instead: Mapping[Path, bytes] = NOTHING) -> Plan:
    """Return the plan of a table; files in it are relative to `folder`."""
    reader = _Reader(folder, fields.text("fleet"), fields)
    _short(fields, "fleet", reader.fleet)
    entries = fields.tables("device")
    if "devices" in fields:
        if entries:
            raise fields.fail("devices", "[[device]] is there, too; one of them expected")
        file = folder / fields.text("devices")
        entries = csv_rows.read(file, PlanError, instead.get(file))
    if entries and "name" in fields:
        raise fields.fail("name", "names boards where there is no [[device]]; each has its own")
    roles = [reader.role(entry, defaults=fields) for entry in entries]
    template = None if entries else reader.role(fields, template=True)
    for key in ("name", "site", "board", "broker", "packet", "wifi", "sensor"):
        fields.get(key)  # asked for by now, or not needed by any device
    fields.done()
    return reader.plan(roles, template)


def _of_rows(path: Path, instead: Mapping[Path, bytes]) -> Plan:
    """Return the plan of a CSV file: all that a device can have, and its fleet, in each row."""
    rows = csv_rows.read(path, PlanError, instead.get(path))
    if not rows:
        raise PlanError(f"{path}: no row, at least one board expected")
    fleet = rows[0].text("fleet")
    _short(rows[0], "fleet", fleet)
    for row in rows:
        if row.text("fleet") != fleet:
            raise row.fail("fleet", f"{row.text('fleet')!r}, the first row says {fleet!r}")
    reader = _Reader(path.parent, fleet, rows[0])
    return reader.plan([reader.role(row) for row in rows], None)


class _Reader:
    """Reads roles and remembers what no two of them may share."""

    def __init__(self, folder: Path, fleet: str, fields: Fields) -> None:
        self.fleet = fleet
        self._folder = folder
        self._fields = fields
        self._names: dict[str, str] = {}
        self._devices: dict[str, str] = {}
        self._boards: dict[str, Board] = {}
        self._warnings: list[str] = []

    def plan(self, roles: list[Role], template: Role | None) -> Plan:
        if len(roles) > DEVICES_MAX:
            raise self._fields.fail("device", f"{len(roles)}, at most {DEVICES_MAX} expected")
        warnings = tuple(dict.fromkeys(self._warnings))
        return Plan(self.fleet, tuple(roles), template, warnings)

    def role(
        self, entry: Fields, defaults: Fields | None = None, *, template: bool = False
    ) -> Role:
        """Return the role of an entry, what it lacks taken from the defaults."""

        def of(key: str) -> Fields:
            return entry if defaults is None or key in entry else defaults

        chosen = self._board(of("board"))
        packet = of("packet").table("packet", required=False)
        site, broker = of("site"), of("broker")
        networks, warnings = wifi.read(of("wifi"), self._folder)
        self._warnings += warnings
        role = Role(
            name=self._template(entry) if template else self._name(entry),
            site=_short(site, "site", site.text("site")) if "site" in site else "",
            board=chosen,
            sensors=_sensors(of("sensor"), chosen),
            broker=_broker(broker) if "broker" in broker else "",
            samples=_integer(packet, "samples", SAMPLES, config.PACKET_SAMPLES),
            latency_ms=_integer(packet, "latency_ms", LATENCY_MS, config.LATENCY_MS),
            networks=networks,
            device="" if template else self._device(entry),
        )
        packet.done()
        _check(entry, role)
        if defaults is None:
            entry.get("fleet")
        if not template:
            entry.done()
        return role

    def _board(self, fields: Fields) -> Board:
        name = fields.text("board")
        if name not in self._boards:
            known = str(self._folder / name) if name.endswith(".toml") else name
            try:
                self._boards[name] = boards.load(known)
            except BoardError as e:
                raise fields.fail("board", str(e)) from None
        return self._boards[name]

    def _name(self, entry: Fields) -> str:
        name = _short(entry, "name", entry.text("name"))
        first = self._names.setdefault(name, entry.where)
        if first != entry.where:
            raise entry.fail("name", f"{name!r} is that of {_place(first)} already")
        return name

    def _template(self, fields: Fields) -> str:
        name = fields.text("name") if "name" in fields else TEMPLATE
        if named(name, 12 * "0") == name:
            raise fields.fail(
                "name", f'{name!r} is to name each board; {{id6}} or {{id}} in it, as "{TEMPLATE}"'
            )
        _short(fields, "name", named(name, 12 * "0"))
        return name

    def _device(self, entry: Fields) -> str:
        if "id" not in entry:
            return ""
        text = entry.text("id")
        device = re.sub(r"[:-]", "", text).lower()
        if not _DEVICE.fullmatch(device):
            raise entry.fail(
                "id", f"{text!r} is not 12 hex digits, a board's MAC; `motekit ports` tells it"
            )
        first = self._devices.setdefault(device, entry.where)
        if first != entry.where:
            raise entry.fail("id", f"{device} is that of {_place(first)} already")
        return device


def _place(where: str) -> str:
    """Return the part of a place that is within its file."""
    return where.partition(": ")[2] or where


def _short(fields: Fields, key: str, text: str) -> str:
    if len(text) > TEXT_MAX:
        raise fields.fail(key, f"{len(text)} characters, at most {TEXT_MAX} expected")
    if not text.isprintable() or text != text.strip():
        raise fields.fail(key, f"{text!r}: no blanks at its ends and nothing unprintable expected")
    return text


def _integer(fields: Fields, key: str, span: tuple[int, int], default: int) -> int:
    return fields.integer(key, *span) if key in fields else default


def _sensors(fields: Fields, board: Board) -> tuple[Sensor, ...]:
    if "sensor" not in fields:
        return board.sensors
    entries = fields.tables("sensor")
    found = boards.read_sensors(entries, board.buses)
    for entry in entries:
        entry.done()
    return found


def _broker(fields: Fields) -> str:
    """Return a broker's URL; it may hold a password by mistake, and so is never shown."""
    url = fields.text("broker")
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _BROKERS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits, parts = False, urlsplit("")
    if "@" in url or parts.username or parts.password:
        raise fields.fail("broker", "has a user or a password in it; only scheme, host and port")
    if not fits or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise fields.fail("broker", "is not mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    if len(url) > BROKER_MAX or not url.isascii():
        raise fields.fail(
            "broker", f"{len(url)} characters, at most {BROKER_MAX} of ASCII expected"
        )
    return url


def _check(entry: Fields, role: Role) -> None:
    """Refuse what the board itself would refuse: it is asked the same way."""
    try:
        _check_config.check(role.config(), _load_driver.load)
    except ConfigError as e:
        raise entry.error(f"{entry.where}: the board would refuse this: {e}") from None
