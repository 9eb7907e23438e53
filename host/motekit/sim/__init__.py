"""Virtual boards: the real firmware on the real MicroPython VM, with models of the hardware.

`scenario` says what there is, `vm` finds the VM, `preparation` makes flash and heap of a board.
`fleet` supervises boards with ptys, each a `virtual_board`. A `world` runs boards, each a
`stepped_board`, with their lines (`wire`) and the collector in one virtual time. And `rom` is what runs inside the VM beneath the firmware. The heap of a board is 64 KiB and
what the ROM measurably takes, with a fence in the middle of the firmware's share.
"""
