"""Text that others have written, as it may stand on a terminal.

A board's words, or a network's name, may hold what a terminal takes for a command: colours,
another title, lines that go up over others. Here it is shown, and not obeyed.
"""


def plain(text: str) -> str:
    """Return a text whose unprintable characters are written as in Python; lines stay lines."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _shown(each) for each in text)


def _shown(character: str) -> str:
    return repr(character)[1:-1]
