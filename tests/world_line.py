"""A board of a world, asked as `motekit.configuration` asks one: waiting passes virtual time."""

from types import SimpleNamespace

from motekit.errors import LinkError

PATIENCE_S = 60


class WorldLine:
    """The first board of a world; it is its own clock."""

    port = "world"

    def __init__(self, world):
        self.world = world
        self.clock = self
        self.asked = 0
        device = world.boards[0].device
        self.hello = SimpleNamespace(device=device, generation=0, name=None, board="?")

    def monotonic(self):
        return self.world.now_s

    def sleep(self, seconds):
        self.world.run(until_s=self.world.now_s + seconds)

    def ask(self, name, args=None):
        """Ask through the world's collector, whenever that is in contact."""
        self.asked += 1
        end = self.world.now_s + PATIENCE_S
        answer = None
        while self.world.now_s < end:
            if answer is None and self.world.collector.in_contact(self.hello.device):
                answer = self.world.collector.ask(self.hello.device, name, dict(args or {}))
            if answer is not None and answer.done():
                return answer.result()
            self.sleep(0.1)
        raise LinkError(f"{name}: no answer in {PATIENCE_S} s")
