"""Scenario files: what they mean, and that every mistake is named with its place."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motekit import drivers
from motekit.errors import ScenarioError
from motekit.fields import Fields
from motekit.sim import faults, models
from motekit.sim import scenario as scenarios
from motekit.sim.sources import Generator, Recording

HEAD = """
seed = 7
duration_s = 60
clock = "virtual"

[[board]]
count = 2
board = "esp32-c3-devkitm-1"
"""
ACCEL = """
  [[board.sensor]]
  driver = "adxl345"
  options = { rate_hz = 200 }
  replay = { file = "fan.csv", columns = ["x", "y", "z"], raw = true }
"""
CLIMATE = """
  [[board.sensor]]
  driver = "sht4x"
  period_s = 1
  [board.sensor.source]
  temperature = 21.5
  humidity = { sine = { mean = 45, amplitude = 10, period_s = 3600 } }
"""
DOWN = """
[[fault]]
at_s = 20
for_s = 10
kind = "link_down"
board = 0
"""


@pytest.fixture
def fan(tmp_path):
    (tmp_path / "fan.csv").write_text("time,x,y,z\n1,10,-20,250\n2,11.0,-21,251\n\n3,12,-22,252\n")
    (tmp_path / "twice.csv").write_text("x,x,z\n10,-20,250\n")


@pytest.mark.usefixtures("fan")
def test_reads_the_example_of_the_design(write_scenario):
    found = write_scenario(HEAD + ACCEL + CLIMATE + DOWN)
    assert (found.seed, found.duration_s, found.clock) == (7, 60, "virtual")
    first, second = found.boards
    assert first.device != second.device
    assert [s.sensor.name for s in first.sensors] == ["adxl345", "sht4x"]
    accel, climate = first.sensors
    assert isinstance(accel.source, Recording)
    assert accel.source.raw
    assert list(accel.source.values) == [10, -20, 250, 11, -21, 251, 12, -22, 252]
    assert accel.interval_us == 5000
    assert isinstance(climate.source, Generator)
    assert climate.source.channels[0] == (("constant", 21.5),)
    assert [term[0] for term in climate.source.channels[1]] == ["constant", "sine"]
    assert [fault.kind for fault in first.faults] == ["link_down"]
    assert second.faults == ()


def test_device_ids_derive_from_seed_and_index(write_scenario):
    first = write_scenario(HEAD)
    assert [b.device for b in first.boards] == [b.device for b in write_scenario(HEAD).boards]
    others = write_scenario(HEAD.replace("seed = 7", "seed = 8"))
    ids = {b.device for found in (first, others) for b in found.boards}
    assert len(ids) == 4
    assert all(int(device[:2], 16) & 3 == 2 for device in ids)  # locally administered, unicast


def test_without_sensors_the_board_file_s_are_there(write_scenario):
    sensors = write_scenario(HEAD).boards[0].sensors
    assert {s.sensor.driver for s in sensors} == {"adxl345", "sht4x", "pms5003"}


def test_faults_count_expanded_boards_and_may_be_for_all(write_scenario):
    found = write_scenario(
        HEAD
        + '[[board]]\nboard = "esp32-devkitc"\n'
        + '[[fault]]\nkind = "link_corrupt"\nrate = 0.01\n'
        + '[[fault]]\nkind = "reboot"\nat_s = 3\nboard = [0, 2]\n'
    )
    kinds = [[fault.kind for fault in board.faults] for board in found.boards]
    assert kinds == [["link_corrupt", "reboot"], ["link_corrupt"], ["link_corrupt", "reboot"]]
    assert found.boards[1].faults[0].for_s is None


def test_sensor_faults_find_the_parts_that_can_have_them(write_scenario):
    found = write_scenario(
        HEAD
        + '[[fault]]\nkind = "i2c_nack"\n[[fault]]\nkind = "bad_checksum"\n'
        + '[[fault]]\nkind = "uart_garbage"\n'
        + '[[fault]]\nkind = "sensor_absent"\nsensor = "pms5003"\n'
    )
    targets = [dict(fault.targets) for fault in found.boards[0].faults]
    assert targets == [
        {"adxl345": "nack", "sht4x": "nack"},
        {"sht4x": "bad_crc", "pms5003": "bad_sum"},
        {"pms5003": "garbage"},
        {"pms5003": "silent"},
    ]


WRONG = [
    ("nonsense", "not TOML"),
    ("a = " + "[" * 5000, "not TOML"),
    ("seed = 1", "board: missing"),
    (HEAD + "colour = 3", "unknown key; known: board, chip, count, flash, name, recording"),
    (HEAD.replace("seed = 7", 'seed = "x"'), "seed: 'x' is not an integer"),
    (HEAD.replace("seed = 7", "seed = 7\nduraton_s = 1"), "did you mean duration_s?"),
    (HEAD + "loader_speed = 9", "board[0].loader_speed: is of all boards: it stands above"),
    (HEAD.replace('"virtual"', '"fast"'), "clock: 'fast' is unknown; known: real, virtual"),
    (HEAD.replace("60", "-1"), "duration_s: -1 is not in"),
    (HEAD.replace("60", "nan"), "duration_s: nan is not in"),
    (HEAD.replace("count = 2", "count = 0"), "board[0].count: 0 is not an integer in 1..1000"),
    (HEAD.replace("devkitm", "devkitn"), "did you mean esp32-c3-devkitm-1?"),
    (HEAD + '[[board.sensor]]\ndriver = "adxl354"', "did you mean adxl345?"),
    (HEAD + "[[board.sensor]]\n", "board[0].sensor[0].driver: missing"),
    (HEAD + '[[board.sensor]]\ndriver = "adxl345"\nsorce = 1', "did you mean source?"),
    (
        HEAD + '[[board.sensor]]\ndriver = "adxl345"\noptions = { rate_hz = 210 }',
        "board[0].sensor[0].options: adxl345: rate_hz",
    ),
    (HEAD + '[[board.sensor]]\ndriver = "sht4x"\nsource = { pressure = 1 }', "no such channel"),
    (
        HEAD + '[[board.sensor]]\ndriver = "sht4x"\nsource = { humidity = { sin = {} } }',
        "did you mean sine?",
    ),
    (
        HEAD
        + '[[board.sensor]]\ndriver = "sht4x"\nsource = { humidity = { sine = { mean = 1 } } }',
        "humidity.sine.amplitude: missing",
    ),
    (HEAD + CLIMATE.replace("21.5", '"warm"'), "temperature: 'warm' is not a number"),
    (HEAD + ACCEL.replace("fan.csv", "fen.csv"), "fen.csv: cannot be read: No such file"),
    (HEAD + ACCEL.replace('"z"', '"w"'), "has no column 'w'"),
    (HEAD + ACCEL.replace("fan.csv", "twice.csv"), "twice.csv: column x is there twice"),
    ('[board]\nboard = "esp32-devkitc"', "board: is no list; [[board]] makes one of tables"),
    (HEAD + ACCEL.replace(', "z"', ""), "2 columns, adxl345 takes 3: accel_x"),
    (HEAD + ACCEL.replace('["x", "y", "z"]', "3"), "columns: 3 is not a list"),
    (HEAD + ACCEL + "source = { accel_x = 1 }", "one or the other"),
    (HEAD + DOWN.replace("link_down", "link_dawn"), "did you mean link_down?"),
    (
        HEAD + DOWN.replace("board = 0", "board = 2"),
        "board: 2 is no board: there are 2 boards, 0 to 1",
    ),
    (HEAD + DOWN.replace("board = 0", "board = [-1]"), "fault[0].board: -1 is no board"),
    (HEAD + DOWN.replace("board = 0", "board = []"), "fault[0].board: [] is no board"),
    (HEAD.replace("count = 2", "") + DOWN.replace("board = 0", "board = 7"), "is 1 board, 0"),
    (HEAD + '[[board.sensor]]\ndriver = "sht4x"\nqqq = 1', "name, options, period_s, replay"),
    (HEAD + '[[fault]]\nkind = "reboot"', "fault[0].at_s: missing"),
    (HEAD + '[[fault]]\nkind = "reboot"\nat_s = 1\nfor_s = 9', "reboot takes no time"),
    (HEAD + '[[fault]]\nkind = "link_down"\nfor_s = 0', "0 s of link_down is none"),
    ('[[bord]]\nboard = "esp32-devkitc"', "bord: unknown key; did you mean board?"),
    (HEAD + DOWN + "rate = 0.1", "fault[0].rate: link_down has none; only link_corrupt"),
    (HEAD + DOWN + 'sensor = "sht4x"', "fault[0].sensor: link_down befalls the line"),
    (HEAD + CLIMATE + '[[fault]]\nkind = "uart_garbage"', "can have uart_garbage; sht4x: i2c"),
    (HEAD + CLIMATE + '[[fault]]\nkind = "i2c_nack"\nsensor = "s"', "board 0 has no 's'"),
    (
        HEAD + CLIMATE + '[[fault]]\nkind = "i2c_nack"\nsensor = 1',
        "fault[0].sensor: 1 is not a sensor's name; known: sht4x",
    ),
]


@pytest.mark.usefixtures("fan")
@pytest.mark.parametrize(("text", "said"), WRONG)
def test_names_what_is_wrong_and_where(write_scenario, text, said):
    with pytest.raises(ScenarioError) as caught:
        write_scenario(text)
    assert said in str(caught.value)
    assert "scenario.toml" in str(caught.value)


CELLS = [
    ("10,-20,", "row 3, column z: empty"),
    ("10,-20", "row 3, column z: empty"),
    ("10,-20,x", "row 3, column z: 'x' is not a number"),
    ("10,nan,1", "row 3, column y: 'nan' is not finite"),
    ("10,1.5,1", "row 3, column y: 1.5 is not an integer"),
    ("10,-20,5000", "row 3, column z: 5000 is not in -4096..4095, what adxl345 can produce"),
]


@pytest.mark.parametrize(("row", "said"), CELLS)
def test_names_the_row_that_a_part_cannot_produce(write_scenario, tmp_path, row, said):
    (tmp_path / "fan.csv").write_text(f"x,y,z\n1,2,3\n{row}\n")
    with pytest.raises(ScenarioError, match=r"fan\.csv") as caught:
        write_scenario(HEAD + ACCEL)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x,y,z\n",
        b"\xff\xfe\x00",
        b"x,y,z\n1,2,\x00\n",
        b"x,y,z\n1,2," + b" " * 70000 + b"3\n",
    ],
)
def test_a_file_that_is_no_recording_is_named(write_scenario, tmp_path, content):
    (tmp_path / "fan.csv").write_bytes(content)
    with pytest.raises(ScenarioError, match=r"fan\.csv"):
        write_scenario(HEAD + ACCEL)


@pytest.mark.timeout(30)
def test_a_file_without_an_end_is_not_read_to_it(write_scenario):
    with pytest.raises(ScenarioError, match="/dev/zero: not CSV: a line of more than 65536"):
        write_scenario(HEAD + ACCEL.replace("fan.csv", "/dev/zero"))


SEEN = [
    ("temperature = 900", "temperature: 900 Cel is not in -45"),
    ("humidity = -20", "humidity: -20 %RH is not in -6"),
    ("temperature = { sine = { mean = 100, amplitude = 40, period_s = 60 } }", "140 Cel"),
    ("temperature = { noise = { mean = 125, sd = 2 } }", "131.94 Cel"),
    ("temperature = { ramp = { from = 20, to = 200, period_s = 60 } }", "200 Cel"),
    ("temperature = { steps = { values = [20, -60], period_s = 60 } }", "-60 Cel"),
    ("temperature = { constant = 100, steps = { values = [0, 40], period_s = 60 } }", "140 Cel"),
]


@pytest.mark.parametrize(("source", "said"), SEEN)
def test_a_physical_value_that_a_part_cannot_produce_is_refused(write_scenario, source, said):
    with pytest.raises(ScenarioError, match="what sht4x can produce") as caught:
        write_scenario(f'{HEAD}[[board.sensor]]\ndriver = "sht4x"\nsource = {{ {source} }}\n')
    assert said in str(caught.value)


def test_a_range_reaches_to_its_end_and_no_further(write_scenario, tmp_path):
    sensor = '[[board.sensor]]\ndriver = "adxl345"\noptions = { range_g = 2 }\n'
    write_scenario(HEAD + sensor + "source = { accel_x = 2 }\n")
    with pytest.raises(ScenarioError, match=r"accel_x: 2\.1 g is not in"):
        write_scenario(HEAD + sensor + "source = { accel_x = 2.1 }\n")
    (tmp_path / "g.csv").write_text("x,y,z\n0,0,1\n0,3,1\n")
    with pytest.raises(ScenarioError, match="row 3, column y: 3 is not in"):
        write_scenario(HEAD + sensor + 'replay = { file = "g.csv" }\n')


KEYS = [
    "seed",
    "duration_s",
    "clock",
    "board",
    "sensor",
    "driver",
    "source",
    "replay",
    "file",
    "columns",
    "raw",
    "loop",
    "fault",
    "kind",
    "at_s",
    "for_s",
    "rate",
    "options",
    "period_s",
    "temperature",
    "humidity",
    "sine",
    "mean",
    "amplitude",
    "noise",
    "steps",
    "values",
    "count",
    "name",
    "ticks_ms",
    "address",
    "bus",
    "rate_hz",
]
WORDS = [
    *("virtual", "esp32-c3-devkitm-1", "adxl345", "sht4x", "pms5003", "i2c0", "uart1"),
    *("link_down", "i2c_nack", "reboot", "fan.csv", "x", "", "\0", "é"),
]
SCALARS = st.one_of(
    st.sampled_from(WORDS), st.integers(), st.floats(), st.booleans(), st.text(max_size=3)
)
TABLES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)


def mangled(draw):
    """Return a good scenario in which some values were replaced or keys added."""
    good = {
        "seed": 1,
        "duration_s": 5.0,
        "clock": "real",
        "board": [
            {
                "board": "esp32-c3-devkitm-1",
                "count": 2,
                "sensor": [
                    {"driver": "adxl345", "replay": {"file": "fan.csv", "raw": True}},
                    {"driver": "sht4x", "source": {"humidity": {"sine": {"amplitude": 1}}}},
                ],
            }
        ],
        "fault": [{"kind": "reboot", "at_s": 1, "board": [0]}],
    }
    places = [good]
    for place in places:
        inner = place.values() if isinstance(place, dict) else place
        places += [each for each in inner if isinstance(each, (dict, list))]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from([p for p in places if isinstance(p, dict)]))
        place[draw(st.sampled_from([*place, *KEYS]))] = draw(TABLES)
    return good


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_table_makes_the_loader_fail_in_another_way(data, tmp_path):
    (tmp_path / "fan.csv").write_text("x,y,z\n1,2,3\n")
    table = data.draw(st.one_of(st.composite(mangled)(), TABLES))
    try:
        found = scenarios.parse(Fields("fuzz.toml", table, ScenarioError), tmp_path)
    except ScenarioError as e:
        said = str(e)
    else:
        said = f"fuzz.toml: {len(found.boards)} boards"
    assert said.startswith("fuzz.toml") or str(tmp_path) in said


def test_no_text_makes_the_loader_fail_in_another_way(write_scenario):
    rng = random.Random(5)
    text = HEAD + CLIMATE + DOWN
    for _ in range(300):
        at = rng.randrange(len(text))
        cut = rng.randrange(4)
        broken = text[:at] + chr(rng.choice([0, 10, 34, 61, 91, 93, 0x2603])) + text[at + cut :]
        said = "scenario.toml"
        try:
            write_scenario(broken)
        except ScenarioError as e:
            said = str(e)
        assert "scenario.toml" in said


NEEDED = {
    "link_half_open": 'way = "to_host"',
    "link_delay": "delay_s = 0.5",
    "i2c_stretch": "delay_s = 0.01",
    "ticks_jump": "jump_s = -631152000",
    "host_clock_jump": "jump_s = 631152000",
    "ticks_drift": "ppm = -100",
}


def of_kind(kind, more=""):
    lasts = "" if faults.KINDS[kind].lasts is None else "for_s = 1"
    return f'[[fault]]\nkind = "{kind}"\nat_s = 5\n{lasts}\n{NEEDED.get(kind, "")}\n{more}\n'


@pytest.mark.parametrize("driver", models.NAMES)
def test_a_sensor_can_have_the_faults_that_are_told_of_it_and_no_others(tmp_path, driver):
    bus = {"i2c": "i2c0", "uart": "uart1", "onewire": "wire0"}[drivers.describe(driver).bus]
    told = faults.of_driver(driver)
    assert told
    for kind in faults.KINDS:
        if faults.KINDS[kind].of not in (faults.SENSOR, faults.BUS):
            assert kind not in told
            continue
        text = (
            f'duration_s = 1\n[[board]]\nboard = "esp32-devkitc"\n[[board.sensor]]\n'
            f'driver = "{driver}"\nbus = "{bus}"\n' + of_kind(kind)
        )
        (tmp_path / "x.toml").write_text(text)
        if kind in told:
            assert scenarios.load(tmp_path / "x.toml").boards[0].faults[0].targets
        else:
            with pytest.raises(ScenarioError, match=f"can have {kind}"):
                scenarios.load(tmp_path / "x.toml")


@pytest.mark.parametrize("kind", sorted(NEEDED))
def test_a_fault_without_its_number_is_refused(write_scenario, kind):
    key = NEEDED[kind].partition(" ")[0]
    with pytest.raises(ScenarioError, match=rf"fault\[0\]\.{key}: missing"):
        write_scenario(HEAD + of_kind(kind).replace(NEEDED[kind], ""))


REFUSED = [
    ("link_delay", "delay_s = 0.5", "delay_s = 11", "delay_s: 11 is not in 0..10"),
    ("link_half_open", '"to_host"', '"both"', "way: 'both' is unknown; known: to_board, to_host"),
    ("stall", "for_s = 1", "", "for_s: missing: stall lasts as long as this says"),
    ("stall", "at_s = 5", "", "at_s: missing: stall happens at a moment"),
    ("stall", "for_s = 1", 'for_s = 1\nway = "both"', "way: stall goes no way"),
    ("stall", "for_s = 1", "for_s = 1\nppm = 3", "ppm: stall has none; only ticks_drift"),
    ("stall", "for_s = 1", 'for_s = 1\nsensor = "sht4x"', "stall befalls the board, not a sensor"),
    ("host_clock_jump", "at_s = 5", "at_s = 5\nboard = 0", "host_clock_jump befalls the host"),
    ("ticks_jump", "-631152000", "1e9", "jump_s: 1000000000.0 is not in -7.9056e+08..7.9056e+08"),
    (
        "memory_pressure",
        "for_s = 1",
        "for_s = 1\nfree_bytes = 3",
        "free_bytes: 3 is not in 1024",
    ),
]


@pytest.mark.parametrize(("kind", "good", "bad", "said"), REFUSED)
def test_a_fault_that_cannot_be_is_refused_with_its_place(write_scenario, kind, good, bad, said):
    write_scenario(HEAD + of_kind(kind))
    with pytest.raises(ScenarioError) as caught:
        write_scenario(HEAD + of_kind(kind).replace(good, bad))
    assert said in str(caught.value)


def test_a_fifo_runs_over_in_as_long_as_it_takes_at_its_rate(write_scenario, monkeypatch):
    fast = '[[board.sensor]]\ndriver = "adxl345"\noptions = { rate_hz = 100 }\n'
    found = write_scenario(HEAD + fast + of_kind("fifo_overrun"))
    assert found.boards[0].faults[0].value == pytest.approx(1.5 * 32 / 100 + 0.2)
    monkeypatch.setattr(faults, "_STALL_MAX_S", 1.0)
    with pytest.raises(ScenarioError, match="the FIFO of adxl345 takes 2 s to run over"):
        write_scenario(HEAD + fast.replace("100", "25") + of_kind("fifo_overrun"))


def test_faults_of_the_host_and_of_boards_are_kept_apart(write_scenario):
    found = write_scenario(HEAD + of_kind("host_clock_jump") + of_kind("ticks_drift"))
    assert [fault.value for fault in found.host_faults] == [631152000]
    assert [[fault.kind for fault in board.faults] for board in found.boards] == [
        ["ticks_drift"],
        ["ticks_drift"],
    ]


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ('kind = "board_pulled"', "missing: board_pulled happens at a moment"),
        ('kind = "board_pulled"\nat_s = 1\nafter_bytes = 1', "at_s or after_bytes, not both"),
        ('kind = "reboot"\nafter_bytes = 1', "reboot has none; only loader_dead"),
        ('kind = "loader_dead"\nboard = 1', 'begin with flash = "blank"'),
        ('kind = "loader_dead"\nboard = 0\nrate = 1', "rate: loader_dead has none"),
    ],
)
def test_what_befalls_a_chip_is_checked(write_scenario, rest, says):
    blank = '[[board]]\nboard = "esp32-devkitc"\nflash = "blank"\n'
    with pytest.raises(ScenarioError, match=says):
        write_scenario(f"{blank}{blank.replace('blank', 'firmware')}[[fault]]\n{rest}\n")
