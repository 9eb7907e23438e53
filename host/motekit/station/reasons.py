"""Why a board failed, in two words that can be read from across the room.

What is wrong is known by the errors of those who found it; what fits no row is named by the step.
"""

import re

# The first that is found in an error names it.
_ROWS = (
    (r"one of them is a copy", "TWO ALIKE"),
    (r"boards were exchanged|exchanged\?", "OTHER BOARD"),
    (r"in use by|permission denied|port is busy", "PORT BUSY"),
    (r"no such port|unplugged|port is gone", "PULLED"),
    (r"Failed to connect|no chip and no MAC", "NO CHIP"),
    (r"another fleet|another key store|keys that are not|keys of generation", "NOT OURS"),
    (r"holds \d+ packets|does not tell what it holds|may hold data", "HAS DATA"),
    (r"has an esp32", "WRONG CHIP"),
    (r"MB of flash", "SMALL FLASH"),
    (r"holds something else", "NOT BLANK"),
    (r"[Ww]rite error|MD5|[Ww]rite protect|read back|does not keep", "BAD FLASH"),
    (r"does not say hello|does not come up|MicroPython board that runs|main\.py", "NO HELLO"),
    (r"plan has nothing for|is to be .* by the records", "NO ROLE"),
    (r"[Ww]i-?[Ff]i|network", "WI-FI"),
    (r"no packet", "NO DATA"),
    (r"valid reading|can be|has no such sensor| is (?:failed|absent|missing)|axes read", "SENSOR"),
    (r"[Ss]erial data stream|noise|arrived damaged|garbled", "BAD LINE"),
    (r"has said nothing|no answer|no MicroPython prompt", "SILENT"),
    (r"No space left|disk is full|cannot be written", "DISK"),
    (r"station itself failed", "STATION"),
)
_KNOWN = tuple((re.compile(pattern), words) for pattern, words in _ROWS)
_STEPS = {"writing": "FLASH", "files": "FILES", "looking": "NO CHIP", "hello": "NO HELLO"}


def headline(step: str, why: str) -> str:
    """Return what to show large."""
    for pattern, words in _KNOWN:
        if pattern.search(why):
            return words
    return _STEPS.get(step, step.upper())
