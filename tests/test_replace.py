"""`motekit replace` on virtual boards: a role moves, no identity does, and history goes on."""

import json
import time

import pytest
from typer.testing import CliRunner

import motekit
from motekit import plan as plans
from motekit import provision
from motekit.cli import app
from motekit.collector import Collector, Limits
from motekit.configuration import apply, plan_edit, target
from motekit.configuration import replace as replacing
from motekit.configuration.replace import Job, ReplaceError, replace_unit
from motekit.errors import StoreError
from motekit.keys import Host, KeyStore
from motekit.probe import Port
from motekit.provision import Records
from motekit.store import Store
from motekit.transports import transport

NAME = "esp32-c3-devkitm-1"
SENSOR = '[[board.sensor]]\ndriver = "sht4x"\nsource = { temperature = 20, humidity = 40 }\n'
BOARDS = f'[[board]]\ncount = 2\nboard = "{NAME}"\n{SENSOR}'
TOP = (
    f'fleet = "acme"\nboard = "{NAME}"\n[packet]\nlatency_ms = 200\n[[sensor]]\ndriver = "sht4x"\n'
)
ROW = '[[device]]  # the roof\nid = "{}"\nname = "roof"\nsite = "north"\n'


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    KeyStore.from_root(bytes(range(32))).save(tmp_path / "keys.json")
    monkeypatch.setenv("MOTEKIT_KEYS", str(tmp_path / "keys.json"))


@pytest.fixture
def bench(tmp_path):
    """Return what makes a job of a plan's text."""

    def make(text):
        (tmp_path / "plan.toml").write_text(text)
        records = Records(tmp_path / "records.jsonl")
        return Job(tmp_path / "plan.toml", KeyStore.load(), records, tmp_path / "s.motekit")

    return make


def collect(job, *virtuals):
    with Store.open(job.store, create=True) as store:
        sources = [transport(f"serial:{each.serial}") for each in virtuals]
        Collector(store, sources, job.keys, Host(), lambda _: None).run(Limits(for_s=6))


def colons(device):
    return ":".join(device[i : i + 2] for i in range(0, 12, 2)).upper()


def test_a_new_unit_takes_the_role_and_nothing_of_the_identity(fleet, bench, monkeypatch):
    old, new = fleet(BOARDS).boards
    job = bench(TOP + ROW.format(colons(old.device)))
    plan = plans.load(job.path)
    done = provision.one(old.serial, plan, keys=job.keys, records=job.records)
    assert done.state == "provisioned", done
    collect(job, old)

    def killed(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replacing.provision, "one", killed)
        with pytest.raises(KeyboardInterrupt):
            replace_unit("roof", new.serial, job, 0)
    there = [Port(old.serial, "", None, "")]
    monkeypatch.setattr(replacing, "attached", lambda: there)
    moment = time.time_ns() // 1000
    done = replace_unit("roof", new.serial, job, moment)
    assert (done.error, done.state) == ("", "replaced")
    assert (done.role, done.old, done.new) == ("roof", old.device, new.device)
    assert done.linked
    assert f'[[device]]  # the roof\nid = "{new.device}"\n' in job.path.read_text()
    assert f"motekit collect {old.serial} takes them" in done.notes[-1]
    there.clear()
    files = ("--plan", job.path, "--store", job.store, "--records", job.records.path, "--json")
    said = CliRunner().invoke(app, ["replace", "roof", new.serial, *map(str, files)])
    again = json.loads(said.stdout)
    assert (again["state"], again["linked"], again["plan_file"]) == ("unchanged", False, "")
    assert "is retired" in said.stderr
    assert replace_unit(old.device, new.serial, job, moment + 1).state == "unchanged"
    collect(job, old, new)  # the retired one is still collected
    changes_what_is_provisioned(job, new)

    events = [(row["event"], row["device"]) for row in job.records.rows()]
    assert events == [
        *(("assigned", old.device), ("provisioned", old.device), ("released", old.device)),
        *(("assigned", new.device), ("provisioned", new.device)),
    ]
    assert target.noted(job.records, "acme") == {old.device: "", new.device: "roof"}
    history_goes_on(job, old, new, moment)


def history_goes_on(job, old, new, moment):
    """Each unit for its time under the role; all that it has sent under its id."""
    with motekit.open(job.store) as store:
        role = store.read(device="roof", verified=True)
        every = store.read(stream="sht4x", verified=True)
    times = dict.fromkeys((old.device, new.device), ())
    for device in times:
        times[device] = role["time"][role["device"] == device].astype("i8") // 1000
        assert len(times[device])
    assert max(times[old.device]) < moment <= min(times[new.device])
    late = every["time"][every["device"] == old.device].astype("i8").max() // 1000
    assert late > moment


def changes_what_is_provisioned(job, virtual):
    """Under its keys, and never at the cost of what it has sampled."""
    text = job.path.read_text().replace("[[sensor]]\n", "[[sensor]]\nperiod_s = 0.5\n")
    job.path.write_text(text)
    to_be = target.of_plan(plans.load(job.path), target.noted(job.records, "acme"))
    (seen,) = apply.plan([virtual.serial], to_be, job.keys)
    assert [str(each) for each in seen.changes] == ["+ sensors.sht4x.period_ms = 500"]
    (refused,) = apply.apply([virtual.serial], to_be, job.keys)
    assert "a boot loses what no collector has taken" in refused.error
    (done,) = apply.apply([virtual.serial], to_be, job.keys, job.store)
    assert (done.error, done.state) == ("", "applied")
    with Store.open(job.store, readonly=True) as store:
        summary = {each.device: each for each in store.summary().devices}[virtual.device]
    assert summary.untold == summary.cut_off == 0


def test_a_unit_that_does_not_prove_itself_leaves_the_role_where_it_was(fleet, bench):
    fault = '[[fault]]\nkind = "sensor_absent"\nboard = 1\n'
    old, new = fleet(BOARDS + fault).boards
    job = bench(TOP + ROW.format(old.device))
    provision.one(old.serial, plans.load(job.path), keys=job.keys, records=job.records)
    before = job.path.read_text()
    with pytest.raises(StoreError, match="no such store"):
        replace_unit("roof", new.serial, job, 5)
    Store.open(job.store, create=True).close()
    done = replace_unit("roof", new.serial, job, 5)
    assert done.state == "failed"
    assert "sht4x" in done.error
    assert job.path.read_text() == before
    assert target.noted(job.records, "acme")[old.device] == "roof"
    with Store.open(job.store, readonly=True) as store:
        assert store.succession() == []
    with pytest.raises(ReplaceError, match="is the board that has roof"):
        replace_unit("roof", old.serial, job, 5)


A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"


def meant(path, old, new, rows):
    listed = [{"fleet": "acme", "event": e, "device": d, "name": n, **m} for e, d, n, m in rows]
    role, device = replacing._meant(old, new, plans.load(path), listed)
    return role.name, device


def test_whose_role_is_meant(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(TOP + ROW.format(A) + '[[device]]\nname = "attic"\n')
    has = [("provisioned", A, "roof", {}), ("provisioned", B, "attic", {})]
    assert meant(path, "roof", C, []) == meant(path, A, C, []) == ("roof", A)
    assert meant(path, "attic", C, has) == meant(path, colons(B), C, has) == ("attic", B)
    begun = [*has, ("released", B, "attic", {"to": C})]
    assert meant(path, "attic", C, begun) == meant(path, B, C, begun) == ("attic", B)
    done = [*begun, ("provisioned", C, "attic", {})]
    assert meant(path, "attic", C, done) == meant(path, B, C, done) == ("attic", B)
    for old, new, rows, text in (
        ("rof", C, has, "neither a role nor a board of the plan; did you mean roof"),
        ("attic", C, [], "no board has this role"),
        (B, A, done, f"{C} has it"),
    ):
        with pytest.raises(ReplaceError, match=text):
            meant(path, old, new, rows)
    path.write_text(TOP)
    with pytest.raises(ReplaceError, match="names boards by their ids"):
        meant(path, "roof", C, [])


@pytest.mark.parametrize("name", ["plan.csv", "boards.csv"])
def test_an_id_in_a_table_is_changed_there(tmp_path, name):
    rows = f"fleet,id,name,board\nacme,{colons(A)},roof,{NAME}\nacme,,attic,{NAME}\n"
    path = tmp_path / name
    if name == "boards.csv":
        rows = rows.replace("fleet,", "").replace("acme,", "")
        path = tmp_path / "plan.toml"
        path.write_text(f'fleet = "acme"\ndevices = "boards.csv"\nboard = "{NAME}"\n')
    (tmp_path / name).write_text(rows)
    (tmp_path / name).chmod(0o600)
    plan = plans.load(path)
    wanted = plans.Plan(plan.fleet, tuple(replacing._for(r, plan.roles[0], B) for r in plan.roles))
    assert plan_edit.put_id(path, A, B, wanted) == tmp_path / name
    assert (tmp_path / name).read_text() == rows.replace(colons(A), B)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("extra", [f"# {A}\n", 'site = "bbaaaaaaaaaaaa"\n'])
def test_a_plan_in_which_it_is_not_clear_is_left_alone(tmp_path, extra, monkeypatch):
    monkeypatch.setattr(plan_edit, "_write", lambda *_: pytest.fail("written before it is sure"))
    path = tmp_path / "plan.toml"
    path.write_text(
        extra + TOP + ROW.format(A if extra[0] == "#" else B).replace(A, "AAAAAAAAAAAA")
    )
    before = path.read_text()
    plan = plans.load(path)
    with pytest.raises(plan_edit.PlanEditError, match="put cccccccccccc in its place by hand"):
        plan_edit.put_id(path, A, C, plan)
    assert path.read_text() == before
