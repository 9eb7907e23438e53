"""The board's line while it has no Wi-Fi: what a test sends, what is answered, what interrupts."""

import asyncio

import board_bed as bed

assert asyncio


class OverError(Exception):
    """The test has no more bytes."""


class Line:
    """A line on which bytes come in bursts, and silence after each."""

    def __init__(self, bursts):
        self.out = bytearray()
        self.read = 0
        self._bursts = bursts
        self._burst = b""

    def write(self, data):
        self.out.extend(data)

    async def readinto(self, buf):
        while not self._burst:
            if not self._bursts:
                raise OverError
            self._burst = self._bursts.pop(0)
        end = self._burst.find(b"\3") + 1
        n = min(len(buf), end or len(self._burst))
        buf[:n] = self._take(n)
        return n

    def take(self):
        return self._take(1)[0] if self._burst else -1

    def _take(self, n):
        data = self._burst[:n]
        self._burst = self._burst[n:]
        self.read += n
        return data


class Task:
    def park(self):
        pass

    def beat(self, ms):
        pass


def listen(bursts):
    """Read bursts (hex); return [[bytes read when each interrupt came], what was written]."""
    bed.reset()
    bed.connect()
    board = bed.bed.board
    board.said = []
    board.report = board.said.append
    link = board.link
    link.serial = line = Line([bytes.fromhex(each) for each in bursts])
    interrupts = []
    while True:
        try:
            asyncio.new_event_loop()
            asyncio.run(link.read(Task()))
        except KeyboardInterrupt:
            interrupts.append(line.read)
            link.have = 0
        except OverError:
            return [interrupts, line.out.hex()]
