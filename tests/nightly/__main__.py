"""make nightly: rides random schedules of faults; says which seed fails, and how to repeat it.

make nightly ARGS='--count 20 --long 0 --day 0'    the first twenty of two hours each
make nightly ARGS='--seed 123'                     one of them alone
"""

import argparse
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import as_completed
from contextlib import closing, suppress

from . import day
from .ride import Outcome, RideError, ride
from .schedule import LONG
from .workers import workers

LONG_HOURS = 30 * 24.0
INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Ride schedules; return 1 if any failed, 130 after a Ctrl-C."""
    options = _options(words)
    if options.seed is not None:
        seeds = [options.seed]
    else:
        seeds = [LONG + 1 + i for i in range(options.long)]
        seeds += range(options.first, options.first + options.count)
    began_s = time.monotonic()
    outcomes, failed, whole = _ride_all(seeds, options)
    _sum_up(outcomes, failed, time.monotonic() - began_s)
    if not whole:
        print(f"ended by Ctrl-C, {len(seeds) - len(outcomes) - len(failed)} not ridden")
        return INTERRUPTED
    steady = options.seed is not None or not options.day or _live_day(options.day)
    return 0 if steady and not failed else 1


def _live_day(hours: float) -> bool:
    """Sample at 200 Hz without faults; return whether the heap stayed as it was."""
    began_s = time.monotonic()
    try:
        found = day.live(day.FAST, hours, heap_bytes=day.TIGHT_BYTES)
    except AssertionError as error:
        print(f"{hours:g} hours at 200 Hz FAILED: {error}")
        return False
    print(
        f"{hours:g} hours at 200 Hz in {time.monotonic() - began_s:.0f} s: heap grown by "
        f"{found.growth_bytes} bytes (at most {day.GROWTH_BYTES}), "
        f"{min(found.free)} free or the queue's at least"
    )
    return found.growth_bytes <= day.GROWTH_BYTES


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly")
    parser.add_argument("--count", type=int, default=1000, help="schedules of --hours")
    parser.add_argument("--first", type=int, default=1, help="seed of the first of them")
    parser.add_argument("--hours", type=float, default=2.0, help="simulated, of each")
    parser.add_argument("--long", type=int, default=4, help="schedules of --days")
    parser.add_argument("--days", type=float, default=LONG_HOURS / 24, help="simulated, of each")
    parser.add_argument("--day", type=float, default=24, help="hours at 200 Hz without faults")
    parser.add_argument("--seed", type=int, help=f"this one alone; long ones are beyond {LONG}")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser.parse_args(words)


def _ride_all(
    seeds: list[int], options: argparse.Namespace
) -> tuple[list[Outcome], dict[int, str], bool]:
    """Return what was ridden out, what failed, and whether no Ctrl-C ended it."""
    outcomes: list[Outcome] = []
    failed: dict[int, str] = {}
    with suppress(KeyboardInterrupt), closing(_rides(seeds, options)) as rides:
        for seed, hours, found in rides:
            if isinstance(found, Outcome):
                outcomes.append(found)
                print(f"{len(outcomes) + len(failed)}/{len(seeds)} {_line(found)}", flush=True)
                continue
            failed[seed] = str(found)
            length = f"--days {hours / 24:g}" if seed > LONG else f"--hours {hours:g}"
            print(f"seed {seed} FAILED: {type(found).__name__}: {found}", flush=True)
            print(f"  repeat: make nightly ARGS='--seed {seed} {length}'", flush=True)
        return outcomes, failed, True
    return outcomes, failed, False


def _rides(
    seeds: list[int], options: argparse.Namespace
) -> Generator[tuple[int, float, Outcome | BaseException]]:
    """Yield seed, hours, and what came of it, as they end."""
    hours = {seed: options.days * 24 if seed > LONG else options.hours for seed in seeds}
    if options.jobs == 1 or len(seeds) == 1:
        for seed in seeds:
            try:
                yield seed, hours[seed], ride(seed, hours[seed])
            except RideError as error:
                yield seed, hours[seed], error
        return
    with workers(options.jobs) as pool:
        futures = {pool.submit(ride, seed, hours[seed]): seed for seed in seeds}
        for done in as_completed(futures):
            seed = futures[done]
            yield seed, hours[seed], done.exception() or done.result()


def _line(found: Outcome) -> str:
    return (
        f"seed {found.seed}: {found.sim_s / 3600:.1f} h in {found.wall_s:.1f} s, "
        f"{found.episodes} episodes, {found.resets} resets, well after {found.recovery_s:.0f} s "
        f"at most, {found.samples} samples, {found.lost} lost and told"
    )


def _sum_up(outcomes: list[Outcome], failed: dict[int, str], wall_s: float) -> None:
    sim_s = sum(each.sim_s for each in outcomes)
    busy_s = sum(each.wall_s for each in outcomes) or 1
    print(
        f"{len(outcomes)} ridden out, {len(failed)} failed; {sim_s / 3600:.0f} simulated hours in "
        f"{wall_s:.0f} s, {sim_s / busy_s:.0f} times as fast as time in each process; "
        f"{sum(each.episodes for each in outcomes)} episodes, "
        f"well after {max((each.recovery_s for each in outcomes), default=0):.0f} s at most"
    )
    if failed:
        print(f"failed seeds: {' '.join(map(str, sorted(failed)))}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
