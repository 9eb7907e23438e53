"""What is attached: serial ports, and who answers on them."""

import threading
from typing import NamedTuple

from serial.tools import list_ports

from .client import Client
from .errors import LinkError
from .hello import Hello
from .keys import Host, KeyStore
from .transports.serial import SerialPipe

WAIT_S = 2.5


class Port(NamedTuple):
    """A port as the system describes it, and what runs there: `hello`, or `note` why not."""

    name: str
    usb: str
    hello: Hello | None
    note: str
    failed: bool = False  # it could not be asked at all; `note` says why


def attached() -> list[Port]:
    """Return all USB serial ports, nobody asked."""
    found = [p for p in list_ports.comports() if p.vid is not None]
    return [
        Port(p.device, f"{p.vid:04x}:{p.pid:04x} {p.product or p.description}", None, "")
        for p in sorted(found, key=lambda p: p.device)
    ]


def probe(ports: list[Port], key_store: KeyStore, host: Host) -> list[Port]:
    """Say hello on all ports at once; nothing that runs there is disturbed."""
    answers: dict[str, Port] = {}

    def ask(port: Port) -> None:
        try:
            answers[port.name] = _ask(port, key_store, host)
        except LinkError as e:
            note = str(e).removeprefix(f"{port.name}: ")
            answers[port.name] = port._replace(note=note, failed=True)

    threads = [threading.Thread(target=ask, args=(port,), daemon=True) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S + 5)
    mute = "does not react"
    return [answers.get(p.name, p._replace(note=mute, failed=True)) for p in ports]


def _ask(port: Port, key_store: KeyStore, host: Host) -> Port:
    pipe = SerialPipe(port.name)
    try:
        hello = Client(pipe, key_store, host).probe(WAIT_S)
        if hello is not None:
            return port._replace(hello=hello)
        if pipe.tail().endswith(">>> "):
            return port._replace(note="a MicroPython prompt")
        heard = pipe.stats.bytes_in
        return port._replace(note=f"not motefw ({heard} bytes heard)" if heard else "silent")
    finally:
        pipe.close()
