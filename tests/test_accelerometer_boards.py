"""Accelerometers on virtual boards, compiled and shortened as on a real one, into a store."""

import pytest

import motekit
from motekit import demo

HEAD = """
seed = 3
duration_s = 12
clock = "virtual"
"""
BOARD = """
[[board]]
board = "esp32-devkitc"

  [[board.sensor]]
  driver = "{driver}"
  {period}
  options = {options}
  source = {source}
"""
SEEN = {"accel_x": 0.5, "accel_y": -0.25, "accel_z": 1}
TURN = {"gyro_x": 100, "gyro_y": -20, "gyro_z": 5}
# driver: options, samples a second, resolution in g
PARTS = {
    "lis3dh": ("{ rate_hz = 200, range_g = 16 }", 200, 0.012),
    "sc7a20": ("{ rate_hz = 50, range_g = 2 }", 50, 1 / 1024),
    "mpu6050": ("{ rate_hz = 100, gyro_dps = 500 }", 100, 1 / 8192),
    "qmi8658": ("{ rate_hz = 250, gyro_dps = 256 }", 224.2, 1 / 8192),
    "qma6100p": ("{ rate_hz = 400 }", 400, 1 / 2048),
    "msa311": ("{ bandwidth_hz = 250 }", 10, 1 / 512),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return the store of a run of one board for each driver."""
    text = HEAD
    for driver, (options, _, _) in PARTS.items():
        seen = {**SEEN, **TURN} if "gyro" in options else SEEN
        source = ", ".join(f"{name} = {value}" for name, value in seen.items())
        period = "period_s = 0.1" if driver == "msa311" else ""
        board = {"driver": driver, "options": options, "period": period}
        text += BOARD.format(**board, source="{ " + source + " }")
    folder = tmp_path_factory.mktemp("accelerometers")
    (folder / "imu.toml").write_text(text)
    store = folder / "imu.motekit"
    with demo.running(store, lambda _: None, folder / "imu.toml") as running:
        running.run(lambda: None)
        outcome = running.outcome()
    assert outcome.gaps == outcome.unacked == 0
    with motekit.open(store) as opened:
        yield opened


@pytest.mark.parametrize("driver", PARTS)
def test_what_is_there_is_what_is_stored(kept, driver):
    options, rate_hz, resolution = PARTS[driver]
    table = kept.read(stream=driver)
    assert len(table) == pytest.approx(12 * rate_hz, rel=0.06)
    for name, value in SEEN.items():
        assert table[name] == pytest.approx(value, abs=0.51 * resolution)
    if "gyro" in options:
        for name, value in TURN.items():
            assert table[name] == pytest.approx(value, abs=0.51 * 500 / 32768)
