"""Runs the firmware's own sampler on CPython, and puts its packets straight into a store.

    bus -> driver -> sampler -> packet -> [this] -> store

What a board's log, link and collector do between packet and store is not needed: a packet is in
the store, durably, before the next step. An epoch begins with each start, under a random number.
"""

import hashlib
import importlib
import math
import operator
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from motefw import __version__
from motefw.keys import KEY_BYTES, Identity, Tagger
from motekit.clock import SYSTEM, Clock
from motekit.errors import MotekitError, UsageError
from motekit.gateway.config import GatewayPlan
from motekit.gateway.lent_time import Ticks, lent, ticks_add, ticks_diff
from motekit.gateway.port_blinka import BlinkaPort
from motekit.store import Received, Store

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_DEVICE = re.compile(r"[0-9a-f]{12}")
_ANCHOR_S = 600.0
_STEPPED_US = 100_000  # between two steps the calendar was set, or the machine slept
_ANCHOR_ERROR_US = 1000  # of two readings of the host's clocks, one after the other
_QUALITY_HOST = 3
_IDLE_S = 1.0


def device_id(name: str, paths: tuple[str, ...] = _MACHINE_IDS, given: str | None = None) -> str:
    """Return the id of a gateway: of this machine and its name, always the same 12 hex digits.

    The machine's own id is not told (machine-id(5)); the bit of a local address is set, so that it
    is no board's.
    """
    if given is not None:
        if not _DEVICE.fullmatch(given):
            raise UsageError(f"--device: {given!r} is no id of 12 lower-case hex digits")
        return given
    for path in paths:
        try:
            machine = Path(path).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if machine:
            digest = hashlib.sha256(f"motekit gateway {machine} {name}".encode()).digest()
            return bytes([digest[0] & 0xFC | 0x02, *digest[1:6]]).hex()
    raise MotekitError(
        f"this machine has no id ({' or '.join(paths)}), which a gateway's is made of; "
        f"`systemd-machine-id-setup` makes one, or name the gateway's id with --device"
    )


class _Log:
    """Where the recorder puts packets: they wait here for the end of a step."""

    def __init__(self) -> None:
        self.next_seq = 0
        self.waiting: list[bytes] = []

    def append(self, buf: bytearray, n: int) -> int:
        """Take a packet; return its seq."""
        self.waiting.append(bytes(buf[:n]))
        self.next_seq += 1
        return self.next_seq - 1


class Gateway:
    """A gateway's sensors and their streams; a context manager, `run` in it."""

    def __init__(
        self,
        plan: GatewayPlan,
        store: Store,
        device: str,
        port: BlinkaPort,
        report: Callable[[str], None],
        clock: Clock = SYSTEM,
    ) -> None:
        self.device = device
        self.streams: list[Any] = []
        self._plan = plan
        self._store = store
        self._port = port
        self._report = report
        self._clock = clock
        self._lent = lent(clock)
        self._log = _Log()
        self._due_ms: list[int] = []
        self._anchor_at = 0.0
        self._seen: tuple[int, int] | None = None  # (the streams' clock, UTC) of the last step
        self._tied = -1  # the streams' clock of the last anchor
        self.packets = 0

    def __enter__(self) -> Self:
        self._ticks = self._lent.__enter__()
        try:
            self._start(self._ticks)
        except BaseException:
            self._lent.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the sensors quiet, store what they gave."""
        try:
            for stream in self.streams:
                stream.stop()
            self._commit()
        finally:
            self._port.close()
            self._lent.__exit__(None, None, None)

    # What the sampler asks of its hands

    def ticks_ms(self) -> int:
        """Return the milliseconds of the clock, as a board counts them."""
        return self._ticks.ms()

    def bus(self, spec: dict[str, Any]) -> Any:
        """Return the bus of a sensor."""
        return self._port.bus(spec["name"])

    def recover(self, spec: dict[str, Any]) -> None:
        """Open a bus anew that fails."""
        self._port.recover(spec["name"])

    def report(self, text: str) -> None:
        """Tell the user."""
        self._report(text)

    # Start

    def _start(self, ticks: Ticks) -> None:
        module: Callable[[str], Any] = importlib.import_module  # MicroPython code: without types
        self._port.check()
        clock = module("motefw.clock").Clock(ticks.whole_us, operator.sub, math.inf)
        _, kernel = module("motefw.packet_setup").select_kernel()
        tagger = Tagger(bytes(KEY_BYTES), self.device.encode())
        identity = Identity(self.device.encode(), 0, tagger, tagger, tagger)
        epoch = int.from_bytes(os.urandom(4), "big") | 1 << 31
        self._store.ended(self.device, epoch)
        self._encode_anchor = module("motefw.packet_anchor").encode_anchor
        self._recorder = module("motefw.recorder").Recorder(
            self._log, identity, epoch, clock, kernel
        )
        self._recorder.note({"boot": self._about(epoch)})
        self._tie()
        sampler, drivers = module("motefw.sampler"), module("motefw.drivers")
        schema = module("motefw.schema")
        limits = {"samples": self._plan.samples, "latency_ms": self._plan.latency_ms}
        for number, sensor in enumerate(self._plan.sensors):
            entry: dict[str, Any] = {"name": sensor.name, "driver": sensor.driver}
            if sensor.address is not None:
                entry["address"] = sensor.address
            if sensor.options:
                entry["options"] = sensor.options
            if sensor.period_ms is not None:
                entry["period_ms"] = sensor.period_ms
            spec = {"name": sensor.bus, "kind": self._plan.buses[sensor.bus].kind}
            cls = drivers.load(sensor.driver)
            stream = sampler.Stream(number, entry, spec, cls, self._recorder, self, limits)
            self.streams.append(stream)
            self._due_ms.append(ticks_add(self.ticks_ms(), stream.step()))
            self._recorder.note({"schema": schema.table(stream)})
        self._commit()

    def _about(self, epoch: int) -> dict[str, Any]:
        return {
            "device": self.device,
            "board": f"gateway-{self._plan.adapter}",
            "name": self._plan.name,
            "firmware": __version__,
            "encoder": "plain",
            "reset": "start",
            "previous_epoch": None,
            "previous_seq": None,
            "generation": 0,
            "epoch": epoch,
        }

    def _tie(self) -> None:
        """Tie the streams' clock to UTC now and then, and on both sides of a step of either."""
        now = self._recorder.clock.now_us(), round(self._clock.utc() * 1_000_000)
        seen, self._seen = self._seen, now
        if seen and abs((now[1] - seen[1]) - (now[0] - seen[0])) > _STEPPED_US:
            self._anchor(*seen)
            self._anchor(*now)
        elif self._clock.monotonic() >= self._anchor_at:
            self._anchor(*now)

    def _anchor(self, time_us: int, utc_us: int) -> None:
        if time_us > self._tied:
            self._tied = time_us
            self._anchor_at = self._clock.monotonic() + _ANCHOR_S
            args = time_us, utc_us, _QUALITY_HOST, _ANCHOR_ERROR_US
            self._recorder.write(self._encode_anchor, *args)

    # Run

    def run(self, for_s: float | None, stopping: Callable[[], bool]) -> None:
        """Sample until told to stop, or for so many seconds."""
        end = None if for_s is None else self._clock.monotonic() + for_s
        while not stopping():
            wait_s = self.step()
            now = self._clock.monotonic()
            if end is not None and now >= end:
                return
            self._clock.sleep(wait_s if end is None else min(wait_s, max(end - now, 0.0)))

    def step(self) -> float:
        """Give each sensor its turn when it is due; return the seconds to the next one.

        The clock is tied before and after: what is sampled lies on one side of a step of it.
        """
        wait_ms = round(_IDLE_S * 1000)
        self._tie()
        for i, stream in enumerate(self.streams):
            left_ms = ticks_diff(self._due_ms[i], self.ticks_ms())
            if left_ms <= 0:
                left_ms = stream.step()
                self._due_ms[i] = ticks_add(self.ticks_ms(), left_ms)
            wait_ms = min(wait_ms, left_ms)
        self._tie()
        self._commit()
        return max(wait_ms, 0) / 1000

    def _commit(self) -> None:
        """Store what waits, durably; StoreError if that fails, and then it still waits."""
        waiting = self._log.waiting
        if waiting:
            self._store.append([Received(self.device, data, False) for data in waiting])
            self.packets += len(waiting)
            waiting.clear()

    def states(self) -> list[tuple[str, str, int, str | None]]:
        """Return (name, state, samples, last error) of each sensor."""
        return [(s.name, s.state, s.samples, s.last_error) for s in self.streams]
