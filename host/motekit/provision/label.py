"""Labels: who a board is, for eyes and for scanners, as SVG, as PNG, and many on a sheet (PDF).

The QR code holds `motekit:DEVICE:NAME`: the id is all that a label is about, the name is what
people call it. Of the fleet's key there is nothing on it. Extra `labels` of the package.

Ref: ISO/IEC 18004 (QR code), error correction M: 15 % of it may be dirty.
"""

import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import segno
from fpdf import FPDF
from fpdf.errors import FPDFException
from PIL import Image, ImageDraw, ImageFont

from motekit import disk
from motekit.errors import UsageError

WIDTH_MM, HEIGHT_MM = 62.0, 29.0
DOTS_PER_MM = 12  # 300 dpi
COLUMNS, ROWS = 3, 8  # of a sheet of A4, cells of 70 x 37 mm, without margins
_CELL_MM = 70.0, 37.0
_QR_MM = 25.0
_QR_AT_MM = 2.0
_TEXT_AT_MM = 29.0
_TEXT_MM = WIDTH_MM - _TEXT_AT_MM - 1.5
_QUIET = 4  # modules around a QR code that stay white
_LINES = ((7.0, 4.8), (13.5, 3.4), (19.5, 3.4), (25.5, 2.8))  # (baseline, height) in mm
_MM_A_POINT = 25.4 / 72
_CHAR = 0.6  # width of a character over its height, in most fonts at most
_UNFIT = re.compile(r"[^\w.-]+")  # for the name of a file
_ELSEWHERE = "name another place"


class LabelError(UsageError):
    """A label that cannot be made."""


@dataclass(frozen=True)
class Label:
    """What stands on a label."""

    device: str
    name: str
    site: str = ""
    board: str = ""

    @property
    def content(self) -> str:
        """What its QR code says."""
        return f"motekit:{self.device}:{self.name}"

    @property
    def lines(self) -> tuple[str, str, str, str]:
        """The text beside the code, from top to bottom."""
        return self.name, self.site, self.device, self.board

    @property
    def stem(self) -> str:
        """The name of its files, without an ending."""
        return f"{_UNFIT.sub('_', self.name)}-{self.device}"


def check(texts: Iterable[str], font: Path | None, *places: Path) -> None:
    """Raise LabelError or MotekitError now for what no label could be made of, or put."""
    if font is not None:
        _font(font, 10)
    for text in texts:
        if font is None and not _is_latin(text):
            raise LabelError(
                f"label: {text!r} has letters that the font built in lacks; name one that has "
                f"them: --font FILE.ttf"
            )
    for place in places:
        with disk.writing(place, _ELSEWHERE):
            place.mkdir(parents=True, exist_ok=True)
            if not os.access(place, os.W_OK):
                raise PermissionError(13, "permission denied", str(place))


def write(label: Label, folder: Path, font: Path | None = None) -> tuple[Path, Path]:
    """Write a label's SVG and PNG into a folder; return where they are."""
    paths = folder / f"{label.stem}.svg", folder / f"{label.stem}.png"
    with disk.writing(folder, _ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        disk.replace(paths[0], svg(label).encode(), private=False)
        png = io.BytesIO()
        _image(label, font).save(png, "PNG", dpi=(DOTS_PER_MM * 25.4,) * 2)
        disk.replace(paths[1], png.getvalue(), private=False)
    return paths


def svg(label: Label) -> str:
    """Return a label as SVG, its size in millimetres."""
    modules = _modules(label)
    side = len(modules)
    dark = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(modules) for x, on in enumerate(row) if on
    )
    texts = "".join(
        f'<text x="{_TEXT_AT_MM:g}" y="{y:g}" font-size="{_fitting(text, height):.2f}"'
        f"{' font-weight=' + chr(34) + 'bold' + chr(34) if not at else ''}>{escape(text)}</text>"
        for at, (text, (y, height)) in enumerate(zip(label.lines, _LINES, strict=True))
        if text
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM:g}mm" height="{HEIGHT_MM:g}mm"'
        f' viewBox="0 0 {WIDTH_MM:g} {HEIGHT_MM:g}" font-family="sans-serif">'
        f"<title>{escape(label.content)}</title>"
        f'<rect width="{WIDTH_MM:g}" height="{HEIGHT_MM:g}" fill="#fff"/>'
        f'<path transform="translate({_QR_AT_MM:g} {_QR_AT_MM:g}) scale({_QR_MM / side:.5f})"'
        f' d="{dark}"/>{texts}</svg>\n'
    )


def sheet(labels: Sequence[Label], path: Path, font: Path | None = None) -> None:
    """Write labels onto sheets of A4, 24 a page."""
    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(auto=False)
    pdf.set_margin(0)
    name = "Helvetica"
    try:
        if font is not None:
            pdf.add_font("own", fname=font)
            name = "own"
        for number, label in enumerate(labels):
            at = number % (COLUMNS * ROWS)
            if not at:
                pdf.add_page()
            row, column = divmod(at, COLUMNS)
            _place(pdf, label, name, column * _CELL_MM[0] + 4.0, row * _CELL_MM[1] + 4.0)
        data = bytes(pdf.output())
    except FPDFException as e:
        raise LabelError(f"{path}: {e}") from None
    with disk.writing(path.parent, _ELSEWHERE):
        disk.replace(path, data, private=False)


def _place(pdf: FPDF, label: Label, font: str, left: float, top: float) -> None:
    modules = _modules(label)
    size = _QR_MM / len(modules)
    for y, row in enumerate(modules):
        for x, on in enumerate(row):
            if on:
                at = left + _QR_AT_MM + x * size, top + _QR_AT_MM + y * size
                pdf.rect(*at, size, size, style="F")
    for text, (y, height) in zip(label.lines, _LINES, strict=True):
        if text:
            pdf.set_font(font, size=_fitting(text, height) / _MM_A_POINT)
            pdf.text(left + _TEXT_AT_MM, top + y, text)


def _image(label: Label, font: Path | None) -> Image.Image:
    image = Image.new("L", (round(WIDTH_MM * DOTS_PER_MM), round(HEIGHT_MM * DOTS_PER_MM)), 255)
    draw = ImageDraw.Draw(image)
    modules = _modules(label)
    size = round(_QR_MM * DOTS_PER_MM) // len(modules)  # whole dots, so that edges are sharp
    start = round(_QR_AT_MM * DOTS_PER_MM)
    for y, row in enumerate(modules):
        for x, on in enumerate(row):
            if on:
                left, top = start + x * size, start + y * size
                draw.rectangle((left, top, left + size - 1, top + size - 1), fill=0)
    for text, (y, height) in zip(label.lines, _LINES, strict=True):
        if text:
            chosen = _font(font, round(_fitting(text, height) * DOTS_PER_MM))
            at = round(_TEXT_AT_MM * DOTS_PER_MM), round(y * DOTS_PER_MM)
            draw.text(at, text, fill=0, font=chosen, anchor="ls")
    return image


def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if path is None:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as e:
        why = e if path.is_file() else "there is no such file"
        raise LabelError(f"{path}: no TrueType font: {why}") from None


def _modules(label: Label) -> list[list[bool]]:
    """Return the rows of a label's QR code, its quiet zone included: true is dark."""
    code = segno.make(label.content, error="m", micro=False, boost_error=False)
    rows = code.matrix_iter(scale=1, border=_QUIET)
    return [[bool(module) for module in row] for row in rows]


def _fitting(text: str, height: float) -> float:
    """Return the height in mm at which a text is not too wide; wide letters count twice."""
    width = sum(1 if ord(c) < 0x1100 else 1.7 for c in text)
    return min(height, _TEXT_MM / (_CHAR * max(width, 1)))


def _is_latin(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
