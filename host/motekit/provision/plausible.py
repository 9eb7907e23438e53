"""What a sensor on a bench can read: outside of that a part is broken, wet, or not wired right.

Rails of a converter (an open line, a short) lie outside of these by design of the parts: 0 and
65535 of an SHT4x are -45 and 130 Cel. Bounds are those of places where people provision boards.
"""

import math
from collections.abc import Mapping

# unit: lowest, highest value that can be
BOUNDS = {
    "Cel": (-40.0, 85.0),
    "%RH": (0.0, 100.0),
    "Pa": (50_000.0, 110_000.0),  # 5,500 m up, the highest towns, to the Dead Sea
    "ppm": (200.0, 40_000.0),  # of CO2: fresh air has more than 400; a part without light reads 0
    "ppb": (0.0, 65_000.0),
    "ug/m3": (0.0, 1_000.0),
    "/dL": (0.0, 65_534.0),
    "1": (0.0, 500.0),
    "tick": (1.0, 65_534.0),
    "deg/s": (-2_000.0, 2_000.0),
    "g": (-16.0, 16.0),
}
GRAVITY_G = (0.2, 4.0)  # of the three axes together: at rest 1, and a bench may be knocked at
_AXES = ("accel_x", "accel_y", "accel_z")


def implausible(
    sensor: str, units: Mapping[str, str], values: Mapping[str, float | None]
) -> list[str]:
    """Return in words what cannot be of a sensor's values; empty if all can."""
    found: list[str] = []
    for channel, value in values.items():
        unit = units[channel]
        low, high = BOUNDS.get(unit, (-math.inf, math.inf))
        if value is None:
            found.append(f"{sensor}: {channel} gives no valid reading")
        elif not low <= value <= high:
            found.append(f"{sensor}: {channel} reads {value:g} {unit}, {low:g} to {high:g} can be")
    axes = [values.get(axis) for axis in _AXES]
    if not found and all(axis is not None for axis in axes):
        total = math.hypot(*(axis for axis in axes if axis is not None))
        if not GRAVITY_G[0] <= total <= GRAVITY_G[1]:
            found.append(
                f"{sensor}: its axes read {total:.2f} g together, gravity alone is 1: "
                f"is it the right part, and does it measure?"
            )
    return found
