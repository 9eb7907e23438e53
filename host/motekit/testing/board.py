"""A board under test, and the bench that it stands on: its time, its collector, its store."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from motekit.errors import LinkError, MotekitError

from .frozen import frozen

if TYPE_CHECKING:
    from motekit.collector.hub import Notice
    from motekit.query import Archive
    from motekit.sim.vm import Vm
    from motekit.store import DeviceSummary, Store, Summary

    from .readings import Gap, Note, Readings

STEP_S = 0.5
CONTACT_S = 15.0  # it takes a fraction of a second, on a very bad line several
REBOOT_S = 30.0


class Engine(Protocol):
    """What moves boards and collects from them, in virtual time or on the wall's."""

    devices: list[str]
    ports: list[str]  # where each board's log lines come from
    origin_ns: int  # UTC when now_s was 0

    @property
    def now_s(self) -> float:
        """Seconds since the test's time began."""
        ...

    def run(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def silent(self, for_s: float, /) -> dict[str, str]:
        """Return what boards have printed that a collector has looked for so long in vain."""
        ...

    def request(self, device: str, name: str, args: dict[str, Any]) -> Any:
        """Ask a board; LinkError says why there is no answer."""
        ...

    def collect(self) -> None:
        """Start a collector, unless one runs."""
        ...

    def stop_collecting(self) -> None:
        """End the collector."""
        ...

    def close(self) -> None:
        """End all."""
        ...


@dataclass(frozen=True)
class SensorState:
    """How a sensor is, as its board tells: state is "ok", "absent", "wrong" or "failing"."""

    name: str
    driver: str
    state: str
    errors: int
    last_error: str | None
    samples: int
    gaps: int
    lost: int
    bad: int  # replies or frames whose checksum was wrong


class NothingYetError(MotekitError):
    """Nothing of what was asked for has arrived at the host so far."""


def _is(true: Callable[[], object]) -> bool:
    try:
        return bool(true())
    except NothingYetError:
        return False


class Board:
    """One board: what it says, what it has sent, and what it can be told."""

    def __init__(self, bench: "Bench", device: str, port: str, name: str | None) -> None:
        self.device = device
        self.port = port
        self.name = name or device
        self.bench = bench

    def __repr__(self) -> str:
        return f"<board {self.name} on {self.port} at {self.now_s:.3f} s>"

    # Time

    @property
    def now_s(self) -> float:
        """Return the seconds since the test's time began; simulated ones of a virtual board."""
        return self.bench.now_s

    def run(self, seconds: float, *, contact: bool = True) -> None:
        """Let the board run, and all others of its bench with it.

        LinkError where one of them has not made contact in 15 s: what it says of itself is then
        all that there is to look at. A test that means it to be silent says `contact=False`.
        """
        self.bench.run(seconds, contact=contact)

    def run_until(self, true: Callable[[], object], within_s: float = 60.0) -> float:
        """Run until `true()` is; return the seconds that took. TimeoutError after `within_s`.

        While nothing of what it asks for has arrived, it is not.
        """
        return self.bench.run_until(true, within_s)

    # What arrived

    def readings(self, stream: str | None = None) -> "Readings":
        """Return the samples of a stream that are in the host's store; of the only one if None.

        A packet leaves the board when its first sample is 5 s old (`latency_s`): what is younger
        may still be there.
        """
        from . import readings

        name = self._stream(stream)
        with self.bench.archive() as archive:
            if name not in self._held(archive):
                there = ", ".join(self._held(archive)) or "nothing at all"
                raise NothingYetError(
                    f"{self.name}: nothing of {name!r} has arrived by {self.now_s:.3f} s; "
                    f"there is: {there}{self._excuse()}"
                )
            found = readings.read(archive, self.device, name, *self.bench.times())
        found.gaps = tuple(gap for gap in self.gaps if gap.stream == name)
        return found

    @property
    def streams(self) -> list[str]:
        """Return the names of the streams of which anything has arrived."""
        with self.bench.archive() as archive:
            return self._held(archive)

    @property
    def notes(self) -> "list[Note]":
        """Return what the board has logged beside samples: boots, gaps, sensors' states."""
        from . import readings

        with self.bench.store() as store:
            if self.device not in store.devices():
                raise NothingYetError(
                    f"{self.name}: nothing has arrived by {self.now_s:.3f} s{self.bench.why()}"
                )
            return readings.notes(store, self.device, *self.bench.times())

    @property
    def gaps(self) -> "list[Gap]":
        """Return the samples that the board says were lost, of all streams."""
        from .readings import Gap

        names = dict[int, str]()
        gaps: list[Gap] = []
        for note in self.notes:
            if note.kind == "schema":
                names[note.body["stream"]] = note.body["name"]
            elif note.kind == "gap":
                body = dict(note.body)
                stream = names.get(body.pop("stream"), "")
                gaps.append(Gap(note.at_s, stream, **body))
        return gaps

    @property
    def boots(self) -> list[str]:
        """Return the cause of each boot that has arrived, as "power_on" or "watchdog"."""
        return [note.body["reset"] for note in self.notes if note.kind == "boot"]

    @property
    def log(self) -> list[str]:
        """Return the lines that the board has printed."""
        return [text for _, kind, text in self.bench.said(self) if kind == "log"]

    def summary(self) -> "DeviceSummary":
        """Return what of this board came, is missing (may yet come) and is lost for ever."""
        for device in self.bench.summary().devices:
            if device.device == self.device:
                return device
        raise NothingYetError(f"{self.name}: nothing has arrived yet")

    def _held(self, archive: "Archive") -> list[str]:
        return archive.streams(self.device) if self.device in archive.devices() else []

    def _excuse(self) -> str:
        """Return what the board says of why something is missing, for the end of a message."""
        try:
            error = self.status()["config_error"]
        except LinkError as silent:
            error = str(silent)
        return f"; the board: {error}" if error else ""

    def _stream(self, stream: str | None) -> str:
        if stream is not None:
            return stream
        there = self.streams
        if len(there) != 1:
            raise (MotekitError if there else NothingYetError)(
                f"{self.name}: readings of which stream? there are: {', '.join(there) or 'none'}"
            )
        return there[0]

    # What can be asked

    def request(self, name: str, **args: Any) -> Any:
        """Make a request, as `status`, `time.get` or `schema`; return the board's answer.

        RefusedError has the board's reason, another LinkError tells that no answer came.
        """
        return self.bench.engine.request(self.device, name, args)

    def status(self) -> dict[str, Any]:
        """Return how the board is: heap, queue, counters, sensors; now, not from the store."""
        return cast("dict[str, Any]", self.request("status"))

    def sensor(self, name: str) -> SensorState:
        """Return how a sensor is, as the board tells now."""
        states = {row["name"]: SensorState(**row) for row in self.status()["sensors"]}
        if name not in states:
            there = ", ".join(states) or "none"
            raise MotekitError(
                f"{self.name} has no sensor {name!r}; there are: {there}{self._excuse()}"
            )
        return states[name]

    @property
    def config(self) -> dict[str, Any]:
        """Return the configuration that is in force after the next boot; set it to change it.

        It is a copy that cannot be changed in place, which would not reach the board:

            board.config = {**board.config, "latency_ms": 1000}

        `copy.deepcopy(board.config)` is one that can be changed, and set.
        """
        return cast("dict[str, Any]", frozen(self.request("config.get")))

    @config.setter
    def config(self, config: Mapping[str, Any]) -> None:
        self.request("config.set", config=dict(config))

    def reboot(self, within_s: float = REBOOT_S) -> None:
        """Have the board flush what it holds and boot; return once it is back."""
        before = self._epochs()
        self.request("reboot")
        self.run_until(lambda: self._epochs() > before, within_s)

    def _epochs(self) -> int:
        with self.bench.store() as store:
            return len(store.epochs(self.device))


class CollectorControl:
    """The host's collector: it runs from the start, and can be stopped and started."""

    def __init__(self, benches: "Callable[[], Sequence[Bench]]") -> None:
        self._benches = benches

    @property
    def _bench(self) -> "Bench":
        benches = self._benches()
        if len(benches) != 1:
            why = "no board is started yet" if not benches else "several were started in this test"
            raise MotekitError(f"collector: {why}; board.bench.collector is a board's own")
        return benches[0]

    def stop(self) -> None:
        """End it: boards keep what they measure, as long as their queue has room."""
        self._bench.engine.stop_collecting()

    def start(self) -> None:
        """Start a new one on the same store."""
        self._bench.engine.collect()

    @property
    def notices(self) -> "list[Notice]":
        """Return what it had to say: infos, warnings, and the boards' own lines ("log")."""
        return [notice for _, notice in self._bench.heard]

    @property
    def store(self) -> Path:
        """Return the path of the store, for `motekit.open`."""
        return self._bench.store_path

    def summary(self) -> "Summary":
        """Return per device what came, what is missing and what is lost."""
        return self._bench.summary()


class Bench:
    """Boards that share one time, their collector and its store."""

    def __init__(self, folder: Path, vm: "Vm | None") -> None:
        self.folder = folder
        self.vm = vm  # what virtual boards run on; None: they are real
        self.store_path = folder / "store.motekit"
        self.boards: list[Board] = []
        self.heard: list[tuple[float, Notice]] = []
        self.collector = CollectorControl(lambda: [self])
        self.engine: Engine
        self._up = False
        self._stack = ExitStack()

    def start(self, engine: Engine, names: Sequence[str | None]) -> None:
        """Put boards on it: those of the engine."""
        self.engine = engine
        self._stack.callback(engine.close)
        self._up = True
        rows = zip(engine.devices, engine.ports, names, strict=True)
        self.boards = [Board(self, *row) for row in rows]

    def hear(self, notice: "Notice") -> None:
        """Note what the collector says."""
        self.heard.append((self.now_s, notice))

    @property
    def now_s(self) -> float:
        """Return the seconds since its time began."""
        return self.engine.now_s if self._up else 0.0

    def run(self, seconds: float, *, contact: bool = True) -> None:
        """Let time pass for all boards; LinkError where one has not made contact in 15 s.

        A test that means one to be silent says `contact=False`.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"run({seconds}): seconds, 0 or more, expected")
        self.engine.run(seconds)
        if contact and (why := self.why(CONTACT_S)):
            raise LinkError(
                f"at {self.now_s:.3f} s{why}; a test that means it so: run(.., contact=False)"
            )

    def why(self, for_s: float = 0.0) -> str:
        """Return what boards have to say that never made contact, for the end of a message."""
        silent = self.engine.silent(for_s)
        said = ((board.name, silent.get(board.device)) for board in self.boards)
        return "".join(
            f"; {name}: no contact (it printed: {words})" for name, words in said if words
        )

    def run_until(self, true: Callable[[], object], within_s: float) -> float:
        """Run until `true()` is; return the seconds that took, TimeoutError after `within_s`."""
        began_s = self.now_s
        while not _is(true):
            passed_s = self.now_s - began_s
            if passed_s >= within_s:
                at = f"at {self.now_s:.3f} s{self.why()}"
                raise TimeoutError(f"not so within {within_s:g} s, {at}")
            self.engine.run(min(STEP_S, within_s - passed_s))
        return self.now_s - began_s

    def archive(self) -> "Archive":
        """Return its store, opened to be asked."""
        from motekit.query import open_archive

        return open_archive(self.store_path)

    def store(self) -> "Store":
        """Return its store, opened to be read."""
        from motekit.store import Store

        return Store.open(self.store_path, readonly=True)

    def summary(self) -> "Summary":
        """Return the store's summary."""
        with self.archive() as archive:
            return archive.summary()

    def times(self) -> tuple[int, float]:
        """Return UTC ns of its time's beginning, and from when on what arrives counts."""
        return self.engine.origin_ns, 0.0 if self.vm is None else -float("inf")

    def said(self, board: Board) -> list[tuple[float, str, str]]:
        """Return (time, kind, text) of what is known of a board by its own and others' words."""
        return [
            (at_s, notice.kind, notice.text)
            for at_s, notice in self.heard
            if notice.device == board.device or notice.port == board.port
        ]

    def serial_log(self) -> str:
        """Return what the boards printed and the collector said, a line each."""
        return "".join(
            f"{at_s:12.3f} {notice.device or notice.port} {notice.kind}: {notice.text}\n"
            for at_s, notice in self.heard
        )

    def close(self) -> None:
        """End boards and collector; what arrived stays in the store."""
        self._stack.close()
