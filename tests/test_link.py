"""Modules of the firmware made into one, for the heap of a board."""

import json
import os
import subprocess
import sys
import types

import pytest

from motekit.linker.link import LinkerError, link

SOURCES = {
    "pack/__init__.py": '__version__ = "1"\n',
    "pack/low.py": """
from micropython import const

LIMIT = const(3)
_table = [1, 2]
_count = 0


class Box:
    size = 5

    def put(self, size):
        global _count
        _count += size
        return self.size + size + len(_table)


def count():
    return _count


def unused():
    return 1
""",
    "pack/inner/__init__.py": "",
    "pack/inner/high.py": """
import sys
from .. import low
from ..low import Box as Case, LIMIT

_table = ["high"]


class Case2(Case):
    def put(self, size=LIMIT):
        def later(low):
            return low + size

        return [later(x) + low.LIMIT for x in _table and (1, 2)], super().put(size)


def run():
    from ..late import told

    return told(Case2().put(), low.count(), __name__, sys.byteorder)
""",
    "pack/late.py": """
from . import __version__, low
from .low import Box


def told(*values):
    return (__version__, Box.size, low.count(), *values)
""",
}
CORE = ("low", "inner.high")


def linked(**changed):
    sources = SOURCES | {f"pack/{name}.py": text for name, text in changed.items()}
    return link("pack", sources, CORE, {"inner.high": ("run",), "low": ("Box",)})


def loaded(sources, tmp_path, monkeypatch):
    """Return the package's modules, loaded from a folder."""
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    micropython = types.ModuleType("micropython")
    micropython.const = int
    monkeypatch.setitem(sys.modules, "micropython", micropython)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        monkeypatch.delitem(sys.modules, name)
    run = __import__("pack.inner.high", fromlist=["run"]).run
    result = run()
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        monkeypatch.delitem(sys.modules, name)
    return result


def test_one_module_does_what_many_did(tmp_path, monkeypatch):
    before = loaded(SOURCES, tmp_path / "many", monkeypatch)
    assert before == ("1", 5, 3, ([7, 8], 10), 3, "pack.inner.high", sys.byteorder)
    assert loaded(linked(), tmp_path / "one", monkeypatch) == before


def test_the_files_of_what_is_linked_are_gone_and_unused_functions_too():
    made = linked()
    assert set(made) == {"pack/__init__.py", "pack/inner/__init__.py", "pack/late.py"}
    one = made["pack/__init__.py"].partition("__version__")[2]  # after names put in order
    assert "unused" not in one
    assert one.count("_low_LIMIT") == 3  # defined once, as what mpy-cross folds
    assert one.count("import sys") == 1


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("from .low import nothing\n", "has no nothing"),
        ("from . import low\n\nheld = low\n", "uses module low as a value"),
        ("from . import low\n\nlow.Box = 1\n", "sets Box of module low"),
        ("def f():\n    from .low import Box\n\n    return Box\n", "within a function"),
        ("from . import low\n\ndef f(Box):\n    return low.Box\n", "hides"),
        ("from . import low\n\nBox = low.Box\n", "a name of its own"),
    ],
)
def test_what_cannot_be_linked_is_an_error(late, said):
    with pytest.raises(LinkerError, match=said):
        linked(late=late)


def test_two_modules_cannot_offer_the_same_name():
    with pytest.raises(LinkerError, match="others import it from"):
        link(
            "pack",
            SOURCES | {"pack/more.py": "def run():\n    pass\n"},
            (*CORE, "more"),
            {"inner.high": ("run",), "more": ("run",)},
        )


def test_what_is_made_is_the_same_on_every_machine():
    """A board is compared with it by hashes: sets, whose order changes, must not give it one."""
    names = [f"each_{letter}" for letter in "abcdefgh"]
    low = "\n".join(f"def {name}():\n    return 1\n" for name in names)
    high = "from . import low\n\n\ndef run():\n    return low.each_a\n"
    late = "from . import high, low\n\n\ndef told():\n    return high.run(), "
    sources = {
        "pack/__init__.py": "",
        "pack/low.py": low,
        "pack/high.py": high,
        "pack/late.py": late + ", ".join(f"low.{name}" for name in names) + "\n",
    }
    public = {"high": ["run"], "late": ["told"]}
    words = json.dumps(["pack", sources, ["low", "high"], public, ["late"]])
    program = "import sys, json\nfrom motekit.linker.link import link\n"
    program += "print(link(*json.load(sys.stdin)))"
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            input=words,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(made) == 1


RARE = {
    "pack/__init__.py": "",
    "pack/core.py": """
from . import overlay


def run():
    return overlay.call("late", "told", 2)
""",
    "pack/overlay.py": """
LIST = "late later"


def call(module, function, *args):
    return module, function, args
""",
    "pack/late.py": """
from .later import deeper


def told(n):
    return deeper(n) + 1


def unused():
    pass
""",
    "pack/later.py": "def deeper(n):\n    return 10 * n\n",
}


def test_rarely_loaded_modules_have_short_names_and_are_asked_by_them():
    made = link("pack", RARE, ("overlay", "core"), {"core": ("run",)}, ("late", "later"))
    assert set(made) == {"pack/__init__.py", "pack/_0.py", "pack/_1.py"}
    assert "told" not in "".join(made.values())
    assert "unused" not in made["pack/_0.py"]
    assert "'_0 _1'" in made["pack/__init__.py"]
