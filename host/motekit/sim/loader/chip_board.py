"""A virtual board with a whole flash: blank at first, flashed by real tools, booted from it.

A pty has neither DTR nor RTS, so no tool can pull the chip into its loader. In their place stands
the frame that every tool sends then, SYNC at a baud rate other than that of a session: it ends
what runs and begins the loader. A loader that hears nothing for LEAVE_S while no program has the
port for itself, or hears from one that waits for the firmware, boots, as the pulse on RTS would
have it.
"""

import contextlib
import fcntl
import os
import termios
from collections import deque
from typing import TYPE_CHECKING

from motekit.sim.loader import boot, faults
from motekit.sim.loader.faults import Faults
from motekit.sim.loader.nor import Nor
from motekit.sim.loader.rom import BAUD, Loader
from motekit.sim.plan import Fault
from motekit.sim.preparation import Prepared
from motekit.sim.virtual_board import VirtualBoard
from motekit.sim.vm import Vm

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

LEAVE_S = 1.5
STAY_S = 60.0  # with the port held by a tool that is slow, or that has stopped
_AT_ONCE_S = 0.05
_SYNC = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20\x55\x55"
_LOOP_S = 1.0  # between two attempts to boot what does not
_BITS_A_BYTE = 10
_SOFTWARE = "0x3 (RTC_SW_SYS_RST)"
_WHY = {"power_on": "0x1 (POWERON)", "watchdog": "0x7 (TG0WDT_SYS_RST)"}
_SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in (9600, 115200, 230400, 460800, 921600)}


class ChipBoard(VirtualBoard):
    """A board that begins in its chip's ROM."""

    def __init__(self, vm: Vm, prepared: Prepared) -> None:
        self._link = prepared.folder.parent / f"tty{prepared.folder.name.rpartition('-')[2]}"
        super().__init__(vm, prepared)
        whole = prepared.whole
        if whole is None:
            raise TypeError("a board whose flash is its files alone has no loader")
        self.chip = whole.chip
        self.flash = Nor(prepared.folder / "flash", whole.flash_bytes)
        self.faults = Faults(f"{prepared.spec['seed']} loader", self.flash)
        self.loader: Loader | None = None
        self._speed = whole.speed
        self._seen = b""  # the last of what came, for a SYNC that is cut in two
        self._free_s = 0.0  # when the line has carried all that was sent over it
        self._replies: deque[bytes] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._leaving: asyncio.TimerHandle | None = None
        self._strange = False  # what came last was for no loader
        self._quiet_s = 0.0  # since when
        self._plan = list(whole.faults)
        self._duration_s: float = prepared.spec["duration_ms"] / 1000

    # Power

    def start(self) -> None:
        """Power the board on; what its scenario says goes wrong is counted from here."""
        self._loop.add_reader(self._master, self._from_host)
        for each in self._plan:
            if each.after_bytes is None:
                self._later(each.at_s, self._begin_fault, each)
        if self._duration_s:
            self._later(self._duration_s, self._over)
        self.ready.set()
        self._boot()

    def _over(self) -> None:
        """End with the scenario, unless a program runs, which has a duration of its own."""
        if self._child is None:
            self.done.set()

    def close(self) -> None:
        """End the board and give back its pty."""
        for timer in (*self._timers, self._leaving):
            if timer:
                timer.cancel()
        super().close()

    def _open_line(self) -> str:
        """Make the pty under a name that stays the same when the board is plugged in again."""
        target = super()._open_line()
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(target)
        return str(self._link)

    def _close_line(self) -> None:
        self._link.unlink(missing_ok=True)
        super()._close_line()

    def _later(self, delay_s: float, call: "Callable[..., None]", *arguments: object) -> None:
        timers = {each for each in self._timers if not each.cancelled()}
        timers = {each for each in timers if each.when() > self._loop.time()}
        self._timers = timers | {self._loop.call_later(delay_s, call, *arguments)}

    def _boot(self) -> None:
        """Start what is in flash, or say for ever that it does not start."""
        if self._master < 0 or self.loader is not None or self._child is not None:
            return
        if self._starts(boot.banner(self.chip, loader=False)):
            super()._spawn("power_on", "main")

    def _spawn(self, cause: str, then: str) -> None:
        """Start the program, which only a soft reset does without a look at the flash."""
        if cause == "soft" or self._starts(b""):
            super()._spawn(cause, then)

    def _starts(self, banner: bytes) -> bool:
        """Tell whether there is a program in flash; else have the ROM say so now and again."""
        try:
            found = boot.check(self.chip, self.flash)
        except boot.NoBootError as e:
            if faults.DEAD not in self.faults.on:
                self._to_host(banner + str(e).encode())
            self._later(_LOOP_S, self._boot)
            return False
        self._spec = {**self._spec, "vfs": [found.vfs_offset, found.vfs_bytes]}
        return True

    def _restart(self, cause: str, then: str, off_s: float = 0.0) -> None:
        """Have the ROM say why it starts again, unless only MicroPython does."""
        if cause != "soft":
            self._end_process()
            self._to_host(boot.banner(self.chip, loader=False, why=_WHY.get(cause, _SOFTWARE)))
        super()._restart(cause, then, off_s)

    def wipe(self) -> None:
        """Take the power away, erase all of the flash, and give it back."""
        self._end_process()  # it would write on
        self.flash.erase(0, self.flash.size_bytes)
        self.power_cut()

    # The line

    def _arrive(self, data: bytes) -> None:
        """Give what came to the loader or to the program, and see whether it begins a session."""
        if faults.DEAD in self.faults.on or self._master < 0:
            return
        baud = _SPEEDS.get(termios.tcgetattr(self._slave)[4], BAUD)
        self._seen += data
        at = self._seen.find(_SYNC)
        if at >= 0 and (self.loader is None or self.loader.baud != baud) and self._detects(baud):
            data = self._seen[at:]
            self._enter(baud)
        self._seen = self._seen[-len(_SYNC) :] if at < 0 else b""
        if self.loader is None:
            if self._child is not None:  # else nobody is there to hear it
                super()._arrive(data)
        elif self.loader.baud == baud:
            self._serve(self.loader, self.faults.lose(data))
        else:
            self._strange = True

    def _detects(self, baud: int) -> bool:
        """Tell whether the ROM would understand SYNC: it measures the speed of the host's bits."""
        return baud == BAUD or faults.BAUD_FAILS not in self.faults.on

    def _enter(self, baud: int) -> None:
        """Reset into the loader."""
        self._end_process()
        self._who = None
        mac = bytes.fromhex(self.device)
        self.loader = Loader(self.chip, mac, self.flash)
        self.loader.baud = baud
        self._replies.clear()
        self._tx.clear()
        termios.tcflush(self._slave, termios.TCIFLUSH)  # as tools do once they have reset a chip
        self._free_s = self._loop.time()

    def _serve(self, loader: Loader, data: bytes) -> None:
        """Have the loader act on what came; its answer comes when the line has carried both."""
        baud = loader.baud
        answer = loader.feed(data)
        self._begin_due()
        if self.loader is None:
            return
        self.faults.damage()
        if faults.BAUD_FAILS in self.faults.on and loader.baud != BAUD:
            loader.baud = -1  # nobody speaks that
        carried_s = (len(data) + len(answer)) * _BITS_A_BYTE / baud / self._speed
        self._free_s = max(self._free_s, self._loop.time()) + carried_s
        self._strange = not answer  # half a frame, or somebody who waits for the firmware
        if self._strange and self._leaving:
            return
        self._quiet_s = self._free_s
        self._replies.append(answer)
        self._later(self._free_s - self._loop.time(), self._reply)
        if self._leaving:
            self._leaving.cancel()
        if loader.leave:
            self._leaving = self._loop.call_at(self._free_s + _AT_ONCE_S, self._leave)
        else:
            self._leaving = self._loop.call_at(self._free_s + LEAVE_S, self._may_leave)

    def _reply(self) -> None:
        if self._master >= 0 and self._replies and self.loader is not None:
            self._tx += self._replies.popleft()
            self._flush()

    def _flush(self) -> None:
        """Give the host what it takes; a loader waits with the rest, as it has asked for it."""
        if self.loader is None or self._master < 0:
            super()._flush()
            return
        with contextlib.suppress(BlockingIOError):
            del self._tx[: os.write(self._master, self._tx)]
        if self._tx:
            self._loop.add_writer(self._master, self._flush)
        else:
            self._loop.remove_writer(self._master)

    def _may_leave(self) -> None:
        """Boot, unless a tool has the port and is only slow."""
        slow = self._held() and not self._strange
        if slow and self._loop.time() - self._quiet_s < STAY_S:
            self._leaving = self._loop.call_later(LEAVE_S, self._may_leave)
        else:
            self._leave()

    def _held(self) -> bool:
        """Tell whether a program has opened the port for itself alone."""
        try:
            fcntl.flock(self._slave, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(self._slave, fcntl.LOCK_UN)
        return False

    def _leave(self) -> None:
        """Reset into what is in flash."""
        if self._leaving:
            self._leaving.cancel()
        self.loader = self._leaving = None
        self._boot()

    # Faults

    def _begin_due(self) -> None:
        """Begin what waits for so many bytes to be written."""
        for each in tuple(self._plan):
            if each.after_bytes is not None and self.flash.written_bytes > each.after_bytes:
                self._plan.remove(each)
                self._begin_fault(each)

    def _begin_fault(self, fault: Fault) -> None:
        if self._closing:
            return
        self.faults.start(fault.kind, fault.value)
        if fault.for_s is not None:
            self._later(fault.for_s, self._end_fault, fault.kind)
        if fault.kind == faults.PULLED:
            self.pull()
        elif fault.kind == faults.BROWNOUT:
            self.faults.stop(fault.kind)
            self._end_process()
            self._leave()

    def _end_fault(self, kind: str) -> None:
        self.faults.stop(kind)
        if kind == faults.PULLED:
            self.plug()

    def pull(self) -> None:
        """Take the board out of its port: no power, and the port is gone."""
        self._end_process()
        self.loader = None
        if self._leaving:
            self._leaving.cancel()
        self._close_line()

    def plug(self) -> None:
        """Put it back."""
        if self._master < 0 and not self._closing:
            self._open_line()
            self._loop.add_reader(self._master, self._from_host)
            self._boot()
