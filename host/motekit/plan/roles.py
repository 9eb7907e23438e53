"""What a board of a fleet shall be, and which board that is."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from motekit import config
from motekit.board import Board, Sensor
from motekit.networks import Network


@dataclass(frozen=True)
class Role:
    """What one board shall be; `device` is the id of the board it is for, "" for any."""

    name: str
    site: str
    board: Board
    sensors: tuple[Sensor, ...]
    broker: str = ""
    samples: int = config.PACKET_SAMPLES
    latency_ms: int = config.LATENCY_MS
    networks: tuple[Network, ...] = ()
    device: str = ""

    def config(self) -> dict[str, object]:
        """Return the whole of the board's /config.json."""
        made = config.device_config(
            self.board, self.sensors, samples=self.samples, latency_ms=self.latency_ms
        )
        made["name"] = self.name
        if self.site:
            made["site"] = self.site
        if self.broker:
            made["broker"] = self.broker
        return made


@dataclass(frozen=True)
class Plan:
    """What boards of a fleet shall be: named roles, or one template that fits any board."""

    fleet: str
    roles: tuple[Role, ...]
    template: Role | None = None  # its name has {id} or {id6}
    warnings: tuple[str, ...] = ()

    @property
    def each_role(self) -> tuple[Role, ...]:
        """The roles, and the template, if there is one."""
        return (*self.roles, self.template) if self.template else self.roles

    @property
    def boards(self) -> tuple[str, ...]:
        """The names of the boards that the plan uses."""
        return tuple(sorted({role.board.name for role in self.each_role}))

    def role_of(self, device: str, taken: Collection[str]) -> Role | None:
        """Return the role of a board, given the names that other boards have taken.

        The row of its id; else the next that is for any board and not taken; else, in a plan
        without devices, one named from the template. None: the plan has nothing for it.
        """
        for role in self.roles:
            if role.device == device:
                return role
        for role in self.roles:
            if not role.device and role.name not in taken:
                return role
        if self.template is None:
            return None
        name = named(self.template.name, device)
        return None if name in taken else replace(self.template, name=name)


def named(template: str, device: str) -> str:
    """Return the name that a template gives a device."""
    return template.replace("{id6}", device[-6:]).replace("{id}", device)
