"""Virtual boards: the real firmware on the real MicroPython VM, with models of the hardware.

`scenario` says what there is, `fleet` supervises it, `virtual_board` is one board, `vm` finds the
VM, and `rom` is what runs inside the VM beneath the firmware. The heap of a board is 64 KiB and
what the ROM measurably takes, with a fence in the middle of the firmware's share.
"""
