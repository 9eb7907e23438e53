"""Air quality sensors on virtual boards, compiled and shortened as on a real one, into a store."""

import numpy as np
import pytest

import motekit
from motekit import demo, drivers

HEAD = """
seed = 3
duration_s = 200
clock = "virtual"
"""
BOARD = """
[[board]]
board = "esp32-devkitc"

  [[board.sensor]]
  driver = "{driver}"
  options = {{ {options} }}
  source = {{ {source} }}
"""
VALUES = {
    "co2": 612,
    "eco2": 612,
    "tvoc": 120,
    "aqi_uba": 2,
    "temperature": 21.5,
    "humidity": 45,
    "voc_index": 104,
    "nox_index": 3,
    "voc_raw": 28000,
    "nox_raw": 17000,
}
OPTIONS = {"sds011": "warmup_s = 5", "mhz19c": "warmup_s = 5", "zh03b": "warmup_s = 5"}
LEAST = {  # of 200 s: valid samples in every channel
    "pmsa003i": 165,
    "sds011": 190,
    "zh03b": 190,
    "sen55": 185,
    "mhz19c": 190,
    "s8": 195,
    "scd4x": 37,
    "sgp41": 187,
    "ens160": 18,
}


def value_of(channel):
    return VALUES.get(channel.name, 37)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return the store of a run of one board for each driver."""
    text = HEAD
    for driver in LEAST:
        channels = drivers.describe(driver).channels
        source = ", ".join(f"{each.name} = {value_of(each)}" for each in channels)
        text += BOARD.format(driver=driver, options=OPTIONS.get(driver, ""), source=source)
    folder = tmp_path_factory.mktemp("air")
    (folder / "air.toml").write_text(text)
    with demo.running(folder / "air.motekit", lambda _: None, folder / "air.toml") as running:
        running.run(lambda: None)
        outcome = running.outcome()
    assert outcome.gaps == outcome.unacked == 0
    with motekit.open(folder / "air.motekit") as store:
        yield store


@pytest.mark.parametrize("driver", LEAST)
def test_what_is_there_is_what_is_stored(kept, driver):
    table = kept.read(stream=driver)
    for channel in drivers.describe(driver).channels:
        valid = np.ma.compressed(table[channel.name])
        assert LEAST[driver] <= len(valid) <= 201
        assert valid == pytest.approx(value_of(channel), abs=0.51 * channel.scale)
