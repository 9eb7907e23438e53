"""Backups: whole or refused, no identity on another board, nothing that counts up comes back."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motekit import open as motekit_open
from motekit import plan as plans
from motekit import provision
from motekit.client import Client, NoReplyError
from motekit.configuration import apply, backup_file, restore, target
from motekit.configuration import backup as taking
from motekit.configuration.backup_file import Backup, BackupError
from motekit.keys import KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.provision import Records
from motekit.transports.patience import opened

ROOT = Path(__file__).parents[1]
NAME = "esp32-c3-devkitm-1"
SENSOR = '[[board.sensor]]\ndriver = "sht4x"\nsource = { temperature = 20, humidity = 40 }\n'
CANARY = "canary in the mine"
PLAN = (
    f'fleet = "acme"\nboard = "{NAME}"\nname = "node-{{id6}}"\nsite = "roof"\n'
    f'[packet]\nlatency_ms = 200\n[[sensor]]\ndriver = "sht4x"\n'
    f'[[wifi]]\nssid = "site"\npassword = "{CANARY}"\n'
)
NETWORK = f'[[network]]\nssid = "site"\npassword = "{CANARY}"\n'
PATHS = st.lists(st.text("abcXYZ019_-. ", min_size=1, max_size=9), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
BACKUPS = st.builds(
    Backup,
    device=st.text("0123456789abcdef", min_size=12, max_size=12),
    name=st.text(max_size=9),
    board=st.text(max_size=9),
    firmware=st.text(max_size=9),
    at=st.text(max_size=20),
    files=st.dictionaries(
        PATHS.filter(lambda name: backup_file.is_users(name) and backup_file.is_name(name)),
        st.binary(max_size=50) | st.text(max_size=20).map(lambda text: text.encode()),
        max_size=3,
    ),
    networks=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backups")


@given(backup=BACKUPS, config=st.dictionaries(st.text(max_size=5), st.integers()))
def test_what_is_saved_comes_back(folder, backup, config):
    files = {**backup.files, "/config.json": backup_file.dumped(config)}
    backup = Backup(**{**vars(backup), "files": files})
    path = folder / f"{backup.device}.json"
    path.unlink(missing_ok=True)
    backup_file.save(path, backup)
    assert backup_file.load(path) == backup


@pytest.mark.parametrize("wrong", [1, 2, 0x80, None])
def test_damaged_anywhere_it_is_refused_whole(tmp_path, wrong):
    """Each byte in its turn: a bit is another one, or the file ends there."""
    path = tmp_path / "b.json"
    files = {"/config.json": backup_file.dumped({"board": NAME, "n": 17}), "/t": b"\0\xff"}
    whole = Backup("a0b1c2d3e4f5", "roof", NAME, "1", "2026-01-31", files, ("site",))
    backup_file.save(path, whole)
    text = path.read_bytes()
    for at in range(len(text) - 1):
        changed = bytes((text[at] ^ wrong,)) + text[at + 1 :] if wrong else b""
        path.write_bytes(text[:at] + changed)
        found = told(path)
        assert found is None or found == whole  # the same but for a blank


def told(path):
    """Return a file's backup, None if it is refused, which names the file."""
    try:
        return backup_file.load(path)
    except BackupError as error:
        return None if str(path) in str(error) else error


def signed(**changes):
    document = {
        "motekit_backup": 1,
        "device": "a0b1c2d3e4f5",
        "name": "roof",
        "board": NAME,
        "firmware": "1",
        "at": "now",
        "networks": [],
        "secrets": False,
        "files": {"/config.json": {"json": {"board": NAME}}},
        **changes,
    }
    document["sha256"] = backup_file._checksum(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"motekit_backup": 2}, "version 2, this motekit knows 1"),
        ({"device": "x"}, "device is 'x'"),
        ({"name": 5}, "name is not of type str"),
        ({"colour": 5}, "unknown key 'colour'"),
        *(
            ({"files": {name: {"text": "x"}}}, "is no file that a backup has")
            for name in (
                *("/epoch.json", "/provision.json", "/trial.json", "/record.json", "/config.next"),
                *("/boot.py", "/main.py", "/lib/motefw/app.mpy", "/../x", "x", "/a//b", "/a.new"),
                *("/" + "x" * 70, "/a\n", ""),
            )
        ),
        ({"files": {"/a": {"text": 5}}}, "is no file"),
        ({"files": {"/a": {"json": {}}}}, "is no file"),
        ({"files": {"/a": {"base64": "!"}}}, "is no file"),
        ({"files": {"/a": {"text": "x", "base64": ""}}}, "is no file"),
        ({"files": {f"/{i}": {"text": ""} for i in range(65)}}, "65 files, at most 64"),
    ],
)
def test_what_is_no_backup_is_named(tmp_path, changes, text):
    path = tmp_path / "b.json"
    path.write_text(signed(**changes))
    with pytest.raises(BackupError) as raised:
        backup_file.load(path)
    assert text in str(raised.value)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_other_file_is_refused(folder, data):
    path = folder / "any"
    path.write_bytes(data)
    with pytest.raises(BackupError, match="is no backup"):
        backup_file.load(path)


def test_secrets_are_for_their_owner_alone_and_no_other_file_is_lost(tmp_path):
    path = tmp_path / "b.json"
    keys = backup_file.dumped({"generation": 1})
    one = Backup("a0b1c2d3e4f5", "", NAME, "", "", {"/keys.json": keys})
    backup_file.save(path, one)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert one.secrets
    assert json.loads(path.read_text())["secrets"] is True
    path.chmod(0o640)
    with pytest.raises(BackupError, match="can be read by others; chmod 600"):
        backup_file.load(path)
    path.chmod(0o600)
    with pytest.raises(BackupError, match="is a backup of a0b1c2d3e4f5 already"):
        backup_file.save(path, Backup("0" * 12, "", NAME, "", "", {}))
    with pytest.raises(BackupError, match="has keys and passwords of a0b1c2d3e4f5, which this"):
        backup_file.save(path, Backup("a0b1c2d3e4f5", "", NAME, "", "", {}))
    assert backup_file.load(path) == one
    other = tmp_path / "thesis.txt"
    other.write_text("precious")
    with pytest.raises(BackupError):
        backup_file.save(other, one)
    assert other.read_text() == "precious"
    assert keys.decode() not in repr(one)


# Boards.


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    KeyStore.from_root(bytes(range(32))).save(tmp_path / "keys.json")
    monkeypatch.setenv("MOTEKIT_KEYS", str(tmp_path / "keys.json"))
    return tmp_path


@pytest.fixture
def motekit(home):
    where = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))

    def run(*args):
        done = subprocess.run(
            [sys.executable, "-m", "motekit", *map(str, args)],
            cwd=home,
            env={**os.environ, "PYTHONPATH": where, "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        key = KeyStore.load().key_file("0" * 12, 1)["data"]
        for said in (done.stdout, done.stderr):
            assert CANARY not in said
            assert key not in said
        return done

    return run


def at_prompt(virtual, put=None, gone=()):
    """Change files of a board, as somebody would at its prompt; return what it has then."""
    with opened(lambda: RawPrompt.open(virtual.serial, 40), virtual.serial, known=True) as prompt:
        prompt.put(put or {}, gone)
        names = [name for name in prompt.names("/") if not name.startswith("/lib/")]
        found = {name: prompt.read(name) for name in names}
        prompt.restart()
    return found


def row(done):
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


TABLE = bytes(range(256))


@pytest.fixture
def member(fleet, home):
    """Return a provisioned board with files of its user's, and another one."""
    board = f'[[board]]\ncount = 2\nboard = "{NAME}"\n{SENSOR}{NETWORK}'
    one, other = fleet(board).boards
    (home / "plan.toml").write_text(PLAN)
    plan = plans.load(home / "plan.toml")
    records = Records(home / "records.jsonl")
    done = provision.one(one.serial, plan, keys=KeyStore.load(), records=records)
    assert done.state == "provisioned", done
    return one, other, at_prompt(one, {"/data/table.bin": TABLE, "/notes.txt": b"\xc3\xa4"})


def test_what_a_board_was_comes_back_but_never_its_epoch(member, home, motekit):
    one, other, before = member
    (seen,) = apply.plan(
        [one.serial],
        target.of_plan(plans.load(home / "plan.toml"), {}),
        KeyStore.load(),
    )
    assert (seen.error, seen.state) == ("", "unchanged"), "as provisioned, Wi-Fi too"
    saved = row(motekit("backup", one.serial, "plain.json", "--json"))
    assert (saved["files"], saved["secrets"]) == (["/config.json"], False)
    assert json.loads((home / "plain.json").read_text())["networks"] == ["site"]
    full = ("backup", one.serial, "full.json", "--files", "--secrets", "--json")
    refused = motekit(*full)
    assert all(each in refused.stderr for each in ("--discard", "--store"))
    saved = row(motekit(*full, "--store", "fleet.motekit"))
    with motekit_open(home / "fleet.motekit") as store:
        assert store.devices() == [one.device], "what it held was collected first"
    names = ["/config.json", "/data/table.bin", "/keys.json", "/notes.txt", "/wifi.json"]
    assert (saved["error"], saved["files"]) == ("", names)
    texts = [(home / name).read_text() for name in ("plain.json", "full.json")]
    assert [CANARY in text for text in texts] == [False, True]

    bring = ("restore", "full.json", one.serial, "--json", "--store", "fleet.motekit")
    assert row(motekit(*bring))["state"] == "unchanged"
    # as after an accident
    at_prompt(one, {"/config.json": b'{"board": "x"}'}, ["/keys.json", "/notes.txt"])
    done = row(motekit(*bring))
    assert (done["error"], done["state"]) == ("", "applied")
    assert {each["key"] for each in done["changes"]} >= {'"/keys.json"', '"/notes.txt"', "site"}
    after = at_prompt(one)
    for name in ("/config.json", "/keys.json", "/wifi.json", "/provision.json"):
        assert json.loads(after[name]) == json.loads(before[name]), name
    assert (after["/data/table.bin"], after["/notes.txt"]) == (TABLE, b"\xc3\xa4")
    epochs = [json.loads(files["/epoch.json"])["epoch"] for files in (before, after)]
    assert epochs[1] > epochs[0]
    comes_to_another(motekit, other)


def comes_to_another(motekit, other):
    """All but the identity."""
    done = row(motekit("restore", "full.json", other.serial, "--json"))
    assert (done["error"], done["state"], done["device"]) == ("", "applied", other.device)
    assert any("keys stay away" in note for note in done["notes"])
    after = at_prompt(other)
    assert "/keys.json" not in after
    assert json.loads(after["/config.json"])["site"] == "roof"
    assert after["/notes.txt"] == b"\xc3\xa4"


def test_cut_off_it_is_done_again_and_what_is_no_good_goes_back(fleet, home, monkeypatch):
    (virtual,) = fleet(f'[[board]]\nboard = "{NAME}"\n{SENSOR}').boards
    config = json.loads(at_prompt(virtual)["/config.json"])
    files = {"/notes.txt": b"1", "/config.json": backup_file.dumped({**config, "name": "roof"})}
    backup = Backup(virtual.device, "roof", NAME, "", "", files)
    bring = (virtual.serial, backup, KeyStore.load(), restore.Options(), lambda *_: None)

    def killed(_self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(restore._Restoring, "_prove", killed)
        with pytest.raises(KeyboardInterrupt):
            restore.one(*bring)
    assert restore.one(*bring).state == "applied"
    assert restore.one(*bring).state == "unchanged"
    held = at_prompt(virtual)
    assert (held["/notes.txt"], "/trial.json" in held) == (b"1", False)

    sensor = {"driver": "nose", "bus": "i2c0"}
    bad = {"/notes.txt": b"2", "/config.json": backup_file.dumped({**config, "sensors": [sensor]})}
    worse = Backup(virtual.device, "roof", NAME, "", "", bad)
    done = restore.one(virtual.serial, worse, *bring[2:])
    assert done.state == "rolled back"
    assert "nose is not on this board" in done.error
    assert at_prompt(virtual).items() >= {"/notes.txt": b"1"}.items()


class Prompt:
    """A prompt of a board that holds one key file."""

    def __init__(self, held):
        self.held = held

    def read(self, _name):
        return self.held and backup_file.dumped(self.held)


@pytest.mark.parametrize(
    ("saved", "held", "outcome"),
    [
        (1, 0, "brought"),
        (2, 1, "brought"),
        (1, 1, "brought"),
        (1, 2, "keys stay as they are: of generation 2, the backup's of 1"),
        (1, -1, "has other keys of generation 1"),
        (-1, 0, "not of this key store"),
        (-9, 0, "no generation that can be"),
    ],
)
def test_keys_never_take_the_place_of_newer_or_other_ones(saved, held, outcome):
    store, stranger = (KeyStore.from_root(bytes((i,)) * 32) for i in range(2))
    device = "a0b1c2d3e4f5"

    def key_file(generation):
        if generation == -9:
            return {"generation": 999}
        whose = store if generation > 0 else stranger
        return whose.key_file(device, abs(generation)) if generation else None

    files = {"/keys.json": backup_file.dumped(key_file(saved))}
    backup = Backup(device, "", NAME, "", "", files)
    work = restore._Restoring("port", backup, store, restore.Options(), lambda *_: None)
    found = restore.look.Found(device)
    try:
        allowed = work._allowed(Prompt(key_file(held)), found)
    except restore.RefusedError as error:
        allowed, work._notes = {}, [str(error)]
    assert ("/keys.json" in allowed) == (outcome == "brought")
    assert outcome == "brought" or outcome in work._notes[0]


@pytest.mark.parametrize(
    ("lost", "state"),
    [(("provision.keep",), "applied"), (("provision.keep", "provision.get"), "failed")],
)
def test_a_lost_answer_is_no_board_that_went_back(fleet, home, monkeypatch, lost, state):
    class Deaf(Client):
        """Does as it is told, and does not hear what came of it."""

        def request(self, name, *args, **options):
            told = super().request(name, *args, **options)
            if name in lost:
                raise NoReplyError(f"no reply to {name!r}")
            return told

    (virtual,) = fleet(f'[[board]]\nboard = "{NAME}"\n{SENSOR}').boards
    backup = Backup(virtual.device, "roof", NAME, "", "", {"/notes.txt": b"1"})
    monkeypatch.setattr(restore, "Client", Deaf)
    done = restore.one(virtual.serial, backup, KeyStore.load(), restore.Options(), lambda *_: None)
    assert done.state == state, done
    assert ("keeps them" in done.error) == (state == "failed")
    assert at_prompt(virtual)["/notes.txt"] == b"1"


class Unclear:
    """A prompt that answers, and whose answer cannot be read; what it was left with."""

    name = "tty0"
    left = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, _):
        return "\x00?"

    def restart(self):
        self.left = "restart"

    def leave(self):
        self.left = "leave"


@pytest.mark.parametrize("work", ["backup", "restore"])
def test_a_stopped_board_that_cannot_be_read_keeps_what_is_in_its_ram(monkeypatch, work):
    prompt = Unclear()
    monkeypatch.setattr(RawPrompt, "open", lambda *_: prompt)
    monkeypatch.setattr("motekit.provision.look.over_link", lambda *_, **__: None)
    key_store = KeyStore.from_root(bytes(32))
    if work == "backup":
        done = taking.one("tty0", Path, taking.What(files=True), key_store)
    else:
        saved = Backup("0123456789ab", "", "", "", "", {"/notes.txt": b"x"})
        done = restore.one("tty0", saved, key_store, restore.Options(), lambda *_: None)
    assert done.error.startswith("says its id is")
    assert prompt.left == "leave"
