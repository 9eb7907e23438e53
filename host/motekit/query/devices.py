"""Which devices and streams names stand for: a device goes by its id, or by its board's name."""

from collections.abc import Collection, Iterable

from motekit.errors import UsageError
from motekit.store import Store


def labels(store: Store) -> dict[str, str]:
    """Return what each device is called, by id: its name, else its board, else nothing."""
    found: dict[str, str] = dict.fromkeys(store.devices(), "")
    for epoch in store.epochs():
        label = epoch.boot.get("name") or epoch.boot.get("board") if epoch.boot else None
        if isinstance(label, str) and label.isprintable():
            found[epoch.device] = label
    return found


def resolve(store: Store, wanted: Collection[str] | None) -> frozenset[str] | None:
    """Return the ids of devices by id or name, None for all; UsageError if unknown or unclear."""
    if wanted is None:
        return None
    called = labels(store)
    return frozenset(_id(name, called) for name in wanted)


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
