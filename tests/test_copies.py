"""Small modules copied into those that use them."""

import pytest

from motekit.linker.copies import CopyError, copied

SHARED = """
import os

LIMIT = 3


def half(n):
    return _two(n)


def _two(n):
    return n // 2 + LIMIT


def unused():
    return os
"""
USER = """
from .small import half as h


def run():
    return h(8)
"""
BY_MODULE = """
from . import small


def run():
    return small.half(8)
"""


def made(user, **more):
    sources = {"p/small.py": SHARED, "p/user.py": user} | more
    return copied("p", sources, ("small",), ("user",))


@pytest.mark.parametrize("user", [USER, BY_MODULE])
def test_what_is_used_comes_along_and_nothing_else(user):
    sources = made(user)
    assert set(sources) == {"p/user.py"}
    assert "unused" not in sources["p/user.py"]
    assert "import os" not in sources["p/user.py"]
    scope = {}
    exec(sources["p/user.py"], scope)
    assert scope["run"]() == 7


def test_a_module_that_others_ask_for_stays():
    assert "p/small.py" in made(USER, **{"p/other.py": USER})


def test_a_parameter_of_the_same_name_is_an_error():
    with pytest.raises(CopyError):
        made(USER + "\n\ndef more(h):\n    return h\n")
