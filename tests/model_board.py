"""A board's side of the serial line, in Python: what host tests talk to where no VM is needed.

Bytes and a clock in, bytes out, as the host's link. It keeps to SPEC.md ("Link", "Queue"): window
of 4, credits, pieces sent again on request, an ack moves the tail, packets for a living host only.
"""

import json
import os
import struct
import threading
import time
import tty

from motefw import frame, frame_host, message, packet, receipt
from motefw.errors import FrameError, MoteError
from motefw.keys import Tagger

PIECE = 128
WINDOW = 4
SCHEMA = {
    "id": 0,
    "stream": 0,
    "name": "adxl345",
    "driver": "adxl345",
    "rate_hz": 200,
    "channels": [["accel_x", "g", 0.0039, 0]],
}


def zero_key(device):
    return Tagger(bytes(32), device.encode())


def note_packet(device, epoch, seq, value, *, generation=0, tagger=None, time_us=0):
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet.encode_note(out, generation, epoch, seq, time_us, json.dumps(value).encode())
    return bytes(out[: packet.seal(out, n, tagger or zero_key(device))])


def samples_packet(device, epoch, seq, index, columns, *, time_us=0, generation=0, tagger=None):
    block = packet.Block(len(columns), len(columns[0]))
    for column, values in zip(block.columns, columns, strict=True):
        for i, value in enumerate(values):
            column[i] = value
    block.count = len(columns[0])
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet.encode(out, generation, 0, 0, epoch, seq, index, time_us, block)
    return bytes(out[: packet.seal(out, n, tagger or zero_key(device))])


class ModelBoard:
    """One boot of a board; `log` holds its packets from seq 0 on."""

    def __init__(self, device="0123456789ab", epoch=7, packets=(), generation=0, keys=None):
        self.device = device
        self.epoch = epoch
        self.generation = generation
        zero = zero_key(device)
        self.data_key, self.ack_key, self.command_key = keys or (zero, zero, zero)
        self.nonce = os.urandom(8)
        self.log = list(packets)
        self.tail = 0
        self.next_send = 0
        self.sent_seq = 0
        self.alive_until = -1.0
        self.moved_at = 0.0
        self.requests = []
        self.refused = []
        self.counters = {}
        self.bad = 0
        self.reply_id = 0
        self.replies = {}
        self.last_piece = None
        self.parts = []
        self.resend_s = 3.0
        self.mute = ()  # names of requests that are taken and not answered
        self._in = bytearray()

    def receive(self, data, now):
        """Take bytes from the host; return the bytes that answer them."""
        out = bytearray()
        *chunks, rest = data.split(b"\0")
        for chunk in chunks:
            self._in += chunk
            if self._in:
                out += self._frame(bytes(self._in), now)
            self._in.clear()
        self._in += rest
        return bytes(out)

    def _frame(self, chunk, now):
        data = bytearray(chunk)
        try:
            payload = frame_host.decode(data[: frame.unstuff(data, len(data))])
        except FrameError:
            self.bad += 1
            return b""
        if self.alive_until >= 0:
            self.alive_until = now + 10
        if payload[0] == ord("R"):
            _, what, number, mask = struct.unpack("<BBBI", payload)
            return self._again(what, number, mask)
        _, number, index, last = payload[:4]
        credit = frame_host.encode(b"C" + payload[1:3])
        if self.last_piece == (number, index):
            return credit
        self.last_piece = (number, index)
        if index == 0:
            self.parts = []
        self.parts.append(payload[4:])
        if index == last:
            return credit + self._message(b"".join(self.parts), now)
        return credit

    def _again(self, what, number, mask):
        if what == ord("M"):
            data = self.replies.get(number)
        else:
            seq = self.tail + ((number - self.tail) & 0xFF)
            data = self.log[seq] if seq < min(self.tail + WINDOW, self.sent_seq) else None
        if data is None:
            return b""
        pieces = self._pieces(chr(what), number, data)
        return b"".join(piece for i, piece in enumerate(pieces) if mask >> i & 1)

    def _pieces(self, what, number, data):
        last = (len(data) - 1) // PIECE
        for i in range(last + 1):
            head = what.encode() + bytes((number & 0xFF, i, last))
            yield frame_host.encode(head + data[i * PIECE : (i + 1) * PIECE])

    def _message(self, data, now):
        if data[0] != message.REQUEST:
            self._receipt(data, now)
            return b""
        name = message.request_name(data)
        nonce = message.NO_NONCE if name == "hello" else self.nonce
        ok = True
        try:
            if name != "hello":
                self._open(data, nonce, name)
            elif not self._is_anonymous(data):
                message.open_request(self.ack_key, nonce, data)
                self.alive_until = now + 10
                self.next_send = self.tail
            result = self._result(name)
        except MoteError as error:
            result, ok = {"error": str(error)}, False
        if name in self.mute:
            return b""
        self.reply_id = (self.reply_id + 1) & 0xFF
        reply = message.reply(self.data_key, nonce, message.request_number(data), ok, result)
        self.replies = {self.reply_id: reply}
        return b"".join(self._pieces("M", self.reply_id, reply))

    def _is_anonymous(self, data):
        try:
            message.open_request(zero_key(""), message.NO_NONCE, data)
            return True
        except MoteError:
            return False

    def _open(self, data, nonce, name):
        try:
            _, host, counter, _, args = message.open_request(self.command_key, nonce, data)
        except MoteError:
            _, host, counter, _, args = message.open_request(self.ack_key, nonce, data)
        if counter <= self.counters.get(host, -1):
            raise MoteError("counter: not beyond the last one")
        self.counters[host] = counter
        self.requests.append((name, args))

    def _result(self, name):
        if name == "hello":
            return self.hello()
        if name == "status":
            return {"sensors": [{"name": "adxl345", "state": "ok"}], "queue_dropped": 0}
        if name == "schema":
            return {"schema": SCHEMA}
        if name == "time.get":
            return {"uptime_us": 1_000_000}
        if name == "time.set":
            return {}
        raise MoteError(f"command: {name} is unknown")

    def hello(self):
        return {
            "device": self.device,
            "board": "model",
            "firmware": "0.1.0",
            "micropython": "1.25.0",
            "mpy": None,
            "encoder": "plain",
            "generation": self.generation,
            "epoch": self.epoch,
            "nonce": self.nonce.hex(),
            "next_seq": len(self.log),
            "tail_seq": self.tail,
            "previous_seq": None,
            "reset": "power_on",
            "uptime_ms": 1000,
            "streams": [{"stream": 0, "name": "adxl345", "driver": "adxl345", "schema": 0}],
        }

    def _receipt(self, data, now):
        try:
            what, generation, epoch, seq = receipt.open_receipt(self.ack_key, data)
        except MoteError:
            self.bad += 1
            return
        if (generation, epoch) != (self.generation, self.epoch) or seq >= self.sent_seq:
            return
        if what == receipt.REFUSED:
            self.refused.append(seq)
            if seq == self.tail:
                self.tail += 1
        elif seq >= self.tail:
            self.tail = seq + 1
        self.moved_at = now

    def poll(self, now):
        """Return what the board sends of its own accord."""
        if now > self.alive_until:
            return b""
        if self.next_send > self.tail and now - self.moved_at > self.resend_s:
            self.next_send = self.tail
            self.moved_at = now
        self.next_send = max(self.next_send, self.tail)
        if self.next_send >= min(len(self.log), self.tail + WINDOW):
            return b""
        seq = self.next_send
        self.next_send += 1
        self.sent_seq = max(self.sent_seq, self.next_send)
        self.moved_at = now
        return b"".join(self._pieces("P", seq, self.log[seq]))


class PtyBoard:
    """A model board behind a real pty, on a thread; `noise` may damage bytes both ways."""

    def __init__(self, board, noise=lambda data: data):
        self.board = board
        self._noise = noise
        self._master, self._slave = os.openpty()  # the slave is held, so that nothing hangs up
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.lock = threading.Lock()
        self._over = threading.Event()
        os.set_blocking(self._master, False)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        out = bytearray()
        while not self._over.is_set():
            try:
                data = os.read(self._master, 4096)
            except BlockingIOError:
                data = b""
            with self.lock:
                now = time.monotonic()
                reply = self.board.receive(self._noise(data), now) + self.board.poll(now)
            out += self._noise(reply)
            try:
                if out:
                    del out[: os.write(self._master, out)]
            except BlockingIOError:
                pass
            if not data and not reply:
                time.sleep(0.002)

    def print(self, text):
        os.write(self._master, text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(60)
        os.close(self._slave)
        os.close(self._master)
