"""The encoder within the VM: what a test asks of it, and of a kernel that was spoilt."""

import binascii
import gc

from motefw import packet, packet_plain, packet_setup, packet_viper

KERNELS = {"plain": packet_plain, "viper": packet_viper}
_out = bytearray(packet.MAX_PACKET_BYTES)
_kept = {}


def _fill(block, columns):
    for channel, values in enumerate(columns):
        for i, value in enumerate(values):
            block.columns[channel][i] = value
    block.count = len(columns[0])


def _block(columns, invalid, steps_us, linear, code):
    block = packet.Block(len(columns), max(1, len(columns[0])), steps_us is not None, code)
    _fill(block, columns)
    block.linear = linear
    for channel, sample in invalid:
        block.mark_invalid(channel, sample)
    for i, step in enumerate(steps_us or ()):
        block.steps_us[i] = step
    return block


def encode(kernel, head, columns, invalid, steps_us, linear, code="i"):
    """Return the packet in hex, without a tag."""
    block = _block(columns, invalid, steps_us, linear, code)
    n = packet.encode(_out, *head, block, KERNELS[kernel])
    return binascii.hexlify(memoryview(_out)[:n]).decode()


def series(kernel, heads, columns, invalid, linear):
    """Return the packets of one block that is filled again and again, as a sampler does."""
    size = len(columns[0][0])
    block = packet.Block(len(columns[0]), size)
    block.linear = linear
    packets = []
    for i, head in enumerate(heads):
        block.clear()
        _fill(block, columns[i])
        for channel, sample in invalid[i]:
            block.mark_invalid(channel, sample)
        n = packet.encode(_out, *head, block, KERNELS[kernel])
        packets.append(binascii.hexlify(memoryview(_out)[:n]).decode())
    return packets


def selected():
    """Return the name of the kernel that the boot chooses."""
    return packet_setup.select_kernel()[0]


def functions():
    """Return the names of a kernel's functions."""
    return sorted(name for name in dir(packet_plain) if name[0] != "_" and name != "const")


def spoil(function):
    """Make a function of the viper kernel compute something else, as a bad compiler would."""
    real = getattr(packet_viper, function)
    _kept[function] = real

    def wrong(*args):
        state = args[-2] if function == "emit" else args[-1]
        result = real(*args)
        if function in ("move", "burst"):
            spoilt, at = args[:2] if function == "move" else (args[-1].columns[0], 0)
            spoilt[at] ^= 1
        elif function in ("shift", "difference", "widen"):
            args[1][2] += 1
        elif function == "predict":
            args[1][3] ^= 2
        elif function == "fold":
            args[3][1] ^= 1
        elif function == "emit":
            args[-1][state[0] - 1] ^= 1
        elif function == "correlate":
            state[72] = 1
            state[73] = 1
        elif function == "span":
            state[10] |= 1
        elif function == "survey":
            return 2 if result != 2 else 1
        return result

    setattr(packet_viper, function, wrong)


def repair():
    """Put the functions back."""
    while _kept:
        name, real = _kept.popitem()
        setattr(packet_viper, name, real)


def heap_bytes(kernel, columns, linear, times):
    """Return the bytes that encoding one block so many times takes from the heap."""
    block = _block(columns, (), None, linear, "i")
    head = (0, 0, 0, 1, 100, 0, 1_000_000)
    packet.encode(_out, *head, block, KERNELS[kernel])
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(times):
        packet.encode(_out, *head, block, KERNELS[kernel])
    after = gc.mem_alloc()
    gc.enable()
    return after - before
