"""From drivers to blocks to packets: one `Stream` per sensor, which no other sensor can stop.

`Stream.step` does what is due and returns the milliseconds until the next step. The sample index
counts every sample that should have been: what was lost is left out of it and told in a note.

Times: a polled sample is of the moment it was asked for. A FIFO is drained at T with n samples in
it: its newest is of T less half a period, since T falls anywhere between two samples. Both, and
the slots of polled samples, are of the epoch's clock, which forgets a jump of the ticks.

This is what happens all the time. What happens rarely, start and end, losses and failures, is in
`trouble`, which is loaded for it; what both need has no underscore.
"""

from . import overlay
from .compat import const
from .errors import PacketError, SensorError

START = const(0)
POLL = const(1)
READ = const(2)
STOPPED = const(3)
NO_MEMORY = "no memory"  # the state of a sensor for which there is no room
FAILED = const(1)  # what a streaming part has lost samples by
SILENT = const(2)
BACKOFF_MIN_MS = const(1000)
POLL_MAX_MS = const(100)
_PERIOD_MS = const(1000)
_STEP_MAX_S = const(1000)  # a longer time between two samples begins a new packet
_IDLE_MS = const(60000)


class Stream:
    """One sensor: its driver, the block being filled, its state and its counts.

    `sensor`, `spec` (of its bus) and `limits` are the configuration's entries, `cls` the driver's
    class. `hands` has the rest: `bus(spec)`, `recover(spec)` and `report(text)`.
    """

    def __init__(self, number, sensor, spec, cls, recorder, hands, limits):
        self.number = number
        self.name = sensor["name"]
        self.sensor = sensor
        self.spec = spec
        self.cls = cls
        self.hands = hands
        self.recorder = recorder
        self._clock = recorder.clock
        self.limits = limits
        self._latency_ms = sensor.get("latency_ms", limits["latency_ms"])
        self.period_ms = 0 if cls.STREAMING else sensor.get("period_ms", _PERIOD_MS)
        self.poll_ms = self.rest_ms = POLL_MAX_MS  # between two looks; after one that found some
        self._rested = False  # since the last look, which is the first one then
        self.quiet_s = 0  # a streaming part that gives nothing for so long has stopped
        self.late_s = 0  # and one that has been silent for more than so long has lost some
        self.driver = self.block = self.last_error = None
        self.state = "starting"
        self.phase = START
        self.backoff_ms = BACKOFF_MIN_MS
        self.note = None  # to be logged
        self.reading = False  # in the driver, whose next sample may be lost by an interrupt
        self.cut = False  # it may have been
        self.failures = 0  # in a row
        self.missed = 0  # polled: slots that went by; streaming: FAILED, SILENT or 0
        self.held = 0  # samples in the block before it was asked
        self.first = 0  # index of the block's first sample
        self.after = 0  # index beyond the block that was last being logged
        self.errors = self.samples = self.gaps = self.lost = 0
        self.unlogged = 0  # samples before `first` that found no room in the log: not told yet
        self._s = self._us = 0  # time of the block's first sample
        self.seen_s = self.seen_us = 0  # time of the last drain
        self.heard_s = 0  # second of the last drain or start
        self.base = None  # (index, s, us) of the first drain
        self.due_now()

    def step(self):
        """Do what is due; return the ms until the next step. What a sensor does never raises."""
        try:
            phase = self.phase
            if phase == POLL:
                return self._drain() if self.cls.STREAMING else self._ask()
            if phase == READ:
                return self._take()
            return self._start() if phase == START else _IDLE_MS
        except Exception as error:
            return self._failed(error)

    def _start(self):
        anew = not self.block
        self.driver, self.block = overlay.call("start", "begin", self)
        if anew:
            overlay.insist(overlay.call, "relief", "find")
        self.phase = POLL
        return self.poll_ms if self.cls.STREAMING else self.wait_ms()

    def _failed(self, error):
        try:
            return overlay.call("trouble", "failed", self, error)
        except Exception:  # not even room to look into it
            self.errors += 1
            self.reading = False
            return BACKOFF_MIN_MS

    def stop(self):
        """End sampling: what is held becomes a packet, the sensor is left quiet."""
        if self.phase != STOPPED:
            overlay.call("trouble", "stop", self)

    def close(self):
        """Make a packet of the block, if it holds anything; what finds no room is told of."""
        block = self.block
        n = block.count if block else 0
        self.after = self.first + n
        try:
            if self.unlogged:
                overlay.call("trouble", "tell", self)
            if n:
                self.log(block, self.first, self._s * 1000000 + self._us)
        except Exception:
            n = self.after - self.first
            self.lost += n
            self.unlogged += n
            self.first = self.after
            raise
        finally:
            if n and self.first == self.after:
                block.clear()

    def log(self, block, index, time_us):
        """Log a block; one that fits in no packet is cut in two."""
        try:
            self.recorder.samples(self.number, self.number, index, time_us, block)
            self.first = index + block.count
        except PacketError:
            if block.count < 2:
                raise
            overlay.call("trouble", "halve", self, block, index, time_us)

    # Streaming parts: a FIFO, or a line on which the part speaks.

    def _drain(self):
        driver = self.driver
        block = self.block
        self._clock.tick()
        self.held = block.count
        self.reading = True
        n = driver.pending()
        self.reading = False
        wait_ms = self.poll_ms
        if n:
            if self.missed or self.cut or driver.gap:
                overlay.call("trouble", "lose", self, n)
            self._fill(n)
            self._well()
            # What is there at the first look came earlier than it need have.
            wait_ms = self.rest_ms // 2 if self._rested else self.rest_ms
            wait_ms = max(wait_ms, self.poll_ms)
        elif self._clock.s - self.heard_s >= self.late_s:
            if self._clock.s - self.heard_s >= self.quiet_s:
                raise SensorError(f"{self.name}: no sample for {self.quiet_s} s")
            if self.samples:  # the first may take its time
                self.missed = self.missed or SILENT
        self._rested = n > 0
        if block.count and self._age_ms() + wait_ms > self._latency_ms:
            self.close()
        return wait_ms

    def _fill(self, n):
        """Drain n samples into the block, closing it as often as it is full."""
        block = self.block
        if self.cls.TIMED and block.count and self._clock.s - self.seen_s > _STEP_MAX_S:
            self.close()
        while n > 0:
            held = block.count
            if not held:
                self._begin(n)
            self.held = held
            self.reading = True
            got = min(n, block.capacity - held)
            self.driver.drain(block, got)
            if not held <= block.count <= held + got:
                raise self._overdone(got)
            got = block.count - held
            if not got:
                self.reading = False
                if self.driver.gap:
                    return  # it ran over just now: told before the next ones
                raise SensorError(f"{self.name}: {n} samples promised, none given")
            n -= got
            self.took(n)
            if block.count == block.capacity:
                self.close()
        self.seen()

    def _overdone(self, asked):
        """Take back what a driver says it gave beyond what it was asked for; return the error."""
        got = self.block.count - self.held
        self.block.count = self.held
        return SensorError(f"{self.name}: {got} samples given, {asked} asked for")

    def took(self, after):
        """Account for the samples since `held`; `after` more are still to come."""
        got = self.block.count - self.held
        if got and self.cls.TIMED:
            self._time(got, after)
        self.samples += got
        self.reading = False

    def _time(self, got, after):
        """Set the steps of what was taken: the last comes at the time of this drain."""
        held = self.held
        steps_us = self.block.steps_us
        period_us = self.driver.period_us
        for i in range(held, held + got):
            steps_us[i] = period_us
        if held:
            us = self._clock.since_us(self.seen_s, self.seen_us)
            steps_us[held] = max(us - period_us * (got - 1 + after), 0)

    def _begin(self, n):
        """Set the block's time: of the first of n samples of which the last is the newest."""
        clock = self._clock
        period_us = self.driver.period_us
        us = clock.us - (n - 1) * period_us
        if not self.cls.TIMED:
            us -= period_us // 2
        self._s = clock.s + us // 1000000
        self._us = us % 1000000
        if self._s < 0:
            self._s = self._us = 0

    def seen(self):
        """Note that all samples up to now have been drained."""
        self.seen_s = self.heard_s = self._clock.s
        self.seen_us = self._clock.us

    # Polled parts: asked in slots of the period, so that index and time agree.

    def _ask(self):
        wait_ms = self.wait_ms()
        if wait_ms > 1:
            return wait_ms
        self.skip_slots()
        clock = self._clock
        if self.missed:
            overlay.call("trouble", "late", self)
            clock.tick()
        if not self.block.count:
            self._s = clock.s
            self._us = clock.us
        try:
            wait_ms = self.driver.measure()
        except (OSError, SensorError) as error:
            return self._invalid(error)
        self.phase = READ
        return wait_ms

    def _take(self):
        self.phase = POLL
        self.held = self.block.count
        self.reading = True
        try:
            self.driver.read(self.block)
            if self.block.count != self.held + 1:
                raise self._overdone(1)
        except (OSError, SensorError) as error:
            self.block.count = self.held
            return self._invalid(error)
        wait_ms = self._next_slot()
        self._well()
        return wait_ms

    def _invalid(self, error):
        overlay.call("trouble", "invalid", self, error)
        return self._next_slot()

    def due_now(self):
        """Have the slots begin: the next one is now."""
        self._due_s = self._clock.s
        self._due_ms = self._clock.us // 1000

    def _put_off(self, slots):
        ms = self._due_ms + slots * self.period_ms
        self._due_s += ms // 1000
        self._due_ms = ms % 1000

    def skip_slots(self):
        """Count the slots that went by; the next one is now, or to come."""
        period_ms = self.period_ms
        if self.samples and period_ms:
            late = self._clock.since_ms(self._due_s, self._due_ms * 1000) // period_ms
            if late > 0:
                self.missed += late
                self._put_off(late)

    def slot_done(self):
        """Account for the sample of a slot."""
        self.samples += 1
        self._put_off(1)
        self.reading = False

    def _next_slot(self):
        self.slot_done()
        block = self.block
        self._clock.tick()
        full = block.count == block.capacity
        if full or self._age_ms() + self.period_ms > self._latency_ms:
            self.close()
        return self.wait_ms()

    def wait_ms(self):
        """Return the time to the next slot, rounded up."""
        self._clock.tick()
        return max(0, -self._clock.since_ms(self._due_s, self._due_ms * 1000))

    # Both.

    def _age_ms(self):
        return self._clock.since_ms(self._s, self._us)

    def _well(self):
        self.failures = 0
        if self.state != "ok":
            overlay.call("trouble", "recover", self)
