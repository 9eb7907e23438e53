"""The example project in a CI service's hands: its YAML files, line by line, on a new machine."""

import pytest

from tests import ci_run


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return ci_run.build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(params=[ci_run.GITHUB, ci_run.GITLAB])
def service(request):
    return request.param


def test_it_is_green_until_the_driver_has_a_mistake_which_is_kept_where_the_file_says(
    service, wheels, tmp_path
):
    machine = ci_run.Machine(tmp_path, wheels, supplied=True)
    project = machine.checkout()
    lines = ci_run.commands(service)
    assert lines[-1] == "pytest"
    for line in lines:
        done = machine.run(line, project)
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
    assert "1 passed" in done.stdout
    assert not (project / ci_run.kept(service)).exists()
    driver = project / "tmp117.py"
    driver.write_text(driver.read_text().replace("((high << 8 | low) ^", "((low << 8 | high) ^"))
    done = machine.run("pytest", project)
    assert done.returncode == 1
    assert "assert {" in done.stdout
    (folder,) = [path for path in (project / ci_run.kept(service)).iterdir() if path.is_dir()]
    assert {"scenario.toml", "seed.txt", "serial.log", "store.motekit"} <= {
        path.name for path in folder.iterdir()
    }
    assert str(folder) in done.stdout
