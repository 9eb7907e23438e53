"""The firmware's sources rewritten for a board's small heap, before mpy-cross compiles them.

In the order in which `motekit.firmware` uses them: `copies`, `link`, `merge`, `halves`, `shorten`.
"""
