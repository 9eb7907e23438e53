"""A device of two kinds of registers on a bus that is a bytearray; runs on both interpreters."""

from motefw.register import Bits, Reg


class Memory:
    """An I2C bus with one device of 64 registers at 0x42."""

    def __init__(self):
        self.registers = bytearray(64)

    def readfrom_mem(self, addr, register, n):
        self._check(addr)
        return bytes(self.registers[register : register + n])

    def readfrom_mem_into(self, addr, register, buf):
        buf[:] = self.readfrom_mem(addr, register, len(buf))

    def writeto_mem(self, addr, register, data):
        self._check(addr)
        self.registers[register : register + len(data)] = data

    def _check(self, addr):
        if addr != 0x42:
            raise OSError(19)


class Device:
    """Every form a register can be declared in."""

    ident = Reg(0x00)
    signed = Reg(0x01, "b")
    word = Reg(0x02, ">H")
    axes = Reg(0x04, "<3h")
    flag = Bits(0x10, 3)
    field = Bits(0x10, 4, 3)
    range_g = Bits(0x11, 2, 2, {2: 0, 4: 1, 8: 3})

    def __init__(self, bus, address):
        self.bus = bus
        self.address = address


class Derived(Device):
    """A part of the same family."""

    extra = Bits(0x12, 0)


class State:
    """The devices under test: two, so that descriptors keep nothing between them."""

    devices = ()


def new(address=0x42):
    State.devices = (Derived(Memory(), address), Derived(Memory(), address))


def poke(hexadecimal, at=0):
    data = bytes.fromhex(hexadecimal)
    State.devices[0].bus.registers[at : at + len(data)] = data


def peek(register, device=0):
    return State.devices[device].bus.registers[register]


def get(name):
    value = getattr(State.devices[0], name)
    return list(value) if isinstance(value, tuple) else value


def put(name, value):
    setattr(State.devices[0], name, tuple(value) if isinstance(value, list) else value)


def on_the_class():
    return type(Device.field).__name__, Device.word.register
