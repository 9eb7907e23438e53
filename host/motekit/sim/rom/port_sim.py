"""The port of a virtual board: what `app.run` is handed, the faults of its scenario, its end.

Built before the firmware is loaded, so that what it takes of the heap can be told from the
firmware's.
"""

import gc
import random

from micropython import const

from . import board, bus, chips, clock, control, sources

_CHECK_MS = const(250)
line = board.line

_models = {}  # sensor's name: its model
_sources = {}
_buses = {}
_watchdog = None
_on_stop = None
_timeline = None  # of a recording that is replayed


def setup():
    """Put the chips on the buses and the faults on the clock."""
    spec = board.spec
    random.seed(spec["random"] + clock.now_ms())  # each boot has numbers of its own
    if spec["tracks"] is None:
        _wire(spec)
    else:
        _replay(spec)
    for fault in spec["faults"]:
        _schedule(fault)
    if spec["duration_ms"]:
        clock.at(max(spec["duration_ms"], clock.now_ms()), _stop)


def _replay(spec):
    global _timeline
    from . import replay

    _timeline = replay.setup(spec["tracks"], spec["buses"], _buses)


def _wire(spec):
    wired = {name: [] for name in spec["buses"]}
    for sensor in spec["sensors"]:
        name = sensor["name"]
        source = sources.make(
            sensor["source"], sensor["interval_us"], spec["cursors"].get(name, 0)
        )
        model = chips.load(sensor["driver"])(source, clock.now_us, sensor["options"])
        _sources[name] = source
        _models[name] = model
        wired[sensor["bus"]].append((sensor["address"], model))
    for name in spec["buses"]:
        kind, hz = spec["buses"][name]
        if kind == "i2c":
            _buses[name] = bus.I2CBus(wired[name], hz if spec["virtual"] else 0)
        elif kind == "onewire":
            from .onewire import OneWire

            _buses[name] = OneWire(wired[name])
        else:
            _buses[name] = wired[name][0][1] if wired[name] else _Nothing()


class _Nothing:
    """A UART with nothing at its other end."""

    BAUD = 9600

    def write(self, data):
        """Take bytes that nobody receives."""

    def poll(self, now_us):
        """Return no byte."""
        return b""


def _schedule(fault):
    """Arrange for a fault: {kind, at_ms, end_ms or None, value, targets}."""
    now = clock.now_ms()
    if fault["kind"] in ("reboot", "power_cut"):
        if fault["at_ms"] > now:
            clock.at(fault["at_ms"], lambda: _go_down(fault))
        return
    if fault["end_ms"] is not None:
        if fault["end_ms"] <= now:
            return
        clock.at(fault["end_ms"], lambda: _apply(fault, False))
    if fault["at_ms"] <= now:
        _apply(fault, True)
    else:
        clock.at(fault["at_ms"], lambda: _apply(fault, True))


def _apply(fault, on):
    kind = fault["kind"]
    if kind == "link_down":
        line.cut = on
        control.call("fault link_down {}".format(1 if on else 0))
    elif kind == "link_corrupt":
        control.call("fault link_corrupt {}".format(fault["value"] if on else 0))
    else:
        for name, what in fault["targets"]:
            (_models if name in _models else _buses)[name].fault(what, on)


def _go_down(fault):
    power = fault["kind"] == "power_cut"
    end_ms = fault["end_ms"]
    _leave("power_on" if power else "hard", end_ms - fault["at_ms"] if power and end_ms else 0)


def _leave(cause, off_ms=0):
    control.reset(cause, off_ms=off_ms, cursors=cursors())


def cursors():
    """Return how far each sensor's source has come."""
    return {name: _sources[name].cursor for name in _sources}


def _stop():
    """Time is up: the parts fall silent, the firmware is told, and asked until all is acked."""
    sources.over = True
    left = _on_stop() if _on_stop else 0
    control.say("{} {}".format("left" if left else "done", left))
    if left:
        clock.at(clock.now_ms() + _CHECK_MS, _stop)


class Watchdog:
    """Resets the board when it is not fed in time; cannot be stopped."""

    def __init__(self, timeout_ms):
        self._timeout_ms = timeout_ms
        self.due_ms = 0
        self.feed()
        clock.at(self.due_ms, self._check)
        control.say("watchdog {}".format(timeout_ms))

    def feed(self):
        """Put the reset off by the timeout."""
        self.due_ms = clock.now_ms() + self._timeout_ms

    def hold(self, minutes):
        """Put the reset off by minutes and the timeout."""
        self.due_ms = clock.now_ms() + self._timeout_ms + minutes * 60000

    def _check(self):
        if clock.now_ms() >= self.due_ms:
            _leave("watchdog")
        clock.at(self.due_ms, self._check)


class Port:
    """The hardware as the firmware sees it; the same methods as port_esp32.Port's."""

    root = "/"

    def __init__(self):
        self.ticks_ms = _timeline.ticks_ms if _timeline else clock.ticks_ms
        self.ticks_us = _timeline.ticks_us if _timeline else clock.ticks_us
        self.ticks_diff = clock.ticks_diff
        self._serial = None

    @property
    def serial(self):
        """The line of the prompt."""
        if self._serial is None:
            self._serial = line.Serial(board.spec["baud"])
        return self._serial

    def unique_id(self):
        """Return the six bytes of the board's id."""
        return board.unique_id()

    def reset_cause(self):
        """Return why the board booted, as a word."""
        return board.spec["reset"]

    def reset(self):
        """Boot again."""
        _leave("hard")

    def random(self, n):
        """Return n bytes, the same in each run of a seed."""
        return bytes([random.getrandbits(8) for _ in range(n)])

    def heap(self):
        """Return the bytes that are free for Python."""
        return gc.mem_free()

    def i2c(self, spec):
        """Return the I2C bus of a configuration's entry."""
        return _buses[spec["name"]]

    def uart(self, spec):
        """Return the UART of a configuration's entry."""
        if _timeline:
            return _buses[spec["name"]]
        return bus.Uart(_buses[spec["name"]], clock.now_us, spec["baud"])

    def onewire(self, spec):
        """Return the one-wire bus of a configuration's entry."""
        return _buses[spec["name"]]

    def recover(self, name):
        """Free a bus whose SDA a part holds low."""
        clock.sleep_us(110)  # nine clocks, START and STOP at 100 kHz
        _buses[name].recover()

    def watchdog(self, timeout_ms):
        """Start the watchdog and return it; a hold ends."""
        global _watchdog
        if _watchdog:
            clock.cancel(_watchdog._check)
        _watchdog = Watchdog(timeout_ms)
        return _watchdog

    def hold(self, minutes):
        """Have the watchdog fed for so long; after that it resets the board."""
        if _watchdog:
            _watchdog.hold(minutes)

    def on_stop(self, callback):
        """Have callback() called at the end; it returns how many packets are not acked."""
        global _on_stop
        _on_stop = callback
