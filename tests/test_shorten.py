"""Shorter names in the firmware that a board loads."""

import re
import runpy

import pytest

from motekit.linker import shorten

SOURCE = """
from .compat import const

_FOLDED = const(3)
_table = {"asked": 1}


class Thing:
    def __init__(self, size):
        self._left = size

    def take(self, asked, number, other):
        for _ in range(number):
            self._take_one(other)
        return self._left * _FOLDED + _table["asked"] + asked

    def _take_one(self, by):
        self._left -= by
        self._outside

    def later(self, number):
        def inner(add):
            return number + add + self._left

        return inner
"""


def test_private_names_and_parameters_become_short_and_mean_the_same(tmp_path):
    short = shorten.shorten({"thing": SOURCE})["thing"]
    for name in ("_FOLDED", "const", "_table", "_left", "_take_one", "number", "other", "add"):
        assert name not in short
    for name in ("_outside", "take", "later", "Thing", "asked"):
        assert name in short
    source = SOURCE.replace("self._outside", "pass")
    results = []
    for each in (source, shorten.shorten({"thing": source})["thing"]):
        path = tmp_path / "thing.py"
        path.write_text(each.replace("from .compat import const", "const = int"))
        thing = runpy.run_path(str(path))["Thing"](100)
        results.append((thing.take(5, 3, 2), thing.later(7)(8)))
    assert results[0] == results[1] == (94 * 3 + 1 + 5, 7 + 8 + 94)


def test_what_a_call_names_anywhere_keeps_its_name():
    sources = {"a": "def f(number, other):\n    return number\n", "b": "f(number=1, other=2)\n"}
    assert shorten.shorten(sources)["a"].startswith("def f(number, other)")


def test_each_file_has_its_own_few():
    source = "def _{0}():\n    pass\n\n\ndef _{0}_too():\n    pass\n"
    short = shorten.shorten({name: source.format(name) for name in ("one", "two")})
    assert short["one"] == short["two"]


def test_a_name_that_is_there_is_not_given_twice():
    short = shorten.shorten({"m": "def _long(_0, value):\n    return (_0, value, box._a)\n"})["m"]
    assert short == "def _b(_0, _1):\n    return (_0, _1, box._a)\n"


def test_a_constant_stands_where_it_is_used_in_other_files_too():
    sources = {
        "p/low.py": "from .compat import const\n\nLIMIT = const(7)\nTABLE = (1,)\n",
        "p/between.py": "from .low import LIMIT, TABLE\n",
        "p/high.py": "from . import between\nfrom .low import LIMIT\nSUM = LIMIT * between.LIMIT",
    }
    short = shorten.shorten(sources)
    assert short["p/low.py"] == "TABLE = (1,)\n"
    assert short["p/between.py"] == "from .low import TABLE\n"
    assert short["p/high.py"] == "from . import between\nSUM = 7 * 7\n"


def test_what_is_no_python_is_refused():
    with pytest.raises(SyntaxError):
        shorten.shorten({"m": "def f(:\n"})


def test_a_file_of_the_users_own_may_use_every_name():
    mine = "class Mine(Thing):\n\n    def left(self):\n        self._a = self._left\n"
    short = shorten.shorten({"thing": SOURCE, "mine": mine}, own=["mine"])
    assert short["mine"] == mine
    assert "_left" in short["thing"]
    assert "_a" not in re.findall(r"\w+", short["thing"])
    assert "_take_one" not in short["thing"]


def test_private_names_of_a_class_and_its_base_stay_apart(tmp_path, monkeypatch):
    sources = {
        "base.py": "class Base:\n    def __init__(self):\n        self._kept = 1\n",
        "derived.py": "from base import Base\n\n\nclass Derived(Base):\n"
        "    def both(self):\n        self._own = 2\n        return self._kept, self._own\n",
    }
    for name, text in shorten.shorten(sources).items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "_own" not in (tmp_path / "derived.py").read_text()
    assert runpy.run_path(str(tmp_path / "derived.py"))["Derived"]().both() == (1, 2)
