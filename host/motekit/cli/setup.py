"""`motekit setup`: bring the MicroPython VMs that virtual boards run on."""

import json
import sys
from dataclasses import asdict

from motekit.cli import options
from motekit.errors import VmError
from motekit.sim import vm as vms


def setup(
    as_json: options.Json = False,
) -> None:
    """Find or bring a MicroPython for virtual boards, in 64 bits and, where it runs, in 32.

    Needs no root; the second time it costs nothing.

    Example: motekit setup
    """
    missing: list[VmError] = []
    for bits in (64, 32):
        try:
            vm = vms.install(bits, lambda text: print(text, file=sys.stderr))
        except VmError as e:
            missing.append(e)
            print(f"motekit: {e}", file=sys.stderr)
            continue
        if as_json:
            print(json.dumps(asdict(vm)))
        else:
            print(f"MicroPython {vm.version}, {vm.bits} bits: {vm.path} ({vm.source})")
    if len(missing) == 2:
        raise VmError("virtual boards cannot run here: there is no MicroPython")
