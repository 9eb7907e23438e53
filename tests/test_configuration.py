"""Key paths, differences, and what a board's role is: without any board."""

import contextlib
import copy
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motekit import board as boards
from motekit import config as configs
from motekit.configuration import diff, paths, saved, target, wire
from motekit.configuration.outcome import Outcome
from motekit.errors import LinkError, UsageError
from motekit.plan import load

BOARD = "esp32-c3-devkitm-1"
CONFIG = {
    "board": BOARD,
    "name": "roof",
    "buses": {"i2c0": {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000}},
    "sensors": [
        {"name": "adxl345", "driver": "adxl345", "bus": "i2c0", "options": {"rate_hz": 200}},
        {"name": "a.b c", "driver": "sht4x", "bus": "i2c0"},
    ],
    "packet": {"samples": 256, "latency_ms": 5000},
}
PART = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(st.lists(PART, min_size=1, max_size=paths.PARTS_MAX))
def test_a_key_path_is_read_as_it_is_written(parts):
    if "=" not in "".join(parts):
        assert paths.parse(paths.text(tuple(parts))) == tuple(parts)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_an_error(text):
    with contextlib.suppress(UsageError):
        assert paths.parse(text)


@pytest.mark.parametrize(
    "text", ["", ".", "a..b", "a b", "a\nb", "[a]", "a = 1\nb", '"', "a.", "#"]
)
def test_what_is_no_path(text):
    with pytest.raises(UsageError, match="no key path"):
        paths.parse(text)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("name=roof", "roof"),
        ('name="123"', "123"),
        ("packet.samples=64", 64),
        ("x=true", True),
        ("x=[1, 2]", [1, 2]),
        ("x=2026-01-31", "2026-01-31"),
        ("x=north = east", "north = east"),
        ("x=1\nname='y'", "1\nname='y'"),
        ("x=0x53", 0x53),
    ],
)
def test_values_are_toml_or_texts(typed, value):
    assert paths.setting(typed).value == value


@pytest.mark.parametrize("typed", ["name", "name=", "=5"])
def test_what_sets_nothing(typed):
    with pytest.raises(UsageError):
        paths.setting(typed)


def changed(*typed, unset=()):
    return paths.changed(
        CONFIG, [paths.setting(t) for t in typed], [paths.parse(u) for u in unset]
    )


def test_settings_change_what_they_name_and_nothing_else():
    before = copy.deepcopy(CONFIG)
    made = changed(
        "sensors.adxl345.options.rate_hz=100", 'sensors."a.b c".period_ms=500', "site=north"
    )
    assert before == CONFIG
    assert made["sensors"][0]["options"] == {"rate_hz": 100}
    assert made["sensors"][1]["period_ms"] == 500
    assert [str(each) for each in diff.changes(CONFIG, made)] == [
        '+ sensors."a.b c".period_ms = 500',
        "~ sensors.adxl345.options.rate_hz: 200 -> 100",
        '+ site = "north"',
    ]


def test_a_sensor_comes_and_goes_by_its_name():
    made = changed("sensors.extra.driver=sht4x", "sensors.extra.bus=i2c0", unset=["sensors.0"])
    assert [each["name"] for each in made["sensors"]] == ["a.b c", "extra"]
    assert {str(each)[0] for each in diff.changes(CONFIG, made)} == {"+", "-"}


@pytest.mark.parametrize(
    ("unset", "typed", "text"),
    [
        (["nme"], [], "nme: is not there; did you mean name?"),
        (["sensors.adxl346"], [], "sensors.adxl346: is not there; did you mean adxl345?"),
        (["name.x"], [], "name: is 'roof', and has no keys"),
        ([], ["name.x=5"], "name: is 'roof', and has no keys"),
        ([], ["sensors.7.bus=x"], "sensors.7: is not there"),
        ([], ["sensors.x=5"], "sensors.x: is not there"),
    ],
)
def test_paths_that_lead_nowhere(unset, typed, text):
    with pytest.raises(UsageError) as raised:
        changed(*typed, unset=unset)
    assert str(raised.value).startswith(text)


def test_get_finds_what_there_is():
    assert paths.get(CONFIG, paths.parse("sensors.adxl345.options.rate_hz")) == 200
    assert paths.get(CONFIG, paths.parse("sensors.1.driver")) == "sht4x"
    assert paths.get(CONFIG, ()) == CONFIG
    with pytest.raises(UsageError, match="did you mean packet"):
        paths.get(CONFIG, ("packe",))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=3,
)
TABLES = st.recursive(
    st.dictionaries(PART, VALUES, max_size=3),
    lambda inner: st.dictionaries(PART, inner | VALUES, max_size=3),
    max_leaves=6,
)


def bare(value):
    """Return a configuration without tables that are empty, and values that are null."""
    if not isinstance(value, dict):
        return value
    inner = {key: bare(each) for key, each in value.items()}
    return {key: each for key, each in inner.items() if each not in ({}, None)}


@given(TABLES, TABLES)
def test_the_differences_make_the_one_of_the_other(before, after):
    before, after = bare(before), bare(after)
    found = diff.changes(before, after)
    settings = [paths.Setting(each.path, each.after) for each in found if each.after is not None]
    gone = [each.path for each in found if each.after is None]
    made = paths.changed(before, (), gone)
    made = paths.changed(bare(made), settings)
    assert json.dumps(bare(made), sort_keys=True) == json.dumps(after, sort_keys=True)
    assert not diff.changes(after, after)


def test_the_order_of_sensors_counts_and_their_defaults_do_not():
    turned = {**CONFIG, "sensors": CONFIG["sensors"][::-1]}
    (change,) = diff.changes(CONFIG, turned)
    assert str(change) == '~ sensors: ["adxl345", "a.b c"] -> ["a.b c", "adxl345"]'
    short = configs.device_config(boards.load(BOARD))
    del short["packet"]
    assert not diff.changes(diff.completed(short), diff.completed(diff.completed(short)))
    assert diff.completed(short)["packet"] == {"samples": 256, "latency_ms": 5000}
    odd = {"board": 7}
    assert diff.completed(odd) == odd


@given(st.text(max_size=2000))
def test_pieces_are_whole_characters_and_small(text):
    data = text.encode()
    pieces = wire._pieces(data)
    assert b"".join(pieces) == data
    assert all(0 < len(piece.decode().encode()) <= wire.PIECE_BYTES for piece in pieces)


PLAN = f"""fleet = "acme"
board = "{BOARD}"
[[device]]
id = "aabbccddeeff"
name = "by-id"
[[device]]
name = "any-1"
[[device]]
name = "any-2"
"""


def test_a_role_is_found_by_id_by_record_by_name_in_this_order(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = load(tmp_path / "plan.toml")

    def role(device, noted=None, called=""):
        return target.role_of(plan, device, noted or {}, called).name

    assert role("aabbccddeeff", {"aabbccddeeff": "any-1"}, "any-2") == "by-id"
    assert role("112233445566", {"112233445566": "any-1"}, "any-2") == "any-1"
    assert role("112233445566", {}, "any-2") == "any-2"
    for noted, called, text in (
        ({}, "", "112233445566: has no name"),
        ({}, "attic", "calls itself attic, which the plan does not have"),
        ({}, "by-id", "in the plan that is aabbccddeeff"),
        ({"112233445566": ""}, "any-1", "was taken out of service"),
    ):
        with pytest.raises(UsageError, match=text):
            role("112233445566", noted, called)


def test_a_template_names_any_board(tmp_path):
    (tmp_path / "plan.toml").write_text(f'fleet = "acme"\nboard = "{BOARD}"\nname = "n-{{id6}}"\n')
    assert target.role_of(load(tmp_path / "plan.toml"), "112233445566", {}, "").name == "n-445566"


def planned(tmp_path):
    """Return the target of a plan that was kept of one board."""
    was = {"board": BOARD, "name": "a", "sensors": []}
    outcome = Outcome("tty0", "differs", "a0b1", "b", was=was, shall={**was, "name": "b"})
    saved.save(tmp_path / "x.plan", [outcome])
    return saved.target(saved.load(tmp_path / "x.plan")), was


def test_a_kept_plan_is_applied_to_what_it_was_made_of(tmp_path):
    target_of, was = planned(tmp_path)
    hello = SimpleNamespace(device="a0b1")
    shall = target_of(hello, was).config
    assert shall == {**was, "name": "b"}
    assert target_of(hello, shall).config == shall
    with pytest.raises(LinkError, match=r'changed since .*name: "a" -> "c"'):
        target_of(hello, {**was, "name": "c"})
    with pytest.raises(LinkError, match="ffff is not in this plan"):
        target_of(SimpleNamespace(device="ffff"), was)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no saved plan"),
        ("[]", "format 'None'"),
        ('{"format": "motekit config plan 9", "boards": []}', "plan 9"),
        ('{"format": "motekit config plan 1", "boards": [{"device": 1}]}', r"boards\[0\].device"),
        (None, "No such file"),
    ],
)
def test_what_is_no_kept_plan_is_said(tmp_path, text, says):
    path = tmp_path / "x.plan"
    if text is not None:
        path.write_text(text)
    with pytest.raises(saved.SavedError, match=says):
        saved.load(path)
