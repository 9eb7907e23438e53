"""What a board says or holds, however odd: nothing crashes, nothing is obeyed, nothing grows."""

import ast
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from motefw import keys, message, message_host
from motefw.errors import MessageError
from motekit import cli, plan
from motekit import hello as hellos
from motekit.cli import say, show
from motekit.cli.live_table import LiveTable
from motekit.cli.station_screen import Counts, Grid
from motekit.collector.live import LiveBoard
from motekit.configuration import backup_file
from motekit.configuration.backup_file import Backup, BackupError
from motekit.plain import plain
from motekit.prompt.raw import PromptError, RawPrompt, literal
from motekit.provision import look
from motekit.provision.records import Records
from motekit.rescue import look as rescue_look
from motekit.rescue import settings
from motekit.station import tally
from motekit.station.desk import Slot
from motekit.station.journal import Entry, Journal
from tests.model_board import ModelBoard

TAGGER = keys.Tagger(bytes(32), b"0123456789ab")
ESCAPE = "\x1b[2Jcellar\x9b\u202e"
DEEP = "[" * 5000


class Port:
    """A line on which somebody speaks without end."""

    timeout = 0.0
    in_waiting = 65536

    def __init__(self, said=b"."):
        self.said = said

    def read(self, size):
        return (self.said * size)[:size]

    def write(self, data):
        return len(data)


class Prompt:
    """Answers of a prompt, whatever is asked."""

    name = "/dev/ttyX"

    def __init__(self, said):
        self.said = said

    def execute(self, *_):
        return self.said


def test_a_terminal_obeys_nobody(capsys):
    columns = (show.Column("network", lambda row: row),)
    show.rows(columns, [ESCAPE])
    assert "\\x1b[2Jcellar\\x9b\\u202e" in capsys.readouterr().out
    assert plain("a\nb\tc \ud800") == "a\nb\\tc \\ud800"
    assert plain("Grün 3") == "Grün 3"


def test_machines_get_the_same_words_in_letters_that_do_nothing(capsys):
    told = {"why": [ESCAPE, "Grün \U000e0001\ud800"], "n": 1}
    say.json_line(told, indent=1)
    shown = capsys.readouterr().out
    assert json.loads(shown) == told
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert "Grün" in shown


def test_commands_print_in_one_place_alone():
    for path in sorted(Path(cli.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [each.func for each in ast.walk(tree) if isinstance(each, ast.Call)]
        printed = {each.id for each in calls if isinstance(each, ast.Name)} & {"print"}
        assert not printed or path.name == "say.py", path
        assert path.name == "say.py" or "ensure_ascii=False" not in path.read_text("utf-8"), path


def test_no_screen_obeys_a_board():
    slot = Slot("/dev/ttyX", ESCAPE, state="failed", device=ESCAPE, step=ESCAPE, why=ESCAPE)
    counts = Counts(tally.of([]), "plan", "")
    drawn = Grid().draw([slot, replace(slot, place="2", state="busy")], counts, 80, 24).plain
    assert all(each.isprintable() or each == "\n" for each in drawn)
    board = LiveBoard("a0b1", "/dev/ttyX")
    board.name = board.state = ESCAPE
    console = Console(file=io.StringIO(), width=120)
    table = LiveTable(None)
    table._former["a0b1"] = None
    console.print(table.table([board]))
    assert "\\x1b[2J" in console.file.getvalue()


def test_an_odd_name_keeps_nobody_from_changing_it():
    found = hellos.parse({**ModelBoard().hello(), "name": ESCAPE})
    assert found.name == "\\x1b[2Jcellar\\x9b\\u202e"


@pytest.mark.parametrize("body", [b'{"why": "\\ud800"}', b'{"x":' + DEEP.encode()])
def test_a_reply_of_no_text_is_none(body):
    head = bytes((message.REPLY, 1, 0, 1))
    data = message.seal(TAGGER, bytes(8), head + body)
    with pytest.raises(MessageError):
        message_host.open_reply(TAGGER, bytes(8), data)


def test_records_and_journals_take_any_word(tmp_path):
    why = "\ud800\x01\U0001f600" * 400
    records = Records(tmp_path / "records.jsonl")
    fields = {"fleet": "acme", "device": "a" * 12, "name": "roof", "error": why}
    records.add("failed", fields)
    assert records.rows()[0]["error"].startswith("\ud800\x01\U0001f600")
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.add(Entry("failed", "a" * 12, "/dev/tty\udcff", why=why))
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert journal.entries[0].why == why[:1000]


@pytest.mark.parametrize("device", ["../../x", "/etc/x", "", "A0B1C2D3E4F5", 7])
def test_a_device_id_names_no_folder_elsewhere(device):
    with pytest.raises(PromptError, match="12 hex digits"):
        rescue_look.about(Prompt(repr((device, 0, False, 0, 0))))


@pytest.mark.parametrize("said", [DEEP, "-" * 100_000 + "1", "{[]:1}", "(1", "nonsense()"])
def test_what_a_prompt_prints_is_a_value_or_none(said):
    with pytest.raises(ValueError, match=r"no value|malformed"):
        literal(said)
    with pytest.raises(PromptError):
        RawPrompt.hashes(Prompt(said), ["/a"])


@pytest.mark.parametrize("said", ["7", "[1, 2]", "{}"])
def test_hashes_that_are_none_are_not_believed(said):
    with pytest.raises(PromptError, match="1 hashes asked for"):
        RawPrompt.hashes(Prompt(said), ["/a"])


def test_who_speaks_without_end_is_not_listened_to_for_ever():
    prompt = RawPrompt(Port(), "/dev/ttyX")
    with pytest.raises(PromptError, match="says more than"):
        prompt._until(b"\x04", 600)
    assert len(prompt._held) < 4 << 20


def test_a_file_without_end_is_not_read_for_ever(monkeypatch):
    prompt = RawPrompt(Port(), "/dev/ttyX")
    monkeypatch.setattr("motekit.prompt.raw.FILE_MAX_BYTES", 10_000)
    monkeypatch.setattr(prompt, "_piece", lambda name, at: bytes(1920))
    with pytest.raises(PromptError, match="longer than any flash"):
        prompt.read("/a")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("/config.json", b'{"board": "x", "buses": {"i2c0": {"kind": {}}}}'),
        ("/config.json", b'{"board": "x", "buses": {"i2c0": {"kind": []}}}'),
        ("/wifi.json", b'{"networks": [{"ssid": "\\ud800", "password": ""}]}'),
    ],
)
def test_settings_of_any_shape_are_named(name, data):
    assert settings.faults({name: data}, "a" * 12).keys() == {name}


class Files:
    """Files of a board."""

    name = "/dev/ttyX"

    def __init__(self, data):
        self.data = data

    def read(self, _):
        return self.data


def test_files_too_deep_are_none():
    assert look._read(Files(DEEP.encode()), "config.json") == ""
    assert backup_file.parsed(DEEP.encode()) is None
    assert settings.faults({"/wifi.json": DEEP.encode()}, "a" * 12).keys() == {"/wifi.json"}


def test_a_backup_takes_any_configuration_and_none_that_could_not_be_read(tmp_path, monkeypatch):
    files = {"/config.json": b'{"name": "\\ud800"}'}
    backup = Backup("a" * 12, "", "", "", "", files)
    path = tmp_path / "a.json"
    backup_file.save(path, backup)
    assert backup_file.load(path) == backup
    monkeypatch.setattr(backup_file, "_SIZE_MAX", 2000)
    with pytest.raises(BackupError, match="at most 2,000"):
        backup_file.save(path, Backup("a" * 12, "", "", "", "", {"/t.bin": bytes(2000)}))
    assert backup_file.load(path) == backup


def test_a_password_in_the_place_of_a_variable_is_not_shown(tmp_path):
    path = tmp_path / "plan.toml"
    wifi = '[[wifi]]\nssid = "site"\npassword_env = "{}"\n'
    top = 'fleet = "acme"\nboard = "esp32-c3-devkitm-1"\n'
    path.write_text(top + wifi.format("canary-8765"))
    with pytest.raises(plan.PlanError, match="not set in the environment") as caught:
        plan.load(path)
    assert "canary" not in str(caught.value)
    path.write_text(top + wifi.format("NO_SUCH_WIFI"))
    with pytest.raises(plan.PlanError, match="NO_SUCH_WIFI is not set"):
        plan.load(path)
