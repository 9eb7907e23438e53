"""`motekit setup`: bring the MicroPython VMs that virtual boards run on."""

from dataclasses import asdict

from motekit.cli import options, say
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
            vm = vms.install(bits, say.err)
        except VmError as e:
            missing.append(e)
            say.err(f"motekit: {e}")
            continue
        if as_json:
            say.json_line(asdict(vm))
        else:
            say.out(f"MicroPython {vm.version}, {vm.bits} bits: {vm.path} ({vm.source})")
    if len(missing) == 2:
        raise VmError("virtual boards cannot run here: there is no MicroPython")
