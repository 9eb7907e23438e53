"""Which devices and streams names stand for: a device goes by its id, its role, or its name."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from motekit.errors import UsageError
from motekit.store import Store, Term

US = 1000


def labels(store: Store) -> dict[str, str]:
    """Return what each device is called, by id: its name, else its board, else nothing."""
    found: dict[str, str] = dict.fromkeys(store.devices(), "")
    for epoch in store.epochs():
        label = epoch.boot.get("name") or epoch.boot.get("board") if epoch.boot else None
        if isinstance(label, str) and label.isprintable():
            found[epoch.device] = label
    return found


class Span(NamedTuple):
    """Which of a device's data is meant, UTC in ns; None: no bound."""

    device: str
    since_ns: int | None = None
    until_ns: int | None = None


def retired(store: Store) -> dict[str, str]:
    """Return the devices that had a role and have none any more, with the last one."""
    terms = store.succession()
    serving = {term.device for term in terms if term.until_us is None}
    return {term.device: term.role for term in terms if term.device not in serving}


def resolve(store: Store, wanted: Collection[str] | None) -> list[Span] | None:
    """Return what names stand for, None for all; UsageError if one is unknown or unclear.

    An id is that device; a role that went from one device to another is each of them while it
    had it; any other name is the board that calls itself so.
    """
    if wanted is None:
        return None
    called = labels(store)
    terms = store.succession()
    spans: set[Span] = set()
    for name in wanted:
        served = [term for term in terms if term.role == name and name not in called]
        spans.update(map(_span, served))
        if not served:
            spans.add(Span(_id(name, called)))
    whole = {span.device for span in spans if span == Span(span.device)}
    return sorted(
        (span for span in spans if span.device not in whole or span == Span(span.device)),
        key=lambda span: (span.device, span.since_ns or 0),
    )


def _span(term: Term) -> Span:
    until_ns = None if term.until_us is None else term.until_us * US
    return Span(term.device, term.since_us * US or None, until_ns)


def check_streams(wanted: Collection[str] | None, known: Collection[str]) -> None:
    """Raise UsageError for a stream that there is not."""
    unknown = set(wanted or ()) - set(known)
    if unknown:
        raise _unknown("stream", unknown, known)


def _id(name: str, called: dict[str, str]) -> str:
    if name in called:
        return name
    ids = [device for device, label in called.items() if label == name]
    if len(ids) > 1:
        raise UsageError(
            f"device {name}: {len(ids)} devices are called so; take an id: {', '.join(ids)}"
        )
    if not ids:
        there = (f"{label} ({device})" if label else device for device, label in called.items())
        raise _unknown("device", {name}, there)
    return ids[0]


def _unknown(what: str, names: Iterable[str], known: Iterable[str]) -> UsageError:
    there = ", ".join(sorted(known)) or "none"
    return UsageError(f"{what} {', '.join(sorted(names))}: not in this store; there are: {there}")
