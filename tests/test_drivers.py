"""What every driver of the table must be, whoever wrote it: described, bounded, able to run."""

import ast
import importlib
import math
from pathlib import Path

import pytest

from motefw import drivers
from motefw.driver import Driver
from motefw.errors import ConfigError
from motefw.options import channels_of, check_options
from motekit.drivers import NAMES
from motekit.sim.rom import chips
from tests.coprocess import VmError

LINES = ("Maker: ", "Bus: ", "Source: ", "Rates: ")
CHANNELS_MAX = 16  # of a packet


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def allowed_options(cls):
    """Yield options with one changed to each value it can have, or to its bounds."""
    for option, _, allowed in cls.OPTIONS:
        values = (allowed[0], allowed[-1]) if isinstance(allowed, range) else allowed
        for value in values:
            yield {option: value}


def rows_of(name, options=None):
    """Return rows that the part can say: by eights, for parts of coarser options."""
    limits = [(max(32, low), high) for low, high in chips.load(name).limits(options or {})]
    return [
        [min(low + 8 * (i % 29 + c), high) for c, (low, high) in enumerate(limits)]
        for i in range(1000)
    ]


def samples(vm, name, options):
    """Start a driver on its model and return the samples of a while, once it has warmed up."""
    cls = drivers.load(name)
    vm.call("new", name, rows_of(name, options), True, options)
    period_us = vm.call("start", options)
    warmup_s = check_options(cls, options).get("warmup_s", 0)
    warmup_s = max(warmup_s, getattr(chips.load(name), "WARMUP_S", 0))
    if cls.STREAMING:
        step_us = max(min(vm.call("get", "poll_us"), 100_000), period_us // 20)
        return vm.call("stream", step_us, 50 + 1_000_000 * warmup_s // step_us)[0]
    vm.call("advance", 1_000_000 * warmup_s)
    return ask(vm, period_us, 15)


def poll(vm, steps):
    """Poll a streaming driver as often as it should be."""
    return vm.call("stream", min(vm.call("get", "poll_us"), 100_000), steps)[0]


def ask(vm, period_us, n):
    """Ask a polled driver n times, a period apart."""
    got = []
    for _ in range(n):
        vm.call("advance", period_us)
        got += vm.call("measure")
    return got


def start_and_listen(vm, name):
    """Start a driver and listen to it for 30 s, if only that tells."""
    vm.call("start", {})
    if drivers.load(name).STREAMING:
        vm.call("stream", 100_000, 300)
    else:
        vm.call("measure")


def test_the_module_says_what_the_part_is(name):
    module = importlib.import_module(f"motefw.drivers.{name}")
    lines = module.__doc__.splitlines()
    assert ": " in lines[0]
    for start in LINES:
        (line,) = [line for line in lines if line.startswith(start)]
        assert len(line) > len(start)


def test_the_class_is_complete(name):
    cls = drivers.load(name)
    assert issubclass(cls, Driver)
    assert cls.BUS in ("i2c", "onewire", "uart")
    assert bool(cls.ADDRESSES) == (cls.BUS == "i2c")
    assert all(0x08 <= address <= 0x77 for address in cls.ADDRESSES)
    for options in ({}, *allowed_options(cls)):
        check_channels(channels_of(cls, options))
    needed = ("pending", "drain") if cls.STREAMING else ("measure", "read")
    assert all(callable(getattr(cls, method)) for method in (*needed, "start", "stop"))
    assert cls.STREAMING or not cls.TIMED


def check_channels(channels):
    assert 1 <= len(channels) <= CHANNELS_MAX
    assert len({channel[0] for channel in channels}) == len(channels)
    for channel, unit, scale, offset in channels:
        assert channel.replace("_", "").isalnum()
        assert channel == channel.lower()
        assert unit
        assert scale
        assert math.isfinite(scale)
        assert math.isfinite(offset)


def test_options_have_defaults_that_are_allowed(name):
    cls = drivers.load(name)
    assert check_options(cls, {}) == {option: default for option, default, _ in cls.OPTIONS}


def test_a_wrong_option_is_refused_by_name(name):
    cls = drivers.load(name)
    for wrong in (None, -1, 1.5, "nothing", True, []):
        for option, _, allowed in cls.OPTIONS:
            if type(wrong) is int and wrong in allowed:
                continue
            with pytest.raises(ConfigError, match=f"^{option}: .* is not "):
                check_options(cls, {option: wrong})
    with pytest.raises(ConfigError, match=r"^colour: unknown option, known are: "):
        check_options(cls, {"colour": 1})


def test_the_model_is_of_the_same_part(name):
    cls, model = drivers.load(name), chips.load(name)
    assert getattr(model, "ADDRESSES", ()) == cls.ADDRESSES
    for options in ({}, *allowed_options(cls)):
        assert len(model.limits(options)) == len(channels_of(cls, options))


def test_runs_with_each_option_on_its_model(vm, name):
    cls = drivers.load(name)
    for options in ({}, *allowed_options(cls)):
        got = [row for row in samples(vm, name, options) if None not in row]
        rows = rows_of(name, options)
        if whole(name, options):
            assert got
        if got:
            first = rows.index(got[0])
            assert got == rows[first : first + len(got)]
        assert vm.call("get", "period_us") > 0


def whole(name, options):
    """Tell whether all channels can be valid with these options."""
    return (name, options) != ("sen55", {"particles": "off"})


def test_starts_again_at_any_time(vm, name):
    cls = drivers.load(name)
    samples(vm, name, {})
    for _ in range(3):
        vm.call("start", {})
    vm.call("stop")
    period_us = vm.call("start", {})
    row = poll(vm, 20 + period_us // 50_000) if cls.STREAMING else ask(vm, period_us, 1)
    assert row


def test_an_absent_part_is_an_error_in_the_end(vm, name):
    cls = drivers.load(name)
    vm.call("new", name, rows_of(name), True, {})
    vm.call("fault", "silent" if cls.BUS == "uart" else "nack")
    with pytest.raises(VmError) as caught:
        start_and_listen(vm, name)
    assert caught.value.kind == ("SensorError" if cls.BUS == "uart" else "OSError")


def test_another_part_is_told_with_its_place(vm, name):
    cls = drivers.load(name)
    vm.call("new", name, rows_of(name), True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        start_and_listen(vm, name)
    assert caught.value.kind == "SensorError"
    assert caught.value.text.startswith(cls.__name__)


def test_an_address_that_the_part_cannot_have_is_refused(name):
    cls = drivers.load(name)
    if cls.BUS == "i2c":
        with pytest.raises(ConfigError, match=r"^address: 9 is not one of "):
            cls(None, 9)


def test_of_the_modules_that_make_a_class_one_has_private_attributes(name):
    """On a board each file has short private names of its own: two files' would be the same."""
    for cls in (drivers.load(name), chips.load(name)):
        modules = {each.__module__ for each in cls.__mro__ if each is not object}
        assert len([module for module in modules if private_attributes(module)]) <= 1


def private_attributes(module):
    source = Path(importlib.import_module(module).__file__).read_text("utf-8")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if node.attr[0] == "_" and not node.attr.endswith("__")}


def test_an_unknown_driver_is_refused(vm):
    with pytest.raises(ConfigError, match=r"^driver: nose is not on this board: .*nose"):
        drivers.load("nose")
    with pytest.raises(VmError) as caught:
        vm.call("new", "nose", [], True, {})
    assert caught.value.kind == "ConfigError"
