"""Planted bugs, one by one in a scratch copy: do our own tests notice? See `__main__`."""
