"""One board at the end of a pipe: greeting, requests with their replies, acknowledgements.

    with closing(transport("serial:/dev/ttyUSB0").open("/dev/ttyUSB0")) as pipe:
        client = Client(pipe, KeyStore.load(), Host())
        client.connect()
        print(client.request("status"))

A request that is not answered is sent again under a new counter (all commands may be carried
out twice); the board refuses any counter that it has seen. `step` gives out packets and log lines
as they come, and keeps the board's idea that a host is there alive. One thread owns a client.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from motefw import keys, message, message_host, receipt
from motefw.errors import MessageError

from .errors import LinkError
from .hello import Hello, parse
from .keys import Host, KeyStore
from .prompt.start import start_firmware
from .prompt.stopped import Left, ask
from .transports import Ended, Pipe, Recorded
from .transports.link import Event, Log, Message, Undelivered

HELLO_TRIES = 3
HELLO_WAIT_S = 1.0
START_WAIT_S = 12.0
REQUEST_WAIT_S = 3.0
REQUEST_TRIES = 3
KEEP_ALIVE_S = 3.0
SILENCE_S = 15.0  # after so long without a packet, hello is said in the place of the last ack
BACKLOG_MAX = 256
_CERTAIN = 2  # replies under other keys: the next ones will say the same


class RefusedError(LinkError):
    """The board understood a request and did not do it."""


class NoReplyError(LinkError):
    """The board did not answer a request in time, however often it was sent."""


class NoKeyError(LinkError):
    """The board was provisioned, and this host has not got its keys."""


class LeftError(LinkError):
    """The board is at its prompt, with packets in RAM that starting its firmware would lose."""


class SilentError(LinkError):
    """Nothing at the other end speaks to us."""


class CancelledError(LinkError):
    """The wait was given up because the program ends."""


class Greeting(NamedTuple):
    """The board's `hello`; `restarted` when its nonce or epoch is not the one known before."""

    hello: Hello
    restarted: bool
    asked_at: float  # by the pipe's clock, when this hello was asked for: it knows all up to then


class Client:
    """A board's host side; `cancelled` is asked in every wait."""

    def __init__(
        self,
        pipe: Pipe,
        key_store: KeyStore,
        host: Host,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.pipe = pipe
        self.hello: Hello | None = None
        self.round_trip_s = 0.0  # of the last request that was answered
        self.bad_messages = 0
        self.stranger = ""  # the device that says hello under other keys than ours
        self._strange = 0  # of its replies
        self._keys = key_store
        self._host = host
        self._cancelled = cancelled
        self._now = pipe.clock.monotonic
        self._number = pipe.nonce  # what a line still holds answers others
        self._who: tuple[str, int] | None = None  # device and generation, once it told
        self._only_ask = False
        self._hello_number = -1
        self._hello_at = 0.0
        self._greeted_at = 0.0
        self._replies: dict[int, tuple[bool, dict[str, Any]]] = {}
        self._waiting: int | None = None
        self._undelivered = False
        self.between: Callable[[], None] = lambda: None  # called in every wait for a reply
        self.keep = self._refuse  # takes what a stopped firmware has left in RAM, or raises
        self.deaf = False  # the board did not take a message; `connect` anew
        self._backlog: deque[Event | Recorded | Ended | Greeting] = deque()
        self._sent_at = 0.0
        self._heard_at = 0.0
        self._last_receipt: bytes | None = None

    # -- greeting ---------------------------------------------------------------------------

    def connect(self) -> Hello:
        """Greet the board, starting its firmware where only a prompt waits; return its hello.

        Raises SilentError (nothing there speaks), NoKeyError, LeftError (starting it would lose
        packets, and `keep` takes none), or LinkError (the port is gone).
        """
        self.deaf = False
        self._greeted_at = 0.0
        bad = self.bad_messages
        if self._greet(HELLO_TRIES * HELLO_WAIT_S):
            return cast("Hello", self.hello)
        if self.bad_messages > bad:
            raise self._other_keys("a board")
        heard = self.pipe.stats.bytes_in
        if start_firmware(self.pipe, self._pump_until, self._spare):
            if self._greet(START_WAIT_S):
                return cast("Hello", self.hello)
            raise SilentError(
                f"{self.pipe.name}: MicroPython is there, but main.py does not start motefw; "
                f"is the firmware installed? Its last words: {self._last_words()!r}"
            )
        raise SilentError(
            f"{self.pipe.name}: no MicroPython board that runs motefw answers "
            f"({heard} bytes heard in {HELLO_TRIES * HELLO_WAIT_S:.0f} s, no prompt found); "
            f"is it the right port, and is the firmware installed?"
        )

    def _spare(self) -> None:
        """Have kept what is in RAM of a board that is about to be started."""
        left = ask(self.pipe, self._check)
        if left is not None:
            self.keep(left)

    def _refuse(self, left: Left) -> None:
        if max(left.generations, default=0) or (left.rest and not left.packets):
            raise LeftError(
                f"{self.pipe.name}: {left.device} is at its prompt, its firmware was stopped and "
                f"holds {left.contents} that no collector has taken: "
                f"`motekit collect {self.pipe.name} --store FILE` takes them and starts it"
            )

    def _check(self) -> None:
        if self._cancelled():
            raise CancelledError(f"{self.pipe.name}: given up")

    def probe(self, wait_s: float) -> Hello | None:
        """Ask who is there and start nothing; return the reply, None if none comes in time.

        Raises NoKeyError for a board that says hello under keys that this host has not.
        """
        self._only_ask = True
        if self._greet(wait_s):
            return self.hello
        if self._strange:
            raise self._other_keys(self.stranger)
        return None

    def _other_keys(self, who: str) -> NoKeyError:
        return NoKeyError(
            f"{self.pipe.name}: {who} answers under other keys than those of this host's "
            f"key store: set MOTEKIT_KEYS to the key store of the board's fleet"
        )

    def _greet(self, wait_s: float) -> bool:
        end = self._now() + wait_s
        while self._now() < end:
            self._who = None
            self.say_hello()
            if self._pump_until(self._is_settled, HELLO_WAIT_S):
                return self._greeted_at > 0.0
        return False

    def _is_settled(self) -> bool:
        return self._greeted_at > 0.0 or (self._only_ask and self._strange >= _CERTAIN)

    def say_hello(self) -> None:
        """Send `hello` without waiting for the reply, which `step` will give out."""
        self._number = (self._number + 1) & 0xFFFF
        self._hello_number = self._number
        self._hello_at = self._now()
        tagger = self._hello_tagger()
        identity, counter = self._host.ticket()
        call = ("hello", cast("dict[str, Any]", {}))
        self._send(
            message_host.request(tagger, message.NO_NONCE, self._number, identity, counter, *call),
            "hello",
        )

    def _hello_tagger(self) -> keys.Tagger:
        """Return the tagger of the board we know; else one for no device, to ask who is there."""
        if self._who is None:
            return keys.Tagger(bytes(keys.KEY_BYTES), b"")
        tagger = self._keys.tagger(keys.ACK, *self._who)
        if tagger is None:
            raise NoKeyError(f"{self.pipe.name}: no ack key of {self._who[0]} in the key store")
        return tagger

    def _last_words(self) -> str:
        lines = [event.text for event in self._backlog if isinstance(event, Log)]
        return " | ".join([*lines[-3:], self.pipe.tail()[-80:]])

    def _pump_until(self, done: Callable[[], bool], wait_s: float) -> bool:
        end = self._now() + wait_s
        while not done():
            left = end - self._now()
            if left <= 0:
                return False
            self._check()
            self._receive(min(left, 0.25))
            self.between()
        return True

    # -- requests ---------------------------------------------------------------------------

    def request(
        self,
        name: str,
        args: dict[str, Any] | None = None,
        wait_s: float = REQUEST_WAIT_S,
        tries: int = REQUEST_TRIES,
    ) -> Any:
        """Ask the board to do something; return its result.

        Raises RefusedError with the board's reason, NoKeyError, or NoReplyError.
        """
        asked_at = self._now()
        for attempt in range(tries):
            if attempt:  # it may have restarted meanwhile: its nonce tells
                self.say_hello()
                self._pump_until(lambda: self._hello_number < 0, HELLO_WAIT_S)
            answer = self._ask(name, args or {}, wait_s)
            if answer is None:
                continue
            ok, result = answer
            if ok:
                return result
            why = str(result.get("error"))[:300]
            if "say hello" not in why:
                raise RefusedError(f"{self.pipe.name}: {name!r} refused: {why}")
        self.deaf = self.deaf or self._heard_at < asked_at
        raise NoReplyError(
            f"{self.pipe.name}: no reply to {name!r} in {tries} tries of {wait_s:.0f} s"
        )

    def post(self, name: str, args: dict[str, Any]) -> None:
        """Send a request whose answer nobody waits for, nor whether it arrives."""
        self._number = (self._number + 1) & 0xFFFF
        self._send(self._seal(self._number, name, args))

    def _ask(
        self, name: str, args: dict[str, Any], wait_s: float
    ) -> tuple[bool, dict[str, Any]] | None:
        """Send a request once; return (ok, result), None if no reply comes."""
        self._number = (self._number + 1) & 0xFFFF
        self._waiting = number = self._number
        self._undelivered = False
        self._replies.clear()
        asked_at = self._now()
        try:
            self._send(self._seal(number, name, args))
            self._pump_until(lambda: number in self._replies or self._undelivered, wait_s)
            self.round_trip_s = self._now() - asked_at
            return self._replies.pop(number, None)
        finally:
            self._waiting = None

    def _seal(self, number: int, name: str, args: dict[str, Any]) -> bytes:
        """Return a request under the command key, or what a collector has: the ack key."""
        hello = self._greeted()
        who = hello.device, hello.generation
        tagger = self._keys.tagger(keys.COMMAND, *who) or self._keys.tagger(keys.ACK, *who)
        if tagger is None:
            raise NoKeyError(f"{self.pipe.name}: no key of {hello.device} in the key store")
        identity, counter = self._host.ticket()
        return message_host.request(tagger, hello.nonce, number, identity, counter, name, args)

    def _greeted(self) -> Hello:
        if self.hello is None:
            raise LinkError(f"{self.pipe.name}: the board was not greeted yet")
        return self.hello

    # -- receipts ---------------------------------------------------------------------------

    def acknowledge(self, generation: int, epoch: int, seq: int) -> None:
        """Tell the board that every packet of the epoch up to seq is durable here."""
        data = self._receipt(receipt.ACK, generation, epoch, seq)
        self._last_receipt = data
        self._send(data, f"ack {generation} {epoch}")

    def refuse(self, generation: int, epoch: int, seq: int) -> None:
        """Tell the board to skip a packet that comes intact and fails its tag."""
        self._send(self._receipt(receipt.REFUSED, generation, epoch, seq))

    def _receipt(self, what: int, generation: int, epoch: int, seq: int) -> bytes:
        device = self._greeted().device
        tagger = self._keys.tagger(keys.ACK, device, generation)
        if tagger is None:
            raise NoKeyError(f"{self.pipe.name}: no ack key of {device} in the key store")
        return message_host.receipt(tagger, what, generation, epoch, seq)

    def _send(self, data: bytes, key: str | None = None) -> None:
        self.pipe.send(data, key)
        self._sent_at = self._now()

    # -- events -----------------------------------------------------------------------------

    def step(self, timeout_s: float) -> list[Event | Recorded | Ended | Greeting]:
        """Wait for events, no longer than timeout_s; keep the board informed that we are here."""
        if not self._backlog:
            self.keep_alive()
            self._receive(timeout_s)
        events = list(self._backlog)
        self._backlog.clear()
        return events

    def due_at(self) -> float:
        """Return when `step` has something to send, whatever comes."""
        return self._sent_at + KEEP_ALIVE_S

    def keep_alive(self) -> None:
        """Tell the board that we are here, if nothing else has for some time."""
        now = self._now()
        if now - self._sent_at < KEEP_ALIVE_S:
            return
        silent_s = now - max(self._heard_at, self._hello_at)
        if self._last_receipt is None or silent_s >= SILENCE_S:
            self.say_hello()
        else:
            self._send(self._last_receipt, "last")

    def _receive(self, timeout_s: float) -> None:
        for event in self.pipe.receive(timeout_s):
            if isinstance(event, Message):
                self._message(event.data)
            elif isinstance(event, Undelivered):
                self._undelivered = self.deaf = True
            else:
                if not isinstance(event, Log):
                    self._heard_at = self._now()
                if len(self._backlog) < BACKLOG_MAX:  # what is dropped is not acknowledged
                    self._backlog.append(event)

    def _message(self, data: bytes) -> None:
        try:
            number = message.request_number(data)
            if number == self._hello_number:
                self._hello_reply(data)
            elif number == self._waiting:
                self._replies[number] = self._open_reply(data)
        except MessageError:
            self.bad_messages += 1

    def _open_reply(self, data: bytes) -> tuple[bool, dict[str, Any]]:
        hello = self._greeted()
        tagger = self._keys.tagger(keys.DATA, hello.device, hello.generation)
        if tagger is None:
            raise MessageError("reply: no data key")
        _, ok, result = message_host.open_reply(tagger, hello.nonce, data)
        if not isinstance(result, dict):
            raise MessageError("reply: JSON is no object")
        return ok, cast("dict[str, Any]", result)

    def _hello_reply(self, data: bytes) -> None:
        """Believe a hello only under the key of the device and generation that it names."""
        _, ok, result = message_host.open_reply(_AnyTag(), message.NO_NONCE, data)
        self._hello_number = -1
        if not ok:  # another board than before, or one that has got new keys
            if self._who is not None:
                self._who = None
                self.say_hello()
            return
        hello = parse(result)
        who = hello.device, hello.generation
        tagger = self._keys.tagger(keys.DATA, *who)
        if tagger is None:
            self.stranger = hello.device
            raise NoKeyError(
                f"{self.pipe.name}: {hello.device} is provisioned (key generation "
                f"{hello.generation}), and this host has no keys: set MOTEKIT_KEYS to the fleet's "
                f"key store, or to a collector's copy of it"
            )
        try:
            message_host.open_reply(tagger, message.NO_NONCE, data)
        except MessageError:
            self.stranger = hello.device
            self._strange += 1
            raise
        if self._who != who and not self._only_ask:
            self._who = who
            self.say_hello()  # now under its key: only that starts its packets
        else:
            self._greet_back(hello)

    def _greet_back(self, hello: Hello) -> None:
        self._greeted_at = self._now()
        self.deaf = False
        before = self.hello or hello
        restarted = (before.nonce, before.epoch) != (hello.nonce, hello.epoch)
        if restarted:
            self.pipe.expect(None)
            self._last_receipt = None
        self.hello = hello
        if len(self._backlog) < BACKLOG_MAX:
            self._backlog.append(Greeting(hello, restarted, self._hello_at))


class _AnyTag(keys.Tagger):
    """Opens a message before it is known whose it is; it is opened again under the right key."""

    def __init__(self) -> None:
        super().__init__(bytes(keys.KEY_BYTES), b"")

    def check(self, tag: bytes, *parts: bytes | memoryview) -> bool:
        del tag, parts
        return True
