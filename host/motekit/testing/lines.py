"""Boards on serial ports, in real time: a collector of its own thread, and waiting.

For a real board (`--board-port`), and for virtual boards on `clock = "real"`.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from motekit.collector import Collector
from motekit.collector.hub import Notice
from motekit.errors import LinkError, MotekitError
from motekit.keys import Host, KeyStore
from motekit.store import Store
from motekit.transports import serial

MEET_S = 30.0
ASK_S = 15.0
_STEP_S = 0.05


class Lines:
    """Collects from serial ports into a store."""

    def __init__(
        self,
        ports: Sequence[str],
        store: Path,
        key_store: KeyStore,
        host: Host,
        report: Callable[[Notice], None],
    ) -> None:
        self.devices: list[str] = []
        self.ports = list(ports)
        self.origin_ns = 0
        self._store = Store.open(store, create=True)
        self._key_store = key_store
        self._host = host
        self._report = report
        self._begin()
        self._threads = ThreadPoolExecutor(1, "collector")
        self._collector: Collector | None = None
        self._running: Future[None] | None = None
        try:
            self.collect()
            self._meet()
        except BaseException:
            self.close()
            raise

    @property
    def now_s(self) -> float:
        """Return the seconds since contact was made."""
        return time.monotonic() - self._began

    def run(self, seconds: float) -> None:
        """Let time pass; raises what ended the collector."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _STEP_S))
        self._check()

    def silent(self, _for_s: float, /) -> dict[str, str]:
        """Return none, however long: without contact no test begins."""
        return {}

    def request(self, device: str, name: str, args: dict[str, Any]) -> Any:
        """Ask a board; LinkError says why there is no answer."""
        if self._collector is None:
            raise LinkError(f"{device}: cannot be asked for {name!r}: the collector is stopped")
        try:
            return self._collector.ask(device, name, args).result(ASK_S)
        except TimeoutError:
            raise LinkError(f"{device}: no answer to {name!r} in {ASK_S:g} s") from None

    def collect(self) -> None:
        """Start a collector, as one that knows nothing but the store."""
        if self._collector is not None:
            return
        lines = [serial.make(port) for port in self.ports]
        collector = Collector(self._store, lines, self._key_store, self._host, self._report)
        self._running = self._threads.submit(collector.run)
        self._collector = collector

    def stop_collecting(self) -> None:
        """End the collector; what has arrived is durable and acknowledged."""
        if self._collector is not None and self._running is not None:
            self._collector.stop()
            wait([self._running])
            self._collector = self._running = None

    def close(self) -> None:
        """End all."""
        self.stop_collecting()
        self._threads.shutdown()
        self._store.close()

    def _begin(self) -> None:
        self._began = time.monotonic()
        self.origin_ns = time.time_ns()

    def _check(self) -> None:
        """Raise what ended the collector, if anything did."""
        if self._running is not None and self._running.done():
            self._running.result()

    def _meet(self) -> None:
        """Wait until there is contact on every port; know the boards in the order of the ports."""
        end = time.monotonic() + MEET_S
        while time.monotonic() < end and self._collector is not None:
            self._check()
            met = {row.port: row.device for row in self._collector.live.rows()}
            if all(port in met for port in self.ports):
                self.devices = [met[port] for port in self.ports]
                self._begin()
                return
            time.sleep(_STEP_S)
        raise MotekitError(f"{', '.join(self.ports)}: no contact in {MEET_S:.0f} s")
