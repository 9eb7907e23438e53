"""SLIP (RFC 1055) as the boot ROM speaks it: a frame begins and ends with 0xC0."""

END = b"\xc0"
FRAME_MAX_BYTES = 0x8000


def encode(frame: bytes) -> bytes:
    """Return a frame as it goes over the line."""
    return END + frame.replace(b"\xdb", b"\xdb\xdd").replace(END, b"\xdb\xdc") + END


class Decoder:
    """Finds the frames in what comes; what is between them, too long or ill-formed is dropped."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._inside = False
        self.dropped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now."""
        found: list[bytes] = []
        first, *rest = data.split(END)
        self._take(first)
        for piece in rest:
            if self._inside and self._held:
                self._finish(found)
                self._inside = False
            else:
                self._inside = True
            self._held.clear()
            if piece and not self._inside:
                self.dropped += len(piece)
            self._take(piece)
        return found

    def _take(self, piece: bytes) -> None:
        if not self._inside:
            return
        self._held += piece
        if len(self._held) > FRAME_MAX_BYTES:
            self.dropped += len(self._held)
            self._held.clear()
            self._inside = False

    def _finish(self, found: list[bytes]) -> None:
        plain = self._held.replace(b"\xdb\xdc", END)
        escapes = self._held.count(b"\xdb")
        if escapes != self._held.count(b"\xdb\xdc") + self._held.count(b"\xdb\xdd"):
            self.dropped += len(self._held)
            return
        found.append(bytes(plain.replace(b"\xdb\xdd", b"\xdb")))
