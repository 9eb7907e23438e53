"""Wi-Fi on a virtual board: the real firmware on the real VM, in virtual time."""

import json

import pytest

from motekit import wifi
from motekit.client import RefusedError
from motekit.config import device_config
from motekit.errors import ScenarioError, UsageError
from motekit.keys import KeyStore
from motekit.networks import Network
from motekit.sim import image, vm
from motekit.sim.world import World

BOARD = """
seed = 7
clock = "virtual"

[[board]]
board = "esp32-c3-devkitm-1"
sensor = [ { driver = "sht4x", period_s = 1, source = { temperature = 21.5, humidity = 45 } } ]
"""
SITE = '[[network]]\nssid = "site"\npassword = "right horse"\nrssi = -61\n'
NEXT = '[[network]]\nssid = "next"\npassword = "battery staple"\n'
RIGHT = Network("site", "right horse")
OTHER = Network("next", "battery staple")


class Asked:
    """A board of a world, asked as a client is; what is waited for passes virtual time."""

    def __init__(self, world):
        self.world = world
        self.device = world.boards[0].device

    def request(self, name, args=None, wait_s=10.0):
        end = self.world.now_s + wait_s
        while not self.world.collector.in_contact(self.device):
            assert self.world.now_s < end
            self.pause(0.1)
        answer = self.world.collector.ask(self.device, name, args or {})
        while not answer.done():
            assert self.world.now_s < end, name
            self.pause(0.1)
        return answer.result()

    def now(self):
        return self.world.now_s

    def pause(self, seconds):
        self.world.run(until_s=self.world.now_s + seconds)

    def set(self, *networks):
        return wifi.set_networks(self, networks)

    def get(self):
        return wifi.get(self)

    def joined(self, wait_s=30):
        return wifi.wait_joined(self, wait_s, self.now, self.pause)


def files(scenario, wifi_json):
    """Return what a board has on its flash whose networks are in its file already."""
    plan = scenario.boards[0]
    config = device_config(plan.board, [each.sensor for each in plan.sensors])
    return {
        **image.firmware_files(vm.find().march),
        "/config.json": json.dumps(config).encode(),
        "/wifi.json": wifi_json.encode(),
    }


@pytest.fixture
def board(write_scenario):
    worlds = []

    def start(text="", head=BOARD, wifi_json=None):
        scenario = write_scenario(head + text)
        world = World(scenario, files=wifi_json and files(scenario, wifi_json))
        worlds.append(world)
        return Asked(world)

    yield start
    for world in worlds:
        said = "".join(notice.text for notice in world.notices)
        world.close()
        assert "horse" not in said
        assert "staple" not in said


def test_a_board_without_networks_has_its_radio_off(board):
    state = board(SITE).get()
    assert (state.state, state.ssid, state.networks) == ("off", None, ())


def test_a_board_joins_what_it_is_given(board):
    asked = board(SITE)
    assert asked.set(RIGHT) is False
    began_s = asked.now()
    state = asked.joined()
    assert (state.ssid, state.rssi_dbm, state.why) == ("site", -61, None)
    assert [each.ssid for each in state.networks] == ["site"]
    assert asked.now() - began_s < 5


def test_a_wrong_password_is_told_and_tried_again_ever_more_rarely(board):
    asked = board(SITE)
    asked.set(Network("site", "wrong horse"))
    with pytest.raises(wifi.NotJoinedError, match="site: wrong password") as raised:
        asked.joined(20)
    assert "horse" not in str(raised.value)
    asked.pause(600)
    told = [n.text for n in asked.world.notices if "wrong password" in n.text]
    assert 4 <= len(told) <= 9
    assert asked.get().why == "site: wrong password"


def test_an_absent_network_is_told_and_joined_when_it_comes(board):
    asked = board(SITE + "at_s = 60\n")
    asked.set(RIGHT)
    with pytest.raises(wifi.NotJoinedError, match="site: not found"):
        asked.joined(20)
    asked.joined(120)


def test_the_next_network_stands_in_for_the_preferred_one(board):
    asked = board(NEXT)
    asked.set(RIGHT, OTHER)
    state = asked.joined()
    assert (state.ssid, state.why) == ("next", None)


def test_a_lost_access_point_is_joined_again(board):
    fault = '[[fault]]\nkind = "wifi_down"\nat_s = 30\nfor_s = 40\nssid = "site"\n'
    asked = board(SITE + NEXT + fault)
    asked.set(RIGHT)
    asked.joined()
    asked.pause(45 - asked.now())
    assert asked.get().state in ("joining", "failed")
    asked.joined(90)
    assert any("site: lost: out of reach" in n.text for n in asked.world.notices)


def test_an_access_point_that_refuses_the_right_password_is_told(board):
    asked = board(SITE + '[[fault]]\nkind = "wifi_refused"\nfor_s = 60\n')
    asked.set(RIGHT)
    with pytest.raises(wifi.NotJoinedError, match="site: wrong password"):
        asked.joined(20)
    asked.joined(90)


def test_a_radio_that_is_at_odds_with_itself_is_switched_off_and_on(board):
    asked = board(SITE + '[[fault]]\nkind = "wifi_error"\nat_s = 3\n')
    asked.pause(4)
    asked.set(RIGHT)
    asked.joined(30)
    told = [n.text for n in asked.world.notices if "Wifi Internal Error" in n.text]
    assert len(told) == 1


def test_a_flash_that_cannot_be_written_changes_nothing(board):
    asked = board(SITE + NEXT + '[[fault]]\nkind = "flash_write_error"\nat_s = 20\n')
    asked.set(RIGHT)
    asked.joined()
    asked.pause(21 - asked.now())
    with pytest.raises(RefusedError, match="OSError"):
        asked.set(OTHER)
    state = asked.get()
    assert (state.state, state.ssid, state.on_trial) == ("joined", "site", False)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"networks": 7}', '{"networks": [{"ssid": "site"}]}', '{"former": []}']
)
def test_a_damaged_file_is_told_and_replaced(board, text):
    asked = board(SITE, wifi_json=text)
    asked.pause(5)
    assert any("no Wi-Fi: " in notice.text for notice in asked.world.notices)
    with pytest.raises(RefusedError, match=r"wifi.json|networks"):
        asked.get()
    asked.set(RIGHT)
    asked.joined()


def test_a_board_joins_at_boot_what_its_file_says(board):
    file = {"networks": [{"ssid": "site", "password": "right horse"}]}
    asked = board(SITE, wifi_json=json.dumps(file))
    assert asked.joined(10).ssid == "site"


def test_new_networks_are_on_trial_until_one_has_worked(board):
    asked = board(SITE + NEXT)
    asked.set(RIGHT)
    asked.joined()
    asked.set(Network("next", "battery wrong"))
    with pytest.raises(wifi.NotJoinedError, match=r"next: wrong password, it is in 'site'"):
        asked.joined(40)
    state = asked.get()
    assert (state.state, state.ssid, state.on_trial) == ("joined", "site", True)
    assert [each.ssid for each in state.former] == ["site"]
    asked.set(OTHER)
    state = asked.joined()
    assert (state.ssid, state.on_trial, state.former) == ("next", False, ())


def test_a_trial_survives_a_power_cut(board):
    asked = board(SITE + NEXT.replace("[[network]]\n", "[[network]]\nat_s = 100\n"))
    asked.set(RIGHT)
    asked.joined()
    asked.set(OTHER)
    asked.pause(2)
    asked.world.boards[0].power_cut()
    asked.pause(30)
    state = asked.get()
    assert (state.state, state.ssid, state.on_trial) == ("joined", "site", True)
    asked.pause(80)
    asked.world.boards[0].power_cut()
    state = asked.joined(60)
    assert (state.ssid, state.on_trial) == ("next", False)


def test_networks_that_never_worked_are_not_kept_in_place_of_those_that_did(board):
    asked = board(SITE)
    asked.set(RIGHT)
    asked.joined()
    asked.set(OTHER)
    asked.set(Network("third", "never there"))
    assert [each.ssid for each in asked.get().former] == ["site"]
    asked.set(RIGHT)
    state = asked.joined()
    assert (state.ssid, state.on_trial) == ("site", False)


def test_wifi_can_be_switched_off(board):
    asked = board(SITE)
    asked.set(RIGHT)
    asked.joined()
    asked.set()
    state = asked.get()
    assert (state.state, state.networks, state.former) == ("off", (), ())
    asked.set(RIGHT)
    asked.joined()


def test_sampling_goes_on_whatever_the_radio_does(board):
    fast = BOARD.replace(
        "sensor = [",
        """sensor = [
    { driver = "adxl345", options = { rate_hz = 200 }, source = { accel_z = 1 } },""",
    )
    asked = board(SITE, fast)
    asked.set(Network("site", "wrong horse"))
    asked.pause(200)
    asked.set(RIGHT)
    asked.joined()
    fast, slow = asked.request("status")["sensors"]
    assert (slow["state"], slow["gaps"], slow["lost"]) == ("ok", 0, 0)
    assert fast["gaps"] <= 2  # to switch the radio on takes as long as this part's FIFO
    assert fast["samples"] > 195 * 200


def test_a_scan_tells_who_is_there(board):
    asked = board(SITE + NEXT + "rssi = -40\n" + '[[network]]\nssid = "café"\nrssi = -80\n')
    expected = [("next", -40, True), ("site", -61, True), ("café", -80, False)]
    assert [(h.ssid, h.rssi_dbm, h.secured) for h in wifi.scan(asked)] == expected
    asked.set(RIGHT)
    assert len(wifi.scan(asked)) == 3  # a radio that joins is kept from it meanwhile
    asked.joined()
    assert len(wifi.scan(asked)) == 3
    assert asked.get().state == "joined"


def test_an_open_network_needs_no_password(board):
    asked = board('[[network]]\nssid = "café"\n')
    asked.set(Network("café", ""))
    assert asked.joined().ssid == "café"
    asked.set(Network("café", "a password too much"))
    with pytest.raises(wifi.NotJoinedError, match="another kind of security"):
        asked.joined(10)


def test_a_mark_tells_whether_a_password_is_the_one(board):
    asked = board(SITE)
    asked.set(RIGHT)
    who = KeyStore.empty(), asked.device, 0
    assert wifi.same(asked.get(), [RIGHT], *who) is True
    assert wifi.same(asked.get(), [Network("site", "left horse")], *who) is False
    assert wifi.same(asked.get(), [RIGHT, OTHER], *who) is False


def test_a_password_that_is_left_out_stays(board):
    asked = board(SITE)
    asked.set(RIGHT)
    asked.joined()
    listed = [{"ssid": "next", "password": "battery staple"}, {"ssid": "site"}]
    asked.request("wifi.set", {"networks": listed})
    assert asked.joined().ssid == "site"


LONG = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("networks", "error"),
    [
        (None, "networks: a list of at most 4"),
        ([{"ssid": str(i), "password": ""} for i in range(5)], "networks: a list of at most 4"),
        ([7], r"networks\[0\]: no object"),
        ([{"ssid": "a", "password": "", "key": 1}], r"networks\[0\]: unknown key key"),
        ([{"password": "secret word"}], r"networks\[0\].ssid: None, 1 to 32 bytes"),
        ([{"ssid": "é" * 17, "password": ""}], "1 to 32 bytes"),
        ([{"ssid": "a"}], r"networks\[0\].password: missing"),
        ([{"ssid": "a", "password": "secret."}], r"networks\[0\].password: 8 to 63 ASCII"),
        ([{"ssid": "a", "password": "secret\n."}], r"networks\[0\].password: 8 to 63 ASCII"),
        ([{"ssid": "a", "password": LONG[:-1] + "g"}], r"networks\[0\].password: 8 to 63 ASCII"),
        ([{"ssid": "a", "password": ""}] * 2, r"networks\[1\].ssid: 'a' is listed already"),
    ],
)
def test_what_cannot_be_is_refused_whole(board, networks, error):
    asked = board()
    with pytest.raises(RefusedError, match=error) as raised:
        asked.request("wifi.set", {"networks": networks})
    assert "secret" not in str(raised.value)
    assert asked.get().networks == ()


@pytest.mark.parametrize("password", ["x" * 8, "~ " * 31 + "~", LONG])
def test_passwords_of_all_lengths_are_taken(board, password):
    asked = board(f'[[network]]\nssid = "site"\npassword = "{password}"\n')
    asked.set(Network("site", password))
    asked.joined()


@pytest.mark.parametrize(
    ("networks", "error"),
    [
        ([Network("", "")], "0 bytes, 1 to 32"),
        ([Network("a", "secret.")], "password of 'a': 8 to 63"),
        ([Network("a", "sécret word")], "password of 'a': 8 to 63"),
        ([Network("a", "")] * 2, "listed twice"),
        ([Network(str(i), "") for i in range(5)], "5 networks, at most 4"),
    ],
)
def test_the_host_refuses_what_cannot_be(networks, error):
    with pytest.raises(UsageError, match=error) as raised:
        wifi.check(networks)
    assert "cret" not in str(raised.value) + repr(networks)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[[network]]\npassword = "x"\n', "network\\[0\\].ssid: missing"),
        ('[[network]]\nssid = "a"\npassword = "short"\n', "password: 8 to 63"),
        ('[[network]]\nssid = "a"\nboard = 3\n', "board: 3 is no board"),
        ('[[network]]\nssid = "a"\nrssi = 3\n', "rssi: 3 is not"),
        ('[[fault]]\nkind = "wifi_down"\n', "board 0 hears no network"),
        (SITE + '[[fault]]\nkind = "wifi_down"\nssid = "sight"\n', "did you mean site"),
        (SITE + '[[fault]]\nkind = "reboot"\nat_s = 1\nssid = "site"\n', "unknown key"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(write_scenario, text, error):
    with pytest.raises(ScenarioError, match=error):
        write_scenario(BOARD + text)
