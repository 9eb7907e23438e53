"""A collector that is killed: stores packets in groups and says which are acknowledged.

    python kill_child.py STORE FIRST_SEQ GROUP

One line a commit, the last contiguous seq, written only after the commit.
"""

import sys

from motekit.store import Received, Store
from tests.packets import DEVICE, samples

TAIL_MAX_BYTES = 2000  # so that sealing is what a kill hits most


def main(path, first, group):
    with Store.open(path, create=True) as store:
        store.tail_max_bytes = TAIL_MAX_BYTES
        store.checkpoint()
        seq = first
        while True:
            packets = [
                samples(((s, -s),), seq=s, index=2 * s, time_us=1000 * s, stream=s % 3)
                for s in range(seq, seq + group)
            ]
            done = store.append([Received(DEVICE, data, False) for data in packets])
            sys.stdout.write(f"{done.acks[DEVICE, 0, 1]}\n")
            sys.stdout.flush()
            seq += group


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
