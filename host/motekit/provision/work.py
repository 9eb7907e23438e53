"""One board after the other or many at once; see `session` for what happens to each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from motekit.at_once import at_once
from motekit.errors import MotekitError
from motekit.flasher.job import Progress
from motekit.keys import KeyStore
from motekit.plan import Plan
from motekit.provision.guard import RefusedError
from motekit.provision.outcome import Options, Outcome
from motekit.provision.records import Records
from motekit.provision.session import Session, Shared

_END_S = 12.0  # what boards get to be as they were, after an interrupt


def many(
    ports: Sequence[str],
    plan: Plan,
    *,
    keys: KeyStore,
    records: Records,
    options: Options | None = None,
    on_step: Progress = lambda _: None,
) -> list[Outcome]:
    """Provision boards, all at once; an outcome for each port, in their order.

    Raises MotekitError, before any board is touched, where records or keys are no good.
    """
    check(keys, records)
    shared = Shared(plan, keys, records, options or Options())
    return at_once(ports, lambda port, stopped: _one(port, shared, on_step, stopped), end_s=_END_S)


def one(
    port: str,
    plan: Plan,
    *,
    keys: KeyStore,
    records: Records,
    options: Options | None = None,
    on_step: Progress = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Provision one board; nothing is raised."""
    try:
        check(keys, records)
    except (MotekitError, OSError) as e:
        return Outcome(port, "failed", error=str(e))
    return _one(port, Shared(plan, keys, records, options or Options()), on_step, stopped)


def check(key_store: KeyStore, records: Records) -> None:
    """Raise MotekitError for what no board could be provisioned with."""
    if not key_store.fingerprint:
        raise RefusedError(
            "there is no key store, from which boards get their keys: "
            "`motekit keys init` makes one; keep it safe, it is the fleet"
        )
    key_store.key_file("0" * 12, 1)
    records.check()


def _one(port: str, shared: Shared, on_step: Progress, stopped: Callable[[], bool]) -> Outcome:
    begun = time.monotonic()
    session = Session(port, shared, on_step, stopped)
    try:
        outcome = session.run()
    except (MotekitError, OSError) as e:
        outcome = _failed(session, port, str(e).removeprefix(f"{port}: "))
    return replace(outcome, seconds=round(time.monotonic() - begun, 1))


def _failed(session: Session, port: str, why: str) -> Outcome:
    try:
        return session.failed(why)
    except (MotekitError, OSError) as e:  # the records: that is what to look at first
        return Outcome(port, "failed", error=f"{why}; {e}")
