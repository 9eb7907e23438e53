"""Climate sensors on virtual boards, compiled and shortened as on a real one, into a store."""

import pytest

import motekit
from motekit import demo, drivers

HEAD = """
seed = 3
duration_s = 30
clock = "virtual"
"""
BOARD = """
[[board]]
board = "esp32-devkitc"

  [[board.sensor]]
  driver = "{driver}"
  period_s = 1
  source = {source}
"""
VALUES = {"temperature": 21.5, "humidity": 45, "pressure": 101_325}
DRIVERS = ("aht20", "bme280", "bmp280", "cht8305", "ds18b20", "gxht30", "sht3x", "sht4x")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return the store of a run of one board for each driver."""
    text = HEAD
    for driver in DRIVERS:
        names = [channel.name for channel in drivers.describe(driver).channels]
        source = ", ".join(f"{name} = {VALUES[name]}" for name in names)
        text += BOARD.format(driver=driver, source="{ " + source + " }")
    folder = tmp_path_factory.mktemp("climate")
    (folder / "climate.toml").write_text(text)
    with demo.running(
        folder / "climate.motekit", lambda _: None, folder / "climate.toml"
    ) as running:
        running.run(lambda: None)
        outcome = running.outcome()
    assert outcome.gaps == outcome.unacked == 0
    with motekit.open(folder / "climate.motekit") as store:
        yield store


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_is_there_is_what_is_stored(kept, driver):
    table = kept.read(stream=driver)
    for channel in drivers.describe(driver).channels:
        values = table[channel.name]
        assert 29 <= len(values) <= 31
        assert values == pytest.approx(VALUES[channel.name], abs=max(channel.scale, 0.011))
