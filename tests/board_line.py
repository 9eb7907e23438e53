"""The host's end of a board's line, as simple as can be: what board tests speak through."""

import json
import struct

from motefw import frame_host, keys, message, message_host, packet, receipt
from motefw.errors import FrameError

DEVICE = b"240ac4000102"
TAGGER = keys.Tagger(bytes(32), DEVICE)


class Host:
    """Makes what a host sends, and sorts what a board wrote."""

    def __init__(self, vm, tagger=TAGGER, command=None, host=5):
        self.vm = vm
        self.tagger = tagger
        self.command = command or tagger
        self.host = host
        self.counter = 0
        self.message_id = 100
        self.nonce = message.NO_NONCE
        self.text = b""

    def exchange(self, payloads=(), raw=b"", pieces=1000):
        """Send frames, then raw bytes; return the payloads of the frames that come back."""
        data = b"".join(frame_host.encode_to_board(p) for p in payloads) + raw
        return self.sort(bytes.fromhex(self.vm.call("exchange", data.hex(), pieces)))

    def sort(self, data):
        payloads = []
        for chunk in data.split(b"\0"):
            try:
                payloads.append(frame_host.decode(chunk))
            except FrameError:
                self.text += chunk
        return payloads

    def pieces(self, data):
        """Cut a message into the payloads of its pieces."""
        self.message_id = (self.message_id + 1) & 0xFF
        cuts = [data[i : i + 84] for i in range(0, len(data), 84)]
        head = b"M" + bytes((self.message_id,))
        return [head + bytes((i, len(cuts) - 1)) + cut for i, cut in enumerate(cuts)]

    def request(self, name, args=None, number=9, nonce=None, counter=None):
        if nonce is None:
            nonce = message.NO_NONCE if name == "hello" else self.nonce
        self.counter += 1
        counter = self.counter if counter is None else counter
        return message_host.request(
            self.command, nonce, number, self.host, counter, name, args or {}
        )

    def ask(self, name, args=None, **how):
        """Send a request; return (ok, result, all packets that came along)."""
        data = self.request(name, args, **how)
        payloads = self.exchange(self.pieces(data))
        whole = assemble(payloads, b"M")
        if not whole:
            return None, None, assemble(payloads, b"P")
        nonce = message.NO_NONCE if name == "hello" else self.nonce
        _, ok, result = message_host.open_reply(self.tagger, nonce, list(whole.values())[-1])
        if name == "hello" and ok:
            self.nonce = bytes.fromhex(result["nonce"])
        return ok, result, assemble(payloads, b"P")

    def ack(self, seq, epoch=7, generation=0, what=receipt.ACK, tagger=None):
        """Send an ack or a refusal; return the packets that come."""
        data = message_host.receipt(tagger or self.tagger, what, generation, epoch, seq)
        return assemble(self.exchange(self.pieces(data)), b"P")

    def resend(self, number, mask, what=b"P"):
        """Ask for pieces again; return the payloads that come."""
        return self.exchange([struct.pack("<BBBI", ord("R"), ord(what), number, mask)])


def assemble(payloads, kind):
    """Return the wholes of a kind by their id, those that are complete."""
    parts = {}
    for p in payloads:
        if p[:1] == kind:
            parts.setdefault((p[1], p[3]), {})[p[2]] = p[4:]
    return {
        number: b"".join(pieces[i] for i in range(last + 1))
        for (number, last), pieces in parts.items()
        if len(pieces) == last + 1
    }


def texts(packets):
    """Return what the notes among the packets say, by seq."""
    out = {}
    for data in packets.values():
        assert packet.verify(data, TAGGER)
        decoded = packet.decode(data)
        body = decoded.body if isinstance(decoded.body, dict) else json.loads(bytes(decoded.body))
        out[decoded.header.seq] = body["text"]
    return out
