"""What a board holds is not lost in silence by whoever resets it: asked, collected, or refused."""

import json

import pytest

import motekit
from motefw.keys import DATA
from motekit import plan
from motekit.client import CancelledError, Client
from motekit.errors import StoreError
from motekit.flasher import flash
from motekit.flasher.job import Spared
from motekit.keys import Host, KeyStore
from motekit.prompt import repl
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.provision import Options, Records, session, sparing
from motekit.provision.guard import HoldsError, RefusedError
from motekit.provision.look import Found, Heard, over_link
from motekit.provision.sparing import Sparing
from motekit.station import work
from motekit.station.desk import Slot
from motekit.station.journal import Entry, Journal
from motekit.station.reasons import headline
from motekit.station.visit import Visit
from motekit.store import Store
from motekit.transports.patience import opened
from motekit.transports.serial import SerialPipe
from tests.model_board import ModelBoard, PtyBoard, note_packet

NAME = "esp32-c3-devkitm-1"
BOARD = f'[[board]]\nboard = "{NAME}"\n[[board.sensor]]\ndriver = "sht4x"\n'
OURS = KeyStore.from_root(bytes(range(32)))
THEIRS = KeyStore.from_root(bytes(32))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep this host's id out of the user's folders; a machine may be slow."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sparing, "LINK_S", 30.0)
    monkeypatch.setattr(sparing, "PROMPT_S", 30.0)


def running(virtual, key_store=OURS):
    """Wait until a board's firmware runs; return its hello."""
    pipe = opened(lambda: SerialPipe(virtual.serial), virtual.serial, known=True)
    try:
        return Client(pipe, key_store, Host()).probe(60)
    finally:
        pipe.close()


@pytest.fixture
def ours(fleet):
    """Return a board of our fleet, which runs."""
    virtual = fleet(BOARD).boards[0]
    held = json.dumps(OURS.key_file(virtual.device, 1)).encode()
    with RawPrompt.open(virtual.serial, 40) as prompt:
        prompt.put({"/keys.json": held})
        prompt.restart()
    assert running(virtual).generation == 1
    return virtual


def spared(virtual, key_store=OURS, **wishes):
    told = []
    said = Sparing(key_store, **wishes)(virtual.serial, lambda: False, told.append)
    return said.unsent, told


def test_a_board_of_a_fleet_is_refused_collected_or_given_up(ours, tmp_path):
    starts = ours.counts.starts
    with pytest.raises(RefusedError, match=r"holds \d+ packets .*--store FILE .*--discard gives"):
        spared(ours)
    with pytest.raises(RefusedError, match=r"of another fleet.*MOTEKIT_KEYS.*--discard"):
        spared(ours, THEIRS, store=tmp_path / "theirs.motekit")
    assert spared(ours, discard=True) == ("given up", [])
    assert ours.counts.starts == starts
    said, told = spared(ours, store=tmp_path / "fleet.motekit")
    assert (said.endswith("packets collected"), told) == (True, ["collecting"])
    with motekit.open(tmp_path / "fleet.motekit") as store:
        (device,) = store.summary().devices
    assert (device.device, device.lost, device.missing) == (ours.device, 0, 0)


def test_so_is_what_its_stopped_firmware_has_left_in_ram(ours, tmp_path, monkeypatch):
    with RawPrompt.open(ours.serial, 40) as prompt:
        prompt.leave()
    monkeypatch.setattr(sparing, "LINK_S", 0.5)
    starts = ours.counts.starts
    with pytest.raises(RefusedError, match=r"holds \d+ packets at its prompt, in RAM"):
        spared(ours)
    with pytest.raises(RefusedError, match="of another fleet"):
        spared(ours, THEIRS, store=tmp_path / "theirs.motekit")
    said, _ = spared(ours, store=tmp_path / "fleet.motekit")
    assert said.endswith("packets collected")
    assert ours.counts.starts == starts
    with motekit.open(tmp_path / "fleet.motekit") as store:
        (device,) = store.summary().devices
    assert (device.device, device.lost, device.missing) == (ours.device, 0, 0)


def test_a_board_of_no_fleet_and_a_blank_one_are_no_obstacle(fleet):
    virtual = fleet(BOARD).boards[0]
    assert running(virtual).generation == 0
    assert "packets given up" in spared(virtual)[0]
    blank = fleet(f'[[board]]\nboard = "{NAME}"\nflash = "blank"\n').boards[0]
    assert Sparing(OURS)(blank.serial, lambda: False, lambda _: None) == Spared("", blank=True)


def test_a_board_that_is_to_be_spared_is_not_reset(ours):
    starts = ours.counts.starts
    done = flash.one(ours.serial, lambda _: pytest.fail("looked at"), spare=Sparing(OURS))
    assert (done.state, "--store FILE" in done.error) == ("failed", True)
    assert ours.counts.starts == starts


def test_a_station_does_not_lose_what_a_board_has_from_elsewhere(ours, tmp_path, monkeypatch):
    """One that has just got its power has nothing to lose, nor one that this station was at."""
    monkeypatch.setattr(work, "PLUGGED_S", 0.0)
    (tmp_path / "plan.toml").write_text(f'fleet = "acme"\nboard = "{NAME}"\n')
    loaded = plan.load(tmp_path / "plan.toml")
    records = Records(tmp_path / "records.jsonl")
    with Journal(tmp_path / "journal.jsonl") as journal:
        look = work.Work(loaded, {}, keys=OURS, records=records, journal=journal).steps()[0]

        def visited(plugged_s):
            look.do(
                Visit(
                    Slot(ours.serial, "1"),
                    lambda visit, device: None,
                    lambda visit: None,
                    lambda *_: None,
                    lambda: False,
                    plugged_s=lambda: plugged_s,
                )
            )

        with pytest.raises(RefusedError, match=r"holds \d+ packets .*--store FILE") as refused:
            visited(0.0)
        assert headline("look", str(refused.value)) == "HAS DATA"
        visited(1e9)
        journal.add(Entry("begun", ours.device))
        visited(0.0)


DEVICE = "a0b1c2d3e4f5"


class Prompt:
    """A raw prompt whose board tells its id, and no more."""

    name = "/dev/ttyX"

    def __init__(self, device=DEVICE):
        self._device = device

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def execute(self, _code):
        return self._device + "\n"

    def leave(self):
        pass


@pytest.fixture
def at_prompt(monkeypatch):
    """Return a function that sets what a prompt says: its queue, or an error."""

    def says(queue, prompt):
        def answer(what):
            if isinstance(what, Exception):
                raise what
            return what

        monkeypatch.setattr(sparing, "over_link", lambda *_, **__: None)
        monkeypatch.setattr(sparing, "_prompt", lambda _port, _wait_s: answer(prompt))
        monkeypatch.setattr(sparing.unsent, "queue", lambda _prompt: answer(queue))

    return says


def settled(**wishes):
    return Sparing(OURS, **wishes)("/dev/ttyX", lambda: False, lambda _: None).unsent


def test_a_prompt_that_answers_and_does_not_tell_is_not_unknown(at_prompt):
    at_prompt(b"", PromptError("/dev/ttyX: no MicroPython prompt within 2 s"))
    assert settled() == "unknown: nothing answers"
    for queue, prompt in [
        (PromptError("/dev/ttyX: the queue came over garbled 5 times"), Prompt()),
        (b"", Prompt("a0b1\x7f2d3e4f5")),
    ]:
        at_prompt(queue, prompt)
        with pytest.raises(RefusedError, match=r"at its prompt.*garbled.*--discard"):
            settled()
        assert settled(discard=True) == "given up"


class Line:
    """An open port at which somebody says something once, and never gives a prompt."""

    def __init__(self, said):
        self._said = said

    @property
    def in_waiting(self):
        return len(self._said)

    def read(self, _n):
        said, self._said = self._said, b""
        return said

    def write(self, _data):
        pass

    def close(self):
        pass


@pytest.fixture
def line(monkeypatch):
    """Return a function that sets what is said at the port; it is no prompt, and no hello."""
    monkeypatch.setattr(sparing, "PROMPT_S", 0.2)
    monkeypatch.setattr(sparing, "SPOKE_S", 0.2)

    def says(said, *, before=False):
        def over_link(*_, heard, **__):
            heard.speaks = before

        monkeypatch.setattr(sparing, "over_link", over_link)
        monkeypatch.setattr(repl, "open_port", lambda _name: Line(said))

    return says


@pytest.mark.parametrize("said", [b"motefw: interrupted", b"\r\nKeyboardInterrupt:", b">>> \x07"])
def test_who_speaks_as_ours_do_and_comes_to_no_prompt_is_left_alone(line, said):
    line(said)
    with pytest.raises(RefusedError, match=r"heard there.*does not tell what it holds.*--discard"):
        settled()
    line(b"", before=True)
    with pytest.raises(RefusedError, match=r"heard there.*--discard") as refused:
        settled()
    assert headline("look", str(refused.value)) == "HAS DATA"
    assert settled(discard=True) == "given up"


@pytest.mark.parametrize("said", [b"", b"temperature: 21 C\r\n", b"Guru Meditation Error"])
def test_another_program_is_no_obstacle(line, said):
    line(said)
    assert settled() == "unknown: nothing answers"


def silent(_data):
    return b""


def damaged(data):
    return data.replace(b"C", b"D")


@pytest.mark.parametrize("noise", [bytes, damaged])
def test_a_firmware_that_does_not_get_to_its_hello_is_heard(noise):
    """By its credits, intact or not."""
    board = ModelBoard()
    board.mute = ("hello",)
    heard = Heard()
    with PtyBoard(board, noise) as there, pytest.raises(CancelledError):
        over_link(there.path, OURS, lambda: heard.speaks, 60, known=True, heard=heard)


def test_on_a_line_that_carries_nothing_nobody_is_heard():
    heard = Heard()
    with PtyBoard(ModelBoard(), silent) as there:
        assert over_link(there.path, OURS, bool, 0.1, known=True, heard=heard) is None
    assert not heard.speaks


def test_what_is_damaged_in_a_queue_is_kept_and_told(at_prompt, tmp_path):
    tagger = OURS.tagger(DATA, DEVICE, 1)
    good = note_packet(DEVICE, 1, 0, {}, generation=1, tagger=tagger)
    bad = good[:-1] + bytes([good[-1] ^ 1])
    queue = b"".join(len(each).to_bytes(2, "little") + each for each in (good, bad))
    path = tmp_path / "fleet.motekit"
    at_prompt(queue + b"\xff\xffrest", Prompt())
    with pytest.raises(RefusedError, match="holds 2 packets and 6 bytes that are no packets"):
        settled()
    said = settled(store=path)
    assert said == ("1 packets collected, 1 set aside, 6 bytes set aside that are no packets")
    at_prompt(b"\xff\xff" + good, Prompt())
    with pytest.raises(RefusedError, match="holds 0 packets and"):
        settled()
    assert settled(store=path).startswith("0 packets collected")
    with Store.open(path, readonly=True) as store:
        kept = {each.data for each in store.quarantined()}
    assert kept == {bad, b"\xff\xffrest", b"\xff\xff" + good}


@pytest.mark.parametrize("why", [PromptError("garbled 5 times"), StoreError("disk is full")])
def test_provisioning_starts_no_board_whose_queue_is_not_kept(monkeypatch, tmp_path, why):
    def fails(*_):
        raise why

    monkeypatch.setattr(session, "take_left", fails)
    options = Options(store=tmp_path / "fleet.motekit")
    shared = session.Shared(None, OURS, Records(tmp_path / "records.jsonl"), options)
    one = session.Session("/dev/ttyX", shared, lambda _: None, lambda: False)
    left = Found(DEVICE, generation=1, left_bytes=9)
    with pytest.raises(HoldsError, match=f"{why}; {DEVICE} is left at its prompt"):
        one._spare_left(Prompt(), left, asked=False)
