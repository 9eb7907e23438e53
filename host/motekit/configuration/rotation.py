"""One board's Wi-Fi: told apart without a password, and changed without losing the old network.

The board itself keeps its former networks until one of the new has worked. So a network that is
wrong, or not there yet, leaves it in the one that it had, and it goes on trying: done again later,
a rotation ends when the network is there.

Ref: SPEC.md, section "Wi-Fi".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from motekit import wifi
from motekit.keys import KeyStore
from motekit.networks import Network
from motekit.wifi import NotJoinedError, WifiState

from .diff import Change
from .lines import Line
from .outcome import Outcome, Steps

JOIN_S = 45.0  # four networks, each of which takes a moment to fail
WIFI = "wifi"
OTHER, PLANNED = "another", "the plan's"  # passwords, which nobody is shown


class Rotation:
    """What is to become of one board's networks; none: nothing."""

    def __init__(self, line: Line, networks: Sequence[Network], key_store: KeyStore) -> None:
        self._line = line
        self._wanted = networks
        self._keys = key_store
        self._asking = _Asking(line)
        self._state: WifiState | None = wifi.get(self._asking) if networks else None

    def changes(self) -> list[Change]:
        """Return what differs: names of networks, and whose password is another."""
        state = self._state
        if state is None:
            return []
        names = [each.ssid for each in state.networks], [each.ssid for each in self._wanted]
        found = [Change((WIFI,), *names)] if names[0] != names[1] else []
        for each in self._wanted:
            known = [one for one in state.networks if one.ssid == each.ssid]
            if known and self._same(replace(state, networks=tuple(known)), [each]) is False:
                found.append(Change((WIFI, each.ssid, "password"), OTHER, PLANNED))
        return found

    def notes(self) -> tuple[str, ...]:
        """Return what there is to say of a rotation that is under way."""
        state = self._state
        if state is None or not state.on_trial:
            return ()
        return (f"wifi: {wifi.waiting(state)}",)

    def run(self, outcome: Outcome, boot: Callable[[], None], on_step: Steps) -> Outcome:
        """Give a board its networks and wait until it is in one; return what became of it."""
        state = self._state
        if state is None or (self._same(state, self._wanted) and not state.on_trial):
            return outcome
        on_step(self._line.port, "joining")
        if wifi.set_networks(self._asking, self._wanted):
            boot()
        clock = self._line.clock
        try:
            wifi.wait_joined(self._asking, JOIN_S, clock.monotonic, clock.sleep)
        except NotJoinedError as error:
            found = wifi.get(self._asking)
            if found.joined:
                return replace(outcome, state="applied")
            return replace(outcome, state="waiting", error=str(error))
        return replace(outcome, state="applied")

    def _same(self, state: WifiState, networks: Sequence[Network]) -> bool | None:
        hello = self._line.hello
        return wifi.same(state, networks, self._keys, hello.device, hello.generation)


class _Asking:
    """A line as `motekit.wifi` asks it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def request(
        self, name: str, args: Mapping[str, Any] | None = None, wait_s: float = 0.0
    ) -> Any:
        """Ask the board; how long that may take the line knows."""
        del wait_s
        return self._line.ask(name, args or {})
