"""Every board file against its chip; and what a wrong board file is told."""

import json
import tomllib

import pytest

from motefw import config as device
from motefw import drivers as table
from motekit import board, config, drivers, resources
from motekit.chips import CHIPS
from motekit.errors import BoardError

BOARDS = board.names()
GOOD = resources.boards() / "esp32-c3-devkitm-1.toml"


def test_the_promised_boards_are_there():
    assert {"esp32-devkitc", "esp32-c3-devkitm-1", "esp32-s3-devkitc-1"} <= set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_pins_exist_are_free_and_serve_once(name):
    each = board.load(name)
    pins = [pin for bus in each.buses.values() for pin in bus.pins.values()]
    assert len(pins) == len(set(pins))
    assert set(pins) <= each.chip.pins
    for taken in each.chip.taken.values():
        assert not taken & set(pins)
    outputs = {
        pin for bus in each.buses.values() for role, pin in bus.pins.items() if role != "rx"
    }
    assert not outputs & each.chip.input_only


@pytest.mark.parametrize("name", BOARDS)
def test_flash_is_laid_out_without_overlap(name):
    each = board.load(name)
    end = board.FIRST_OFFSET
    for piece in each.partitions:
        assert piece.offset >= end
        assert piece.offset % board.SECTOR_BYTES == piece.size % board.SECTOR_BYTES == 0
        end = piece.end
    assert end <= each.flash_bytes
    names = {piece.name for piece in each.partitions}
    assert {"log", "vfs"} < names
    assert ("app1" in names) == (each.flash_bytes >= 0x80_0000)


@pytest.mark.parametrize("name", BOARDS)
def test_a_4_mb_board_has_the_layout_of_the_specification(name):
    each = board.load(name)
    if each.flash_bytes == 0x40_0000:
        assert [(p.name, p.offset, p.size) for p in each.partitions] == [
            ("app", 0x1_0000, 0x1F_0000),
            ("log", 0x20_0000, 0x10_0000),
            ("vfs", 0x30_0000, 0x10_0000),
        ]


@pytest.mark.parametrize("name", BOARDS)
def test_the_device_configuration_is_json_and_complete(name):
    each = board.load(name)
    made = config.device_config(each)
    assert json.loads(json.dumps(made)) == made
    assert set(made) == {"board", "buses", "sensors", "packet"}
    assert [s["driver"] for s in made["sensors"]] == [s.driver for s in each.sensors]
    for sensor in made["sensors"]:
        assert made["buses"][sensor["bus"]]["kind"] == drivers.describe(sensor["driver"]).bus


@pytest.mark.parametrize("name", BOARDS)
def test_the_board_itself_accepts_its_configuration(name):
    """Two checks, one on the host and one on the board, must not differ about the same file."""
    made = config.device_config(board.load(name))
    checked = device.check(json.loads(json.dumps(made)), table.load)
    assert checked == made


@pytest.mark.parametrize("chip", CHIPS.values(), ids=lambda chip: chip.name)
def test_chip_tables_agree_with_themselves(chip):
    assert chip.input_only <= chip.pins
    assert chip.strapping <= chip.pins
    for taken in chip.taken.values():
        assert taken <= chip.pins


def test_a_second_sensor_of_a_kind_gets_a_number(wrong_board):
    text = GOOD.read_text() + '\n[[sensor]]\ndriver = "sht4x"\naddress = 0x45\n'
    assert [s.name for s in wrong_board(text).sensors] == [
        "adxl345",
        "sht4x",
        "pms5003",
        "sht4x-2",
    ]


@pytest.fixture
def wrong_board(tmp_path):
    def load(text):
        path = tmp_path / GOOD.name
        path.write_text(text)
        return board.load_file(path)

    return load


WRONG = (
    # (what stands in the good file, what replaces it, what the error names)
    ("scl = 6", "scl = 5", "bus.i2c0.scl: GPIO5 of esp32c3 serves i2c0.sda"),
    ("scl = 6", "scl = 22", "GPIO22 of esp32c3 does not exist"),
    ("scl = 6", "scl = 14", "belongs to: flash"),
    ("scl = 6", "scl = 19", "belongs to: USB"),
    ("tx = 7", "tx = 21", "belongs to: console UART"),
    ("scl = 6", "scl = 8", "belongs to: RGB LED"),
    ("scl = 6", "scl = 2", "strapping = true"),
    ("scl = 6", "", "bus.i2c0.scl: missing"),
    ("scl = 6", 'scl = "six"', "'six' is not an integer"),
    ("scl = 6", "scl = true", "True is not an integer"),
    ("scl = 6", "scl = 6\nsclk = 3", "bus.i2c0.sclk: unknown key; did you mean scl?"),
    ('kind = "i2c"', 'kind = "i2s"', "'i2s' is unknown; did you mean i2c?"),
    ('kind = "i2c"\nid = 0', 'kind = "i2c"\nid = 1', "bus.i2c0.id: 1 is not an integer in 0..0"),
    ('kind = "uart"\nid = 1', 'kind = "uart"\nid = 0', "bus.uart1.id: 0 is not"),
    ("hz = 400_000", "hz = 4", "bus.i2c0.hz: 4 is not an integer in 10000..1000000"),
    ('chip = "esp32c3"', 'chip = "esp32c33"', "did you mean esp32c3?"),
    ('name = "esp32-c3-devkitm-1"', 'name = "other"', "'other' is not the file's name"),
    ("flash_bytes = 0x40_0000", "flash_bytes = 0x50_0000", "is not 2, 4, 8, 16 or 32 MiB"),
    ("flash_bytes = 0x40_0000", "flash_bytes = 0x20_0000", "flash.vfs.offset: 3145728 is not"),
    ("0x30_0000, size = 0x10_0000", "0x30_0000, size = 0x10_1000", "vfs: ends at 0x401000"),
    ("offset = 0x20_0000", "offset = 0x1F_0000", "begins at 0x1f0000, inside app"),
    ("offset = 0x20_0000", "offset = 0x20_0001", "no multiple of 0x1000"),
    ("app = { offset = 0x1_0000", "app = { offset = 0x1_1000", "no multiple of 0x10000"),
    ("vfs = {", "fat = {", "unknown partition"),
    ("log = { offset = 0x20_0000, size = 0x10_0000 }", "", "expected app, log, vfs"),
    ('driver = "sht4x"', 'driver = "sht9x"', "sensor[1].driver: 'sht9x' is unknown; did you mean"),
    ('driver = "sht4x"\nbus = "i2c0"', 'driver = "sht4x"\nbus = "uart1"', "sht4x needs i2c"),
    ('driver = "sht4x"\nbus = "i2c0"', 'driver = "sht4x"\nbus = "i2c1"', "did you mean i2c0?"),
    ("rate_hz = 100", "rate_hz = 101", "sensor[0].options: adxl345: rate_hz: 101 is not"),
    ("rate_hz = 100", "rate = 100", "rate: unknown option"),
    ("period_s = 10", "period_s = 0", "sensor[1].period_s: 0 is not in 0.01..86400"),
    ("period_s = 10", "period_s = nan", "is not in"),
    ("period_s = 10", "address = 0x53", "is not sht4x's; it can have 0x44"),
    ("period_s = 10", 'name = "adxl345"', "names another sensor already"),
    ("options = { rate_hz = 100 }", "period_s = 1", "keeps its own pace"),
    ("[flash]", "flash", "not TOML"),
)


@pytest.mark.parametrize(("good", "bad", "said"), WRONG, ids=[w[2][:40] for w in WRONG])
def test_a_wrong_board_file_is_refused_by_file_and_key(wrong_board, good, bad, said):
    text = GOOD.read_text()
    assert good in text
    with pytest.raises(BoardError) as refused:
        wrong_board(text.replace(good, bad, 1))
    assert said in str(refused.value)
    assert GOOD.name in str(refused.value)
    assert refused.value.exit_code == 2


def test_two_sensors_at_one_address_are_refused(wrong_board):
    with pytest.raises(BoardError, match=r"i2c0 at 0x44 is taken by sht4x"):
        wrong_board(GOOD.read_text() + '\n[[sensor]]\ndriver = "sht4x"\nname = "second"\n')


def test_a_board_has_at_most_sixteen_streams(wrong_board):
    more = "".join(f'\n[[sensor]]\ndriver = "sht4x"\nname = "s{i}"\n' for i in range(14))
    with pytest.raises(BoardError, match=r"sensor\[16\]: 17 sensors, at most 16"):
        wrong_board(GOOD.read_text() + more)


def test_a_bus_has_one_master(wrong_board):
    second = '\n[bus.again]\nkind = "i2c"\nid = 0\nsda = 3\nscl = 4\nhz = 100_000\n'
    with pytest.raises(BoardError, match=r"bus.again.id: i2c 0 is i2c0's already"):
        wrong_board(GOOD.read_text() + second)


def test_strapping_pins_are_for_those_who_say_so(wrong_board):
    text = GOOD.read_text().replace("sda = 5", "sda = 2\nstrapping = true", 1)
    assert wrong_board(text).buses["i2c0"].pins["sda"] == 2


def test_unknown_and_unreadable_boards(tmp_path):
    with pytest.raises(BoardError, match="did you mean esp32-c3-devkitm-1"):
        board.load("esp32-c3-devkitm1")
    with pytest.raises(BoardError, match="No such file"):
        board.load(str(tmp_path / "none.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BoardError, match="not TOML"):
        board.load(str(tmp_path / "bytes.toml"))


def test_every_board_file_says_what_it_is_first():
    for name in BOARDS:
        text = (resources.boards() / f"{name}.toml").read_text()
        assert text.startswith("# ")
        assert tomllib.loads(text)["title"]
