"""Tells whether a board goes on with a run that the store knows, or begins another under its name.

An epoch is used once, unless a board's flash is restored from a copy (its counter goes back), or
two boards have one id. Then the packets of two runs have the same numbers: an ack of one run would
let go of packets of the other that nobody has. So nothing is acknowledged nor stored before it is
known that this is the run that the store holds:

- a board has come at least as far as what was stored before it was asked;
- a packet that comes again is, byte for byte, the one that came before.
"""

from motekit.client import Greeting
from motekit.clock import Clock
from motekit.errors import LinkError
from motekit.hello import Hello
from motekit.store import Head, Store

SENT_FIRST = 4  # so many packets from its oldest on a board sends without an ack


class Recognition:
    """Of the board at one port; `certain` once nothing speaks against it."""

    def __init__(self, store: Store, port: str, clock: Clock) -> None:
        self.certain = False
        self._store = store
        self._port = port
        self._now = clock.monotonic
        self._hello: Hello | None = None
        self._doubted: tuple[int, float] | None = None  # highest seq stored, and when it was
        self._proof: dict[int, bytes] = {}  # by seq: what it will send again, as it is stored
        self._rotten: set[int] = set()

    @property
    def doubtful(self) -> bool:
        """Tell whether another hello is needed to be sure."""
        return self._doubted is not None and not self.certain

    def begin(self) -> None:
        """Forget what was known: the board has just been met, or has started again."""
        self.certain = False
        self._doubted = None
        self._proof = {}
        self._rotten = set()

    def meet(self, greeting: Greeting) -> bool:
        """Look at a hello; return `certain`. LinkError if it is of another run.

        False: say hello again, or wait for the packets that `compare` needs.
        """
        if self.certain:
            return True
        hello = self._hello = greeting.hello
        self._proof = {}
        highest = self._highest(hello)
        if highest is None:
            self.certain = True
        elif highest < hello.next_seq:
            self._doubted = None
            last = hello.tail_seq + SENT_FIRST - 1
            key = (hello.device, hello.generation, hello.epoch)
            found = self._store.find(*key, hello.tail_seq, last)
            self._proof = {seq: found[seq] for seq in found if seq & 0xFF not in self._rotten}
            self.certain = not self._proof
        elif self._confirmed(greeting):
            raise self._other(hello, highest)
        else:  # it may have been slow: what it did not know came meanwhile
            self._doubted = (highest, self._now())
        return self.certain

    def compare(self, header: Head, data: bytes) -> bool:
        """Look at a packet whose tag is right; return `certain`. LinkError if of another run."""
        hello = self._hello
        if self.certain or hello is None:
            return self.certain
        if (header.generation, header.epoch) == (hello.generation, hello.epoch):
            known = self._proof.get(header.seq)
            if known is not None and known != data:
                raise self._other(hello, header.seq)
            self.certain = known is not None
        return self.certain

    def pass_over(self, number: int) -> None:
        """Do without the packet of this low byte of seq: the board's record of it has rotted."""
        self._rotten.add(number & 0xFF)
        if any(seq & 0xFF in self._rotten for seq in self._proof):
            self._proof = {s: d for s, d in self._proof.items() if s & 0xFF not in self._rotten}
            self.certain = not self._proof

    def _confirmed(self, greeting: Greeting) -> bool:
        """Tell whether a board that was asked after the doubt still has not come so far."""
        if self._doubted is None:
            return False
        seq, since = self._doubted
        return greeting.asked_at > since and greeting.hello.next_seq <= seq

    def _highest(self, hello: Hello) -> int | None:
        for run in self._store.epochs(hello.device):
            if (run.generation, run.epoch) == (hello.generation, hello.epoch):
                return run.highest
        return None

    def _other(self, hello: Hello, seq: int) -> LinkError:
        return LinkError(
            f"{self._port}: {hello.device} is in epoch {hello.epoch}, of which the store holds "
            f"seq {seq} from another run: its flash was restored from a copy, or two boards have "
            f"one id. Nothing of it is stored or acknowledged until it begins an epoch that was "
            f"never used: mpremote connect {self._port} fs rm :epoch.json + reset"
        )
