"""What a look at a board has found: facts alone, no judgement. See `look` and `states`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from motekit.flash.partitions import Entry
from motekit.flasher.esptool import Chip
from motekit.hello import Hello


@dataclass(frozen=True)
class Files:
    """A board's files as its prompt tells of them; digests are SHA-256.

    `read` has the small ones that matter; `missing` and `other` are of `wanted`, motekit's
    firmware for this chip, `left` what it has no use for in its own folder, `halves` what was
    brought by half.
    """

    mounted: bool
    chip: str = ""  # by MicroPython's own word
    size_bytes: int = 0
    free_bytes: int = 0
    names: tuple[str, ...] = ()
    read: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    firmware: str = ""  # version of the motefw that is there, "" for none that loads
    why: str = ""  # why it does not load
    missing: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    halves: tuple[str, ...] = ()
    largest: tuple[tuple[str, int], ...] = ()  # not motekit's, with sizes; of a full file system
    wanted: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)


@dataclass(frozen=True)
class Flash:
    """A chip's flash as its loader tells of it; each `.._fault` is "" for what is whole.

    `blank`: its beginning is; `remains` is what lies further on all the same, "" for nothing.
    """

    blank: bool = False
    bootloader_fault: str = ""
    table: tuple[Entry, ...] = ()
    table_fault: str = ""
    app_fault: str = ""
    other_chip: str = ""  # the chip that bootloader or program are for, if it is not this one
    remains: str = ""


@dataclass
class Evidence:
    """All that is known of the board at a port, in the order in which it was found out."""

    port: str
    port_state: str = "open"  # or "gone", "busy", "forbidden", "failed"
    port_error: str = ""
    hello: Hello | None = None
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    locked: str = ""  # a board under keys that this host has not: what to do
    unread: int = 0  # replies of a firmware that could not be read
    heard: str = ""  # what it says by itself
    elsewhere: str = ""  # whose keys a stopped board has, if they are not this host's
    prompt: str = ""  # "waiting", or "interrupted": a program ran, and was stopped to look
    device: str = ""
    unsent_bytes: int = 0  # what the queue of a stopped firmware holds
    files: Files | None = None
    chip: Chip | None = None
    chip_error: str = ""
    flash: Flash | None = None
