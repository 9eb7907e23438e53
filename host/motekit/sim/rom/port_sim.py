"""The port of a virtual board: what `app.run` is handed, the faults of its scenario, its end.

Built before the firmware is loaded, so that what it takes of the heap can be told from the
firmware's.
"""

import gc
import random

from micropython import const

from . import board, bus, chips, clock, control, sources, wlan

_FREE_BAUD = const(100000000)  # a replay's delays are in the recording
_CHECK_MS = const(250)
_POWER_OFF_MS = const(500)
_OF_THE_WHOLE = ("stall", "fifo_overrun", "ticks_jump", "ticks_drift", "memory_pressure")
_MOMENTS = ("reboot", "power_cut", "stall", "fifo_overrun", "ticks_jump")
line = board.line

_models = {}  # sensor's name: its model
_sources = {}
_buses = {}
_uarts = {}
_overflowing = set()  # UARTs
_on = {}  # (name, what): the values of the faults that are on
_cuts = 0  # faults that cut the line
_flash = None
_watchdog = None
_on_stop = None
_timeline = None  # of a recording that is replayed
_wlan = None


def setup():
    """Put the chips on the buses and the faults on the clock."""
    spec = board.spec
    random.seed(spec["random"] + clock.now_ms())  # each boot has numbers of its own
    if spec["tracks"] is None:
        _wire(spec)
    else:
        _replay(spec)
    if spec["networks"]:
        radio()
    faults = spec["faults"]
    for i in range(len(faults)):
        if not faults[i]["kind"].startswith("flash_"):
            _schedule(i, faults[i])
    if spec["duration_ms"]:
        clock.at(max(spec["duration_ms"], clock.now_ms()), _stop)


def radio():
    """Return the radio, which is there from the start where a scenario has networks."""
    global _wlan
    if _wlan is None:
        _wlan = wlan.WLAN(board.spec["networks"])
    return _wlan


def begin_anew(seeds):
    """Begin as another board of which the specification tells now, but for the sources' seeds."""
    sensors = board.spec["sensors"]
    random.seed(board.spec["random"] + clock.now_ms())
    for i in range(len(seeds)):
        _sources[sensors[i]["name"]].begin_anew(seeds[i])


def flash_fd():
    """Return the file descriptor of the flash."""
    return _flash.fileno()


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
        if sensor["model"]:  # a file of the user's own
            from .watched import Watched

            model = Watched(model, sensor["model"])
        _sources[name] = source
        _models[name] = model
        wired[sensor["bus"]].append((sensor["address"], model))
        gc.collect()  # what was worked out on the way leaves no holes beneath what follows
    for name in spec["buses"]:
        kind, hz = spec["buses"][name]
        if kind == "i2c":
            _buses[name] = bus.I2CBus(wired[name], hz if spec["virtual"] else 0)
            _buses[name].wait_us = clock.sleep_us
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


def take_flash(flash):
    """Put the faults of the flash on the clock, which may befall it from now on."""
    global _flash
    _flash = flash
    faults = board.spec["faults"]
    for i in range(len(faults)):
        if faults[i]["kind"].startswith("flash_"):
            _schedule(i, faults[i])


def lose_power():
    """Be without power for a moment."""
    _leave("power_on", _POWER_OFF_MS)


def _schedule(i, fault):
    """Arrange for a fault: {kind, at_ms, end_ms or None, value, way, targets}."""
    now = clock.now_ms()
    moment = fault["kind"] in _MOMENTS
    if fault["kind"] in _OF_THE_WHOLE:
        from . import faults

        faults.setup()  # now, so that it counts as the virtual board's own
    if moment and fault["at_ms"] <= now:
        return  # it has been
    if fault["end_ms"] is not None and not moment:
        if fault["end_ms"] <= now:
            return
        clock.at(fault["end_ms"], lambda: _apply(i, fault, False))
    if fault["at_ms"] <= now and fault["kind"] not in _OF_THE_WHOLE:
        _apply(i, fault, True)
    else:
        clock.at(fault["at_ms"], lambda: _apply(i, fault, True))


def _apply(i, fault, on):
    global _cuts
    kind = fault["kind"]
    if kind in ("reboot", "power_cut"):
        _go_down(fault)
    elif kind.startswith("link_"):
        if kind in ("link_down", "link_half_open"):
            _cuts += 1 if on else -1
            line.cut = _cuts > 0
        control.call("fault {} {}".format(i, 1 if on else 0))
    elif kind.startswith("flash_"):
        value, on = _overlap("", kind, fault["value"], on)
        _flash.fault(kind, value, on)
    elif kind.startswith("wifi_"):
        for ssid, _ in fault["targets"]:
            radio().fault(kind, ssid, _overlap(ssid, kind, 0, on)[1])
    elif kind in _OF_THE_WHOLE:
        from . import faults

        faults.apply(fault, on)
    else:
        for name, what in fault["targets"]:
            _break(name, what, *_overlap(name, what, fault["value"], on))


def _overlap(name, what, value, on):
    """Return the worst value of the faults that are alike and on, and whether any still is."""
    values = _on.setdefault((name, what), [])
    if on:
        values.append(value)
    else:
        values.remove(value)
    return max(values) if values else value, bool(values)


def _break(name, what, value, on):
    """Break or mend a part, its bus or its UART."""
    if what == "overflow":
        if on:
            _overflowing.add(name)
        else:
            _overflowing.discard(name)
        if name in _uarts:
            _uarts[name].fault(what, on)
        return
    part = (_models if name in _models else _buses)[name]
    if what == "stretch":
        part.stretch_us = round(value * 1000000)
    part.fault(what, on)


def _go_down(fault):
    power = fault["kind"] == "power_cut"
    end_ms = fault["end_ms"]
    _leave("power_on" if power else "hard", end_ms - fault["at_ms"] if power and end_ms else 0)


def _leave(cause, off_ms=0):
    control.reset(cause, off_ms=off_ms, cursors=cursors())


def cursors():
    """Return how far each sensor's source has come."""
    for model in _models.values():
        if hasattr(model, "settle"):
            model.settle()
    return {name: _sources[name].cursor for name in _sources}


def _stop():
    """Time is up: the parts fall silent, the firmware is told, and asked until all is acked."""
    sources.end()
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
        if board.before_port:
            born, board.before_port = board.before_port, None
            born()
        self.ticks_ms = _timeline.ticks_ms if _timeline else clock.ticks_ms
        self.ticks_us = _timeline.ticks_us if _timeline else clock.ticks_us
        self.ticks_diff = clock.ticks_diff
        self._serial = None

    @property
    def serial(self):
        """The line of the prompt."""
        if self._serial is None:
            self._serial = line.Serial(_FREE_BAUD if _timeline else board.spec["baud"])
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
        name = spec["name"]
        if _timeline:
            return _buses[name]
        _uarts[name] = uart = bus.Uart(_buses[name], clock.now_us, spec["baud"])
        uart.fault("overflow", name in _overflowing)
        return uart

    def onewire(self, spec):
        """Return the one-wire bus of a configuration's entry."""
        return _buses[spec["name"]]

    def wlan(self):
        """Return the radio as a station in a network."""
        return radio()

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


def hold_after_soft_reset(minutes):
    """Stand for port_esp32's: a soft reset ends a virtual board's process, its watchdog too."""
