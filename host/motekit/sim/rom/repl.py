"""The prompt: friendly, raw and raw-paste, as the ESP32's firmware has it and mpremote expects it.

Ref: MicroPython documentation, "The MicroPython Interactive Interpreter Mode (aka REPL)".
"""

import gc
import io
import sys

from micropython import const

from . import board, control, port_sim

_A = const(1)
_B = const(2)
_C = const(3)
_D = const(4)
_E = const(5)
_WINDOW = const(128)
_RAW_BANNER = "raw REPL; CTRL-B to exit\r\n"
line = board.line
_write = line.stdout.write
_getc = line.getc


def run(then, globals):
    """Serve the prompt until the board is started anew; begin as `then` says.

    "again" is raw mode after a program that could not be interrupted: its banner was shown before.
    """
    raw = then in ("raw", "again")
    if not raw:
        _banner()
    while True:
        try:
            if raw:
                _raw(globals, then != "again")
            else:
                _friendly(globals)
            raw = not raw
        except MemoryError:  # of the prompt itself: what the program left fills the heap
            gc.collect()
        then = ""


def _banner():
    version = ".".join(str(n) for n in sys.implementation[1][:3])
    _write(
        "MicroPython v{}; virtual board {} with {}\r\n".format(
            version, board.spec["board"], board.spec["device"]
        )
    )
    _write('Type "help()" for more information.\r\n')


def soft_reset(raw):
    """Say so and have the board started anew; in raw mode main.py is not run.

    What the program left open is closed first, as a board's sweep of its heap does.
    """
    _write("MPY: soft reboot\r\n")
    __import__("__main__").__dict__.clear()
    gc.collect()
    control.reset("soft", "raw" if raw else "main", cursors=port_sim.cursors())


def execute(source, name, mode, who, globals):
    """Compile and run source; return the exception that ended it, or None."""
    control.call("run " + who)
    ended = None
    try:
        control.interruptible = True
        control.interrupt()
        exec(compile(source, name, mode), globals)
        control.interruptible = False
    except BaseException as e:
        control.interruptible = False
        ended = e
    line.release()
    control.call("prompt")
    control.forget()
    return ended


def show(error):
    """Print a traceback without the ROM's own frames, which a board has not."""
    text = io.StringIO()
    sys.print_exception(error, text)
    for row in text.getvalue().split("\n")[:-1]:
        if not row.startswith('  File "rom/'):
            _write(row + "\r\n")


def _finish(error, raw):
    if isinstance(error, SystemExit):
        soft_reset(raw)


def _raw(globals, fresh):
    """Serve raw mode until Ctrl-B."""
    if fresh:
        _write(_RAW_BANNER)
    while True:
        if fresh:
            _write(">")
        fresh = True
        source = _raw_command()
        if source is None:
            return
        if not source:
            _write("OK\r\n")
            soft_reset(True)
        if source is True:
            continue
        error = execute(source, "<stdin>", "exec", "raw", globals)
        _write("\x04")
        if error and not isinstance(error, SystemExit):
            show(error)
        _write("\x04")
        _finish(error, True)


def _raw_command():
    """Return one command's source; None for Ctrl-B, True for nothing to do."""
    source = bytearray()
    while True:
        c = _getc()
        if c == _A:
            _write(_RAW_BANNER + ">")
            source = bytearray()
        elif c == _B:
            _write("\r\n")
            return None
        elif c == _C:
            source = bytearray()
        elif c == _D:
            if source:
                _write("OK")
            return bytes(source).decode()
        elif c == _E and not source:
            if _getc() == 0x41 and _getc() == _A:
                return _raw_paste()
            _write("R\x00")
        else:
            source.append(c)


def _raw_paste():
    """Take source under flow control: the sender may have two windows under way."""
    _write(b"R\x01\x80\x00\x01")
    source = bytearray()
    room = _WINDOW
    while True:
        c = _getc()
        if c == _C:
            _write("\x04\x04\x04>")
            return True
        if c == _D:
            break
        source.append(c)
        room -= 1
        if not room:
            room = _WINDOW
            _write("\x01")
    _write("\x04")
    return bytes(source).decode() or "pass"


def _friendly(globals):
    """Serve the friendly prompt until Ctrl-A."""
    while True:
        source = _friendly_command()
        if source is None:
            return
        if source:
            mode = "exec" if isinstance(source, tuple) else "single"
            text = source[0] if isinstance(source, tuple) else source
            error = execute(text, "<stdin>", mode, "friendly", globals)
            _finish(error, False)
            if error:
                show(error)


def _friendly_command():
    lines = []
    prompt = ">>> "
    while True:
        _write(prompt)
        text = _line(not lines)
        if text == _A:
            return None
        if text == _B:
            _write("\r\n")
            _banner()
            return ""
        if text == _C:
            return ""
        if text == _E:
            return (_paste(),)
        lines.append(text)
        source = "\n".join(lines)
        if not _continues(source, text):
            return source
        prompt = "... "


def _continues(source, last):
    """Tell whether a statement wants more lines."""
    if not source.strip():
        return False
    if "\n" in source:
        return bool(last.strip()) or _open_brackets(source)
    return source.rstrip().endswith(":") or source.startswith("@") or _open_brackets(source)


def _open_brackets(source):
    depth = 0
    for c in source:
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
    return depth > 0


def _line(first):
    """Read and echo one line; return it, or the code of the control key that ended it."""
    text = ""
    while True:
        c = _getc()
        if c in (13, 10):
            _write("\r\n")
            return text
        if c == _C:
            _write("\r\n")
            return _C
        if not text and first and c in (_A, _B, _E):
            return c
        if c == _D and not text and first:
            _write("\r\n")
            soft_reset(False)
        if c in (8, 127):
            if text:
                text = text[:-1]
                _write("\x08 \x08")
        elif c == 27:
            _escape()
        elif c == 9 or 32 <= c < 127:
            text += chr(c)
            _write(chr(c))


def _escape():
    """Swallow an escape sequence: there is no history and no cursor."""
    if _getc() == 0x5B:
        while not 0x40 <= _getc() <= 0x7E:
            pass


def _paste():
    _write("\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    text = ""
    while True:
        c = _getc()
        if c == _C:
            _write("\r\n")
            return "pass"
        if c == _D:
            _write("\r\n")
            return text
        if c == 13:
            text += "\n"
            _write("\r\n=== ")
        else:
            text += chr(c)
            _write(chr(c))
