"""The labels of a fleet's boards, as files.

What draws them is an extra of the package: it is imported when labels are wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from motekit.errors import MotekitError, UsageError
from motekit.plan import Plan

from .outcome import Outcome


@dataclass(frozen=True)
class LabelFiles:
    """Where labels go: a `folder` takes each as SVG and PNG, a `sheet` (PDF) all; None: neither.

    `font` is a TrueType font, for what the one built in lacks.
    """

    folder: Path | None
    font: Path | None = None
    sheet: Path | None = None

    def check(self, plan: Plan) -> None:
        """Raise MotekitError now for what no label could be made of, or put."""
        if self.sheet and self.sheet.suffix.lower() != ".pdf":
            raise UsageError(
                f"--sheet {self.sheet}: a PDF is made; a name that ends in .pdf expected"
            )
        places = [self.folder] if self.folder else []
        places += [self.sheet.absolute().parent] if self.sheet else []
        if not places:
            return
        try:
            from . import label
        except ModuleNotFoundError as e:
            raise MotekitError(
                f"labels need the Python package {e.name!r}; try: pip install 'motekit[labels]'"
            ) from None
        texts = [text for role in plan.each_role for text in (role.name, role.site)]
        label.check(texts, self.font, *places)

    def write(self, made: Sequence[Outcome]) -> list[Path]:
        """Write the labels of boards that are what they shall be; return the PNGs."""
        if not made or not (self.folder or self.sheet):
            return []
        from . import label

        labels = [label.Label(each.device, each.name, each.site, each.board) for each in made]
        folder = self.folder
        written = [label.write(each, folder, self.font)[1] for each in labels] if folder else []
        if self.sheet:
            label.sheet(labels, self.sheet, self.font)
        return written
