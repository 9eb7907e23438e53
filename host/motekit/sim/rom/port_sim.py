"""The port of a virtual board: what `app.run` is handed, and what wakes and ends the board."""

def setup():
    pass
