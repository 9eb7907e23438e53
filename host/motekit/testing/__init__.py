"""Tests of firmware on virtual or real boards: a pytest plugin.

    def test_rides_out_a_missing_answer(virtual_board):
        board = virtual_board(
            sensors=[{"driver": "sht4x", "source": {"temperature": 21.5}}],
            faults=[{"kind": "i2c_nack", "at_s": 20, "for_s": 10}],
        )
        board.run(60)                                # simulated seconds
        assert board.sensor("sht4x").state == "ok"   # as the board tells
        readings = board.readings("sht4x")           # as the host has stored them
        assert readings.lost and abs(readings["temperature"] - 21.5).max() < 0.1

The firmware is the one that boards run, on the real MicroPython VM; `plugin` has the fixtures and
options, `board.Board` what a test can do with a board, `readings.Readings` what it gets.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .board import Bench as Bench
    from .board import Board as Board
    from .board import CollectorControl as CollectorControl
    from .plugin import MakeBoard as MakeBoard
    from .plugin import MakeFleet as MakeFleet
    from .plugin import MakeScenario as MakeScenario
    from .readings import Gap as Gap
    from .readings import Note as Note
    from .readings import Readings as Readings

_HOMES = {
    "Bench": "board",
    "Board": "board",
    "CollectorControl": "board",
    "Gap": "readings",
    "MakeBoard": "plugin",
    "MakeFleet": "plugin",
    "MakeScenario": "plugin",
    "Note": "readings",
    "Readings": "readings",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: pytest loads this package in every project that has it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
