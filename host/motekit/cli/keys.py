"""The commands `motekit keys init`, `show` and `collector`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from motefw import keys as purposes
from motekit import keys as stores
from motekit.cli import options, say
from motekit.errors import UsageError
from motekit.keys import KeyStore

keys = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The fleet's key, of which every board's keys are made; no network is needed.\n\n"
    "Example: motekit keys init",
)


@keys.command()
def init(path: options.Keys = None, as_json: options.Json = False) -> None:
    """Make a fleet's key: 32 random bytes, in a file that only you can read.

    One that is there is never overwritten. Keep a copy where it is safe: with it, everything can
    be done to every board; without it, boards have to be given new keys one by one.

    Example: motekit keys init --keys acme-keys.json
    """
    chosen = path or stores.default_path()
    _print(chosen, stores.create(chosen), as_json)


@keys.command()
def show(path: options.Keys = None, as_json: options.Json = False) -> None:
    """Tell which fleet's key it is, by a fingerprint, and what it is good for; never the key.

    Example: motekit keys show
    """
    chosen = path or stores.default_path()
    _print(chosen, KeyStore.load(chosen), as_json)


@keys.command()
def collector(
    out: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    path: options.Keys = None,
    as_json: options.Json = False,
) -> None:
    """Write a copy for a collector: it can check and acknowledge packets, and command no board.

    Example: motekit keys collector collector-keys.json
    """
    store = KeyStore.load(path or stores.default_path())
    if not store.fingerprint:
        raise UsageError("there is no key store to copy from; `motekit keys init` makes one")
    copy = store.for_collector()
    copy.save(out)
    _print(out, copy, as_json)


def _print(path: Path, store: KeyStore, as_json: bool) -> None:
    what = [each.decode() for each in purposes.PURPOSES if store.has(each)]
    record = {"file": str(path), "fingerprint": store.fingerprint, "purposes": what}
    say.out(json.dumps(record) if as_json else f"{path}: {store.fingerprint}, {', '.join(what)}")
    if store.has(purposes.COMMAND) and not as_json:
        say.err("a secret: keep a copy where it is safe")
