"""A MicroPython VM as a co-process: calls and results as JSON over its stdin and stdout."""

import contextlib
import json
import os
import select
import subprocess
from pathlib import Path

from motekit.sim import vm

ROOT = Path(__file__).resolve().parent.parent
ON_VM = ROOT / "tests" / "on_vm"
PATHS = (ROOT / "firmware", ROOT / "host" / "motekit" / "sim", ON_VM, ".frozen")


SERVER = """
import sys, json, io
names = {}
exec("import " + sys.argv[1] + " as bed", names)
bed = names["bed"]
while True:
    line = sys.stdin.readline()
    if not line:
        break
    name, args = json.loads(line)
    try:
        answer = ["ok", getattr(bed, name)(*args)]
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        answer = [type(error).__name__, str(error), text.getvalue()]
    print(json.dumps(answer))
"""


class VmError(Exception):
    """What a call raised within the VM: `kind` is the name of its class."""

    def __init__(self, kind, text, trace):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text, self.trace = kind, text, trace


class CoProcess:
    """Calls functions of a module of tests/on_vm in a VM of 32 or 64 bits."""

    def __init__(self, bits, module, heap="4m"):
        environment = {**os.environ, "MICROPYPATH": ":".join(str(p) for p in PATHS)}
        self._vm = subprocess.Popen(
            [*vm.find(bits).argv, "-X", f"heapsize={heap}", "-c", SERVER, module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.talk = []  # lines that were no answers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in (self._vm.stdin, self._vm.stdout, self._vm.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._vm.kill()
        self._vm.wait()

    def call(self, name, *args, timeout_s=120):
        """Call a function of the module; raise VmError for what it raised."""
        self._vm.stdin.write(json.dumps([name, args]).encode() + b"\n")
        self._vm.stdin.flush()
        ready, _, _ = select.select([self._vm.stdout], [], [], timeout_s)
        line = self._vm.stdout.readline() if ready else b""
        if not line:
            self._vm.kill()
            raise RuntimeError(f"{name}: the VM said nothing: {self._vm.stderr.read().decode()}")
        answer = json.loads(line)
        if answer[0] != "ok":
            raise VmError(*answer)
        return answer[1]
