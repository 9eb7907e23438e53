"""The example project in a CI service's hands: its YAML files, line by line, on a new machine."""

import pytest

from tests import ci_run


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return ci_run.build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(params=[ci_run.GITHUB, ci_run.GITLAB])
def service(request):
    return request.param


def test_it_is_green_from_a_clean_checkout(service, wheels, tmp_path):
    machine = ci_run.Machine(tmp_path, wheels, supplied=True)
    project = machine.checkout()
    lines = ci_run.commands(service)
    assert lines[-1] == "pytest"
    for line in lines:
        done = machine.run(line, project)
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
    assert "1 passed" in done.stdout


def test_a_mistake_in_the_driver_makes_it_red_and_is_kept_where_the_file_says(
    service, wheels, tmp_path
):
    machine = ci_run.Machine(tmp_path, wheels, supplied=True)
    project = machine.checkout()
    driver = project / "tmp117.py"
    driver.write_text(driver.read_text().replace("((high << 8 | low) ^", "((low << 8 | high) ^"))
    results = [machine.run(line, project) for line in ci_run.commands(service)]
    assert [done.returncode for done in results] == [0, 0, 1]
    assert "assert {" in results[-1].stdout
    kept = project / ci_run.kept(service)
    (folder,) = [path for path in kept.iterdir() if path.is_dir()]
    assert {"scenario.toml", "seed.txt", "serial.log", "store.motekit"} <= {
        path.name for path in folder.iterdir()
    }
    assert str(folder) in results[-1].stdout
