"""Bugs in Wi-Fi and Improv: what a board keeps, tells, and takes for Ctrl-C."""

from .mutant import Mutant

_HOME = "firmware/motefw/"

WIFI = (
    Mutant(
        "wifi: former networks are forgotten at once",
        _HOME + "wlan.py",
        "former = [] if networks == worked or not networks else worked",
        "former = []",
        "wifi",
        ("test_new_networks_are_on_trial_until_one_has_worked",),
    ),
    Mutant(
        "wifi: former networks are kept for ever",
        _HOME + "wifi.py",
        "            if self.former:\n                self._trust()\n",
        "",
        "wifi",
        ("test_new_networks_are_on_trial_until_one_has_worked",),
    ),
    Mutant(
        "wifi: networks that never worked are kept",
        _HOME + "wlan.py",
        "worked = former or current",
        "worked = current",
        "wifi",
        ("test_networks_that_never_worked_are_not_kept_in_place_of_those_that_did",),
    ),
    Mutant(
        "wifi: no rest grows",
        _HOME + "wifi.py",
        "min(_REST_MS << min(self._rounds, 6), _REST_MAX_MS)",
        "_REST_MS",
        "wifi",
        ("test_a_wrong_password_is_told_and_tried_again_ever_more_rarely",),
    ),
    Mutant(
        "wifi: the driver tries by itself, too",
        _HOME + "wifi.py",
        "        self.wlan.config(reconnects=0)\n",
        "",
        "wifi",
        ("test_a_wrong_password_is_told_and_tried_again_ever_more_rarely",),
    ),
    Mutant(
        "wifi: a lost connection stays lost",
        _HOME + "wifi.py",
        "        if self.wlan.isconnected():\n",
        "        if True:\n",
        "wifi",
        ("test_a_lost_access_point_is_joined_again",),
    ),
    Mutant(
        "wifi: a mark is of the name alone",
        _HOME + "networks.py",
        ' + b"\\0" + network["password"].encode()',
        "",
        "wifi",
        ("test_a_mark_tells_whether_a_password_is_the_one",),
    ),
    Mutant(
        "improv: any sum will do",
        _HOME + "improv.py",
        "self.whole = fits = b == self._sum & 0xFF",
        "self.whole = fits = True",
        "improv",
        ("test_each_ctrl_c_outside_of_a_packet_interrupts",),
    ),
    Mutant(
        "improv: half a packet swallows its Ctrl-C",
        _HOME + "improv.py",
        "        if b < 0:\n            raise KeyboardInterrupt\n",
        "        if b < 0:\n            return\n",
        "improv",
        ("test_half_a_packet_is_a_ctrl_c",),
    ),
    Mutant(
        "improv: control characters are text",
        _HOME + "improv.py",
        "return b >= 0x20 and b != 0x7F\n\n",
        "return True\n\n",
        "improv",
        ("test_mpremote_interrupts_in_the_middle_of_a_packet",),
    ),
    Mutant(
        "improv: a network is kept that was not joined",
        _HOME + "improv.py",
        'if now.state == "joined" and _keep(board, wanted):',
        'if _keep(board, wanted) and now.state == "joined":',
        "improv",
        ("test_a_network_that_did_not_work_is_not_kept",),
    ),
    Mutant(
        "link: a Ctrl-C that comes as a byte is none",
        _HOME + "links/serial.py",
        "                    raise KeyboardInterrupt\n",
        "                    continue\n",
        "improv",
        ("test_ctrl_c_is_one_anywhere_else",),
    ),
)
