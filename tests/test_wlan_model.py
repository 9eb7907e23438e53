"""The model of the radio against what MicroPython and ESP-IDF say of the real one."""

import pytest

from tests.coprocess import CoProcess

IDLE, CONNECTING, GOT_IP = 1000, 1001, 1010  # network.STAT_*
BEACON_TIMEOUT, NO_AP, HANDSHAKE, LEAVE = 200, 201, 15, 8  # ESP-IDF, wifi_err_reason_t
SITE = {"ssid": "site", "password": "right horse", "rssi": -61, "at_ms": 0, "end_ms": None}
OPEN = {"ssid": "open", "password": "", "rssi": -80, "at_ms": 0, "end_ms": None}


@pytest.fixture(params=[32, 64], scope="module")
def vm(request):
    with CoProcess(request.param, "wlan_bed", "4m") as process:
        yield process


def run(vm, networks, *steps):
    return vm.call("run", networks, steps)


ON = (["active", True], ["config", {"reconnects": 0}])


def test_nothing_works_while_it_is_off(vm):
    steps = (["active"], ["status"], ["connect", "site", "x"], ["disconnect"], ["scan"])
    off = [False, IDLE, "Wifi Not Started", "Wifi Not Started", "STA must be active"]
    assert run(vm, [SITE], *steps) == off


def test_a_network_is_joined_in_seconds(vm):
    steps = (["connect", "site", "right horse"], ["status"], ["sleep", 1800], ["status"])
    late = (["sleep", 300], ["status"], ["isconnected"], ["status", "rssi"], ["ifconfig"])
    said = run(vm, [SITE], *ON, ["status"], *steps, *late)
    assert said[2:] == [
        *(IDLE, None, CONNECTING, None, IDLE),  # just before it has an address
        *(None, GOT_IP, True, -61, ["192.168.4.2", "255.255.255.0", *["192.168.4.1"] * 2]),
    ]


@pytest.mark.parametrize(
    ("ssid", "key", "reason"),
    [
        ("site", "wrong horse", HANDSHAKE),
        ("site", None, 210),
        ("open", "a password", 210),
        ("elsewhere", "right horse", NO_AP),
    ],
)
def test_a_failure_has_its_reason(vm, ssid, key, reason):
    steps = (["connect", ssid, key], ["sleep", 1000], ["status"], ["sleep", 4000], ["status"])
    assert run(vm, [SITE, OPEN], *ON, *steps)[2:] == [None, None, CONNECTING, None, reason]


def test_the_driver_tries_for_ever_unless_told_otherwise(vm):
    begin = (["active", True], ["connect", "site", "wrong horse"])
    said = run(vm, [SITE], *begin, ["sleep", 600_000], ["status"], ["config", "reconnects"])
    assert said[-2:] == [CONNECTING, -1]


def test_who_joins_or_is_joined_cannot_begin_again(vm):
    twice = (["connect", "site", "right horse"], ["connect", "site", "right horse"])
    again = (["sleep", 3000], ["connect", "site", "right horse"], ["disconnect"], ["status"])
    after = (["connect", "site", "right horse"], ["status"])
    error = "Wifi Internal Error"
    said = run(vm, [SITE], *ON, *twice, *again, *after)
    assert said[2:] == [None, error, None, error, None, LEAVE, None, CONNECTING]


def test_a_lost_access_point_is_missed_after_six_seconds(vm):
    brief = {**SITE, "end_ms": 10_000}
    steps = (["connect", "site", "right horse"], ["sleep", 15_500], ["status"])
    late = (["sleep", 1000], ["status"], ["isconnected"], ["status", "rssi"])
    said = run(vm, [brief], *ON, *steps, *late)
    assert said[4:] == [GOT_IP, None, BEACON_TIMEOUT, False, "Wifi Not Connected"]


def test_a_fault_shorter_than_that_is_not_noticed(vm):
    joined = (["connect", "site", "right horse"], ["sleep", 3000])
    brief = (["fault", "wifi_down", "site", True], ["sleep", 5000])
    end = (["fault", "wifi_down", "site", False], ["sleep", 9000], ["status"])
    assert run(vm, [SITE], *ON, *joined, *brief, *end)[-1] == GOT_IP


def test_a_scan_lists_what_is_there(vm):
    gone = {**OPEN, "ssid": "gone", "end_ms": 1}
    said = run(vm, [SITE, OPEN, gone], *ON, ["scan"])[-1]
    assert [(ssid, rssi, security) for ssid, _, rssi, security, _ in said] == [
        ("site", -61, 3),
        ("open", -80, 0),
    ]
    joining = (["connect", "site", "right horse"], ["scan"])
    assert run(vm, [SITE], *ON, *joining)[-1] == "Wifi Internal State Error"


def test_to_switch_it_off_ends_all(vm):
    steps = (["connect", "site", "right horse"], ["sleep", 3000], ["active", False], ["status"])
    assert run(vm, [SITE], *ON, *steps, ["isconnected"])[-2:] == [IDLE, False]
