"""What commands ask on a terminal; questions go to stderr, results alone to stdout."""

from motekit import keys as stores
from motekit.cli import dialogue, say
from motekit.errors import LinkError
from motekit.flasher import ports
from motekit.keys import KeyStore
from motekit.plan import Plan
from motekit.provision import Records, interactive


class Terminal:
    """Somebody at a terminal; Ctrl-C ends the command before a board was touched."""

    def ask(self, what: str, default: str) -> str:
        """Return an answer; the default if Enter alone was pressed."""
        return dialogue.answer(what, default=default)

    def secret(self, what: str) -> str:
        """Return an answer that is not shown."""
        return dialogue.answer(what, default="", hide_input=True, show_default=False)

    def tell(self, text: str) -> None:
        """Say something."""
        say.err(text)


def plan_and_ports(
    named: list[str], key_store: KeyStore, records: Records
) -> tuple[Plan, list[str]]:
    """Ask for a plan, and for the ports where none are named."""
    terminal = Terminal()
    wanted = named or interactive.choose_ports(ports.attached(), terminal)
    if not wanted:
        raise LinkError("no port was named, and none is there")
    chosen = interactive.compose(wanted, key_store, records, terminal)
    dialogue.agree(f"Provision {', '.join(wanted)}", default=True)
    return chosen, wanted


def key_store(chosen: KeyStore) -> KeyStore:
    """Return the key store; where there is none, offer to make one."""
    if chosen.fingerprint:
        return chosen
    path = stores.default_path()
    dialogue.agree(f"There is no fleet key yet. Make one in {path}", default=True)
    return stores.create(path)
