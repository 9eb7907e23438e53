"""Virtual boards of which none looks at its clock: to be killed.

python looping_boards.py SCENARIO FOLDER
"""

import sys
from pathlib import Path

from motekit.sim import scenario
from motekit.sim.world import World

MAIN = b"from rom.port_sim import Port\nPort()\nprint('looping')\nwhile True: pass\n"

if __name__ == "__main__":
    plan = scenario.load(Path(sys.argv[1]))
    with World(plan, files={"/boot.py": b"", "/main.py": MAIN}, folder=Path(sys.argv[2])) as world:
        world.run(until_s=40)
