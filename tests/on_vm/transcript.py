"""Transactions on a chip model, step by step, on either interpreter."""


class Wave:
    """A source without a list: both interpreters work out the same rows."""

    def __init__(self, width, raw):
        self.width = width
        self.raw = raw
        self.next = 0

    def sample(self, i):
        if i >= 3000:
            return None
        return tuple((i * 37 + 11 * c) % 200 - 60 for c in range(self.width))

    def at(self, _t_us):
        self.next += 1
        return self.sample(self.next - 1)


def play(chips, name, source, options, ops):
    """Return what each operation gave: bytes read, hexadecimal, or the errno of a missing ACK.

    Operations: ["wait", us], ["write", hex], ["read", n], ["fault", kind, on], ["poll"].
    """
    now = [1000]
    model = chips.load(name)(source, lambda: now[0], options)
    out = []
    for op, *args in ops:
        try:
            out.append(_one(model, now, op, args))
        except OSError as error:
            out.append(error.args[0])
    return out


def _one(model, now, op, args):
    if op == "wait":
        now[0] += args[0]
    elif op == "write":
        model.write(bytes.fromhex(args[0]))
    elif op == "read":
        buf = bytearray(args[0])
        model.read_into(buf)
        return buf.hex()
    elif op == "fault":
        model.fault(*args)
    elif op == "poll":
        return model.poll(now[0]).hex()
    return None
