"""What happens once, at boot: identity, epoch, configuration, sensors. Loaded for that alone.

The epoch is on the flash before anything is sent under it; the log begins with a note on the boot,
then the table of each sensor, there or not.
"""

from . import drivers
from .clock import Clock
from .errors import ConfigError, MoteError
from .links.serial import SerialLink
from .recorder import Recorder
from .sampler import Stream
from .uplink import Uplink


def build(board):
    """Give the board its parts, log the boot, start the sensors; return (clock, uplink, link)."""
    port = board.port
    previous = _identify(board)
    board.tidy()
    settings = _settings(board)
    board.tidy()
    board.name = settings["board"]
    board.title = settings.get("name")
    board.new_nonce()
    clock = Clock(port.ticks_us, port.ticks_diff)
    kernel = _encoder(board)
    board.tidy()
    who = board.identity
    board.recorder = Recorder(board.log, who, board.epoch, clock, kernel)
    log = board.log
    uplink = Uplink(log, who.ack, who.generation, board.epoch, port.ticks_ms, port.ticks_diff)
    link = SerialLink(port.serial, log, uplink, board.receive)
    _note(board, previous)
    board.tidy()
    for number, sensor in enumerate(settings["sensors"]):
        try:
            _add_stream(board, number, sensor, settings)
        except (MemoryError, MoteError) as error:
            board.config_error = f"{sensor['name']}: {type(error).__name__}: {error}"
            board.report(board.config_error)
    board.room = None
    return clock, uplink, link


def _identify(board):
    """Give the board its identity and epoch; return the epoch before."""
    from . import identity

    port = board.port
    board.identity = identity.load(port.unique_id(), port.root)
    board.epoch, previous, board.previous_seq = identity.next_epoch(port.root, port.random)
    return previous


def _encoder(board):
    """Tell the board which kernel of the encoder runs here; return it."""
    from . import packet_setup

    board.encoder, kernel = packet_setup.select_kernel()
    return kernel


def _note(board, previous_epoch):
    from . import describe

    about = describe.about(board)
    about["previous_epoch"] = previous_epoch
    board.recorder.note({"boot": about})
    board.report(
        f"{about['firmware']} device {about['device']} epoch {board.epoch} reset {about['reset']}"
    )


def _settings(board):
    """Return the configuration; a broken one leaves the board without sensors, not mute."""
    from . import config

    try:
        return config.load(board.port.root, drivers.load)
    except (ConfigError, OSError) as error:
        board.config_error = str(error)
        board.report(f"no sensors: {error}")
        return config.check({"board": "unknown"}, drivers.load)


def _add_stream(board, number, sensor, settings):
    """Start one sensor. No function of this module may stay with it: it would keep the module."""
    from . import describe

    bus = sensor["bus"]
    spec = dict(settings["buses"][bus], name=bus)
    cls = drivers.load(sensor["driver"])
    if cls.STREAMING and not cls.TIMED:  # the part with a FIFO, so with the largest block
        board.room = None
        board.tidy()
    stream = Stream(number, sensor, spec, cls, board.recorder, board, settings["packet"])
    board.add(stream, stream.step())
    board.recorder.note({"schema": describe.schema(stream)})
    board.tidy()
