"""Labels: read back as a phone would, from PNG, SVG and paper."""

import os
import re

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from motekit.errors import UsageError
from motekit.provision import label
from motekit.provision.label import Label, LabelError
from motekit.provision.labels import LabelFiles

ROOF = Label("a0b1c2d3e4f5", "roof-3", "north & <south>", "esp32-c3-devkitm-1")
LONG = Label("a0b1c2d3e4f5", "x" * 32, "y" * 32, "z" * 32)


def codes(image):
    return sorted(each.text for each in zxingcpp.read_barcodes(image))


@pytest.mark.parametrize("made", [ROOF, LONG, Label("a0b1c2d3e4f5", "café: 1/2")])
def test_a_label_says_who_the_board_is(made, tmp_path):
    svg, png = label.write(made, tmp_path)
    assert codes(Image.open(png)) == [f"motekit:{made.device}:{made.name}"]
    assert codes(rendered(svg.read_text())) == [f"motekit:{made.device}:{made.name}"]
    assert {each.name for each in tmp_path.iterdir()} == {svg.name, png.name}


def rendered(svg):
    """Return the image of a label's SVG: its path of unit squares, nothing else."""
    scale = float(re.search(r"scale\(([\d.]+)\)", svg)[1])
    image = Image.new("L", (420, 420), 255)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", svg):
        left, top = 10 + int(x) * 8, 10 + int(y) * 8
        image.paste(0, (left, top, left + 8, top + 8))
    assert scale > 0.5  # mm a module: what a phone can read
    return image


def test_text_cannot_break_an_svg():
    made = label.svg(ROOF)
    assert "north &amp; &lt;south&gt;" in made
    assert made.count("<svg") == 1


def test_text_stays_on_the_label(tmp_path):
    _, png = label.write(LONG, tmp_path)
    image = Image.open(png)
    right = image.crop((image.width - 10, 0, image.width, image.height))
    assert right.getextrema() == (255, 255)


def test_many_are_on_sheets(tmp_path):
    made = [Label(f"{n:012x}", f"node-{n}") for n in range(30)]
    label.sheet(made, tmp_path / "all.pdf")
    pages = pypdfium2.PdfDocument(tmp_path / "all.pdf")
    read = [codes(page.render(scale=3).to_pil()) for page in pages]
    assert [len(each) for each in read] == [24, 6]
    assert sorted(text for page in read for text in page) == sorted(each.content for each in made)


def test_letters_that_no_font_has_are_refused_before(tmp_path):
    with pytest.raises(LabelError, match=r"--font FILE\.ttf"):
        label.check(["roof", "屋顶"], None)
    label.check(["roof", "café"], None, tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    with pytest.raises(LabelError, match="no TrueType font: there is no such file"):
        label.check([], tmp_path / "none.ttf")
    (tmp_path / "text.ttf").write_text("text")
    with pytest.raises(LabelError, match="no TrueType font: unknown"):
        label.check([], tmp_path / "text.ttf")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_who_prints_labels_may_read_all_of_them(tmp_path):
    made = Label("a0b1c2d3e4f5", "roof", "", "esp32-devkitc")
    label.sheet([made], tmp_path / "all.pdf")
    paths = *label.write(made, tmp_path), tmp_path / "all.pdf"
    (tmp_path / "plain").touch()
    assert {each.stat().st_mode for each in paths} == {(tmp_path / "plain").stat().st_mode}


def test_a_sheet_is_a_pdf_and_says_so_before_a_board_is_touched(tmp_path):
    with pytest.raises(UsageError, match=r"x\.png: a PDF is made"):
        LabelFiles(None, sheet=tmp_path / "x.png").check(None)
