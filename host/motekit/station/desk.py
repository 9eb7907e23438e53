"""What is at each port of a station, and what to begin next: no thread, no clock, no port.

    absent -> waiting -> busy -> passed | already | failed | pulled -> absent
                ^                                                        |
                +------------------ plugged in again --------------------+

While a board is worked on, its port may go and come: chips with USB of their own do so at every
reset. What became of it is for the one who works on it to say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from motekit.station.watch import Plug

ENDS = ("passed", "already", "failed", "pulled")
FLICKER_S = 2.0  # a board that fails and resets for ever is not begun at each of its resets


@dataclass
class Slot:
    """A port, and the board at it; times by the caller's clock."""

    port: str
    place: str
    mark: tuple[int, ...] = ()
    state: str = "waiting"
    device: str = ""
    name: str = ""
    step: str = ""
    done: int = 0
    total: int = 0
    why: str = ""
    came_s: float = 0.0
    began_s: float = 0.0
    seconds: float = 0.0
    gone_s: float | None = None  # since when the port is not there

    @property
    def ended(self) -> bool:
        """Tell whether there is nothing to do until the port is plugged in anew."""
        return self.state in ENDS


@dataclass
class Desk:
    """All ports; `closing`: nothing more is begun."""

    at_once: int
    slots: dict[str, Slot] = field(default_factory=dict[str, Slot])
    closing: bool = False

    def see(self, plugged: Mapping[str, Plug], now_s: float) -> tuple[list[Slot], list[Slot]]:
        """Take note of the ports that are there now; return slots that came and that went."""
        came: list[Slot] = []
        went: list[Slot] = []
        for port, plug in plugged.items():
            slot = self.slots.get(port)
            if slot is not None and not _is_new(slot, plug, now_s):
                slot.gone_s = None
                slot.mark = plug.mark
                continue
            if slot is not None:
                went.append(slot)
            self.slots[port] = Slot(port, plug.place, plug.mark, came_s=now_s)
            came.append(self.slots[port])
        for port in [port for port in self.slots if port not in plugged]:
            slot = self.slots[port]
            if slot.gone_s is None:
                slot.gone_s = now_s
            if slot.state == "waiting" or (slot.ended and now_s - slot.gone_s >= FLICKER_S):
                went.append(self.slots.pop(port))
        return came, went

    def begin(self, now_s: float) -> list[Slot]:
        """Return the slots whose turn it is, the first that came first; they are busy now."""
        room = 0 if self.closing else self.at_once - len(self.busy())
        chosen = [each for each in self.slots.values() if each.state == "waiting"][: max(room, 0)]
        for slot in chosen:
            slot.state = "busy"
            slot.began_s = now_s
        return chosen

    def end(self, slot: Slot, state: str, now_s: float, why: str = "") -> None:
        """Say what became of a board; ValueError if it was not begun."""
        if slot.state != "busy" or state not in ENDS:
            raise ValueError(f"{slot.port}: {slot.state} cannot become {state}")
        slot.state = state
        slot.why = why
        slot.seconds = round(now_s - slot.began_s, 1)

    def busy(self) -> list[Slot]:
        """Return the slots that are worked on."""
        return [each for each in self.slots.values() if each.state == "busy"]

    def idle(self, ports: Iterable[str]) -> bool:
        """Tell whether there is a verdict for each of these ports."""
        found = [self.slots.get(port) for port in ports]
        return all(each is not None and each.ended for each in found)

    def same(self, slot: Slot, device: str) -> Slot | None:
        """Return another port that is there and has a board of this device id, None if none is.

        Boards that have not said who they are, `device` "", are like no other.
        """
        for each in self.slots.values():
            there = each.gone_s is None or each.state == "busy"
            if each is not slot and each.device == device != "" and there:
                return each
        return None


def _is_new(slot: Slot, plug: Plug, now_s: float) -> bool:
    """Tell whether a port that is known has been plugged in anew."""
    if not slot.ended:
        return False
    away_s = 0.0 if slot.gone_s is None else now_s - slot.gone_s
    if slot.state == "failed" and away_s < FLICKER_S:
        return False
    return slot.mark != plug.mark or slot.gone_s is not None
