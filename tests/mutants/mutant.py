"""A planted bug: one text of one file replaced by another, and the tests that must notice."""

from pathlib import Path
from typing import NamedTuple


class StaleError(Exception):
    """A mutant's text is not in its file, or more than once: the code has moved on."""


class Mutant(NamedTuple):
    """`old` stands exactly once in `file`; of `tests`, in tests/test_`owner`.py, one must fail."""

    name: str
    file: str
    old: str
    new: str
    owner: str
    tests: tuple[str, ...]

    @property
    def nodes(self) -> list[str]:
        """Return the tests as pytest names them."""
        return [f"tests/test_{self.owner}.py::{test}" for test in self.tests]

    def planted(self, root: Path) -> str:
        """Return the file's text with the bug in it; StaleError if it cannot be planted."""
        try:
            text = (root / self.file).read_text("utf-8")
        except FileNotFoundError:
            raise StaleError(f"{self.name}: {self.file} is not there") from None
        found = text.count(self.old)
        if found != 1:
            raise StaleError(
                f"{self.name}: {self.file} has the text to be replaced {found} times, expected "
                f"once; bring tests/mutants up to date: {self.old!r}"
            )
        return text.replace(self.old, self.new)
