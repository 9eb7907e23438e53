"""What befalls a stream rarely: losses, failures, interrupts, its end. See `sampler`.

A sensor that is absent, wrong or failing is reported and started again after 1, 2, 4 .. 30 s.
What cannot be logged now is noted in the stream and logged later.
"""

from .compat import const
from .errors import MoteError
from .sampler import BACKOFF_MIN_MS, FAILED, NO_MEMORY, START, STOPPED

_FAILURES_MAX = const(3)  # in a row, before a sensor is started again
_BACKOFF_MAX_MS = const(30000)  # within a minute of the end of a fault all is well
_RATE_SAMPLES = const(1000)  # enough to measure a sensor's own clock by
_ENODEV = const(19)


def stop(stream):
    """End sampling: what is held becomes a packet, the sensor is left quiet."""
    phase = stream.phase
    stream.phase = STOPPED
    try:
        _settle(stream)
        stream.close()
        if START < phase < STOPPED:
            stream.driver.stop()
    except KeyboardInterrupt:
        stream.phase = phase
        raise
    except Exception as error:
        _count(stream, error)


def resume(stream):
    """Go on after an interrupt, which may have come anywhere in `step` or `stop`."""
    block = stream.block
    if block is None:
        return
    if stream.reading:
        if stream.cls.STREAMING:
            stream.cut = True
            stream.took(0)
        elif block.count > stream.held:
            stream.slot_done()
        stream.reading = False
    try:
        _settle(stream)
        if not block.count:
            block.clear()
        elif block.count == block.capacity:
            stream.close()
        else:
            for c in range(len(block.columns)):
                block.mark_invalid(c, block.count, False)
        _tell(stream)
    except Exception as error:
        _count(stream, error)


def _settle(stream):
    """Let go of a block of which an interrupt let a first part be logged alone."""
    block = stream.block
    if block and stream.after - block.count < stream.first < stream.after:
        block.clear()
        _count_gap(stream, "interrupt", stream.after - stream.first)
    stream.after = stream.first


def halve(stream, block, index, time_us):
    """Log a block that fits in no packet as two."""
    half = block.count // 2
    stream.log(block.part(0, half), index, time_us)
    if stream.cls.TIMED:
        time_us += sum(block.steps_us[1 : half + 1])
    else:
        time_us += half * (stream.period_ms * 1000 or stream.driver.period_us)
    stream.log(block.part(half, block.count), index + half, time_us)


# Losses.


def lose(stream, n):
    """Leave out of the index what was lost before the n samples that wait."""
    if not (stream.missed or stream.driver.gap):
        _gap(stream, "interrupt", 1)
        return
    since = stream.recorder.clock.since_us
    elapsed_us = since(stream.seen_s, stream.seen_us)
    counted, span_us = 0, 0
    if stream.base:
        index, s, us = stream.base
        counted = stream.first + stream.block.count - index
        span_us = (stream.seen_s - s) * 1000000 + stream.seen_us - us
    if counted < _RATE_SAMPLES or span_us <= 0:  # else by the sensor's own clock, as measured
        counted = 1
        span_us = stream.driver.period_us
    why = ("overrun", "restart", "silence")[stream.missed]
    _gap(stream, why, max(elapsed_us * counted // span_us - n, 1))


def late(stream):
    """Leave out of the index the slots that went by."""
    _gap(stream, "late" if stream.state == "ok" else "restart", stream.missed)


def _gap(stream, why, lost):
    """End the block, move the index on by what was lost, and say so."""
    stream.close()
    _count_gap(stream, why, lost)
    _tell(stream)


def _count_gap(stream, why, lost):
    gap = {"stream": stream.number, "index": stream.first, "lost": lost, "why": why}
    # No jump from here on: an interrupt finds all of it done or nothing.
    stream.note = {"gap": gap}
    stream.missed = 0
    stream.cut = stream.driver.gap = False
    stream.first += lost
    stream.gaps += 1
    stream.lost += lost


def tell(stream):
    """Log a note of the samples before `first` that are counted, and found no room in the log."""
    _tell(stream)
    lost = stream.unlogged
    gap = {"stream": stream.number, "index": stream.first - lost, "lost": lost, "why": NO_MEMORY}
    stream.recorder.note({"gap": gap})
    stream.unlogged = 0
    stream.gaps += 1


def _tell(stream):
    """Log the note that waits, if any."""
    if stream.note:
        stream.recorder.note(stream.note)
        stream.note = None


# Failures.


def invalid(stream, error):
    """Take a reading that failed into the block as such; too many in a row are a failure."""
    if stream.failures + 1 >= _FAILURES_MAX:
        raise error
    stream.failures += 1
    _count(stream, error)
    block = stream.block
    i = block.count
    for c in range(len(block.columns)):
        column = block.columns[c]
        column[i] = column[i - 1] if i else 0
        block.mark_invalid(c, i)
    block.count = i + 1


def failed(stream, error):
    """Note a failure; return the ms until the next attempt."""
    _count(stream, error)
    stream.reading = False
    stream.failures += 1
    known = isinstance(error, (MemoryError, OSError, MoteError))
    if stream.phase != START and known and stream.failures < _FAILURES_MAX:
        return stream.poll_ms
    state = _state_after(stream, error, known)
    if stream.cls.STREAMING and stream.samples:
        stream.missed = FAILED
    stream.phase = START
    try:
        if state == NO_MEMORY:
            _let_go(stream)
        if isinstance(error, OSError) and error.errno != _ENODEV:
            stream.hands.recover(stream.spec)
        stream.close()
        _enter(stream, state)
    except Exception as another:
        _count(stream, another)
    wait_ms = stream.backoff_ms
    stream.backoff_ms = min(2 * wait_ms, _BACKOFF_MAX_MS)
    return wait_ms


def _let_go(stream):
    """Give back what a sensor took of the heap that could not begin for want of room."""
    if stream.block and not stream.samples:
        driver, stream.driver, stream.block = stream.driver, None, None
        driver.stop()


def recover(stream):
    """Note that the sensor gives samples, for the first time or again."""
    stream.backoff_ms = BACKOFF_MIN_MS
    if not stream.base:
        stream.base = stream.first + stream.block.count, stream.seen_s, stream.seen_us
    _enter(stream, "ok")


def _count(stream, error):
    stream.errors += 1
    stream.last_error = f"{type(error).__name__}: {error}"


def _state_after(stream, error, known):
    if stream.phase != START:
        return "absent" if known and not stream.samples else "failing"
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, MoteError):
        return "wrong"
    return "absent" if isinstance(error, OSError) else "failing"


def _enter(stream, state):
    """Change state, and say so on the line and in the log."""
    if state == stream.state:
        return
    stream.state = state
    error = stream.last_error if state != "ok" else None
    stream.hands.report(f"{stream.name}: {state}" + (f" ({error})" if error else ""))
    note = {"stream": stream.number, "name": stream.name, "state": state, "error": error}
    _tell(stream)  # what an interrupt kept from being logged
    stream.note = {"sensor": note}
    _tell(stream)
