"""The TMP117 driver on a virtual board."""


def test_rides_out_a_part_that_does_not_answer(virtual_board):
    board = virtual_board(
        sensors=[{"driver": "tmp117", "source": {"temperature": -12.5}}],
        faults=[{"kind": "i2c_nack", "at_s": 20, "for_s": 10}],
    )
    board.run(60)  # simulated seconds
    readings = board.readings("tmp117")  # as the host has stored them
    assert board.sensor("tmp117").state == "ok"  # as the board tells
    assert 8 <= readings.lost <= 20  # it was looked for again after 1, 2, 4 and 8 s
    assert set(readings["temperature"].compressed()) == {-12.5}
