"""Many boards at once, by the ports they are at: asked directly, or through a collector.

Directly, a port is opened for one board after the other thread's; what a board has not sent yet
is lost when it boots. Through a collector all of it goes into a store first, and so does what a
stopped firmware has left in RAM, before it is started.
"""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import TimeoutError as LateError
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from motekit.at_once import at_once
from motekit.client import REQUEST_TRIES, Client, RefusedError
from motekit.clock import SYSTEM, Clock
from motekit.collector import Collector
from motekit.errors import LinkError, MotekitError
from motekit.hello import Hello
from motekit.keys import Host, KeyStore
from motekit.probe import Port, probe
from motekit.prompt.stopped import Left
from motekit.provision.delivery import keep_left
from motekit.store import collecting_into
from motekit.transports import transport
from motekit.transports.serial import SerialPipe

_END_S = 0.5  # nothing waits for an interrupt: a board's trial ends by itself
ASK_S = 30.0
CONTACT_S = 30.0
_POLL_S = 0.3
_ONCE = ("reboot",)  # the board that has booted must not boot again, which ends a trial
T = TypeVar("T")


def _tries(name: str) -> int:
    return 1 if name in _ONCE else REQUEST_TRIES


class Line(Protocol):
    """A board that can be asked."""

    port: str
    hello: Hello
    clock: Clock  # the time that the board lives in

    def ask(self, name: str, args: Mapping[str, Any], /) -> Any:
        """Ask; LinkError if there is no answer."""
        ...


def _lose(left: Left) -> None:
    """Have lost what a stopped firmware has left."""
    del left


class DirectLine:
    """A board at a port that is ours; after a boot it is greeted anew."""

    clock: Clock = SYSTEM

    def __init__(
        self, port: str, key_store: KeyStore, host: Host, *, discard: bool = False
    ) -> None:
        self.port = port
        self._keys = key_store
        self._host = host
        self._discard = discard  # what a stopped firmware has left in RAM
        self._pipe: SerialPipe | None = None
        self._client: Client | None = None
        self.hello = self._open()

    def _open(self) -> Hello:
        self.close()
        self._pipe = SerialPipe(self.port)
        self._client = Client(self._pipe, self._keys, self._host)
        if self._discard:
            self._client.keep = _lose
        return self._client.connect()

    def ask(self, name: str, args: Mapping[str, Any], /) -> Any:
        """Ask; the port is opened anew where it went away with a reset."""
        try:
            if self._client is None:
                self._open()
            return self._asked().request(name, dict(args), tries=_tries(name))
        except RefusedError:
            raise
        except (LinkError, OSError):
            self.close()
            raise

    def _asked(self) -> Client:
        if self._client is None:
            raise LinkError(f"{self.port}: is closed")
        return self._client

    def close(self) -> None:
        """Give the port back."""
        self._client = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


class CollectedLine:
    """A board that a collector has at its port."""

    clock: Clock = SYSTEM

    def __init__(self, port: str, hello: Hello, collector: Collector) -> None:
        self.port = port
        self.hello = hello
        self._collector = collector

    def ask(self, name: str, args: Mapping[str, Any], /) -> Any:
        """Ask through the collector's session."""
        try:
            asked = self._collector.ask(self.hello.device, name, dict(args), _tries(name))
            return asked.result(ASK_S)
        except LateError:
            raise LinkError(f"{self.port}: no answer to {name!r} for {ASK_S:.0f} s") from None


def each(ports: Sequence[str], work: Callable[[str], T]) -> list[T]:
    """Do something for all ports at once, `work` raising nothing; return what came, in order."""
    return at_once(ports, lambda port, _: work(port), end_s=_END_S)


def _met(port: Port, store: Path, key_store: KeyStore, admit: Callable[[Hello], None]) -> Port:
    """Return a port with the board that may be asked there, or with why there is none.

    One that waits at its prompt is started, once what it has in RAM is in the store.
    """

    def keep(left: Left) -> None:
        left.check_keys(key_store, port.name)
        keep_left(left, store, key_store)

    try:
        hello = port.hello
        if hello is None and not port.failed:
            with closing(SerialPipe(port.name)) as pipe:
                client = Client(pipe, key_store, Host())
                client.keep = keep
                hello = client.connect()
        if hello is not None:
            admit(hello)
    except MotekitError as error:
        return port._replace(hello=None, note=str(error).removeprefix(f"{port.name}: "))
    return port._replace(hello=hello)


class Opened(Protocol):
    """What hands out lines."""

    clock: Clock

    def line(self, port: str) -> Line:
        """Return the board at a port; LinkError if there is none."""
        ...

    def release(self, line: Line) -> None:
        """Give a line back."""
        ...


class Direct:
    """Opens each port for itself."""

    clock: Clock = SYSTEM

    def __init__(self, key_store: KeyStore, *, discard: bool = False) -> None:
        self._keys = key_store
        self._host = Host()
        self._discard = discard

    def line(self, port: str) -> DirectLine:
        """Open a port and greet the board."""
        return DirectLine(port, self._keys, self._host, discard=self._discard)

    def release(self, line: Line) -> None:
        """Close its port."""
        if isinstance(line, DirectLine):
            line.close()


class Collecting:
    """Hands out lines of one collector."""

    clock: Clock = SYSTEM

    def __init__(self, collector: Collector, found: Sequence[Port]) -> None:
        self._collector = collector
        self._found = {port.name: port for port in found}

    def line(self, port: str) -> CollectedLine:
        """Wait until the collector has the board of a port."""
        found = self._found[port]
        if found.hello is None:
            raise LinkError(f"{port}: {found.note or 'no board answers'}")
        end = self.clock.monotonic() + CONTACT_S
        while not self._collector.in_contact(found.hello.device):
            if self.clock.monotonic() > end:
                raise LinkError(f"{port}: {found.hello.device} was there and is not any more")
            self.clock.sleep(_POLL_S)
        return CollectedLine(port, found.hello, self._collector)

    def release(self, line: Line) -> None:
        """Leave it to the collector."""


def anybody(hello: Hello) -> None:
    """Admit any board."""
    del hello


@contextmanager
def opened(
    ports: Sequence[str],
    key_store: KeyStore,
    store: Path | None,
    *,
    discard: bool = False,
    admit: Callable[[Hello], None] = anybody,
) -> Generator[Opened]:
    """Make boards ready to be asked; with a store, what they hold is collected into it meanwhile.

    `admit` raises MotekitError for a board of which nothing is to be collected. `discard`: what
    a stopped firmware has left in RAM may be lost, where there is no store.

    Raises MotekitError for a store that cannot be written.
    """
    if store is None:
        yield Direct(key_store, discard=discard)
        return
    host = Host()
    heard = probe([Port(port, "", None, "") for port in ports], key_store, host)
    named = {port.name: port for port in heard}
    found = each([*named], lambda name: _met(named[name], store, key_store, admit))
    there = [port.name for port in found if port.hello is not None]
    with collecting_into(store) as into:
        sources = [transport(f"serial:{port}") for port in there]
        collector = Collector(into, sources, key_store, host, lambda _: None)
        failures: list[MotekitError] = []

        def run() -> None:
            try:
                collector.run()
            except MotekitError as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        if there:
            thread.start()
        try:
            yield Collecting(collector, found)
        finally:
            collector.stop()
            if there:
                thread.join()
        if failures:
            raise failures[0]
