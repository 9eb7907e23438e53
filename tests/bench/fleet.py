"""Packets of many devices, made quickly: bodies of one trace, headers and tags of their own."""

from motefw import packet_header
from motefw.keys import TAG_BYTES, Tagger
from motefw.keys_host import device_key

from .packet import GENERATION, SCHEMA, STREAM, UPTIME_S, packets

ROOT = bytes(range(32))
EPOCH = 3  # of the first device


class Fleet:
    """Makes packets of many devices in turn: bodies of one trace, headers and tags of theirs."""

    def __init__(self, trace, devices, samples):
        self.samples = samples
        self.period_us = trace.period_s * 1e6
        self.bodies = []
        for data, columns, _ in packets(trace, samples):
            self.bodies.append(data[packet_header.read(data).body : -TAG_BYTES])
            self.values = columns.size
            self.channels = len(columns)
        self.flags = packets_flags(trace, samples)
        names = [f"{i:012x}" for i in range(devices)]
        self.taggers = {
            name: Tagger(device_key(ROOT, name.encode(), GENERATION), name.encode())
            for name in names
        }
        self.names = names
        self.made = 0
        self.first_seq = int(UPTIME_S / (trace.period_s * samples))
        self.out = bytearray(64)

    def next_seq(self, at):
        """Return the seq of the next packet of device number `at`."""
        turn, turn_at = divmod(self.made, len(self.names))
        return self.first_seq + turn + (at < turn_at)

    def packet(self):
        """Return (device, packet), the next device's next."""
        turn, at = divmod(self.made, len(self.names))
        self.made += 1
        which = (turn + 7 * at) % len(self.bodies)
        seq = self.first_seq + turn
        index = seq * self.samples
        time_us = int(index * self.period_us) + (977 * which) % 5000
        head = (GENERATION, STREAM, SCHEMA, EPOCH + at, seq, index, time_us, self.samples)
        n = packet_header.write(self.out, 0, self.flags[which], *head, self.channels)
        data = bytes(self.out[:n]) + self.bodies[which]
        name = self.names[at]
        return name, data + self.taggers[name].tag(data)

    def group(self, n):
        """Return the next n packets."""
        return [self.packet() for _ in range(n)]


def packets_flags(trace, samples):
    """Return the header flags that say what the bodies of a trace code."""
    flags = []
    for data, _, _ in packets(trace, samples):
        header = packet_header.read(data)
        flags.append(header.timed * packet_header.TIMES | header.invalid * packet_header.INVALID)
    return flags
