"""What is done to each board: looked at, flashed, provisioned and proven, labelled.

    look       one that is done, by the journal and by its own word, is left alone
    flash      whatever it was before, it runs this firmware now, and says hello
    provision  identity, keys, configuration, Wi-Fi: it has proven them, or is as it was
    label      a file to print

Each step is safe to be repeated: after a crash, or a board that was pulled, all are.
"""

import hashlib
import time
from collections.abc import Callable, Mapping

import motefw
from motekit import provision
from motekit.board import Board
from motekit.errors import LinkError
from motekit.flasher import flash
from motekit.flasher.esptool import Chip
from motekit.flasher.job import Job, Spared
from motekit.flasher.job import Step as FlashStep
from motekit.keys import KeyStore
from motekit.plan import Plan, Role
from motekit.provision import look, roles, sparing, wanted
from motekit.provision.look import Found
from motekit.provision.records import Records, Unit
from motekit.provision.sparing import Sparing
from motekit.provision.work import check
from motekit.station.journal import Journal
from motekit.station.visit import AlreadyError, Step, Visit
from motekit.transports.patience import opened
from motekit.transports.serial import open_port

LISTEN_S = 1.2  # a chip that cannot boot says so once in that time
_HEARD_S = 0.3  # and one that runs says something else
PLUGGED_S = 10.0  # a board that was powered by its cable cannot run longer than it is plugged in
_NO_PROGRAM = (b"invalid header", b"no bootable", b"not bootable")
_IN_LOADER = b"waiting for download"
_LISTEN_BYTES = 4096


class Work:
    """The steps for the boards of a plan; `jobs` are by the plan's boards."""

    def __init__(
        self,
        plan: Plan,
        jobs: Mapping[str, Job],
        *,
        keys: KeyStore,
        records: Records,
        journal: Journal,
        label: Callable[[provision.Outcome], None] = lambda _: None,
        spare: Sparing | None = None,
    ) -> None:
        """Raise MotekitError, before any board is touched, for what fits none."""
        check(keys, records)
        self._plan = plan
        self._jobs = dict(jobs)
        self._marks = {name: _mark(job) for name, job in jobs.items()}
        self._keys = keys
        self._records = records
        self._journal = journal
        self._label = label
        self._spare = spare or Sparing(keys)
        self._outcomes: dict[str, provision.Outcome] = {}  # by port, from its proof to its label

    def steps(self) -> tuple[Step, ...]:
        """Return the steps in their order."""
        return (
            Step("look", self._look),
            Step("flash", self._flash),
            Step("provision", self._provision),
            Step("label", self._write_label),
        )

    def _look(self, visit: Visit) -> None:
        """End the visit of a board that is done; what else is there is for `flash` to find."""
        words = b"" if "://" in visit.port else _cannot_boot(visit.port)
        visit.blank = words in _NO_PROGRAM
        if "://" in visit.port or words:
            return
        found = look.over_link(visit.port, self._keys, visit.stopped, look.LINK_S, known=True)
        if found is None:
            self._keep(visit)
            return
        if found.foreign:
            raise LinkError(
                f"{visit.port}: answers under keys that are not of this key store: it is of"
                " another fleet; motekit flash --erase makes a new board of it"
            )
        if found.blank:  # its boot ROM was slow to say so; whose it is `flash` will find
            visit.blank = True
            return
        visit.is_of(found.device)
        if self._is_done(found):
            visit.slot.name = found.hello.name or "" if found.hello else ""
            raise AlreadyError(f"{visit.port}: {visit.slot.name} is done")
        self._keep(visit)

    def _keep(self, visit: Visit) -> None:
        """Have nothing lost that a board holds from before it was plugged in here."""
        held = sparing.ask(visit.port, self._keys, visit.stopped)
        begun = any(each.device == held.device for each in self._journal.unfinished())
        since_s = visit.plugged_s() + PLUGGED_S
        if begun or (held.uptime_ms and held.uptime_ms < since_s * 1000):
            return  # what it has is of this station, or of the moment since it has its power
        self._spare.settle(visit.port, held, visit.tell)

    def _is_done(self, found: Found) -> bool:
        """Tell whether a board has passed here, and is what it was then and shall be now."""
        passed = self._journal.passed(found.device)
        hello = found.hello
        if passed is None or hello is None or hello.firmware != motefw.__version__:
            return False
        if found.trial or not found.generation:
            return False
        role = self._role(found)
        shall = wanted.make(role, found.device, self._keys, found.generation)
        as_wanted = found.mark.get("plan") == shall.plan and not look.differing(found, shall)
        return as_wanted and passed.job == self._marks[role.board.name]

    def _flash(self, visit: Visit) -> None:
        def choose(chip: Chip) -> Job:
            role = self._role(Found(chip.mac, chip=chip.name))
            visit.begin(chip.mac, self._marks[role.board.name])
            return self._jobs[role.board.name]

        def tell(step: FlashStep) -> None:
            visit.tell(step.what, step.done, step.total)

        def spared(*_: object) -> Spared:
            # what it holds was asked before
            return Spared(blank=visit.blank, given_up=self._spare.discard)

        result = flash.one(
            *(visit.port, choose, tell, visit.stopped, self._keys),
            spare=spared,
        )
        if result.error:
            raise LinkError(result.error)

    def _provision(self, visit: Visit) -> None:
        def tell(step: FlashStep) -> None:
            visit.tell(step.what, step.done, step.total)

        outcome = provision.one(
            visit.port,
            self._plan,
            keys=self._keys,
            records=self._records,
            options=provision.Options(discard=True),  # it has just been plugged in
            on_step=tell,
            stopped=visit.stopped,
        )
        if outcome.error:
            raise LinkError(outcome.error)
        if outcome.device != visit.slot.device:
            raise LinkError(
                f"{visit.port}: {visit.slot.device} was flashed, {outcome.device} is there now:"
                " boards were exchanged; plug it in again"
            )
        visit.slot.name = outcome.name
        self._outcomes[visit.port] = outcome

    def _write_label(self, visit: Visit) -> None:
        self._label(self._outcomes.pop(visit.port))

    def _role(self, found: Found) -> Role:
        """Return what a board shall be; MotekitError if the plan has nothing for it."""
        units: dict[str, Unit] = self._records.units(self._plan.fleet)
        return roles.choose(self._plan, found, units)


def _mark(job: Job) -> str:
    """Return a short hash of all that a board of this job is given."""
    digest = hashlib.sha256()
    for region in job.regions:
        digest.update(f"{region.name} {region.offset} {len(region.data)} ".encode())
        digest.update(region.data)
    return digest.hexdigest()[:16]


def _cannot_boot(port: str) -> bytes:
    """Return what a chip says that starts nothing, b"" for any other; MotekitError: no port."""
    line = opened(lambda: open_port(port), port, known=True)
    heard = bytearray()
    try:
        now = time.monotonic()
        end = now + LISTEN_S
        while now < end and len(heard) < _LISTEN_BYTES:
            came = line.read(max(line.in_waiting, 1))
            if came and not heard:
                end = min(end, now + _HEARD_S)
            heard += came
            if words := next((each for each in (*_NO_PROGRAM, _IN_LOADER) if each in heard), b""):
                return words
            now = time.monotonic()
    except OSError as e:
        raise LinkError(f"{port}: unplugged") from e
    finally:
        line.close()
    return b""


def jobs_of(plan: Plan, make: Callable[[Board], Job]) -> dict[str, Job]:
    """Return a job for each board of a plan; MotekitError for one that cannot be made."""
    found = {role.board.name: make(role.board) for role in plan.each_role}
    for job in found.values():
        _ = job.regions
    return found
