"""One pipe being collected from: greets the board, takes packets, acknowledges what is durable.

    pipe -> client -> intake -> [committer] -> acks -> client -> pipe

A session is one thread. It hands packets to the committer's bounded queue and goes on reading;
when the committer has made them durable it leaves the acks here and wakes the pipe.
"""

import re
from concurrent.futures import Future
from itertools import groupby
from typing import Any

from motekit.client import REQUEST_TRIES, CancelledError, Client, Greeting
from motekit.errors import LinkError
from motekit.hello import Hello
from motekit.recording.tap import MARK as TAP_MARK
from motekit.store import Received
from motekit.transports import Ended, Pipe, Recorded
from motekit.transports.link import Event, Log, Packet

from .caretaker import TAP_COMMAND, Caretaker
from .delivery import Delivery
from .hub import Acks, Hub
from .intake import Intake, SetAside, Verdict, judge
from .questions import Questions
from .recognition import SENT_FIRST, Recognition
from .recorded import RecordedPackets

SOON_S = 0.01
STEP_S = 0.5  # while something may be wrong
STUCK_S = 2.0  # packets came, but not the next in order: ask where the board's queue begins
OVERFLOW_S = 0.25  # between two hellos where a packet shows that the queue has overflowed
FAREWELL_S = 1.0
WINDOW = 8
BOOT_LINE = re.compile(r"motefw: \S+ device [0-9a-f]+ epoch ")


class Session:
    """Collects from one pipe until it is gone, it ends, or the collector stops."""

    def __init__(self, hub: Hub, pipe: Pipe) -> None:
        self.pipe = pipe
        self._now = pipe.clock.monotonic
        self._hub = hub
        self._client = Client(pipe, hub.key_store, hub.host, hub.stopping)
        self._intake: Intake | None = None
        self._delivery = Delivery(hub, pipe)
        self._tell = self._delivery.tell
        self._recorded = RecordedPackets(hub, self._delivery, pipe.name)
        self._acked: Acks = {}
        self._highest = -1
        self._moved_at = 0.0
        self._asked_at = 0.0
        self._recognition = Recognition(hub.store, pipe.name, pipe.clock)
        self._introduced = self._told_time = False  # since the board started
        self._questions = Questions()
        self._caretaker = Caretaker(self._client, hub.store, hub.live, self._tell, pipe.clock)
        self._client.between = self._send_acks
        self._client.keep = self._recorded.keep

    def run(self) -> None:
        """Collect; return when the collector stops or a recording ends, LinkError otherwise."""
        try:
            if self.pipe.live:
                self._client.connect()
            while not self._hub.stopping():
                if self._ended(self._step() if self.pipe.live else self._replay()):
                    return
                if self.pipe.live:
                    self._send_acks()
                    self._look_after()
                    self._questions.ask(self._client)
        except CancelledError:
            return
        finally:
            self._farewell()
            self._questions.give_up(self.pipe.name)

    # -- called by whoever has something to ask ------------------------------------------------

    def ask(self, name: str, args: dict[str, Any], tries: int = REQUEST_TRIES) -> Future[Any]:
        """Have the board asked by this session's thread; the future has the result, or why not."""
        answer = self._questions.put(name, args, tries)
        self.pipe.wake()
        return answer

    def _step(self) -> list[Any]:
        self._client.keep_alive()  # first, since it tells how long nothing is due
        return list(self._client.step(self._patience_s()))

    def _replay(self) -> list[Any]:
        return list(self.pipe.receive(STEP_S))

    @property
    def device(self) -> str | None:
        """Return who is at the pipe, once that is known."""
        return self._delivery.device

    @property
    def certain(self) -> bool:
        """Tell whether the board was met, in a run that may go on: a known or a new one."""
        return self._recognition.certain

    # -- events -----------------------------------------------------------------------------

    def _ended(self, events: list[Any]) -> bool:
        """Handle events, packets in a row together; tell whether that was the end."""
        for kind, run in groupby(events, type):
            if kind is Ended:
                return True
            if kind is Packet:
                self._packets(list(run))
            elif kind is Recorded:
                self._recorded.take(list(run))
            else:
                for event in run:
                    self._handle(event)
        return False

    def _handle(self, event: Event | Greeting) -> None:
        if isinstance(event, Greeting):
            self._meet(event)
        elif isinstance(event, Log):
            self._tell("log", event.text)
            if BOOT_LINE.match(event.text):
                self._client.say_hello()  # it has just started and waits for a host
            elif event.text.startswith(TAP_MARK) and not self._tapped():
                self._caretaker.end_tap()

    def _tapped(self) -> bool:
        """Tell whether this collector wants to hear what goes over the board's buses."""
        return self.device is not None and self._hub.tapped(self.device)

    def _meet(self, greeting: Greeting) -> None:
        """Learn where the board stands, and if it goes on where the store does, tell it where."""
        hello = greeting.hello
        if self.device is not None and self.device != hello.device:
            raise LinkError(
                f"{self.pipe.name}: was {self.device}, is {hello.device} now: another board"
            )
        first = self.device is None
        self._hub.claim(hello.device, self)
        self._delivery.device = hello.device
        self._hub.live.met(hello, self.pipe.name)
        if first or greeting.restarted:
            self._begin(hello, self._hub.store.acknowledged(hello.device))
        if self._recognition.meet(greeting):
            self._go_on(hello)
            return
        self._asked_at = self._now()
        if self._recognition.doubtful:
            self._client.say_hello()

    def _go_on(self, hello: Hello) -> None:
        """Tell a board whose run is known where we stand, and once what time it is."""
        if not self._introduced:
            self._introduced = True
            self._introduce(hello)
        self._catch_up(hello)
        if not self._told_time:
            self._told_time = True
            self._caretaker.set_time()

    def _introduce(self, hello: Hello) -> None:
        """Say who is there, and give up what earlier runs had in memory alone."""
        self._tell(
            "info",
            f"{hello.board} {hello.device}, motefw {hello.firmware}, "
            f"{len(hello.streams)} streams, epoch {hello.epoch}, started by {hello.reset}",
        )
        store = self._hub.store
        if hello.tail_seq:  # its boot note, the first of its queue, is not there any more
            store.introduce(hello.device, hello.generation, hello.epoch, hello.about())
        lost = store.ended(hello.device, hello.epoch)
        if lost:
            self._hub.live.count(hello.device, lost_packets=lost)
            self._tell("warning", f"{lost} packets of earlier runs are gone: it has started anew")

    def _begin(self, hello: Hello, known: list[tuple[int, int, int | None]]) -> None:
        provisioned = hello.generation > 0 or any(generation for generation, _, _ in known)
        key_store = self._hub.key_store
        self._intake = Intake(key_store, hello.device, hello.generation, provisioned)
        self._recognition.begin()
        self._told_time = False
        self._acked = {}
        self._highest = -1
        self._introduced = False
        if provisioned and hello.generation == 0:
            self._tell(
                "warning",
                "this device had a key and now claims to have none: "
                "what it sends goes to quarantine, until it is provisioned again",
            )

    def _catch_up(self, hello: Hello) -> None:
        """Give up what the board has no longer, and say again what is durable."""
        key = (hello.generation, hello.epoch)
        store = self._hub.store
        if hello.tail_seq:
            lost = store.skipped(hello.device, *key, hello.tail_seq)
            if lost:
                self._hub.live.count(hello.device, lost_packets=lost)
                self._tell(
                    "warning",
                    f"{lost} packets before seq {hello.tail_seq} are gone: the board's queue "
                    f"overflowed, or another collector took them",
                )
        done = self._contiguous(hello.device, key)
        self.pipe.expect((done if done is not None else -1) + 1)
        if done is not None:
            self._acked[key] = done
            self._client.acknowledge(*key, done)
        self._moved_at = self._now()

    def _contiguous(self, device: str, key: tuple[int, int]) -> int | None:
        for generation, epoch, seq in self._hub.store.acknowledged(device):
            if (generation, epoch) == key:
                return seq
        return None

    def _packets(self, events: list[Packet]) -> None:
        hello, intake = self._client.hello, self._intake
        if hello is None or intake is None:
            return  # from before the greeting: they are not acknowledged, and come again
        verdicts = judge([(intake, event.data) for event in events])
        if not self._recognition.certain:
            if self._recognised(events, verdicts):
                self._take(hello, events, verdicts)
                self._go_on(hello)
            return  # or they come again, as they are not acknowledged
        self._take(hello, events, verdicts)

    def _recognised(self, events: list[Packet], verdicts: list[Verdict]) -> bool:
        """Tell whether these are packets of the run that the store knows."""
        for event, verdict in zip(events, verdicts, strict=True):
            if isinstance(verdict, Received) and verdict.header is not None:
                self._recognition.compare(verdict.header, verdict.data)
            elif isinstance(verdict, SetAside) and verdict.skip:
                self._recognition.pass_over(event.number)
        return self._recognition.certain

    def _take(self, hello: Hello, events: list[Packet], verdicts: list[Verdict]) -> None:
        """Have stored what is to be, and set aside the rest."""
        for event in events:
            self._hub.record(hello.device, event.data)
        taken = self._delivery.submit(verdicts)
        key = (hello.generation, hello.epoch)
        for header in [received.header for received in taken if received.header is not None]:
            if (header.generation, header.epoch) == key:
                if self._highest <= self._acked.get(key, -1) < header.seq:
                    self._moved_at = self._now()  # from here on an ack is waited for
                self._highest = max(self._highest, header.seq)
                if header.seq > self._acked.get(key, -1) + SENT_FIRST:
                    self._ask_anew(OVERFLOW_S)  # it has let go of what was not acknowledged
            else:
                self._ask_anew()  # it has started again, and the hello that told was lost
            self._caretaker.saw(header)
        for event, verdict in zip(events, verdicts, strict=True):
            if isinstance(verdict, SetAside):
                self._delivery.set_aside(hello.device, event.data, verdict.why)
                if verdict.skip:
                    self._skip(hello, event.number)

    def _skip(self, hello: Hello, number: int) -> None:
        """Have the board skip a rotten record; its seq follows from the link, not from itself."""
        key = (hello.generation, hello.epoch)
        done = self._contiguous(hello.device, key)
        following = 0 if done is None else done + 1
        ahead = (number - following) & 0xFF
        if ahead >= WINDOW:
            return
        seq = following + ahead
        self._hub.store.refuse(hello.device, *key, seq)
        self._hub.live.count(hello.device, refused=1)
        self._client.refuse(*key, seq)
        self._catch_up(hello)

    # -- what is due ------------------------------------------------------------------------

    def _patience_s(self) -> float:
        """Return how long nothing but the board, a commit or the collector's end is waited for."""
        hello = self._client.hello
        if hello is None or not self._recognition.certain or self._client.deaf:
            return STEP_S
        if self._highest > self._acked.get((hello.generation, hello.epoch), -1):
            return STEP_S
        return max(min(self._client.due_at(), self._caretaker.due_at()) - self._now(), SOON_S)

    def _send_acks(self) -> None:
        if not self._recognition.certain:
            return
        for key, seq in self._delivery.take_acks().items():
            if self._acked.get(key, -1) < seq:
                self._moved_at = self._now()
            self._acked[key] = seq
            self._client.acknowledge(*key, seq)
            hello = self._client.hello
            if hello is not None and key == (hello.generation, hello.epoch):
                self.pipe.expect(seq + 1)

    def _look_after(self) -> None:
        hello = self._client.hello
        if hello is None:
            return
        now = self._now()
        if self._client.deaf:
            self._tell("warning", "the board has stopped answering; greeting it again")
            self._client.connect()
            return
        done = self._acked.get((hello.generation, hello.epoch), -1)
        stuck = self._highest > done and now - self._moved_at > STUCK_S
        if stuck or not self._recognition.certain:
            self._ask_anew()
        self._caretaker.due(hello)

    def _ask_anew(self, patience_s: float = STUCK_S) -> None:
        """Say hello, unless that was done a moment ago."""
        now = self._now()
        if now - self._asked_at > patience_s:
            self._asked_at = now
            self._client.say_hello()

    def _farewell(self) -> None:
        """Give the committer a moment, and tell the board what has become durable."""
        try:
            self._delivery.settled(FAREWELL_S)
            if self.pipe.live and self._client.hello is not None:
                self._send_acks()
                if self._tapped():
                    self._client.post(TAP_COMMAND, {"for_s": 0})
                self.pipe.receive(0.1)
        except LinkError:
            return  # the line is gone; the board will be told the next time
        finally:
            self.pipe.close()
            if self.device is not None and not self._hub.stopping():
                self._hub.live.set(self.device, state="gone")
