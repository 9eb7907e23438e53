"""Drivers in two halves: what samples, and what starts."""

from motekit.linker.halves import halve

FILE = "motefw/drivers/part.py"
SOURCE = """
import time
from motefw.driver import Driver

_TABLE = (1, 2)


class Part(Driver):
    CODE = "h"
    CHANNELS = (("a", "1", 1, 0),)

    def configure(self):
        self._put(_TABLE[0])

    def measure(self):
        return self._wait()

    def _wait(self):
        return time.ticks_ms()

    def _put(self, value):
        self.value = value


DRIVER = Part
"""


def halves(source):
    made = halve({FILE: source}, ())
    return made.pop(FILE), next(iter(made.values()), None)


def test_each_half_has_what_it_reaches():
    whole, half = halves(SOURCE)
    for name in ("CHANNELS", "def configure", "def _put", "_TABLE", "DRIVER", "HALF = False"):
        assert name in whole
        assert name not in half
    for name in ("def measure", "def _wait", "CODE", "import time", "HALF = True"):
        assert name in half
        assert name not in whole


def test_a_driver_that_starts_itself_while_it_samples_stays_whole():
    source = SOURCE.replace("return self._wait()", "self.configure()")
    assert halves(source) == (source, None)


def test_a_driver_that_derives_from_another_stays_whole():
    source = SOURCE.replace("(Driver)", "(Other)")
    assert halves(source) == (source, None)


def test_what_other_drivers_may_import_is_where_it_was():
    source = SOURCE.replace("time.ticks_ms()", "now()").replace(
        "_TABLE =", "def now():\n    return time.ticks_ms()\n\n\n_TABLE ="
    )
    whole, half = halves(source)
    assert "import Part, now" in whole
    assert "def now" in half
