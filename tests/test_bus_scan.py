"""What is on a board's buses: the board's command on the VM, the host's conclusions, both."""

import itertools
import json
import subprocess
import sys

import pytest

from motefw import message
from motekit import bus_scan, drivers
from motekit.errors import LinkError
from tests.coprocess import CoProcess, VmError

KNOWN = [drivers.describe(name) for name in drivers.NAMES]
I2C = [info for info in KNOWN if info.bus == "i2c"]
SIX = [(0x18, "lis3dh"), (0x19, "sc7a20"), (0x38, "aht20"), (0x53, "adxl345"), (0x68, "mpu6050")]


@pytest.fixture(scope="module", params=(32, 64))
def process(request):
    with CoProcess(request.param, "scan_bed") as process:
        yield process


@pytest.fixture
def ask(process, tmp_path):
    return lambda parts, args, *more: process.call("ask", f"{tmp_path}/", parts, args, *more)


class TestOnTheBoard:
    def test_several_chips_on_one_bus(self, ask):
        answer, recovered = ask(SIX, {"bus": "i2c0"})
        assert answer == {"found": [at for at, _ in SIX]}
        assert recovered == 0

    def test_registers_that_the_host_asks_for(self, ask):
        reads = [[0x18, 0x0F], [0x19, 0x0F], [0x53, 0x00], [0x68, 0x75], [0x44, 0x00]]
        answer, _ = ask(SIX, {"bus": "i2c0", "reads": reads})
        assert answer == {"read": [0x33, 0x11, 0xE5, 0x68, None]}

    def test_nothing_on_the_bus(self, ask):
        assert ask([], {"bus": "i2c0"})[0] == {"found": []}
        assert ask([], {"bus": "i2c0", "reads": []})[0] == {"read": []}

    def test_a_part_that_does_not_answer(self, ask):
        assert ask(SIX, {"bus": "i2c0"}, [], 0x53)[0]["found"] == [0x18, 0x19, 0x38, 0x68]

    def test_a_bus_that_a_part_holds_is_freed_first(self, ask):
        answer, recovered = ask(SIX, {"bus": "i2c0"}, ["stuck"])
        assert answer == {"found": [at for at, _ in SIX]}
        assert recovered == 1

    @pytest.mark.parametrize("reads", [None, [[0x18, 0x0F]]])
    def test_a_bus_that_hangs_is_told_and_the_look_ends(self, ask, reads):
        args = {"bus": "i2c0", **({"reads": reads} if reads else {})}
        answer, recovered = ask(SIX, args, ["shorted"])
        assert set(answer) == {"hangs"}
        assert answer["hangs"].startswith("OSError: ")
        assert recovered == 1

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            ({}, "bus: None is no I2C bus"),
            ({"bus": "i2c9"}, "bus: 'i2c9' is no I2C bus"),
            ({"bus": "uart1"}, "bus: 'uart1' is no I2C bus"),
            ({"bus": ["i2c0"]}, "is no I2C bus"),
            ({"bus": "i2c0", "reads": 5}, "reads: a list"),
            ({"bus": "i2c0", "reads": [[8, 0]] * 65}, "reads: a list of at most 64"),
            ({"bus": "i2c0", "reads": [5]}, "reads: 5 is not"),
            ({"bus": "i2c0", "reads": [[8]]}, "is not [address, register]"),
            ({"bus": "i2c0", "reads": [[7, 0]]}, "reads: 7, 8 to 119 expected"),
            ({"bus": "i2c0", "reads": [[120, 0]]}, "reads: 120, 8 to 119 expected"),
            ({"bus": "i2c0", "reads": [[8, 256]]}, "reads: 256, 0 to 255 expected"),
            ({"bus": "i2c0", "reads": [[8, -1]]}, "reads: -1, 0 to 255 expected"),
            ({"bus": "i2c0", "reads": [["8", 0]]}, "reads: '8', 8 to 119 expected"),
            ({"bus": "i2c0", "reads": [[8, 1.5]]}, "reads: 1.5, 0 to 255 expected"),
        ],
    )
    def test_wrong_arguments(self, ask, args, text):
        with pytest.raises(VmError) as caught:
            ask(SIX, args)
        assert caught.value.kind == "MessageError"
        assert text in caught.value.text


class TestIdentify:
    @pytest.mark.parametrize("info", I2C, ids=lambda info: info.name)
    def test_each_driver_is_found_at_each_of_its_addresses(self, info):
        registers = {info.identity[0]: info.identity[1]} if info.identity else {}
        for address in info.addresses:
            assert info.name in bus_scan.identify(address, registers, KNOWN).drivers

    def test_no_two_drivers_have_one_address_and_one_identity(self):
        for one, other in itertools.combinations([info for info in I2C if info.identity], 2):
            if set(one.addresses) & set(other.addresses):
                assert one.identity != other.identity

    def test_an_identity_register_tells_parts_of_one_address_apart(self):
        assert bus_scan.identify(0x18, {0x0F: 0x33}, KNOWN).drivers == ("lis3dh",)
        assert bus_scan.identify(0x18, {0x0F: 0x11}, KNOWN).drivers == ("sc7a20",)
        assert bus_scan.identify(0x12, {0x00: 0x9C}, KNOWN).drivers == ("qma6100p",)

    def test_where_it_does_not_hold_the_others_remain(self):
        assert bus_scan.identify(0x12, {0x00: 0x42}, KNOWN).drivers == ("pmsa003i",)
        assert bus_scan.identify(0x62, {0x01: None}, KNOWN).drivers == ("scd4x",)

    def test_what_cannot_be_told_apart_is_told(self):
        part = bus_scan.identify(0x44, {}, KNOWN)
        assert {"sht3x", "sht4x"} <= set(part.drivers)
        assert part.note.startswith("one of these")

    def test_an_unknown_part(self):
        part = bus_scan.identify(0x18, {0x0F: 0x44}, KNOWN)
        assert part.drivers == ()
        assert part.note == "no known part (register 0x0f holds 0x44)"
        assert bus_scan.identify(0x20, {}, KNOWN).note == "no known part"


class Board:
    """A client whose board answers as it is told; keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def request(self, name, args=None):
        self.asked.append((name, args))
        return self.answers.pop(0)


I2C0 = {"i2c0": {"kind": "i2c"}}


def config(*sensors, buses=I2C0):
    return {"buses": buses, "sensors": list(sensors)}


class TestOnTheHost:
    def test_asks_only_registers_of_parts_that_may_be_there(self):
        board = Board(config(), {"found": [0x38, 0x68]}, {"read": [0x68]})
        parts = bus_scan.scan(board)
        assert [(part.address, part.drivers) for part in parts] == [
            (0x38, ("aht20",)),
            (0x68, ("mpu6050",)),
        ]
        assert board.asked[2][1]["reads"] == [[0x68, 0x75]]

    def test_a_configured_sensor_that_does_not_answer(self):
        sensor = {"driver": "adxl345", "bus": "i2c0", "name": "fan"}
        (part,) = bus_scan.scan(Board(config(sensor), {"found": []}))
        assert (part.address, part.sensor) == (0x53, "fan")
        assert part.note == "configured, and does not answer"

    def test_an_empty_bus_and_one_that_hangs(self):
        buses = {**I2C0, "i2c1": {"kind": "i2c"}}
        board = Board(config(buses=buses), {"found": []}, {"hangs": "OSError: 110"})
        empty, hung = bus_scan.scan(board)
        assert (empty.address, empty.note) == (None, "nothing answers")
        assert hung.bus == "i2c1"
        assert hung.note.startswith("hangs: SDA or SCL is held low")

    def test_a_uart_is_said_to_be_no_bus_to_scan(self):
        sensor = {"driver": "pms5003", "bus": "uart1", "name": "dust"}
        (part,) = bus_scan.scan(Board(config(sensor, buses={"uart1": {"kind": "uart"}})))
        assert part.note == "UART: parts on it cannot be scanned"
        assert part.sensor == "dust"

    def test_a_one_wire_bus_is_no_uart(self):
        (part,) = bus_scan.scan(Board(config(buses={"wire0": {"kind": "onewire"}})))
        assert part.note.startswith("one-wire: ")

    def test_a_driver_that_this_host_does_not_know(self):
        sensor = {"driver": "tmp117", "bus": "i2c0", "name": "mine"}
        mine, other = bus_scan.scan(Board(config(sensor), {"found": [0x50]}))
        assert (mine.address, mine.sensor) == (None, "mine")
        assert mine.note.startswith("configured; at which address")
        assert (other.address, other.note) == (0x50, "no known part")

    @pytest.mark.parametrize(
        "answers",
        [
            ([],),
            (config(), 5),
            (config(), {"found": 5}),
            (config(), {"found": [0x68]}, {"read": []}),
            (config(), {"found": [0x68]}, {"read": "h"}),
        ],
    )
    def test_an_answer_that_cannot_be_is_an_error(self, answers):
        with pytest.raises(LinkError, match="told"):
            bus_scan.scan(Board(*answers))

    def test_values_that_cannot_be_count_as_none(self):
        board = Board(config(), {"found": [0x68, 999, "x"]}, {"read": [4711]})
        assert [part.address for part in bus_scan.scan(board)] == [0x68]

    def test_as_many_reads_as_there_can_be_fit_in_a_request(self):
        pairs = {(a, info.identity[0]) for info in I2C if info.identity for a in info.addresses}
        reads = [list(pair) for pair in sorted(pairs)]
        assert len(reads) <= 64
        text = json.dumps(["bus.scan", {"bus": "i2c0", "reads": reads}])
        assert len(text) + 32 <= message.MAX_TO_BOARD_BYTES


SCENARIO = """
seed = 1
clock = "real"
[[board]]
board = "esp32-c3-devkitm-1"
  [[board.sensor]]
  driver = "sc7a20"
  [[board.sensor]]
  driver = "sht4x"
  [[board.sensor]]
  driver = "adxl345"
  address = 0x1D
  [[board.sensor]]
  driver = "pms5003"
[[fault]]
kind = "i2c_nack"
sensor = "adxl345"
"""
ALONE = """
[[board]]
board = "esp32-c3-devkitm-1"
  [[board.sensor]]
  driver = "pms5003"
"""


def scan(port):
    """Run the command on a board's port; return its rows by bus and address."""
    argv = [sys.executable, "-m", "motekit", "sensors", "scan", str(port), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {(row["bus"], row["address"]): row for row in rows}


def test_the_command_on_a_virtual_board(fleet):
    (board,) = fleet(SCENARIO).boards
    rows = scan(board.serial)
    assert [key for key in rows if key[0] == "i2c0"] == [
        ("i2c0", 0x18),
        ("i2c0", 0x1D),
        ("i2c0", 0x44),
    ]
    assert rows["i2c0", 0x18]["drivers"] == ["sc7a20"]
    assert rows["i2c0", 0x18]["sensor"] == "sc7a20"
    assert "sht4x" in rows["i2c0", 0x44]["drivers"]
    assert rows["i2c0", 0x1D]["note"] == "configured, and does not answer"
    assert rows["uart1", None]["sensor"] == "pms5003"


def test_the_command_on_a_board_with_nothing_on_its_bus(fleet):
    (board,) = fleet(ALONE).boards
    assert scan(board.serial)["i2c0", None]["note"] == "nothing answers"


@pytest.mark.parametrize("args", [["a", "b"], ["/dev/no-such-port"]])
def test_a_wrong_port_is_told_without_a_traceback(args):
    argv = [sys.executable, "-m", "motekit", "sensors", "scan", *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert args[-1] in done.stderr or "2 ports" in done.stderr
