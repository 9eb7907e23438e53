"""`motekit query` and `motekit export`, as a user runs them."""

import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow import parquet

from motekit.store import Store
from tests.packets import DEVICE, note, received, samples, schema
from tests.test_query import fill, fleet

ROOT = Path(__file__).parents[1]
OTHER = "000000000001"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "fleet.motekit"
    more = [
        (OTHER, note({"schema": schema(channels=("x",))}, device=OTHER, seq=0)),
        (OTHER, samples(((5,),), device=OTHER, seq=1)),
    ]
    fill(path, [*fleet(), *more])
    return path


def motekit(*args, store=None, **more):
    """Run the command in a process of its own."""
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'host'}{os.pathsep}{ROOT / 'firmware'}"}
    env.pop("MOTEKIT_STORE", None)
    if store is not None:
        env["MOTEKIT_STORE"] = str(store)
    command = [sys.executable, "-m", "motekit", *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.run(command, text=True, env=env, timeout=60, check=False, **pipes)


def test_export_to_standard_output_is_csv(path):
    done = motekit("export", "--raw", "--where", f"device={DEVICE}", store=path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "device,stream,time,monotonic_us,accel_x,accel_y"
    assert lines[1] == f"{DEVICE},adxl345,2026-01-01T00:00:00.000000Z,0,0,0"
    assert [int(line.split(",")[4]) for line in lines[1:]] == list(range(1000))


def test_export_to_a_file_says_what_it_wrote(path, tmp_path):
    out = tmp_path / "day.parquet"
    done = motekit("export", out, "--stream", "adxl345", "--device", DEVICE, "--store", path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{out}: 1000 rows\n"
    assert parquet.read_metadata(out).num_rows == 1000
    assert list(tmp_path.iterdir()) == [out]


def test_export_of_everything_is_the_union(path):
    done = motekit("export", "--format", "jsonl", store=path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert list(rows[0]) == ["device", "stream", "time", "accel_x", "accel_y", "x"]
    assert rows[-1] == {
        "device": OTHER,
        "stream": "adxl345",
        "time": None,
        "accel_x": None,
        "accel_y": None,
        "x": 2.5,
    }


def test_a_time_range_says_what_it_leaves_out(path):
    done = motekit(
        "export", "--since", "2026-01-01T00:00:09.98Z", "--until", "2026-01-02", store=path
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    assert "1 samples left out: they have no UTC" in done.stderr


def test_query_in_a_pipe_is_csv_and_json_lines_if_asked(path):
    done = motekit("query", "--every", "5s", "--device", DEVICE, store=path)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("device,stream,time,accel_x_mean,accel_x_min,accel_x_max,")
    assert [line.split(",")[2] for line in lines[1:]] == [
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:05.000000Z",
    ]
    done = motekit("query", "--json", "--every", "1h", "--device", DEVICE, store=path)
    assert [json.loads(line)["accel_x_count"] for line in done.stdout.splitlines()] == [1000]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--since", "yesterday"], "since 'yesterday'"),
        (["--since", "-1h", "--until", "-2h"], "the range is empty"),
        (["--every", "0s"], "a duration such as"),
        (["--every", "1m", "--raw"], "take one"),
        (["--stream", "nothing"], "stream nothing: not in this store; there are: adxl345"),
        (["--where", "colour=red"], "device=NAME[,NAME..] or stream=NAME"),
        (["--format", "xml"], "one of csv"),
        (["--format", "parquet"], "needs a file"),
        (["out.xlsx"], "no format ends in .xlsx"),
        (["a.csv", "-o", "b.csv"], "two files"),
        (["--json", "-f", "csv"], "take one"),
        (["x.csv", "--json"], "x.csv: is named as csv, but jsonl was asked for"),
        (["x.csv", "-f", "parquet"], "x.csv: is named as csv, but parquet was asked for"),
        (["no/such/folder/x.csv"], "does not exist"),
    ],
)
def test_wrong_usage_is_2_with_a_word_and_no_traceback(path, tmp_path, args, words):
    done = motekit("export", *args, store=path, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_none_is_1_and_no_store_named_is_2(tmp_path):
    done = motekit("export", store=tmp_path / "none.motekit")
    assert (done.returncode, "no such store" in done.stderr) == (1, True)
    text = tmp_path / "text"
    text.write_text("no store\n" * 1000)
    done = motekit("query", store=text)
    assert (done.returncode, "no motekit store" in done.stderr) == (1, True)
    done = motekit("query")
    assert (done.returncode, "--store FILE" in done.stderr) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_names_the_file_and_what_to_try(path):
    done = motekit("export", "/dev/full", store=path)
    assert done.returncode == 1
    assert "/dev/full: the disk is full" in done.stderr
    assert "make room" in done.stderr
    with Path("/dev/full").open("w") as full:
        done = motekit("query", "--json", store=path, stdout=full)
    assert done.returncode == 1
    assert "standard output: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_export_while_a_collector_writes(tmp_path):
    live = tmp_path / "live.motekit"
    with Store.open(live, create=True) as store:
        store.append([received(samples(((1, 2),), seq=0))])
        done = motekit("export", "--raw", store=live)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 3
        store.append([received(samples(((3,),), seq=1))])


def test_query_as_json_lines_has_of_each_row_its_own_channels(path):
    done = motekit("query", "--json", store=path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[-1] == {"device": OTHER, "stream": "adxl345", "time": None, "x": 2.5}
    assert list(rows[0]) == ["device", "stream", "time", "accel_x", "accel_y"]


@pytest.mark.parametrize(
    ("command", "head"),
    [
        (("query",), "device,stream,time,"),
        (("query", "--json"), ""),
        (("export",), "device,stream,time,"),
    ],
)
def test_where_nothing_is_found_it_says_so_and_what_there_is(path, command, head):
    until = ("--since", "2020-01-01", "--until", "2020-01-02", "--device", DEVICE)
    done = motekit(*command, *until, store=path)
    assert done.returncode == 0
    assert done.stdout.startswith(head)
    assert len(done.stdout.splitlines()) == bool(head)
    said = done.stderr.splitlines()
    assert said[0] == "nothing was found in this range; in all the store has"
    assert any(DEVICE in each and "adxl345  packets of 2026-01-01" in each for each in said[1:])
    assert not any(OTHER in each for each in said)


@pytest.mark.parametrize(
    "command", ["query", "export", "sensors", "boards", "status", "doctor", "--help"]
)
def test_a_reader_that_goes_away_ends_a_command_quietly(path, command):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as unread:
        done = motekit(command, store=path, stdout=unread)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_may_go_in_the_middle(path):
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # else what it has to say must fill a larger one
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with open(reader, "rb") as read, open(writer, "wb") as written:
        head = ThreadPoolExecutor(1)
        first = head.submit(lambda: (read.readline(), read.close())[0])
        done = motekit("query", "--raw", "--stream", "adxl345", store=path, stdout=written)
        head.shutdown()
    assert first.result().startswith(b"device,stream,time")
    assert (done.returncode, done.stderr) == (141, "")
