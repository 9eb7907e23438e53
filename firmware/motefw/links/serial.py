"""The serial line that the board shares with its REPL: frames, pieces, credits, text.

    board -> host   'P' id index last data   piece of a packet, id = seq & 0xFF, 128 bytes of data
                    'M' id index last data   piece of a reply
                    'C' id index             the host's piece was taken, the next may come
    host -> board   'M' id index last data   piece of a message, at most 84 bytes of data
                    'R' what id mask         send these pieces of 'P' or 'M' again

Everything that leaves goes through one object and leaves as a whole, so log lines and frames
cannot mix. Between two pieces the other tasks have their turn. What comes in is bounded: what lies
between two zeros and is no frame is counted and dropped.

While the board has no Wi-Fi, Ctrl-C comes as a byte: within a packet of Improv's it is data, and
anywhere else it interrupts.

Ref: SPEC.md, sections "Link" and "Improv".
"""

import asyncio

from .. import frame, overlay
from ..compat import const
from ..crc import crc32
from ..errors import FrameError

BUFFER_BYTES = const(396)  # frame.PAYLOAD_MAX_BYTES, its CRC, frame.ENCODED_MAX_BYTES
_PACKET = const(0x50)
_MESSAGE = const(0x4D)
_CREDIT = const(0x43)
_RESEND = const(0x52)
_HEAD_BYTES = const(4)
_PIECE_BYTES = const(128)
_IN_PIECE_BYTES = const(84)
_PIECES_MAX = const(32)
_IN_BYTES = const(220)
_AGAIN_MAX = const(8)
_LOOK_BYTES = const(520)  # twice what the board's ring holds
_SEND_MS = const(3000)
_CTRL_C = const(3)
_IMPROV = const(b"IMPROV\1\3")  # version, and the type of all packets that come from a client
_MESSAGE_BYTES = const(1024)  # message.MAX_TO_BOARD_BYTES, which is not loaded for its sake


class SerialLink:
    """Both directions of the line; the board receives each whole message (a memoryview).

    `buffer`, a bytearray of at least BUFFER_BYTES, is used from call to call only, and may be
    others' meanwhile.
    """

    def __init__(self, serial, log, uplink, board, buffer=None):
        self.serial = serial
        self._log = log
        self._uplink = uplink
        self._board = board
        self._chunk = bytearray(64)
        self.taken = bytearray(_IN_BYTES)  # since the last zero
        self.have = 0
        self._message = bytearray()  # what is there of it; made for it, since most are short
        self._size = 0
        self._start = 0  # CRC of its first piece, and of that of the message before
        self._message_id = -1
        self._expected = 0  # index of the next piece
        self._scratch = buffer or bytearray(BUFFER_BYTES)
        self._out = memoryview(self._scratch)[frame.PAYLOAD_MAX_BYTES + 4 :]
        self._session = 0
        self._seq = -1  # the packet being sent
        self._index = 0  # and its next piece
        self._again = []  # [seq, mask of pieces] asked for again
        self._reply = ()
        self._reply_id = 0
        self._reply_mask = 0
        self.frames_bad = 0

    @property
    def idle(self):
        """Tell whether no reply is under way."""
        return not self._reply_mask

    async def read(self, task):
        """Take what comes in, for ever."""
        while True:
            task.park()
            n = await self.serial.readinto(self._chunk)
            task.beat(0)
            self.feed(self._chunk, n)
            if self._chunk[n - 1] == _CTRL_C:  # the last of what is read
                if _IMPROV not in (self.taken[self.have - 8 : self.have], self._chunk[n - 8 : n]):
                    self.have -= 1
                    raise KeyboardInterrupt
                await overlay.call("improv", "packet", self._board)

    async def send(self, task):
        """Send what is due, a piece at a time, for ever."""
        wake = self._uplink.wake
        while True:
            task.beat(_SEND_MS)
            if self._send_piece():
                await asyncio.sleep_ms(0)
            else:
                wake.clear()
                task.park()
                await wake.wait()

    def reply(self, pieces):
        """Send a message to the host; one that is still under way is given up for it."""
        self._reply = pieces
        self._reply_id = (self._reply_id + 1) & 0xFF
        self._reply_mask = (1 << len(pieces)) - 1
        self._uplink.wake.set()

    # Out.

    def _send_piece(self):
        """Send the most urgent piece; False if there is none."""
        if self._reply_mask:
            index = _lowest(self._reply_mask)
            self._reply_mask &= ~(1 << index)
            self._send_reply(index)
            return True
        if self._session != self._uplink.session:
            self._session = self._uplink.session
            self._seq = -1
            del self._again[:]
        return self._send_again() or self._send_packet()

    def _send_again(self):
        while self._again:
            entry = self._again[0]
            seq, mask = entry
            mask &= (1 << _last(self._log.size(seq)) + 1) - 1
            if mask and self._uplink.alive:
                index = _lowest(mask)
                entry[1] = mask & ~(1 << index)
                self._send_part(seq, index)
                return True
            self._again.pop(0)
        return False

    def _send_packet(self):
        if not self._log.size(self._seq):  # none under way, or it is acked or dropped already
            self._seq = self._uplink.due()
            self._index = 0
        seq = self._seq
        if seq < 0 or not self._uplink.alive:
            self._seq = -1
            return False
        if self._send_part(seq, self._index):
            self._seq = -1
            self._uplink.sent(seq)
        self._index += 1
        return True

    def _send_part(self, seq, index):
        """Send one piece of a packet; tell whether it was the last."""
        last = _last(self._log.size(seq))
        at = index * _PIECE_BYTES
        n = self._log.peek(seq, at, self._scratch, _HEAD_BYTES, _PIECE_BYTES)
        self._write(_PACKET, seq & 0xFF, index, last, _HEAD_BYTES + n)
        return index == last

    def _send_reply(self, index):
        data = self._reply[index]
        self._scratch[_HEAD_BYTES : _HEAD_BYTES + len(data)] = data
        last = len(self._reply) - 1
        self._write(_MESSAGE, self._reply_id, index, last, _HEAD_BYTES + len(data))

    def _write(self, kind, number, index, last, n):
        scratch = self._scratch
        scratch[0] = kind
        scratch[1] = number
        scratch[2] = index
        scratch[3] = last
        self.serial.write(self._out[: frame.encode_into(scratch, n, self._out)])

    # In.

    def feed(self, data, n):
        """Take n bytes from the line."""
        at = 0
        while at < n:
            zero = data.find(b"\0", at, n)
            end = n if zero < 0 else zero
            have = self.have
            stop = min(end, at + max(_IN_BYTES - have, 0))
            self.taken[have : have + stop - at] = data[at:stop]
            have += end - at  # beyond the buffer: too long for a frame
            at = end
            self.have = have
            if zero >= 0:
                at += 1
                self.have = 0  # before anything that can be interrupted
                if have and not self._frame(have):
                    self.frames_bad += 1

    def noisy(self):
        """Tell whether the Ctrl-C that came just now is a damaged byte of a frame.

        Frames have no control characters: one beside it was typed. What comes behind a CR is left
        on the line, for the prompt. A frame that lacks a byte is let go of, so that whoever typed
        half a line need only press the key again.
        """
        have = min(self.have, _IN_BYTES)
        typed = have and self.taken[have - 1] in b"\r\n"
        bad = self.frames_bad
        for _ in range(_LOOK_BYTES):
            if typed:
                return False
            b = self.serial.take()
            if b < 0:
                break
            self._chunk[0] = b
            typed = 0 < b < 0x20
            self.feed(self._chunk, 1)
        noise = self.have > 0 or self.frames_bad != bad  # its end may be there by now
        self.have = 0
        return noise

    def _frame(self, have):
        """Take what lies between two zeros; False if it is no frame that makes sense."""
        data = self.taken
        if have > _IN_BYTES:
            return False
        try:
            n = frame.decode_into(data, frame.unstuff(data, have), data)
        except FrameError:
            return False
        if data[0] == _MESSAGE and _HEAD_BYTES < n <= _HEAD_BYTES + _IN_PIECE_BYTES:
            self._uplink.heard()
            return self._take(data[1], data[2], data[3], n)
        if data[0] == _RESEND and n == 7:
            self._uplink.heard()
            mask = data[3] | data[4] << 8 | data[5] << 16 | data[6] << 24
            return self._ask_again(data[1], data[2], mask)
        return False

    def _ask_again(self, what, number, mask):
        if what == _MESSAGE:
            if number == self._reply_id and self._reply:
                self._reply_mask |= mask & (1 << len(self._reply)) - 1
            return True
        if what != _PACKET:
            return False
        seq = self._uplink.find(number)
        if seq >= 0 and seq != self._seq:
            for entry in self._again:
                if entry[0] == seq:
                    entry[1] |= mask
                    return True
            if len(self._again) < _AGAIN_MAX:
                self._again.append([seq, mask])
        return True

    def _take(self, number, index, last, n):
        """Take a piece of a message: the next one, or one whose credit was lost."""
        piece = memoryview(self.taken)[_HEAD_BYTES:n]
        if not index and (number != self._message_id or crc32(piece) != self._start):
            try:
                self._message = bytearray(min((last + 1) * _IN_PIECE_BYTES, _MESSAGE_BYTES))
            except MemoryError:
                self._board.starve()
                return False  # the host sends it again
            self._size = self._expected = 0
            self._start = crc32(piece)
            self._message_id = number
        if number != self._message_id or index > self._expected or index > last:
            return False
        fresh = index == self._expected
        if fresh:
            end = self._size + len(piece)
            if end > len(self._message):
                self._message_id = -1
                return False
            self._message[self._size : end] = piece
            self._size = end
            self._expected += 1
        self._write(_CREDIT, number, index, 0, 3)
        if fresh and index == last:
            message = [memoryview(self._message)[: self._size]]  # to be taken out of it
            self._message = bytearray()
            self._board.receive(message)
        return True


def _last(size):
    """Return the index of the last piece of so many bytes; 0 bytes have none: -1."""
    return (size + _PIECE_BYTES - 1) // _PIECE_BYTES - 1


def _lowest(mask):
    index = 0
    while not mask >> index & 1:
        index += 1
    return index
