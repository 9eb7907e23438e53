"""Attributes of the firmware that share a name on a board."""

from motekit.linker.merge import merge

SOURCES = {
    "pack/__init__.py": """
class Box:
    def __init__(self, size):
        self.size = size
        self.weight = 2 * size
        self.read = size

    def heavy(self):
        return self.weight > 9


class Line:
    def __init__(self, speed):
        self.speed = speed
        self.state = "idle"
        self._a = 1


class Part:
    def __init__(self):
        self.shape = 3
""",
    "pack/rare.py": """
def tell(box, line):
    box.weight += 1
    return {"state": line.state, "heavy": box.heavy(), "all": (box.weight, line.speed)}
""",
    "pack/driver.py": "def drive(thing):\n    return thing.size\n",
}
MERGED = merge(SOURCES, ("pack/__init__.py", "pack/rare.py"), ("Part",))


def loaded():
    first, rare, driver = ({}, {}, {})
    exec(MERGED["pack/__init__.py"], first)
    exec(MERGED["pack/rare.py"], rare)
    exec(MERGED["pack/driver.py"], driver)
    return first, rare, driver


def test_the_program_does_what_it_did():
    first, rare, driver = loaded()
    box, line = first["Box"](5), first["Line"](7)
    assert rare["tell"](box, line) == {"state": "idle", "heavy": True, "all": (11, 7)}
    assert driver["drive"](box) == 5


def test_attributes_of_one_object_are_told_apart_and_of_two_share_names():
    first, _, _ = loaded()
    box, line = vars(first["Box"](5)), vars(first["Line"](7))
    assert (len(box), len(line)) == (3, 3)
    assert "weight" not in box
    assert "speed" not in line
    assert {name for name in box if name.startswith("_")} <= {"_a", "_b"}
    assert line["_a"] == 1


def test_what_others_know_keeps_its_name():
    first, _, _ = loaded()
    assert {"size", "read"} <= set(vars(first["Box"](5)))  # a driver's, and any stream's
    assert "state" in vars(first["Line"](7))  # stands in a text
    assert "shape" in vars(first["Part"]())
