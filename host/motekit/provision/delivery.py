"""What a board holds goes into a store before it starts anew, which empties its queue.

Asked to reboot, a board stops sampling, and boots once all is acknowledged: nothing is lost.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as LateError
from pathlib import Path
from typing import NamedTuple

from motekit import unsent
from motekit.collector import Collector
from motekit.errors import LinkError, MotekitError
from motekit.keys import Host, KeyStore
from motekit.prompt import stopped
from motekit.prompt.raw import RawPrompt
from motekit.provision.guard import check_unsent
from motekit.provision.look import Found
from motekit.store import collecting_into
from motekit.transports import transport

CONTACT_S = 30.0
BOOT_S = 40.0  # a full queue takes some seconds on the line
_ASK_S = 10.0
_POLL_S = 0.2
_one_writer = threading.Lock()  # of a store: boards deliver one after the other


def spare(
    found: Found,
    port: str,
    store: Path | None,
    key_store: KeyStore,
    *,
    discard: bool,
    on_step: Callable[[str], None],
) -> None:
    """Have a board that is to start anew deliver what it holds, or refuse to start it."""
    if store is None or found.unsent <= 0:
        check_unsent(found, port, discard=discard)
        return
    on_step("collecting")
    deliver(port, found.device, store, key_store)


def deliver(port: str, device: str, store: Path, key_store: KeyStore) -> None:
    """Collect all that a board holds, and have it boot; LinkError if it does not.

    Raises StoreError for a store that cannot be written.
    """
    with _one_writer, collecting_into(store) as into:
        source = transport(f"serial:{port}")
        collector = Collector(into, [source], key_store, Host(), lambda _: None)
        failures: list[MotekitError] = []

        def run() -> None:
            try:
                collector.run()
            except MotekitError as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            _reboot(collector, port, device, thread)
        finally:
            collector.stop()
            thread.join()
        if failures:
            raise failures[0]


class TakenLeft(NamedTuple):
    """What of a stopped firmware's queue the store has, and what it has in quarantine."""

    packets: int
    set_aside: int  # packets whose tags do not hold
    rest_bytes: int  # that are no packets

    @property
    def damaged(self) -> bool:
        """Tell whether something is in quarantine."""
        return self.set_aside > 0 or self.rest_bytes > 0

    def __str__(self) -> str:
        aside = stopped.also_aside(self.set_aside, self.rest_bytes)
        return f"{self.packets} packets collected{aside}"


def take_left(prompt: RawPrompt, device: str, store: Path, key_store: KeyStore) -> TakenLeft:
    """Take into a store what a firmware that was stopped has left in RAM, all of it.

    Raises PromptError where it does not come over, StoreError where it cannot be kept.
    """
    found, rest = stopped.packets(unsent.queue(prompt))
    return keep_left(stopped.Left(device, tuple(found), rest), store, key_store)


def keep_left(left: stopped.Left, store: Path, key_store: KeyStore) -> TakenLeft:
    """Put into a store what a stopped firmware had in RAM; StoreError where it cannot be kept."""
    with (
        _one_writer,
        tempfile.TemporaryDirectory(prefix="motekit-") as folder,
        collecting_into(store) as into,
    ):
        path = Path(folder) / "unsent.jsonl"
        unsent.record(path, left.device, left.packets)
        if left.rest:
            into.quarantine(left.device, left.rest, stopped.NO_PACKETS, once=True)
        taken = unsent.replay(path, into, key_store)
    return TakenLeft(len(left.packets) - taken.set_aside, taken.set_aside, len(left.rest))


def _reboot(collector: Collector, port: str, device: str, thread: threading.Thread) -> None:
    asked_at = 0.0
    end = time.monotonic() + CONTACT_S
    while time.monotonic() < end and thread.is_alive():
        time.sleep(_POLL_S)
        try:
            if not asked_at:
                collector.ask(device, "reboot").result(_ASK_S)
                asked_at = time.monotonic()
                end = asked_at + BOOT_S
                continue
            status = collector.ask(device, "status").result(_ASK_S)
            uptime_ms = status.get("uptime_ms")
            up_s = uptime_ms / 1000 if isinstance(uptime_ms, int) else BOOT_S
            if up_s < time.monotonic() - asked_at:
                return
        except (LinkError, LateError):
            continue  # it boots, or is not yet in contact
    if thread.is_alive():
        raise LinkError(f"{port}: {device} did not deliver what it holds; nothing was changed")
