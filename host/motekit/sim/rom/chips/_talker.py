"""What the models of parts on a UART have in common: commands in, frames out, and what goes wrong.

A command is found among garbage as a frame is: byte by byte, until its head and checksum hold.
"""

from . import Faults

_QUEUE_BYTES = 512
_NOISE_BYTES = 12


class Talker(Faults):
    """A part; a subclass says how it is reset, what a command is and what that does.

    Faults: `silent` (says nothing), `bad_sum` (checksums are wrong), `garbage` (noise with a false
    header before each frame), `wrong_id` (speaks otherwise), `brownout` (forgets its settings).
    """

    BAUD = 9600
    RATES = ()
    FAULTS = ("silent", "bad_sum", "garbage", "wrong_id", "brownout")
    HEAD = b"\xff\x86"  # with which its reports begin, and the noise pretends to
    SUM_AT = -1  # where their checksum is
    REPLY_US = 10000

    def __init__(self, source, clock_us):
        super().__init__()
        self.source = source
        self.clock_us = clock_us
        self.noise = 1
        self.command = bytearray(0)
        self.out = []  # (when, bytes)
        self.heard = []  # commands, the latest last
        self.reset()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.command = bytearray(0)
            self.out = []
            self.reset()

    def write(self, data):
        """Take what the host's line carried."""
        self.tick(self.clock_us())
        for byte in data:
            self.command += bytes((byte,))
            while self.command:
                size = self.size(self.command)
                if size > len(self.command):
                    break
                if size:
                    command = bytes(self.command[:size])
                    if self.obey(command) is not False:
                        self.heard = self.heard[-9:] + [command]
                        self.command = self.command[size:]
                        continue
                self.command = self.command[1:]

    def poll(self, now_us):
        """Return the bytes sent since the last call."""
        self.tick(now_us)
        out = bytearray(0)
        while self.out and self.out[0][0] <= now_us:
            out += self.out.pop(0)[1]
        return bytes(out)

    def reset(self):
        """Be as after power-on."""

    def size(self, _command):
        """Return the bytes of a command that begins so, 0 for none."""
        return 0

    def obey(self, _command):
        """Do what a whole command says; return False when its checksum is wrong."""
        return False

    def tick(self, _now_us):
        """Say what is due by itself."""

    def report(self, data, at_us):
        """Say a measurement, with what is wrong with the part."""
        data = bytearray(data)
        if "wrong_id" in self.faults:
            data[1] ^= 0x55
        if "bad_sum" in self.faults:
            data[self.SUM_AT] ^= 0x01
        if "garbage" in self.faults:
            self.say(self.garbage(), at_us)
        self.say(data, at_us)

    def say(self, data, at_us):
        """Send bytes at a time, unless too much waits."""
        if "silent" in self.faults:
            return
        if sum([len(each) for _, each in self.out]) + len(data) <= _QUEUE_BYTES:
            self.out.append((at_us, bytes(data)))

    def garbage(self):
        """Return noise with a false header in it."""
        noise = bytearray(_NOISE_BYTES)
        for i in range(_NOISE_BYTES):
            self.noise = (self.noise * 75 + 74) % 65537
            noise[i] = self.noise & 0xFF
        noise[4 : 4 + len(self.HEAD)] = self.HEAD
        return noise
