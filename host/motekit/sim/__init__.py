"""Virtual boards: the real firmware on the real MicroPython VM, with models of the hardware.

`scenario` says what there is, `vm` finds the VM, `preparation` makes a board's flash and heap.
`fleet` supervises boards on ptys, each a `virtual_board`; a `world` runs boards, each a
`stepped_board`, with their lines (`wire`) and the collector in one virtual time. `rom` is what
runs inside the VM beneath the firmware. The heap of a board is what the firmware is to have and
what the ROM measurably takes, with a fence in the middle of the firmware's share.
"""
