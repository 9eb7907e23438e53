"""What a station shows: letters, tiles, reasons in two words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from motekit.cli import letters
from motekit.cli.station_screen import Counts, Grid
from motekit.station.desk import ENDS, Slot
from motekit.station.reasons import headline
from motekit.station.tally import Tally

COUNTS = Counts(Tally(12, 11, 4, 61.0), "acme", "Ctrl-C ends")
PASS = """\
█▀▀▄ ▄▀▀▄ ▄▀▀▀ ▄▀▀▀
█▀▀  █▀▀█  ▀▀▄  ▀▀▄
▀    ▀  ▀ ▀▀▀  ▀▀▀ """
TEXTS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%-.:/+? abzä█", min_size=1, max_size=12)


def test_a_word_is_what_it_looks_like():
    assert "\n".join(letters.lines("PASS")) == PASS
    assert letters.lines("Pass") == letters.lines("PASS")
    assert letters.lines("ä") == letters.lines("?")
    large = letters.lines("I", 2)
    assert large == ["██████", "  ██  ", "  ██  ", "  ██  ", "██████"]


@given(TEXTS, st.integers(1, 5))
def test_letters_take_the_room_that_they_say(text, scale):
    made = letters.lines(text, scale)
    assert len(made) == letters.height(scale)
    assert {len(line) for line in made} == {letters.width(text, scale)}


@given(TEXTS, st.integers(0, 200), st.integers(0, 40))
def test_what_is_fitted_fits_and_nothing_larger_would(text, columns, rows):
    made = letters.fitting(text, columns, rows)
    scale = next((s for s in range(6, 0, -1) if made == letters.lines(text, s)), 0)
    assert bool(made) == (scale > 0)
    assert letters.width(text, scale) <= columns
    assert letters.height(scale) <= rows or not scale
    larger = letters.width(text, scale + 1) <= columns and letters.height(scale + 1) <= rows
    assert not larger or scale == 6


def slot(n, state, **more):
    made = Slot(f"tty{n}", f"tty{n}", state=state, device=f"a0b1c2d3e4{n:02x}", step="writing")
    for key, value in more.items():
        setattr(made, key, value)
    return made


SLOTS = st.builds(
    slot,
    st.integers(0, 40),
    st.sampled_from((*ENDS, "busy", "waiting")),
    name=st.sampled_from(("", "roof-3", "ein sehr langer Name von 32 Zei.", "温室")),
    why=st.sampled_from(("", "has an esp32c6, x an esp32c3", "[bold]no markup[/bold] " * 9)),
    done=st.integers(0, 9),
    total=st.sampled_from((0, 9)),
)


@given(st.lists(SLOTS, max_size=20), st.integers(20, 250), st.integers(4, 80))
def test_whatever_there_is_to_show_it_keeps_to_the_screen(slots, width, height):
    drawn = Grid(("tty1", "tty99")).draw(slots, COUNTS, width, height)
    lines = drawn.plain.split("\n")
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


def drawn(slots, width=120, height=40, places=()):
    return Grid(places).draw(slots, COUNTS, width, height)


def test_a_tile_says_one_thing_large():
    text = drawn([slot(1, "passed", name="roof-3", seconds=41.2)])
    assert "tty1 roof-3" in text.plain
    assert "█" * 8 in text.plain
    assert "41 s, next board please" in text.plain
    why = "tty1: has an esp32c6, esp32-c3-devkitm-1 an esp32c3"
    text = drawn([slot(1, "failed", why=why)])
    assert "tty1 WRONG CHIP a0b1c2d3e401" in text.plain
    assert letters.lines("FAIL", 4)[0].rstrip() in text.plain
    assert letters.lines("WRONG", 4)[0].rstrip() in text.plain


def test_sixteen_are_read_on_the_smallest_terminal():
    slots = [slot(n, "failed" if n % 4 == 3 else "passed") for n in range(16)]
    plain = drawn(slots, 80, 24).plain
    for line in letters.lines("PASS"):
        assert plain.count(line) >= 12
    assert plain.count(letters.lines("FAIL")[0]) == 4


def test_colours_tell_it_too():
    styles = {state: {str(span.style) for span in drawn([slot(1, state)]).spans} for state in ENDS}
    assert len({frozenset(each) for each in styles.values()}) == len(ENDS)


def test_a_port_keeps_its_place_when_its_board_is_gone():
    grid = Grid()
    both = [slot(10, "passed"), slot(9, "passed")]
    first = grid.draw(both, COUNTS, 120, 40).plain
    assert first.index("tty9 ") < first.index("tty10 ")
    then = grid.draw(both[:1], COUNTS, 120, 40).plain
    assert then.index("tty9") < then.index("tty10")
    assert "next board please" in then.replace("0 s, next", "")


def test_counts_are_large_where_there_is_room():
    assert letters.lines("12 PASS")[0] in drawn([], 160, 45).plain
    assert letters.lines("YIELD 75%")[0] in drawn([], 160, 45).plain
    assert letters.lines("YIELD")[0] not in drawn([], 120, 45).plain
    assert "12 passed  4 failed  yield 75%  61 s a board" in drawn([], 120, 20).plain
    assert "plug one in" in drawn([]).plain


@pytest.mark.parametrize(
    ("step", "why", "large"),
    [
        ("looking", "has an esp32c6, esp32-c3-devkitm-1 an esp32c3; nothing was", "WRONG CHIP"),
        ("looking", "Failed to connect to Espressif device: No serial data", "NO CHIP"),
        ("looking", "has 2 MB of flash, x 4 MB; nothing was written", "SMALL FLASH"),
        ("looking", "holds something else (partitions nvs)", "NOT BLANK"),
        ("writing", "Failed to enter compressed flash mode (result was Flash write error)", ""),
        ("writing", "MD5 of file does not match data in flash!", ""),
        ("writing", "nobody has seen this one", "FLASH"),
        ("hello", "written and verified, but the firmware does not say hello", "NO HELLO"),
        ("sensors", "sht4x on i2c0: gives no valid reading", "SENSOR"),
        ("sensors", "sht4x: temperature reads 900 Cel, -40 to 125 can be", "SENSOR"),
        ("packet", "no packet came within the time that its latency allows", "NO DATA"),
        ("looking", "no such port; attached USB serial ports: none", "PULLED"),
        ("provision", "a0b1: the plan has nothing for this board: none of its", "NO ROLE"),
        ("provision", "a0b1 is to be roof-1, which is c3d4 by the records", "NO ROLE"),
        ("look", "answers under keys that are not of this key store", "NOT OURS"),
        ("hello", "no MicroPython board that runs motefw answers", "NO HELLO"),
        ("wifi", "Wi-Fi is not joined: wrong password", "WI-FI"),
        ("hello", "read back, config.json is not as it was written", ""),
        ("label", "what is this", "LABEL"),
        ("flash", "has the id a0 of the board at tty1: one of them is a copy", "TWO ALIKE"),
    ],
)
def test_a_reason_is_two_words(step, why, large):
    assert headline(step, why) == (large or "BAD FLASH")
    assert letters.width(max(headline(step, why).split(), key=len)) <= 40
