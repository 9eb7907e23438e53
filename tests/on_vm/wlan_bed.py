"""The model of a radio, asked as a program asks `network.WLAN`, in virtual time."""

from rom import clock
from rom.wlan import WLAN


def _nothing(_ms=0):
    return 0


clock.look = clock.beat = clock.alive = _nothing


def run(networks, steps):
    """Return what each step gives: [method, args], ["sleep", ms] or ["fault", kind, ssid, on]."""
    clock.setup(True, 0, 0)
    wlan = WLAN(networks)
    results = []
    for name, *args in steps:
        try:
            if name == "sleep":
                result = clock.sleep_us(args[0] * 1000)
            elif name == "config":
                result = (
                    wlan.config(**args[0]) if isinstance(args[0], dict) else wlan.config(*args)
                )
            elif name == "scan":
                result = [(ssid.decode(), c, r, s, h) for ssid, _, c, r, s, h in wlan.scan()]
            else:
                result = getattr(wlan, name)(*args)
        except (OSError, ValueError) as error:
            result = str(error)
        results.append(result)
    return results
