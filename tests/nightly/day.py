"""A day without faults: real firmware, fence and collector; the heap must stay as it was."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from motekit.errors import ScenarioError
from motekit.fields import Fields
from motekit.sim import scenario
from motekit.sim.world import World

if TYPE_CHECKING:
    from concurrent.futures import Future

GROWTH_BYTES = 512
TIGHT_BYTES = 64 << 10  # to boot in, sample and answer everything: see SPEC.md, "Memory"
_POINTS = 24
_SETTLED = 8  # points until all that is loaded once, or when 2^30 us are over, has come
_ASK_S = 5.0
SLOW = (
    {"driver": "sht4x", "period_s": 10},
    {"driver": "pms5003", "options": {"mode": "passive", "period_s": 10}},
)
FAST = ({"driver": "adxl345", "options": {"rate_hz": 200}}, *SLOW)


class Day(NamedTuple):
    """What was free of the heap, or its queue's, at 24 points of the time; samples by stream.

    The queue counts as free, since it gives up what something else takes: a leak would hide there.
    """

    free: tuple[int, ...]
    samples: dict[int, int]

    @property
    def growth_bytes(self) -> int:
        """Return how much more of the heap is held at the end than once all had settled."""
        half = (_POINTS + _SETTLED) // 2
        return max(self.free[_SETTLED:half]) - max(self.free[half:])


def live(
    sensors: tuple[dict[str, Any], ...],
    hours: float,
    *,
    bits: int | None = None,
    heap_bytes: int | None = None,
) -> Day:
    """Let a board sample for so long; AssertionError if it lost something or did not stay well."""
    table = {
        "seed": 7,
        "clock": "virtual",
        "duration_s": hours * 3600,
        "board": [{"board": "esp32-c3-devkitm-1", "sensor": list(sensors)}],
    }
    plan = scenario.parse(Fields("day", table, ScenarioError), Path())
    with World(plan, bits=bits, heap_bytes=heap_bytes) as world:
        told = [_status(world, hours * 3600 * n / _POINTS) for n in range(1, _POINTS + 1)]
        world.run()
        board, last = world.boards[0], told[-1]
        assert board.counts.starts == 1, f"{board.counts.resets}: {board.last_words()}"
        assert not board.unacked, f"{board.unacked} packets are not acked"
        for name in ("restarted_tasks", "starved_requests", "queue_dropped", "skipped_packets"):
            assert last[name] == 0, f"{name}: {last[name]}"
        for each in last["sensors"]:
            assert each["state"] == "ok", each
            assert each["lost"] == each["errors"] == 0, each
        summary = world.store.summary().devices[0]
        assert summary.missing == 0, f"{summary.missing} packets are missing"
        samples = {stream.stream: stream.samples for stream in world.store.streams()}
        free = tuple(status["heap_free"] + status["queue_size_bytes"] for status in told)
        return Day(free, samples)


def _status(world: World, at_s: float) -> dict[str, Any]:
    """Return the board's status shortly before this time of the scenario."""
    world.run(until_s=at_s - 2 * _ASK_S)
    answer: Future[dict[str, Any]] = world.collector.ask(world.boards[0].device, "status", {})
    world.run(until_s=at_s - _ASK_S)
    return answer.result(timeout=0)
