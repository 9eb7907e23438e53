"""The commands `motekit wifi get`, `set`, `scan` and `improv`."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit import improv as protocol
from motekit import wifi as wireless
from motekit.cli import dialogue, options, say, show
from motekit.client import Client
from motekit.errors import UsageError
from motekit.improv import Found
from motekit.keys import Host, KeyStore
from motekit.networks import Network, unset_variable
from motekit.transports.serial import SerialPipe
from motekit.wifi import Heard, WifiState

wifi = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The Wi-Fi of the board at a port: what it joins, how that goes, who is there.\n\n"
    "Example: motekit wifi set /dev/ttyUSB0 site",
)

_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line; no passwords.")]
_Env = Annotated[
    str | None, typer.Option("--password-env", help="The environment variable with the password.")
]
_File = Annotated[
    Path | None, typer.Option("--password-file", help="The file whose first line it is.")
]
_Open = Annotated[bool, typer.Option("--open", help="The network is open: no password.")]


@wifi.command()
def get(port: options.Port, keys: options.KeysIfAny = None, as_json: _Json = False) -> None:
    """Tell which networks a board has, and whether it is in one.

    Example: motekit wifi get /dev/ttyUSB0 --json
    """
    with _connected(port, keys) as client:
        _tell(wireless.get(client), as_json)


@wifi.command(name="set")
def set_(
    port: options.Port,
    ssids: Annotated[
        list[str] | None, typer.Argument(help="Networks, the preferred one first.")
    ] = None,
    password_env: _Env = None,
    password_file: _File = None,
    is_open: _Open = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Also keep those that it has, behind these.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="No network: Wi-Fi is switched off.")] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until it is in; 0: do not.")
    ] = 60.0,
    keys: options.KeysIfAny = None,
    as_json: _Json = False,
) -> None:
    """Have a board join networks; those of before stay until one of the new has worked.

    The password is asked for, hidden, unless a variable or a file holds it; for several networks
    it is asked for each. Needs the command key of a provisioned board.

    Example: motekit wifi set /dev/ttyUSB0 site --password-env SITE_WIFI
    """
    if bool(ssids) == off:
        raise UsageError("wifi set: name networks, or --off")
    wanted = _networks(ssids or [], password_env, password_file, is_open=is_open)
    wireless.check(wanted)
    with _connected(port, keys) as client:
        kept: list[str] = []
        if keep:
            there = wireless.get(client).networks
            kept = [each.ssid for each in there if each.ssid not in (ssids or [])]
        if wireless.set_networks(client, wanted, kept):
            say.err("its heap has no room for Wi-Fi until it is restarted")
        elif wait_s and not off:
            _tell(wireless.wait_joined(client, wait_s, time.monotonic, time.sleep), as_json)
            return
        _tell(wireless.get(client), as_json)


@wifi.command()
def scan(port: options.Port, keys: options.KeysIfAny = None, as_json: _Json = False) -> None:
    """List the networks that a board hears; it does nothing else for two seconds.

    Example: motekit wifi scan /dev/ttyUSB0
    """
    with _connected(port, keys) as client:
        show.rows(_HEARD, wireless.scan(client), as_json=asdict if as_json else None)


@wifi.command()
def improv(
    port: options.Port,
    ssid: Annotated[
        str | None, typer.Argument(help="The network to join; none: tell state and scan.")
    ] = None,
    password_env: _Env = None,
    password_file: _File = None,
    is_open: _Open = False,
    as_json: _Json = False,
) -> None:
    """Ask or provision any board that speaks Improv Wi-Fi, motefw or not, while it has no Wi-Fi.

    Example: motekit wifi improv /dev/ttyUSB0 site
    """
    wanted = _networks([ssid] if ssid else [], password_env, password_file, is_open=is_open)
    wireless.check(wanted)
    with closing(protocol.SerialLine(port.removeprefix("serial:"))) as line:
        client = protocol.Improv(line, port)
        told: dict[str, object] = {"state": client.state(), **asdict(client.info())}
        heard: list[Found] = []
        if wanted:
            told |= {"url": client.join(wanted[0]), "state": "joined", "ssid": wanted[0].ssid}
        else:
            heard = client.scan()
    if as_json:
        told["heard"] = [asdict(each) for each in heard]
        say.json_line(told)
        return
    for key, value in told.items():
        if value:
            say.out(f"{key}: {value}")
    if heard:
        show.rows(_HEARD, heard)


@contextmanager
def _connected(port: str, keys: Path | None) -> Generator[Client]:
    with closing(SerialPipe(port.removeprefix("serial:"))) as pipe:
        client = Client(pipe, KeyStore.load(keys), Host())
        client.connect()
        yield client


def _networks(
    ssids: list[str], variable: str | None, file: Path | None, *, is_open: bool
) -> list[Network]:
    """Return the networks with their passwords, from where they are said to be."""
    named = [variable is not None, file is not None, is_open]
    if sum(named) > 1:
        raise UsageError("one of --password-env, --password-file and --open expected")
    if any(named) and len(ssids) != 1:
        raise UsageError(
            f"{len(ssids)} networks: a password that is not asked for is of one network"
        )
    if variable is not None:
        password = os.environ.get(variable, "")
        if not password:
            raise UsageError(f"--password-env: {unset_variable(variable)}")
        return [Network(ssids[0], password)]
    if file is not None:
        return [Network(ssids[0], _first_line(file))]
    return [Network(ssid, "" if is_open else _ask(ssid)) for ssid in ssids]


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        why = getattr(e, "strerror", None) or "no UTF-8 text"
        raise UsageError(f"{file}: cannot be read: {why}") from None
    if not lines or not lines[0]:
        raise UsageError(f"{file}: its first line is empty")
    return lines[0]


def _ask(ssid: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            f"password of {ssid!r}: nobody is there to be asked; --password-env, --password-file "
            "or --open expected"
        )
    question = f"Password of {ssid} (none: open)"
    return dialogue.answer(question, default="", hide_input=True, show_default=False)


def _tell(state: WifiState, as_json: bool) -> None:
    if as_json:
        say.json_line(state.as_json())
        return
    where = f" {state.ssid}" if state.ssid else ""
    signal = "" if state.rssi_dbm is None else f", {state.rssi_dbm} dBm"
    address = f", {state.address}" if state.address else ""
    lines = [f"{state.state}{where}{signal}{address}"]
    if state.why:
        lines.append(f"why: {state.why}")
    lines.append(f"networks: {', '.join(each.ssid for each in state.networks) or 'none'}")
    if state.former:
        former = ", ".join(each.ssid for each in state.former)
        lines.append(f"kept until one of these works: {former}")
    say.out("\n".join(lines))


_HEARD: show.Columns[Heard | Found] = (
    show.Column("network", lambda each: each.ssid),
    show.Column("dBm", lambda each: str(each.rssi_dbm), right=True),
    show.Column("security", lambda each: "password" if each.secured else "open"),
)
