"""The command `motekit ports`."""

from typing import Annotated, Any

import typer

from motekit import probe
from motekit.cli import options, say, show
from motekit.errors import LinkError
from motekit.hello import Stream
from motekit.keys import Host, KeyStore
from motekit.probe import Port


def ports(
    names: Annotated[
        list[str] | None, typer.Argument(help="Ports to ask; all attached USB ports if none.")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Say hello, to see what runs there.")
    ] = True,
    json: options.Json = False,
) -> None:
    """List the attached serial ports and the boards that answer on them.

    Exit code 1 if a port that was named cannot be opened.

    Example: motekit ports
    """
    found = [Port(name, "", None, "") for name in names] if names else probe.attached()
    if ask and found:
        found = probe.probe(found, KeyStore.load(), Host())
    if not found and not json:
        say.err("no USB serial port is attached")
        return
    failed = [port for port in found if port.failed and names]
    listed = found if json else [port for port in found if port not in failed]
    if listed:
        show.rows(_COLUMNS, listed, as_json=_record if json else None)
    if failed:
        raise LinkError("\n  ".join(f"{port.name}: {port.note}" for port in failed))


def _stream(stream: Stream) -> str:
    return f"{stream.name} ({stream.state})" if stream.state else stream.name


_COLUMNS: show.Columns[Port] = (
    show.Column("port", lambda port: port.name),
    show.Column("usb", lambda port: port.usb, spare=2),
    show.Column("board", lambda port: port.hello.board if port.hello else port.note, fold=True),
    show.Column("device", lambda port: port.hello.device if port.hello else ""),
    show.Column(
        "firmware", lambda port: f"motefw {port.hello.firmware}" if port.hello else "", spare=1
    ),
    show.Column(
        "streams",
        lambda port: ", ".join(map(_stream, port.hello.streams)) if port.hello else "",
        fold=True,
    ),
)


def _record(port: Port) -> dict[str, Any]:
    record: dict[str, Any] = {"port": port.name, "usb": port.usb, "note": port.note}
    if port.hello:
        hello = port.hello._asdict()
        hello["nonce"] = port.hello.nonce.hex()
        hello["streams"] = [stream._asdict() for stream in port.hello.streams]
        record.update(hello)
    return record
