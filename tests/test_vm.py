"""VMs: which one is found, how one is brought, and what is said when there is none."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from motekit import firmware
from motekit.errors import VmError
from motekit.sim import image, vm, vm_sources
from motekit.sim.vm_sources import NotThisWayError


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Hide every VM of this machine; what is brought goes to a folder of the test."""
    for variable in ("MICROPYTHON", "MICROPYTHON32"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(vm.shutil, "which", lambda _: None)
    monkeypatch.setattr(vm.places, "fetched", lambda: tmp_path / "fetched")
    return tmp_path / "fetched"


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def wrapper(path, bits=64):
    """Return a program that is this machine's VM under another name."""
    argv = " ".join(f"'{word}'" for word in vm.find(bits).argv)
    return script(path, f'exec {argv} "$@"')


@pytest.mark.parametrize("bits", [32, 64])
def test_finds_a_vm_of_each_size_that_loads_what_mpy_cross_makes(bits):
    found = vm.find(bits)
    assert found.bits == bits
    assert tuple(map(int, found.version.split("."))) >= vm.MIN_VERSION
    assert found.mpy == firmware.mpy_version()


def test_the_32_bit_one_is_preferred():
    assert vm.find().bits == 32


def test_a_variable_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("MICROPYTHON", wrapper(tmp_path / "mine"))
    found = vm.find(64)
    assert found.path == str(tmp_path / "mine")
    assert found.source == "$MICROPYTHON"


def test_a_variable_of_the_other_size_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("MICROPYTHON", wrapper(tmp_path / "mine"))
    assert vm.find(32).source != "$MICROPYTHON"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo hello", "is no unix MicroPython with littlefs: said 'nothing'"),
        ("echo no such option >&2; exit 1", "said 'no such option'"),
        ("echo '[1, 22, 0] 64 2566'", "is MicroPython 1.22.0, at least 1.25.0 expected"),
    ],
)
def test_what_is_no_vm_is_refused_with_the_reason(tmp_path, does, said):
    with pytest.raises(VmError) as caught:
        vm.check((script(tmp_path / "program", does),), "test")
    assert said.replace("nothing", "hello" if "hello" in does else "nothing") in str(caught.value)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(VmError, match="/no/such/vm: does not run"):
        vm.check(("/no/such/vm",), "test")


def test_none_is_found_says_what_to_do(nowhere):
    with pytest.raises(VmError, match="try: motekit setup"):
        vm.find(32)
    assert not nowhere.exists()


def test_ways_are_tried_in_order_and_a_failure_tells_them_all(nowhere, monkeypatch):
    tried = []

    def way(name):
        def bring(bits, folder):
            tried.append((name, bits))
            (folder / "half").write_text("made")
            raise NotThisWayError(f"{name} is shut")

        return name, bring

    monkeypatch.setattr(vm, "WAYS", (way("first"), way("second")))
    with pytest.raises(VmError) as caught:
        vm.install(32)
    assert tried == [("first", 32), ("second", 32)]
    for part in ("first: first is shut", "second: second is shut", "MICROPYTHON32"):
        assert part in str(caught.value)
    assert list(nowhere.iterdir()) == []


def test_what_was_brought_is_kept_and_costs_nothing_again(nowhere, monkeypatch):
    real = vm.check(tuple(_this_vm(64)), "test")
    calls = []

    def bring(bits, folder):
        calls.append(bits)
        shutil.copy(real.path, folder / "program")
        return [*real.argv[:-1], str(folder / "program")], "a test's way"

    monkeypatch.setattr(vm, "WAYS", (("copy", bring),))
    first = vm.install(64)
    assert first.path == str(nowhere / "64" / "program")
    assert vm.install(64) == first == vm.find(64)
    assert calls == [64]
    assert json.loads((nowhere / "64" / "vm.json").read_text())["source"] == "a test's way"

    (nowhere / "64" / "program").unlink()  # damaged: brought anew
    assert vm.install(64) == first
    assert calls == [64, 64]


def test_a_vm_of_the_wrong_size_is_not_kept(nowhere, monkeypatch):
    argv = list(_this_vm(64))
    monkeypatch.setattr(vm, "WAYS", (("wrong", lambda *_: (argv, "a test's way")),))
    with pytest.raises(VmError, match="is a 64-bit build"):
        vm.install(32)
    assert list(nowhere.iterdir()) == []


_FOUND = {}


def _this_vm(bits):
    return _FOUND[bits]


@pytest.fixture(autouse=True, scope="module")
def _remember_vms():
    for bits in (32, 64):
        _FOUND[bits] = vm.find(bits).argv


def test_no_host_name_is_written_down():
    text = "".join(p.read_text() for p in (image_folder() / ".").glob("vm*.py"))
    assert "://" not in text
    assert "pypi" not in text
    assert "deb.debian" not in text


def image_folder():
    return __import__("pathlib").Path(vm.__file__).parent


def test_sources_derive_from_the_system_s_own(monkeypatch):
    monkeypatch.setattr(
        vm_sources, "_run", lambda _: "http://mirror.example/debian\nhttp://other.example\n" * 2
    )
    assert vm_sources._sites() == ["http://mirror.example/debian", "http://other.example"]


def test_a_system_without_apt_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(vm_sources, "distribution", lambda: "")
    with pytest.raises(NotThisWayError, match="no Debian or Ubuntu"):
        vm_sources.from_newer_suite(64, tmp_path)


def test_there_is_no_wheel_of_32_bits(tmp_path):
    with pytest.raises(NotThisWayError, match="no 32-bit wheel"):
        vm_sources.from_wheel(32, tmp_path)


def test_setup_tells_each_vm_as_json():
    done = subprocess.run(
        [sys.executable, "-m", "motekit", "setup", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["bits"] for row in rows] == [64, 32]
    assert all(row["source"] and row["version"] for row in rows)


@pytest.mark.parametrize("march", [None, "x86", "x64", "xtensawin", "rv32imc"])
def test_every_module_of_the_firmware_compiles(march, tmp_path):
    made = firmware.compile_to(tmp_path / "out", march)
    assert (made / "motefw" / "__init__.mpy").stat().st_size > 10_000
    assert (made / "motefw" / "packet_viper.mpy").exists() == (march is not None)
    assert firmware.compiled(march) == firmware.compiled(march)


def test_line_numbers_cost_memory_and_are_kept_for_debugging_alone(monkeypatch, tmp_path):
    (tmp_path / "m.py").write_text("def f():\n\n\n    pass\n\n\n    return 1\n\n\nf()\n")
    modules = {"m.py": tmp_path / "m.py"}
    monkeypatch.delenv("MOTEKIT_DEBUG", raising=False)
    small = firmware.compiled_tree(modules) / "m.mpy"
    monkeypatch.setenv("MOTEKIT_DEBUG", "1")
    assert small.stat().st_size < (firmware.compiled_tree(modules) / "m.mpy").stat().st_size


def test_a_module_that_does_not_compile_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("def f(:\n")
    with pytest.raises(firmware.FirmwareError, match=r"m/bad\.py"):
        firmware.compiled_tree({"m/bad.py": tmp_path / "bad.py"})


def test_a_file_system_holds_what_was_put_in_and_is_made_once(tmp_path):
    files = {"/a/b/c.txt": b"deep", "/d": bytes(9000)}
    made = image.flash(vm.find(64), files, 1 << 18)
    stamp = made.stat().st_mtime_ns
    assert image.flash(vm.find(64), files, 1 << 18).stat().st_mtime_ns == stamp
    image.copy(made, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == made.read_bytes()
