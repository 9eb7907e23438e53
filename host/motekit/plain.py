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


def escaped(text: str) -> str:
    """Return JSON whose unprintable characters are written as JSON writes them; lines stay lines.

    All of those stand in strings: what JSON has between them can be printed.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _units(each) for each in text)


def _units(character: str) -> str:
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))
