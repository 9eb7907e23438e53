"""How a stream starts its sensor, at boot and after a failure. See `sampler`."""

from . import drivers, overlay
from .compat import const
from .options import channels_of
from .packet import Block
from .sampler import POLL_MAX_MS

_SILENCE_S = const(5)
_REST_MAX_MS = const(1000)
_LATE_PERIODS = const(3)  # parts that decide themselves take up to 2.3 (PMS5003)
_NEVER_S = const(0x3FFFFFFF)


def begin(stream):
    """Start the sensor, whatever state it is in; return (its driver, its block)."""
    sensor = stream.sensor
    cls, driver = stream.cls, stream.driver
    clock = stream.recorder.clock
    if getattr(cls, "HALF", False):
        cls = drivers.load(sensor["driver"])
    try:
        if type(driver) is not cls:
            bad = driver.bad if driver else 0
            driver = cls(stream.hands.bus(stream.spec), sensor.get("address"))
            driver.bad = bad
        clock.tick()
        stream.skip_slots()
        driver.start(**sensor.get("options", {}))
        block = stream.block or _block(stream, cls, driver)
    finally:
        stream.cls = half = _half(cls)
    driver = _as(half, driver)
    stream.failures = 0
    clock.tick()
    stream.heard_s = clock.s
    if not stream.samples:
        stream.seen()
        stream.due_now()
    return driver, block


def _half(cls):
    """Return what is to stay of a driver's class: see the host's halves.py."""
    half = cls.__bases__[0]
    return half if getattr(half, "HALF", False) and not overlay.roomy() else cls


def _as(cls, driver):
    """Return the driver as an object of half its class."""
    if type(driver) is cls:
        return driver
    kept = object.__new__(cls)
    for name in driver.__dict__:
        setattr(kept, name, getattr(driver, name))
    return kept


def _block(stream, cls, driver):
    """Return a block as large as the latency limit lets it grow; set how often to poll."""
    limits = stream.limits
    period_us = stream.period_ms * 1000 or driver.period_us
    latency_ms = stream.sensor.get("latency_ms", limits["latency_ms"])
    if cls.STREAMING:
        stream.poll_ms = max(1, min(period_us * cls.FIFO // 2000, POLL_MAX_MS))
        # A part that speaks once a period has nothing to say until shortly before its end.
        rest_ms = min(period_us // 1000, _REST_MAX_MS) - POLL_MAX_MS
        stream.rest_ms = rest_ms if cls.TIMED else stream.poll_ms
    # An I2C part that is silent for long has stopped; parts on a line tell.
    stream.quiet_s = max(_SILENCE_S, period_us // 50000) if cls.BUS == "i2c" else _NEVER_S
    late_s = _LATE_PERIODS * -(-period_us // 1000000) + 1  # a second more, as they are whole ones
    stream.late_s = late_s if cls.TIMED else stream.quiet_s
    channels = len(channels_of(cls, stream.sensor.get("options", {})))
    most = limits["samples"] * 3 // max(channels, 3)  # a packet holds no more, nor has a heap room
    n = max(1, min(latency_ms * 1000 // period_us + 1, most))
    kernel = stream.recorder.kernel
    block = overlay.insist(Block, channels, n, cls.TIMED, cls.CODE, kernel)
    block.linear = overlay.roomy()  # linear prediction is more code, and rarely gains much
    return block
