"""A configuration in pieces, by its mark, on trial: the firmware's part, on both VMs."""

import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.board_line import Host

KEPT = {"board": "kept"}
NEW = {"board": "new", "name": "rööf" * 8}
MISSING = "0" * 16


@pytest.fixture
def host(board_vm, tmp_path):
    return begin(board_vm, tmp_path)


def begin(board_vm, folder):
    for path in folder.iterdir():
        path.unlink()
    board_vm.call("reset", 5_000_000)
    board_vm.call("connect", f"{folder}/")
    host = Host(board_vm)
    host.ask("hello")
    host.folder = folder
    return host


def data_of(config):
    return json.dumps(config, ensure_ascii=False).encode()


def mark_of(data):
    return hashlib.sha256(data).hexdigest()[:16]


def keep_one(host):
    (host.folder / "config.json").write_bytes(data_of(KEPT))
    return mark_of(data_of(KEPT))


def send(host, data, step=20):
    """Send a text in pieces; return its mark."""
    text = data.decode()
    at = 0
    for i in range(0, len(text), step):
        piece = text[i : i + step]
        assert host.ask("config.part", {"at": at, "text": piece})[:2] == (True, {})
        at += len(piece.encode())
    return mark_of(data)


def boot(host):
    return host.vm.call("begin", f"{host.folder}/")


def marks(host):
    return host.ask("config.mark")[1]


def test_marks_are_those_of_the_files(host):
    assert marks(host) == {"kept": None, "next": None, "trial": None}
    assert marks(host)["kept"] is None
    assert marks(host) | {"kept": keep_one(host)} == marks(host)


def test_a_trial_lasts_for_one_boot_unless_it_is_kept(host):
    was = keep_one(host)
    mark = send(host, data_of(NEW))
    ok, result, _ = host.ask("config.set", {"part": mark, "was": was, "trial": True})
    assert (ok, result) == (True, {"reboot": True})
    assert marks(host) == {"kept": was, "next": mark, "trial": None}
    assert host.ask("config.get")[1]["board"] == "kept"
    assert boot(host)["name"] == NEW["name"]
    assert marks(host) == {"kept": was, "next": None, "trial": mark}
    assert host.ask("config.get")[1]["board"] == "new"
    assert boot(host)["board"] == "kept"
    assert marks(host) == {"kept": was, "next": None, "trial": None}


def test_what_was_kept_stays_and_keeping_twice_is_keeping(host):
    was = keep_one(host)
    mark = send(host, data_of(NEW))
    host.ask("config.set", {"part": mark, "was": was, "trial": True})
    boot(host)
    for _ in range(2):
        assert host.ask("config.keep", {"mark": mark})[:2] == (True, {})
    assert marks(host) == {"kept": mark, "next": None, "trial": None}
    assert boot(host)["board"] == boot(host)["board"] == "new"


@pytest.mark.parametrize("mark", [None, MISSING, 5])
def test_only_what_is_on_trial_can_be_kept(host, mark):
    was = keep_one(host)
    ok, result, _ = host.ask("config.keep", {"mark": mark})
    assert not ok or mark == was
    assert result["error"].startswith(f"mark: {mark}, and the configuration here is {was}")


def test_what_somebody_else_has_set_meanwhile_is_not_undone(host):
    keep_one(host)
    mark = send(host, data_of(NEW))
    ok, result, _ = host.ask("config.set", {"part": mark, "was": MISSING})
    assert not ok
    assert result["error"].startswith(f"was: {MISSING}, and the configuration here is ")
    assert boot(host)["board"] == "kept"
    ok, _, _ = host.ask("config.set", {"config": NEW, "was": None})
    assert not ok


def test_pieces_may_come_twice_and_never_out_of_order(host):
    data = data_of(NEW)
    text = data.decode()
    for at, piece in ((0, text[:10]), (0, text[:10]), (10, text[10:20]), (10, text[10:20])):
        assert host.ask("config.part", {"at": at, "text": piece})[0]
    for args in ({"at": 30, "text": "x"}, {"at": 5, "text": "x"}, {"at": 20}, {"text": "x"}):
        assert not host.ask("config.part", args)[0]
    assert not host.ask("config.part", {"at": "0", "text": "x"})[0]
    assert host.ask("config.part", {"at": 20, "text": text[20:]})[0]
    assert host.ask("config.set", {"part": mark_of(data)})[0]
    assert boot(host)["name"] == NEW["name"]


def test_a_configuration_has_an_end(host):
    piece = "x" * 400
    answers = [host.ask("config.part", {"at": at, "text": piece}) for at in range(0, 9200, 400)]
    assert not answers[-1][0]
    assert "8192 at most" in answers[-1][1]["error"]
    assert (host.folder / "config.part").stat().st_size <= 8192


@pytest.mark.parametrize("text", ['{"board": 5}', '{"board": "x", "wlan": 1}', "[]", "{", ""])
def test_what_is_no_configuration_is_refused_and_nothing_changes(host, text):
    was = keep_one(host)
    mark = send(host, text.encode()) if text else MISSING
    for trial in (True, False):
        ok, result, _ = host.ask("config.set", {"part": mark, "trial": trial})
        assert not ok
        assert result["error"]
    assert marks(host) == {"kept": was, "next": None, "trial": None}


def test_a_plain_set_ends_a_trial(host):
    keep_one(host)
    mark = send(host, data_of(NEW))
    host.ask("config.set", {"part": mark, "trial": True})
    boot(host)
    assert host.ask("config.set", {"config": {"board": "third"}})[0]
    assert host.ask("config.get")[1]["board"] == "third"
    assert boot(host)["board"] == "third"
    assert (marks(host)["next"], marks(host)["trial"]) == (None, None)


STEPS = st.lists(
    st.sampled_from(["try a", "try b", "set a", "boot", "keep", "break"]), max_size=12
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("model")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_in_whatever_order_the_board_has_what_the_model_says(board_vm, folder, steps):
    """The model: what is kept, what comes next, what is tried."""
    host = begin(board_vm, folder)
    was = kept = keep_one(host)
    files = {was: "kept"}
    coming = tried = None
    for step in steps:
        what, _, which = step.partition(" ")
        if what in {"try", "set"}:
            mark = send(host, data_of({"board": which}), 400)
            files[mark] = which
            assert host.ask("config.set", {"part": mark, "trial": what == "try"})[0]
            kept, coming, tried = (kept, mark, tried) if what == "try" else (mark, None, None)
        elif what == "boot":
            coming, tried = None, coming
            assert boot(host)["board"] == files[tried or kept]
        elif what == "keep":
            done = host.ask("config.keep", {"mark": tried})[0]
            assert done == (tried is not None)
            kept, tried = (tried, None) if done else (kept, tried)
        else:
            assert not host.ask("config.set", {"part": send(host, b"[1]"), "trial": True})[0]
        assert marks(host) == {"kept": kept, "next": coming, "trial": tried}
