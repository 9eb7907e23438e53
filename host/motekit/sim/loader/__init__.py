"""The boot ROM of a virtual chip: what speaks on the line before any firmware runs.

Serves unmodified esptool, with its stub and without: the stub that it uploads is not run, but what
a chip does after it is. Not modelled: secure boot, flash encryption, eFuse writes, the time that
erasing and programming take.

Ref: esptool documentation, "Serial Protocol", "Firmware Image Format".
"""
