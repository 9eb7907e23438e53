"""What the board has to say becomes sealed packets in its log: samples, notes, time anchors."""

import json

from . import packet
from .compat import const

# Holds 256 samples of 3 channels unless they are noise; what does not fit is cut in two.
PACKET_BYTES = const(1024)


class Recorder:
    """The only writer of the log: knows key, generation and epoch, numbers and seals."""

    def __init__(self, log, identity, epoch, clock, kernel, packet_bytes=PACKET_BYTES):
        self.log = log
        self.epoch = epoch
        self.generation = identity.generation
        self.clock = clock
        self._tagger = identity.data
        self.kernel = kernel
        self.out = bytearray(packet_bytes)  # of use from call to call only

    def _append(self, n):
        return self.log.append(self.out, packet.seal(self.out, n, self._tagger))

    def samples(self, stream, schema, index, time_us, block):
        """Log the samples of a block; PacketError if they do not fit in one packet."""
        n = packet.encode(
            self.out,
            self.generation,
            stream,
            schema,
            self.epoch,
            self.log.next_seq,
            index,
            time_us,
            block,
            self.kernel,
        )
        return self._append(n)

    def write(self, encode, *fields):
        """Log what `encode(out, generation, epoch, seq, *fields)` writes."""
        n = encode(self.out, self.generation, self.epoch, self.log.next_seq, *fields)
        return self._append(n)

    def note(self, value):
        """Log a JSON object."""
        return self.write(packet.encode_note, self.clock.now_us(), json.dumps(value).encode())
