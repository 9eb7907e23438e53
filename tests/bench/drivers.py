"""What the drivers take of a board's heap: loaded, made, and for each sample.

The 32-bit VM loads them compiled, as a board does; a bus that takes nothing stands in for the
part, so that a sample's bytes are the driver's own. Heap bytes are what `gc.mem_alloc` rises by.
"""

import re

from motekit.drivers import NAMES

from .encode import VM_SCRIPTS, command, find, output

SCRIPT = VM_SCRIPTS / "driver_cost.py"
ROUNDS = 50
HEAP_BYTES = 64 * 1024
# BMP280 datasheet, 3.12, and humidity of a common part: registers from 0x88 on
TRIM = (
    "706b436718fc7d8e43d6d00b270b8c00f9ff8c3cf8c67017004b00000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000680100132c031e"
)
# driver: (samples a round, what the part says[, registers from 0x88 on that it is set up with])
REPLIES = {
    "adxl345": (16, "101010101010"),
    "lis3dh": (16, "101010101010"),
    "mpu6050": (16, "006000600060"),
    "msa311": (16, "00000000000000000000000000000000"),
    "qma6100p": (16, "101010101010"),
    "qmi8658": (16, "15=6000 17=010203040506 2d=80/00 30=01/02/02"),
    "sc7a20": (16, "101010101010"),
    "ens160": (1, "820264009001"),
    "mhz19c": (8, "ff8602200000000058"),
    "pms5003": (3, "424d001c0007000c000f0007000c000f0384012c003c00080002000197000281"),
    "pmsa003i": (8, "424d001c0007000c000f0007000c000f0384012c003c00080002000197000281"),
    "s8": (8, "fe0408000000000000019016e6"),
    "scd4x": (1, "01f4336667a25eb93c"),
    "sds011": (1, "aac0d4043a0aa1601dab"),
    "sen55": (8, "000081" * 8),
    "sgp41": (8, "000081000081"),
    "zh03b": (8, "ff86008500960065fa"),
    "sht4x": (8, "000081000081"),
    "sht3x": (8, "000081000081"),
    "gxht30": (8, "000081000081"),
    "aht20": (8, "1874ea45e147a0"),
    "cht8305": (8, "64308000"),
    "ds18b20": (8, "910100460000ff0f10"),
    "bmp280": (8, "0054200065ac007eed00", TRIM),
    "bme280": (8, "0054200065ac007eed006978", TRIM),
}
CAPTION = f"32-bit VM, compiled. A board's heap is {HEAP_BYTES} bytes, its program included."


def run(report, _traces):
    """Measure every driver of the table."""
    machine = find(32, report, "drivers")
    figures = []
    for name in NAMES if machine else ():
        if name not in REPLIES:
            report.missing("no reply to sample it with", f"drivers {name}")
            continue
        samples, *replies = REPLIES[name]
        said, _ = output(*command(machine, (name, samples, ROUNDS, *replies), SCRIPT))
        loaded, made, heap = map(int, re.findall(r"-?[0-9]+", said))
        stem = f"drivers.{name}"
        beside = {"heap": HEAP_BYTES}
        figures.append(report.add(f"{stem}.loaded_bytes", loaded, "B", beside=beside))
        figures.append(report.add(f"{stem}.object_bytes", made, "B", beside=beside))
        per_sample = heap / ROUNDS / samples
        figures.append(report.add(f"{stem}.heap_bytes_per_sample", per_sample, "B", goal=0))
    if figures:
        report.figures_table("Drivers on the VM", figures, CAPTION)
