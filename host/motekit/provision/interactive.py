"""A plan by asking for it: only what must be known, each with what it most likely is.

What is asked goes through `Asker`, so that a terminal, over SSH too, and a test are the same.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from motekit import board as boards
from motekit import plan as plans
from motekit.errors import MotekitError, UsageError
from motekit.fields import Fields, nearest
from motekit.keys import KeyStore
from motekit.networks import password_flaw, ssid_flaw
from motekit.plan import Plan, PlanError
from motekit.provision import look
from motekit.provision.look import Found
from motekit.provision.records import Records

_FLEET = "home"
_OF_ALL = "all"
_NONE = "-"


class Asker(Protocol):
    """Whoever answers."""

    def ask(self, what: str, default: str) -> str:
        """Return an answer; the default if nothing was said."""
        ...

    def secret(self, what: str) -> str:
        """Return an answer that nobody sees."""
        ...

    def tell(self, text: str) -> None:
        """Say something."""
        ...


def choose_ports(attached: Sequence[str], asker: Asker) -> list[str]:
    """Return which of the ports are meant; one that is alone is."""
    if len(attached) < 2:
        return list(attached)
    for number, port in enumerate(attached, 1):
        asker.tell(f"{number}  {port}")
    while True:
        said = asker.ask(f"Which boards: 1 to {len(attached)}, or {_OF_ALL}", _OF_ALL)
        if said == _OF_ALL:
            return list(attached)
        numbers = said.replace(",", " ").split()
        if numbers and all(each.isdecimal() for each in numbers):
            chosen = [int(each) - 1 for each in numbers]
            if all(0 <= at < len(attached) for at in chosen):
                return [attached[at] for at in dict.fromkeys(chosen)]
        asker.tell(f"{said!r}: numbers from 1 to {len(attached)} expected")


def compose(ports: Sequence[str], key_store: KeyStore, records: Records, asker: Asker) -> Plan:
    """Ask for a plan for the boards at these ports; what they are now is what is offered."""
    found = _seen(ports[0], key_store)
    answers = _Answers(found, records, asker, alone=len(ports) == 1)
    while True:
        try:
            return answers.plan()
        except PlanError as e:
            asker.tell(f"{e}; once more")


def _seen(port: str, key_store: KeyStore) -> Found:
    try:
        found = look.over_link(port, key_store, lambda: False, look.LINK_S, known=False)
    except (MotekitError, OSError):
        found = None  # provisioning will say what is the matter
    return found or Found("")


class _Answers:
    """Questions, and what was said last time."""

    def __init__(self, found: Found, records: Records, asker: Asker, *, alone: bool) -> None:
        self._asker = asker
        self._alone = alone and bool(found.device)
        config = look.mapping(found.config)
        rows = [row for row in records.rows() if row["event"] == "provisioned"]
        last = rows[-1] if rows else {}
        own = str(config.get("board", ""))
        known = own if own in boards.names() else str(last.get("board", ""))
        self._said = {
            "fleet": str(last.get("fleet", _FLEET)),
            "board": known if known in boards.names() else "",
            "site": str(config.get("site") or last.get("site") or ""),
            "name": str(config.get("name") or f"node-{found.device[-6:]}"),
            "wifi": "",
        }

    def plan(self) -> Plan:
        """Ask; PlanError for what cannot be."""
        answers: dict[str, object] = {"fleet": self._ask("Fleet", "fleet")}
        board = self._until("Board", "board", _known_board)
        answers["board"] = board
        if self._alone:
            answers["device"] = [{"name": self._ask("Name of this board", "name")}]
        if (site := self._ask("Site (- for none)", "site")) != _NONE:
            answers["site"] = site
        sensors = " ".join(each.driver for each in boards.load(board).sensors)
        said = self._asker.ask("Sensors, with blanks between (- for none)", sensors)
        if said != sensors:
            answers["sensor"] = [{"driver": each} for each in said.split() if each != _NONE]
        if (ssid := self._until("Wi-Fi network (- for none)", "wifi", _network)) != _NONE:
            answers["wifi"] = [{"ssid": ssid, "password": self._password(ssid)}]
        made = plans.parse(Fields("your answers", answers, PlanError), Path())
        return Plan(made.fleet, made.roles, made.template)  # no file: nothing to be warned of

    def _ask(self, what: str, key: str) -> str:
        self._said[key] = self._asker.ask(what, self._said[key] or _NONE).strip()
        return self._said[key]

    def _until(self, what: str, key: str, check: Callable[[str], None]) -> str:
        while True:
            said = self._asker.ask(what, self._said[key] or _NONE).strip()
            try:
                check(said)
            except UsageError as e:
                self._asker.tell(str(e))
            else:
                self._said[key] = said
                return said

    def _password(self, ssid: str) -> str:
        """Return a password that can be one; asked for where it is, not after all the rest."""
        while True:
            password = self._asker.secret(f"Password of {ssid} (empty: it is open)")
            flaw = password_flaw(password)
            if flaw is None:
                return password
            self._asker.tell(f"password of {ssid}: {flaw}")


def _network(ssid: str) -> None:
    if flaw := ssid_flaw(ssid):
        raise UsageError(flaw)


def _known_board(name: str) -> None:
    if not name.endswith(".toml") and name not in boards.names():
        raise UsageError(f"{name!r} is no known board; {nearest(name, boards.names())}")
    boards.load(name)
