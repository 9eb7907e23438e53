"""A Linux computer, or any with a USB adapter, as the board: the same drivers, on CPython."""
