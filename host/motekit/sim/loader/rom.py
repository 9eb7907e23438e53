"""The loader: commands in, replies out, flash written on the way.

A frame is direction u8, command u8, length u16, checksum or value u32, data; a reply's data end in
the status, two bytes, and two more from the ROM. Flash is written through `Nor`.

Ref: esptool documentation, "Serial Protocol"; the chips' technical reference manuals for the
registers of SPI1 and of the eFuse that holds the MAC.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from motekit.chips import Chip
from motekit.flash.image import xor
from motekit.sim.loader import slip
from motekit.sim.loader.nor import SECTOR_BYTES, Nor

if TYPE_CHECKING:
    from collections.abc import Callable

BAUD = 115_200
SYNC = 0x08
_HEAD = struct.Struct("<BBHI")
_SYNC_DATA = b"\x07\x07\x12\x20" + b"\x55" * 32
_SYNC_REPLIES = 8
_MAGIC_REGISTER = 0x4000_1000
_BAUDS = (9_600, 2_000_000)
_INVALID, _BAD_CHECKSUM, _FLASH_ERROR, _BAD_DEFLATE = 0x05, 0x07, 0x08, 0x0B
_READ_ID = 0x9F
_SLOW_READ_BYTES = 64


@dataclass(frozen=True)
class Registers:
    """Where a chip has what the host looks at; `mac` holds the low word of the MAC."""

    spi: int
    command: int  # offset of the register with an SPI command's first byte
    buffer: int  # offset of the first register with its reply
    mac: int
    magic: int | None  # chips without security information are known by this


REGISTERS = {
    "esp32": Registers(0x3FF4_2000, 0x24, 0x80, 0x3FF5_A004, 0x00F0_1D83),
    "esp32c3": Registers(0x6000_2000, 0x20, 0x58, 0x6000_8844, None),
    "esp32c6": Registers(0x6000_3000, 0x20, 0x58, 0x600B_0844, None),
    "esp32s3": Registers(0x6000_2000, 0x20, 0x58, 0x6000_7044, None),
}


class RefusedError(Exception):
    """A command that fails; `reason` is the second byte of the status."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Loader:
    """A chip in download mode: `feed` takes what the host sent and returns what it answers.

    `stub`: the host has uploaded its stub. `leave`: it has asked to start what is in flash.
    `baud` is what both sides shall speak after the replies that were returned so far.
    """

    def __init__(self, chip: Chip, mac: bytes, flash: Nor) -> None:
        self.chip = chip
        self.flash = flash
        self.baud = BAUD
        self.stub = False
        self.leave = False
        self.commands = 0
        self._registers = REGISTERS[chip.name]
        self._written: dict[int, int] = {}
        self._mac = mac
        self._decoder = slip.Decoder()
        self._out = bytearray()
        self._write_at = self._write_end = 0
        self._inflate = zlib.decompressobj()
        self._reading: tuple[int, int, int, int] | None = None
        self._table: dict[int, Callable[[bytes, int], tuple[int, bytes]]] = {
            0x02: self._flash_begin,
            0x03: self._flash_data,
            0x04: self._flash_end,
            0x05: self._accept,  # MEM_BEGIN
            0x06: self._mem_end,
            0x07: self._mem_data,
            SYNC: self._sync,
            0x09: self._write_register,
            0x0A: self._read_register,
            0x0B: self._accept,  # SPI_SET_PARAMS
            0x0D: self._accept,  # SPI_ATTACH
            0x0F: self._change_baud,
            0x10: self._deflate_begin,
            0x11: self._deflate_data,
            0x12: self._flash_end,
            0x13: self._md5,
        }
        if self._registers.magic is None:
            self._table[0x14] = self._security
        self._rom = {0x0E: self._read_slow}
        self._stub = {
            0xD0: self._erase_all,
            0xD1: self._erase_region,
            0xD2: self._read_flash,
            0xD3: self._run,
        }

    def feed(self, data: bytes) -> bytes:
        """Act on what came; return the reply, empty while a frame is incomplete."""
        self._out.clear()
        for frame in self._decoder.feed(data):
            if self._reading and len(frame) == 4:
                self._read_on(int.from_bytes(frame, "little"))
            elif len(frame) >= _HEAD.size:
                self._command(frame)
        return bytes(self._out)

    def _command(self, frame: bytes) -> None:
        direction, op, length, checksum = _HEAD.unpack_from(frame)
        data = frame[_HEAD.size :]
        if direction or length != len(data):
            return
        self.commands += 1
        table = self._table | (self._stub if self.stub else self._rom)
        try:
            value, reply = table.get(op, self._unknown)(data, checksum)
            status = bytes(2)
        except (struct.error, ValueError):  # too short, or outside of the flash
            value, reply, status = 0, b"", bytes((1, _INVALID))
        except OSError:
            value, reply, status = 0, b"", bytes((1, _FLASH_ERROR))
        except RefusedError as refused:
            value, reply, status = 0, b"", bytes((1, refused.reason))
        if not self.stub:
            status += bytes(2)
        answer = _HEAD.pack(1, op, len(reply) + len(status), value) + reply + status
        repeats = _SYNC_REPLIES if op == SYNC else 1
        self._out += slip.encode(answer) * repeats
        self._after(op)

    def _after(self, op: int) -> None:
        """Do what follows the reply: the stub's greeting, the first pieces of what is read."""
        if op == 0x06 and self.stub:
            self._out += slip.encode(b"OHAI")
        if op == 0xD2 and self._reading:
            self._read_on(0)

    # Commands: data and checksum in, value and data of the reply out.

    def _unknown(self, _data: bytes, _checksum: int) -> tuple[int, bytes]:
        raise RefusedError(_INVALID)

    def _accept(self, _data: bytes, _checksum: int) -> tuple[int, bytes]:
        return 0, b""

    def _sync(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        if data != _SYNC_DATA:
            raise RefusedError(_INVALID)
        return (0 if self.stub else 0x2012_0707), b""

    def _mem_data(self, data: bytes, checksum: int) -> tuple[int, bytes]:
        self._payload(data, checksum)
        return 0, b""

    def _mem_end(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        stay, entry = struct.unpack_from("<II", data)
        self.stub = self.stub or (not stay and entry != 0)
        return 0, b""

    def _read_register(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        (address,) = struct.unpack_from("<I", data)
        known = self._registers
        if address == _MAGIC_REGISTER and known.magic is not None:
            return known.magic, b""
        if address in (known.mac, known.mac + 4):
            words = int.from_bytes(self._mac)
            return (words if address == known.mac else words >> 32) & 0xFFFF_FFFF, b""
        if address == known.spi + known.buffer:
            return self._spi_reply(), b""
        if address == known.spi:
            return 0, b""  # the command has been done
        return self._written.get(address, 0), b""

    def _spi_reply(self) -> int:
        """Return what the flash answers to the SPI command that was set up last."""
        command = self._written.get(self._registers.spi + self._registers.command, 0) & 0xFF
        if command != _READ_ID:
            return 0
        return (self.flash.size_bytes.bit_length() - 1) << 16 | 0x4020

    def _write_register(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        address, value, mask = struct.unpack_from("<III", data)
        before = self._written.get(address, 0)
        if len(self._written) < 256 or address in self._written:
            self._written[address] = before & ~mask | value & mask
        return 0, b""

    def _security(self, _data: bytes, _checksum: int) -> tuple[int, bytes]:
        return 0, struct.pack("<IB7xII", 0, 0, self.chip.image_id, 0)

    def _change_baud(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        (baud,) = struct.unpack_from("<I", data)
        if not _BAUDS[0] <= baud <= _BAUDS[1]:
            raise RefusedError(_INVALID)
        self.baud = baud
        return 0, b""

    # Writing.

    def _begin(self, data: bytes) -> None:
        size, _, _, offset = struct.unpack_from("<IIII", data)
        self.flash.read(offset, 0)
        if size:
            self.flash.erase(offset, size)
        self._write_at, self._write_end = offset, offset + size

    def _flash_begin(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        self._begin(data)
        return 0, b""

    def _deflate_begin(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        self._begin(data)
        self._inflate = zlib.decompressobj()
        return 0, b""

    def _flash_data(self, data: bytes, checksum: int) -> tuple[int, bytes]:
        payload = self._payload(data, checksum)
        self._program(payload[: self._write_end - self._write_at])
        return 0, b""

    def _deflate_data(self, data: bytes, checksum: int) -> tuple[int, bytes]:
        room = self._write_end - self._write_at
        try:
            plain = self._inflate.decompress(self._payload(data, checksum), room + SECTOR_BYTES)
        except zlib.error as e:
            raise RefusedError(_BAD_DEFLATE) from e
        self._program(plain[:room])
        return 0, b""

    def _program(self, data: bytes) -> None:
        if data:
            self.flash.program(self._write_at, data)
            self._write_at += len(data)

    def _payload(self, data: bytes, checksum: int) -> bytes:
        """Return the data of a block, whose XOR the host sends along."""
        (size,) = struct.unpack_from("<I", data)
        payload = data[16:]
        if size != len(payload) or xor(payload) != checksum & 0xFF:
            raise RefusedError(_BAD_CHECKSUM)
        return payload

    def _flash_end(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        (stay,) = struct.unpack_from("<I", data)
        self.leave = not stay
        return 0, b""

    def _erase_all(self, _data: bytes, _checksum: int) -> tuple[int, bytes]:
        self.flash.erase(0, self.flash.size_bytes)
        return 0, b""

    def _erase_region(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        self.flash.erase(*struct.unpack_from("<II", data))
        return 0, b""

    def _run(self, _data: bytes, _checksum: int) -> tuple[int, bytes]:
        self.leave = True
        return 0, b""

    # Reading.

    def _md5(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        offset, size = struct.unpack_from("<II", data)
        digest = hashlib.md5(self.flash.read(offset, size), usedforsecurity=False)
        return 0, digest.digest() if self.stub else digest.hexdigest().encode()

    def _read_slow(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        offset, size = struct.unpack_from("<II", data)
        if size > _SLOW_READ_BYTES:
            raise RefusedError(_INVALID)
        return 0, self.flash.read(offset, size).ljust(_SLOW_READ_BYTES, b"\0")

    def _read_flash(self, data: bytes, _checksum: int) -> tuple[int, bytes]:
        offset, size, block, window = struct.unpack_from("<IIII", data)
        self.flash.read(offset, size)
        if not 0 < block <= SECTOR_BYTES or not window:
            raise RefusedError(_INVALID)
        self._reading = (offset, size, block, block * min(window, 64))
        self._read_at = 0
        return 0, b""

    def _read_on(self, taken: int) -> None:
        """Send pieces as far as the window goes, and the MD5 when all has been taken."""
        if not self._reading:
            return
        offset, size, block, window = self._reading
        while self._read_at < size and self._read_at - taken < window:
            piece = self.flash.read(offset + self._read_at, min(block, size - self._read_at))
            self._out += slip.encode(piece)
            self._read_at += len(piece)
        if taken >= size:
            digest = hashlib.md5(self.flash.read(offset, size), usedforsecurity=False)
            self._out += slip.encode(digest.digest())
            self._reading = None
