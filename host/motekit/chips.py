"""What the chips have: pins, buses and the compiler's name for their instruction set.

Source: ESP-IDF, "GPIO & RTC GPIO", pin tables of each chip; the chips' datasheets, "Strapping
Pins"; esptool's documentation for image ids and bootloader offsets; MicroPython's ESP32 port for
the console (UART0, and USB where the chip has it).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """A chip as far as a board file can be wrong about it; pins are GPIO numbers."""

    name: str
    pins: frozenset[int]
    input_only: frozenset[int]
    strapping: frozenset[int]  # read at reset: what hangs on them can keep the chip from booting
    taken: dict[str, frozenset[int]]  # why a pin that exists is never free
    i2c: int  # controllers
    uarts: int  # UART0, the console, included
    march: str  # for mpy-cross
    image_id: int  # in the header of what it boots
    bootloader_offset: int  # where in flash that begins
    micropython: str  # board name of MicroPython's generic build


CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            name="esp32",
            pins=frozenset({*range(20), *range(21, 24), *range(25, 28), *range(32, 40)}),
            input_only=frozenset(range(34, 40)),
            strapping=frozenset({0, 2, 5, 12, 15}),
            taken={
                "flash": frozenset(range(6, 12)),
                "console UART": frozenset({1, 3}),
            },
            i2c=2,
            uarts=3,
            march="xtensawin",
            image_id=0,
            bootloader_offset=0x1000,
            micropython="ESP32_GENERIC",
        ),
        Chip(
            name="esp32c3",
            pins=frozenset(range(22)),
            input_only=frozenset(),
            strapping=frozenset({2, 8, 9}),
            taken={
                "flash": frozenset(range(11, 18)),
                "USB": frozenset({18, 19}),
                "console UART": frozenset({20, 21}),
            },
            i2c=1,
            uarts=2,
            march="rv32imc",
            image_id=5,
            bootloader_offset=0,
            micropython="ESP32_GENERIC_C3",
        ),
        Chip(
            name="esp32s3",
            pins=frozenset({*range(22), *range(26, 49)}),
            input_only=frozenset(),
            strapping=frozenset({0, 3, 45, 46}),
            taken={
                "flash and PSRAM": frozenset(range(26, 33)),
                "USB": frozenset({19, 20}),
                "console UART": frozenset({43, 44}),
            },
            i2c=2,
            uarts=3,
            march="xtensawin",
            image_id=9,
            bootloader_offset=0,
            micropython="ESP32_GENERIC_S3",
        ),
        Chip(
            name="esp32c6",
            pins=frozenset(range(31)),
            input_only=frozenset(),
            strapping=frozenset({4, 5, 8, 9, 15}),
            taken={
                "flash": frozenset(range(24, 31)),
                "USB": frozenset({12, 13}),
                "console UART": frozenset({16, 17}),
            },
            i2c=1,
            uarts=2,
            march="rv32imc",
            image_id=13,
            bootloader_offset=0,
            micropython="ESP32_GENERIC_C6",
        ),
    )
}
