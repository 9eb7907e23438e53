"""What several commands are told in the same words: their arguments and options.

A signature reads `port: options.Port, as_json: options.Json = False`. What one command alone takes
stands in its own file.
"""

from pathlib import Path
from typing import Annotated

import typer

_KEYS_DEFAULT = "$MOTEKIT_KEYS, or keys.json in your configuration"

# Which boards.
Port = Annotated[str, typer.Argument(help="The board's port: /dev/ttyUSB0, serial:COM3.")]
Ports = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PORT",
        help="/dev/ttyUSB0, 'serial:/dev/ttyACM*', rfc2217://HOST:PORT, socket://HOST:PORT.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="Every attached USB serial port.")]
BoardIfKnown = Annotated[
    str,
    typer.Option("--board", "-b", help="What board it is, where nothing on it tells."),
]

# A fleet: its plan, its keys, and who is who.
Plan = Annotated[Path, typer.Argument(help="What boards shall be: TOML or CSV.")]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="The fleet's key store.",
        show_default=_KEYS_DEFAULT,
    ),
]
KeysIfAny = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="The fleet's key store; boards that are not provisioned need none.",
        show_default=_KEYS_DEFAULT,
    ),
]
Records = Annotated[
    Path | None,
    typer.Option(
        "--records",
        help="Which board was given which role.",
        show_default="provisioned.jsonl in your data folder",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", help="A folder for each board's label, as SVG and PNG."),
]
Font = Annotated[
    Path | None,
    typer.Option("--font", help="A TrueType font, for labels beyond Latin letters."),
]

# What boards hold, and where it goes.
Store = Annotated[
    Path | None,
    typer.Option("--store", "-s", envvar="MOTEKIT_STORE", help="The store to read."),
]
StoreToFill = Annotated[
    Path | None,
    typer.Option(
        "--store", "-s", envvar="MOTEKIT_STORE", help="The store; made if there is none."
    ),
]
StoreOfUnsent = Annotated[
    Path | None,
    typer.Option(
        "--store",
        "-s",
        envvar="MOTEKIT_STORE",
        help="Collect what boards hold into this store, before they restart and lose it.",
    ),
]
Discard = Annotated[
    bool, typer.Option("--discard", help="Give up packets that no collector has taken.")
]

# What runs on a board.
Release = Annotated[
    str | None,
    typer.Option(
        "--release", help="MicroPython's release.", show_default="the newest of the manifest"
    ),
]
Image = Annotated[
    Path | None,
    typer.Option("--image", help="A local MicroPython image, in place of a release."),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        help="The manifest of MicroPython images; `motekit firmware refresh` makes it.",
        show_default="$MOTEKIT_MANIFEST, or images.json in your configuration",
    ),
]
Drivers = Annotated[
    list[Path] | None, typer.Option("--driver", help="A driver of your own, a file.")
]
Modules = Annotated[
    list[Path] | None,
    typer.Option("--module", help="Another module for the board: FILE, or NAME=FILE."),
]

# What is asked of a store.
Device = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        "-d",
        help="Only this device, by its id or its board's name; several with commas.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="device=, name= or stream=NAME; several with commas."),
]
Stream = Annotated[
    list[str] | None,
    typer.Option("--stream", help="Only the stream of this sensor's name; several with commas."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="2026-01-31T12:00:00Z, 2026-01-31, or before now: -1h."),
]
Until = Annotated[str | None, typer.Option("--until", help="The same; not included.")]
Every = Annotated[
    str | None, typer.Option("--every", help="Mean, min, max and count of each span: 1m.")
]
Raw = Annotated[bool, typer.Option("--raw", help="The integers as the sensors gave them.")]
Verified = Annotated[
    bool, typer.Option("--verified", help="Only what a provisioned board has tagged.")
]

# How a command runs, and what it prints.
For = Annotated[float | None, typer.Option("--for", min=0, help="End after so many seconds.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the boards print.")]
