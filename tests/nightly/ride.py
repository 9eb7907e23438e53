"""Rides one schedule: all must be well soon after each episode, and nothing missing at the end."""

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from motekit.errors import LinkError, ScenarioError
from motekit.fields import Fields
from motekit.sim import scenario
from motekit.sim.world import World
from tests import content

from .day import TIGHT_BYTES
from .schedule import LONG, Episode, make

RECOVERY_S = 60
_ASK_S = 5
_RARE_BYTES = 9216  # of modules that may be loaded just now, or not
_GROWTH_BYTES = 2048
_HALF = 4  # weighings of a run that make half of it
_QUEUE_BYTES = 4096


class RideError(Exception):
    """A schedule that was not ridden out."""


class Outcome(NamedTuple):
    """What came of a schedule."""

    seed: int
    sim_s: float
    wall_s: float
    episodes: int
    recovery_s: float  # the longest
    resets: int
    lost: int  # samples that the board's notes say were lost
    samples: int


def ride(seed: int, hours: float) -> Outcome:
    """Ride the schedule of a seed; RideError says what went wrong, and when."""
    began_s = time.monotonic()
    schedule = make(seed, hours)
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        content.write_count(Path(folder) / "count.csv")
        table = {key: value for key, value in schedule.table().items() if value is not None}
        plan = scenario.parse(Fields(f"seed {seed}", table, ScenarioError), Path(folder))
        # The heap of a long ride is so tight that no rare module stays: what grows shows.
        with World(plan, heap_bytes=TIGHT_BYTES if seed > LONG else None) as world:
            try:
                rider = _Rider(world, tight=seed > LONG)
                for episode in schedule.episodes:
                    rider.ride(episode)
                world.run()
                lost = rider.settle()
            except (AssertionError, LinkError) as error:
                raise RideError(f"at {world.now_s:.1f} s: {error}{_last(world)}") from error
            samples = sum(stream.samples for stream in world.store.streams())
            resets = sum(world.boards[0].counts.resets.values())
            wall_s = time.monotonic() - began_s
            return Outcome(
                seed,
                world.now_s,
                wall_s,
                len(schedule.episodes),
                rider.slowest_s,
                resets,
                lost,
                samples,
            )


def _last(world: World) -> str:
    return "".join(f"\n    {n.kind}: {n.text}" for n in list(world.notices)[-12:])


class _Rider:
    def __init__(self, world: World, *, tight: bool) -> None:
        self._world = world
        self._tight = tight  # so that no rare module stays, and what grows shows early
        self._board = world.boards[0]
        self._heap: dict[int, list[int]] = {}  # epoch: what was free each time that all was well
        self.slowest_s = 0.0

    def ride(self, episode: Episode) -> None:
        """Go through an episode, and hold that all is well within a minute of its end."""
        world = self._world
        if episode.host_down:
            world.run(until_s=max(episode.host_down[0], world.now_s))
            world.stop_collecting()
            world.run(until_s=max(episode.host_down[1], world.now_s))
            world.collect()
        world.run(until_s=max(episode.end_s, world.now_s))
        told: list[dict[str, Any]] = []
        while not _well(told):
            assert not self._board.crashed, f"the VM has ended: {self._board.last_words()}"
            late_s = world.now_s - episode.end_s
            assert late_s <= RECOVERY_S + _ASK_S, (
                f"not well {RECOVERY_S} s after {_names(episode)}: {_ails(told)}"
            )
            end_s = world.now_s + _ASK_S
            status = self._ask(end_s)
            world.run(until_s=end_s)
            told = [*told[-1:], status] if status else []
        self.slowest_s = max(self.slowest_s, late_s)
        if all(fault["kind"] != "memory_pressure" for fault in episode.faults):
            self._weigh(told[-1])  # else no rare module is there, and all later ones weigh more

    def _ask(self, until_s: float) -> dict[str, Any] | None:
        """Return the board's status, None if it does not come in time."""
        world, device = self._world, self._board.device
        while not world.collector.in_contact(device):
            if world.now_s >= until_s:
                return None
            world.run(until_s=world.now_s + 0.5)
        answer = world.collector.ask(device, "status", {})
        while not answer.done():
            if world.now_s >= until_s:
                return None
            world.run(until_s=world.now_s + 0.5)
        try:
            return answer.result()
        except LinkError:
            return None

    def _weigh(self, status: dict[str, Any]) -> None:
        """Hold that the heap does not grow over a run of the board."""
        epoch = self._world.store.epochs(self._board.device)[-1].epoch
        free = self._heap.setdefault(epoch, [])
        free.append(status["heap_free"])
        half = len(free) // 2
        late, early = free[half:], free[: half or 1]
        most = _GROWTH_BYTES if self._tight else _RARE_BYTES
        grown = max(early) - max(late) > most and half >= _HALF
        grown = grown or free[-1] < free[0] - _RARE_BYTES
        assert not grown, f"the heap grows: {free[-1]} bytes are free, before that {free[:-1]}"

    def settle(self) -> int:
        """Hold that all is with the host, once; return what was lost and told."""
        board = self._board
        assert not board.crashed, f"the VM has ended: {board.last_words()}"
        assert not board.unacked, f"{board.unacked} packets are not acked"
        return sum(content.check(self._world.store, board.device).values())


def _well(told: list[dict[str, Any]]) -> bool:
    """Tell whether two statuses in a row are of a board that is well."""
    if len(told) < 2 or told[1]["uptime_ms"] <= told[0]["uptime_ms"]:
        return False
    now, before = told[1]["sensors"], told[0]["sensors"]
    fresh = all(n["samples"] > b["samples"] for n, b in zip(now, before, strict=True))
    slow = told[1]["uptime_ms"] - told[0]["uptime_ms"] < 10_000 and _rare(now)
    well = all(each["state"] == "ok" for each in now)
    return well and (fresh or slow) and told[1]["queue_bytes"] < _QUEUE_BYTES


def _rare(sensors: list[dict[str, Any]]) -> bool:
    """Tell whether samples come so rarely that none may have in between."""
    return all(each["driver"] != "adxl345" for each in sensors)


def _names(episode: Episode) -> str:
    return ", ".join(str(fault) for fault in episode.faults)


def _ails(told: list[dict[str, Any]]) -> str:
    if not told:
        return "it does not answer"
    return ", ".join(f"{s['name']} {s['state']} {s['samples']}" for s in told[-1]["sensors"])
