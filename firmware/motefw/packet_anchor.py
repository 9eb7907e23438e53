"""Time anchors: what tells a host when an epoch's time was. A board loads this for each."""

from . import packet_write
from .errors import PacketError
from .packet_write import ANCHOR, put


def encode_anchor(out, generation, epoch, seq, time_us, utc_us, quality, error_us):
    """Write an anchor, without its tag: at board time `time_us` it was `utc_us` (since 1970)."""
    if not (0 <= utc_us < 1 << 64 and 0 <= quality < 256 and 0 <= error_us < 1 << 32):
        raise PacketError(f"anchor: {utc_us}, {quality} or {error_us} is out of range")
    at = packet_write.write_header(out, ANCHOR, 0, generation, 0, 0, epoch, seq, 0, time_us, 1, 1)
    at = put(out, at, utc_us, 8)
    return put(out, put(out, at, quality, 1), error_us, 4)
