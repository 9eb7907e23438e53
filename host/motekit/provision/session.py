"""One board, from what it is to what it shall be.

    look -> as wanted, or on trial for it: prove ----------------------------> keep
         -> else: role -> [guard what is unsent] -> files, on trial -> boot -> prove -> keep
                                                                              fails -> undo, boot

What is decided is written down before it is done: the role in the records, the files on the
board. So whatever ends this program or the board, the next run finds where it was and goes on.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from motekit.client import CancelledError, Client
from motekit.errors import LinkError, MotekitError
from motekit.flasher.job import Progress, Step
from motekit.keys import Host, KeyStore
from motekit.plan import Plan, Role
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.provision import look, proof, transaction
from motekit.provision.delivery import spare, take_left
from motekit.provision.guard import (
    HoldsError,
    RefusedError,
    check_fits,
    check_left,
    flash_hint,
    generation_for,
)
from motekit.provision.look import Found
from motekit.provision.outcome import Options, Outcome
from motekit.provision.proof import ProofError
from motekit.provision.records import FAILED, PROVISIONED, Records, Unit
from motekit.provision.roles import Claims, choose
from motekit.provision.wanted import Wanted, make
from motekit.transports.patience import opened
from motekit.transports.serial import SerialPipe

BOOT_S = 20.0  # until a prompt answers: a board that boots takes Ctrl-C late
_LOOKS = 4  # each change of what the board is needs another look


@dataclass(frozen=True)
class Shared:
    """What the boards of one call share."""

    plan: Plan
    keys: KeyStore
    records: Records
    options: Options
    claims: Claims = field(default_factory=Claims)


class Session:
    """One board at one port."""

    def __init__(
        self, port: str, shared: Shared, on_step: Progress, stopped: Callable[[], bool]
    ) -> None:
        self._port = port
        self._shared = shared
        self._on_step = on_step
        self._stopped = stopped
        self._device = ""
        self._role: Role | None = None
        self._wanted: Wanted | None = None
        self._generation = 0  # once it is chosen, it stays
        self._on_trial = False  # the board may have the new files
        self._started = False  # anew, by us

    def run(self) -> Outcome:
        """Look, and do what is to be done next, until the board has proven itself.

        Raises MotekitError for a board that is as it was, or says that it is on trial still.
        """
        restarted = False
        for _ in range(_LOOKS):
            self._step("starting" if restarted else "looking")
            found = self._look(restarted=restarted)
            if found.hello is not None:
                wanted = self._want(found)
                if _is_as(found, wanted):
                    return self._prove(wanted, found)
                self._spare(found)
            elif restarted and self._on_trial:
                raise self._undone("says nothing after its restart")
            self._change(found)
            restarted = self._started = True
        raise LinkError(f"{self._port}: does not come up as it should; try again")

    def failed(self, why: str) -> Outcome:
        """Return the outcome of a board that could not be provisioned, and write it down."""
        role = self._role
        if self._wanted is not None:
            self._record(FAILED, error=why, on_trial=self._on_trial)
        return Outcome(
            self._port,
            "failed",
            self._device,
            role.name if role else "",
            role.site if role else "",
            role.board.name if role else "",
            error=why,
        )

    # Steps.

    def _step(self, what: str) -> None:
        if self._stopped():
            raise CancelledError(f"{self._port}: interrupted")
        self._on_step(Step(self._port, what))

    def _look(self, *, restarted: bool) -> Found:
        """Return what the board tells while it runs; of one that tells nothing, nothing."""
        wait_s = proof.HELLO_S if restarted else look.LINK_S
        found = look.over_link(
            self._port, self._shared.keys, self._stopped, wait_s, known=restarted
        )
        if found is None:
            return Found("")
        options = self._shared.options
        if found.foreign and not (options.rekey and options.discard):
            raise RefusedError(
                f"{self._port}: a board answers under keys that are not of this key store: set "
                f"MOTEKIT_KEYS to that of its fleet; or, to take it into this one, with new keys "
                f"and without what it holds unsent: --rekey --discard"
            )
        if found.blank:
            raise RefusedError(
                f"{self._port}: is blank, its boot ROM finds no program; "
                f"{flash_hint(self._port, self._shared.plan)}"
            )
        if found.hello is not None:
            self._meet(found)
        return found

    def _spare(self, found: Found) -> None:
        """Have what a board holds delivered before it starts anew, or refuse to start it."""
        options = self._shared.options
        keys = self._shared.keys
        discard = options.discard
        spare(found, self._port, options.store, keys, discard=discard, on_step=self._step)

    def _spare_left(self, prompt: RawPrompt, found: Found, *, asked: bool) -> None:
        """Have what a stopped firmware has left in RAM taken, or refuse to start it anew.

        `asked`: it said over its link what it held, and what was to become of that.
        """
        options = self._shared.options
        if options.store is not None and found.left and not found.foreign:
            self._step("collecting")
            try:
                taken = take_left(prompt, found.device, options.store, self._shared.keys)
            except MotekitError as e:
                raise HoldsError(f"{e}; {found.device} is left at its prompt") from e
            if taken.damaged:
                self._step(str(taken))
        elif not asked and not self._started:
            check_left(found, self._port, discard=options.discard)

    def _meet(self, found: Found) -> None:
        if self._device not in ("", found.device):
            raise RefusedError(
                f"{self._port}: {self._device} was here, now it is {found.device}: boards were "
                f"exchanged; provision again"
            )
        self._device = found.device
        self._shared.claims.take(found.device, self._port)

    def _want(self, found: Found) -> Wanted:
        """Return what the board shall be; its role is written down, for no other to get it."""
        shared = self._shared
        if self._wanted is not None:
            return self._wanted

        def chosen(units: dict[str, Unit]) -> Role:
            role = choose(shared.plan, found, units)
            check_fits(found, role, self._port)
            unit = units.get(found.device, Unit())
            mark = shared.keys.fingerprint
            self._generation = generation_for(
                found, unit, mark, self._port, rekey=shared.options.rekey
            )
            return role

        self._role = shared.records.assign(shared.plan.fleet, found.device, chosen)
        self._wanted = make(self._role, found.device, shared.keys, self._generation)
        return self._wanted

    def _change(self, seen: Found) -> None:
        """Do at the prompt what brings the board nearer to what is wanted; then it boots."""
        try:
            prompt = self._prompt()
        except PromptError as e:
            raise LinkError(f"{e}; {flash_hint(self._port, self._shared.plan)}") from e
        with prompt:
            asked = seen.hello is not None
            leave = prompt.restart if asked else prompt.leave  # what it holds is not known
            try:
                found = look.at_prompt(prompt, self._shared.keys)
                self._meet(found)
                self._spare_left(prompt, found, asked=asked)
                leave = prompt.restart
                self._at_prompt(prompt, found, seen)
            except HoldsError:
                leave = prompt.leave
                raise
            finally:
                with contextlib.suppress(PromptError):
                    leave()

    def _prompt(self) -> RawPrompt:
        known = bool(self._device)
        return opened(lambda: RawPrompt.open(self._port, BOOT_S), self._port, known=known)

    def _at_prompt(self, prompt: RawPrompt, found: Found, seen: Found) -> None:
        if not found.firmware:
            raise RefusedError(
                f"{self._port}: has MicroPython, and no firmware that can be provisioned; "
                f"{flash_hint(self._port, self._shared.plan)}"
            )
        wanted = self._want(found)
        if found.trial:  # "keep" and "undo" need a restart alone
            self._on_trial = found.trial.get("plan") == wanted.plan
            if found.step == "apply" and not self._on_trial:
                self._step("undoing")
                transaction.undo(prompt)
        elif seen.hello is not None or not _is_as(found, wanted):
            self._step("writing")
            trial = transaction.bring(prompt, found, wanted)
            self._step("writing")
            self._on_trial = True
            transaction.commit(prompt, trial)

    # Proof.

    def _prove(self, wanted: Wanted, found: Found) -> Outcome:
        self._on_trial = bool(found.trial)
        is_new = self._on_trial or found.mark.get("plan") != wanted.plan
        pipe = opened(lambda: SerialPipe(self._port), self._port, known=True)
        client = Client(pipe, self._shared.keys, Host(), self._stopped)
        try:
            try:
                shown = proof.prove(client, wanted, self._shared.keys, self._step)
            except (MotekitError, OSError) as e:
                pipe.close()
                raise self._undone(str(e)) from e
            if is_new:
                self._record(PROVISIONED, firmware=shown.firmware, readings=shown.readings)
                proof.keep(client, wanted)
        finally:
            pipe.close()
        role = wanted.role
        return Outcome(
            self._port,
            "provisioned" if is_new else "unchanged",
            wanted.device,
            role.name,
            role.site,
            role.board.name,
            wanted.generation,
            proof=shown,
        )

    def _undone(self, why: str) -> MotekitError:
        """Bring back what a board was before its trial; return the error to be raised."""
        why = why.removeprefix(f"{self._port}: ")
        if not self._on_trial:
            return ProofError(f"{self._port}: {why}")
        with contextlib.suppress(LinkError, OSError):
            with self._prompt() as prompt:
                transaction.undo(prompt)
                prompt.restart()
            self._on_trial = False
        if self._on_trial:
            why += "; it is on trial still: provision it again"
        else:
            why += "; its former files are in place again"
        return ProofError(f"{self._port}: {why}")

    def _record(self, event: str, **more: object) -> None:
        wanted, shared = self._wanted, self._shared
        if wanted is None:
            return
        role = wanted.role
        fields: dict[str, object] = {
            "fleet": shared.plan.fleet,
            "device": wanted.device,
            "name": role.name,
            "site": role.site,
            "board": role.board.name,
            "generation": wanted.generation,
            "keys": shared.keys.fingerprint,
            "plan": wanted.plan,
            "port": self._port,
        }
        shared.records.add(event, {**fields, **more})


def _is_as(found: Found, wanted: Wanted) -> bool:
    """Tell whether the board is what is wanted already, or on trial for just that."""
    if found.trial:
        return found.step == "apply" and found.trial.get("plan") == wanted.plan
    if found.hello is None and found.mark.get("plan") != wanted.plan:
        return False  # at its prompt, nothing can be kept
    return found.firmware and not look.differing(found, wanted)
