"""`machine` of a virtual board, for the prompt's user; pins and buses belong to the port."""

from rom import board as _board
from rom import control as _control

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
_CAUSES = {
    "power_on": PWRON_RESET,
    "hard": HARD_RESET,
    "watchdog": WDT_RESET,
    "deep_sleep": DEEPSLEEP_RESET,
    "soft": SOFT_RESET,
}


def reset():
    """As the ESP32's."""
    _control.reset("hard")


def soft_reset():
    """As the ESP32's."""
    _control.reset("soft")


def reset_cause():
    """As the ESP32's."""
    return _CAUSES.get(_board.spec["reset"], 0)


def unique_id():
    """As the ESP32's."""
    return _board.unique_id()


def freq(hz=None):
    """As an ESP32-C3's."""
    return 160000000


def idle():
    """Do nothing."""
