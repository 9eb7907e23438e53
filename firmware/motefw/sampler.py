"""From drivers to blocks to packets: one `Stream` per sensor, which no other sensor can stop.

`Stream.step` does what is due and returns the milliseconds until the next step. A sensor that is
absent, wrong or failing is reported and started again after 1, 2, 4 .. 60 s. The sample index
counts every sample that should have been: what was lost is left out of it and told in a note.

Times: a polled sample is of the moment it was asked for. A FIFO is drained at T with n samples in
it: its newest is of T less half a period, since T falls anywhere between two samples.
"""

from time import ticks_add, ticks_diff

from . import packet
from .compat import const
from .errors import MoteError, SensorError

_START = const(0)
_POLL = const(1)
_READ = const(2)
_STOPPED = const(3)
_FAILURES_MAX = const(3)  # in a row, before a sensor is started again
_BACKOFF_MIN_MS = const(1000)
_BACKOFF_MAX_MS = const(60000)
_POLL_MAX_MS = const(100)
_PERIOD_MS = const(1000)
_STEP_MAX_S = const(1000)  # a longer time between two samples begins a new packet
_RATE_SAMPLES = const(1000)  # enough to measure a sensor's own clock by
_IDLE_MS = const(60000)
_SILENCE_MS = const(5000)
_ENODEV = const(19)


class Stream:
    """One sensor: its driver, the block being filled, its state and its counts.

    `sensor`, `spec` (of its bus) and `limits` are the configuration's entries, `cls` the driver's
    class. `hands` has the rest: `ticks_ms()`, `bus(spec)`, `recover(spec)` and `report(text)`.
    """

    def __init__(self, number, sensor, spec, cls, recorder, hands, limits):
        self.number = number
        self.name = sensor["name"]
        self.driver_name = sensor["driver"]
        self._sensor = sensor
        self.cls = cls
        self._recorder = recorder
        self._clock = recorder.clock
        self._spec = spec
        self._hands = hands
        self._ticks_ms = hands.ticks_ms
        self._samples_max = limits["samples"]
        self._latency_ms = sensor.get("latency_ms", limits["latency_ms"])
        self.period_ms = 0 if cls.STREAMING else sensor.get("period_ms", _PERIOD_MS)
        self._wait_poll_ms = _POLL_MAX_MS
        self.driver = None
        self.block = None
        self.state = "starting"
        self.last_error = None
        self.errors = 0
        self.samples = 0
        self.gaps = 0
        self.lost = 0
        self._phase = _START
        self._backoff_ms = _BACKOFF_MIN_MS
        self._failures = 0
        self._reading = False  # in the driver, whose next sample may be lost by an interrupt
        self._cut = False  # it may have been
        self._held = 0  # samples in the block before it was asked
        self._note = None  # to be logged
        self._missed = 0  # polled: slots that went by; streaming: 1 after a failure
        self._first = 0  # index of the block's first sample
        self._s = self._us = 0  # its time
        self._seen_s = self._seen_us = 0  # time of the last drain
        self._heard_s = 0  # second of the last drain or start
        self._base_s = self._base_us = 0  # time of the first
        self._base = 0  # samples that the first found
        self._due_ms = self._ticks_ms()  # slot of the next polled sample

    def step(self):
        """Do what is due; return the ms until the next step. What a sensor does never raises."""
        try:
            if self._phase == _POLL:
                return self._drain() if self.cls.STREAMING else self._ask()
            if self._phase == _READ:
                return self._take()
            if self._phase == _START:
                return self._start()
        except Exception as error:
            return self._failed(error)
        return _IDLE_MS

    def resume(self):
        """Go on after an interrupt, which may have come anywhere in `step` or `stop`."""
        block = self.block
        if block is None:
            return
        if self._reading:
            if self.cls.STREAMING:
                self._cut = True
                self._took(self._held, 0)
            elif block.count > self._held:
                self._slot_done()
            self._reading = False
        try:
            if not block.count:
                block.clear()
            elif block.count == block.capacity:
                self.close()
            else:
                for c in range(len(block.columns)):
                    block.mark_invalid(c, block.count, False)
            self._tell()
        except Exception as error:
            self._count(error)

    def stop(self):
        """End sampling: what is held becomes a packet, the sensor is left quiet."""
        phase = self._phase
        self._phase = _STOPPED
        try:
            self.close()
            if _START < phase < _STOPPED:
                self.driver.stop()
        except KeyboardInterrupt:
            self._phase = phase
            raise
        except Exception as error:
            self._count(error)

    def close(self):
        """Make a packet of the block, if it holds anything."""
        block = self.block
        if block is None or not block.count:
            return
        first = self._first
        after = first + block.count
        try:
            self._emit(block, first, self._s * 1000000 + self._us)
            block.clear()
        except KeyboardInterrupt:
            if self._first == first:
                raise  # nothing is logged of it: the next time
            lost = after - self._first  # the second of two halves
            block.clear()
            if lost:
                self._count_gap("interrupt", lost)
            raise
        except Exception:
            self._first = after
            block.clear()
            raise

    def _start(self):
        if self.driver is None:
            self.driver = self.cls(self._hands.bus(self._spec), self._sensor.get("address"))
        self._skip_slots()
        self.driver.start(**self._sensor.get("options", {}))
        if self.block is None:
            self._make_block()
        self._failures = 0
        self._clock.tick()
        self._heard_s = self._clock.s
        if not self.samples:
            self._seen()
            self._due_ms = self._ticks_ms()
        self._phase = _POLL
        return self._wait_poll_ms if self.cls.STREAMING else self._wait_ms()

    def _make_block(self):
        """Make the block as large as the latency limit lets it grow."""
        period_us = self.period_ms * 1000 or self.driver.period_us
        n = self._latency_ms * 1000 // period_us + 1
        n = max(1, min(n, self._samples_max, packet.MAX_SAMPLES))
        if self.cls.STREAMING:
            half_ms = period_us * self.cls.FIFO // 2000
            self._wait_poll_ms = max(1, min(half_ms, _POLL_MAX_MS))
        self.block = packet.Block(len(self.cls.CHANNELS), n, self.cls.TIMED, self.cls.CODE)

    # Streaming parts: a FIFO, or a line on which the part speaks.

    def _drain(self):
        driver = self.driver
        block = self.block
        self._clock.tick()
        self._held = block.count
        self._reading = True
        n = driver.pending()
        self._reading = False
        if not n:
            self._check_silence()
        else:
            if driver.gap or self._missed:
                self._count_lost(n)
            elif self._cut:
                self._gap("interrupt", 1)
            self._fill(n)
            self._good()
        if block.count and self._age_ms() + self._wait_poll_ms > self._latency_ms:
            self.close()
        return self._wait_poll_ms

    def _check_silence(self):
        """Take a FIFO that stays empty for a part that has stopped; parts on a line tell."""
        quiet_ms = max(_SILENCE_MS, self.driver.period_us // 50)
        if self.cls.BUS == "i2c" and self._clock.since_ms(self._heard_s, 0) > quiet_ms:
            raise SensorError(f"{self.name}: no sample for {quiet_ms} ms")

    def _fill(self, n):
        """Drain n samples into the block, closing it as often as it is full."""
        block = self.block
        timed = self.cls.TIMED
        if timed and block.count and self._clock.s - self._seen_s > _STEP_MAX_S:
            self.close()
        while n > 0:
            held = block.count
            if not held:
                self._begin(n)
            self._held = held
            self._reading = True
            self.driver.drain(block, min(n, block.capacity - held))
            got = block.count - held
            if not got:
                self._reading = False
                if self.driver.gap:
                    return  # it ran over just now: told before the next ones
                raise SensorError(f"{self.name}: {n} samples promised, none given")
            n -= got
            self._took(held, n)
            if block.count == block.capacity:
                self.close()
        self._seen()

    def _took(self, held, after):
        """Account for the samples since `held`; `after` more are still to come."""
        got = self.block.count - held
        if self.cls.TIMED and got:
            self._time(held, after)
        self.samples += got
        self._reading = False

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

    def _time(self, held, after):
        """Fill in the steps of the samples since `held`; `after` more are still to come."""
        block = self.block
        period_us = self.driver.period_us
        for i in range(held, block.count):
            block.steps_us[i] = period_us
        if held:
            back_us = (block.count - held - 1 + after) * period_us
            step_us = self._clock.since_us(self._seen_s, self._seen_us) - back_us
            block.steps_us[held] = max(step_us, 0)

    def _seen(self):
        """Note that all samples up to now have been drained."""
        clock = self._clock
        self._seen_s = self._heard_s = clock.s
        self._seen_us = clock.us
        if not self._base and self.samples:
            self._base_s = clock.s
            self._base_us = clock.us
            self._base = self.samples

    def _count_lost(self, n):
        """Leave out of the index what was lost before the n samples that wait."""
        elapsed_us = self._clock.since_us(self._seen_s, self._seen_us)
        counted = self._first + self.block.count - self._base
        span_us = (self._seen_s - self._base_s) * 1000000 + self._seen_us - self._base_us
        if counted < _RATE_SAMPLES or span_us <= 0:  # else by the sensor's own clock, as measured
            counted = 1
            span_us = self.driver.period_us
        why = "restart" if self._missed else "overrun"
        self._gap(why, max(elapsed_us * counted // span_us - n, 1))

    def _gap(self, why, lost):
        """End the block, move the index on by what was lost, and say so."""
        self.close()
        self._count_gap(why, lost)
        self._tell()

    def _count_gap(self, why, lost):
        gap = {"stream": self.number, "index": self._first, "lost": lost, "why": why}
        # No jump from here on: an interrupt finds all of it done or nothing.
        self._note = {"gap": gap}
        self._missed = 0
        self._cut = self.driver.gap = False
        self._first += lost
        self.gaps += 1
        self.lost += lost

    def _tell(self):
        """Log the note that waits, if any."""
        if self._note:
            self._recorder.note(self._note)
            self._note = None

    # Polled parts: asked in slots of the period, so that index and time agree.

    def _wait_ms(self):
        return max(0, ticks_diff(self._due_ms, self._ticks_ms()))

    def _skip_slots(self):
        """Count the slots that went by; the next one is now, or to come."""
        if self.samples and self.period_ms:
            late = ticks_diff(self._ticks_ms(), self._due_ms) // self.period_ms
            if late > 0:
                self._missed += late
                self._due_ms = ticks_add(self._due_ms, late * self.period_ms)

    def _ask(self):
        self._skip_slots()
        if self._missed:
            self._gap("late" if self.state == "ok" else "restart", self._missed)
        clock = self._clock
        clock.tick()
        if not self.block.count:
            self._s = clock.s
            self._us = clock.us
        try:
            wait_ms = self.driver.measure()
        except (OSError, SensorError) as error:
            return self._invalid(error)
        self._phase = _READ
        return wait_ms

    def _take(self):
        self._phase = _POLL
        self._held = self.block.count
        self._reading = True
        try:
            self.driver.read(self.block)
        except (OSError, SensorError) as error:
            return self._invalid(error)
        self._good()
        return self._next_slot()

    def _slot_done(self):
        self.samples += 1
        self._due_ms = ticks_add(self._due_ms, self.period_ms)
        self._reading = False

    def _next_slot(self):
        self._slot_done()
        block = self.block
        self._clock.tick()
        full = block.count == block.capacity
        if full or self._age_ms() + self.period_ms > self._latency_ms:
            self.close()
        return self._wait_ms()

    def _invalid(self, error):
        """Take a reading that failed into the block as such; too many in a row are a failure."""
        if self._failures + 1 >= _FAILURES_MAX:
            raise error
        self._failures += 1
        self._count(error)
        block = self.block
        i = block.count
        for c in range(len(block.columns)):
            column = block.columns[c]
            column[i] = column[i - 1] if i else 0
            block.mark_invalid(c, i)
        block.count = i + 1
        return self._next_slot()

    # Both.

    def _age_ms(self):
        return self._clock.since_ms(self._s, self._us)

    def _emit(self, block, index, time_us):
        """Log a block; one that fits in no packet is cut in two."""
        try:
            self._recorder.samples(self.number, self.number, index, time_us, block)
            self._first = index + block.count
        except packet.PacketError:
            if block.count < 2:
                raise
            half = block.count // 2
            self._emit(block.part(0, half), index, time_us)
            if self.cls.TIMED:
                time_us += sum(block.steps_us[1 : half + 1])
            else:
                time_us += half * (self.period_ms * 1000 or self.driver.period_us)
            self._emit(block.part(half, block.count), index + half, time_us)

    def _good(self):
        self._failures = 0
        self._backoff_ms = _BACKOFF_MIN_MS
        if self.state != "ok":
            self._enter("ok")

    def _count(self, error):
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"

    def _failed(self, error):
        """Note a failure; return the ms until the next attempt."""
        self._count(error)
        self._reading = False
        self._failures += 1
        known = isinstance(error, (OSError, MoteError))
        if self._phase != _START and known and self._failures < _FAILURES_MAX:
            return self._wait_poll_ms
        state = self._state_after(error, known)
        if self.cls.STREAMING and self.samples:
            self._missed = 1
        self._phase = _START
        try:
            if isinstance(error, OSError) and error.errno != _ENODEV:
                self._hands.recover(self._spec)
            self.close()
            self._enter(state)
        except Exception as another:
            self._count(another)
        wait_ms = self._backoff_ms
        self._backoff_ms = min(2 * wait_ms, _BACKOFF_MAX_MS)
        return wait_ms

    def _state_after(self, error, known):
        if self._phase != _START:
            return "absent" if known and not self.samples else "failing"
        if isinstance(error, MoteError):
            return "wrong"
        return "absent" if isinstance(error, OSError) else "failing"

    def _enter(self, state):
        """Change state, and say so on the line and in the log."""
        if state == self.state:
            return
        self.state = state
        error = self.last_error if state != "ok" else None
        self._hands.report(f"{self.name}: {state}" + (f" ({error})" if error else ""))
        note = {"stream": self.number, "name": self.name, "state": state, "error": error}
        self._tell()  # what an interrupt kept from being logged
        self._note = {"sensor": note}
        self._tell()
