"""Compile everything once, so that nobody waits for it later: `python -m virtlab.warm`.

Prints a line `n/total name` before each step. Compiled code goes to the cache folder that
virtlab._cache names; a second call finds it there and takes a second.
"""

import sys
import time

from virtlab._cache import cache_base

STEPS = (
    ("the assembler and the decoder", "_warm_isa"),
    ("the run loop of the machine", "_warm_machine"),
    ("snapshots and registers", "_warm_views"),
    ("the hypervisors", "_warm_hypervisors"),
    ("a device in a guest's hands", "_warm_passthrough"),
    ("the data centre", "_warm_data_centre"),
    ("domains", "_warm_domains"),
)
GUEST = "li a0, 2\nmv a1, a0\necall\n"


def _warm_isa(state: dict) -> None:
    from virtlab.isa.assembler import assemble

    state["program"] = assemble(GUEST)


def _warm_machine(state: dict) -> None:
    from virtlab.machine import Machine

    state["machine"] = Machine(ram="1M").load(state["program"])
    state["machine"].run(2)


def _warm_views(state: dict) -> None:
    m = state["machine"]
    m.type("x")
    m.back(1)
    m.run(2, until=0x8000_0004)
    m.disassemble()
    m.csrs()


def _warm_hypervisors(state: dict) -> None:
    from virtlab.hypervisors import TECHNIQUES, Action, ExitReason, VirtualMachine

    def answer(vcpu, _):
        vcpu.emulate()
        return Action.RESUME

    for technique in TECHNIQUES.values():
        vm: VirtualMachine = technique(ram="1M")
        vm.handle(ExitReason.PRIVILEGED, answer)
        vm.handle(ExitReason.EXCEPTION, answer)
        vm.step(2)


def _warm_passthrough(state: dict) -> None:
    from virtlab.platforms.kvm import model
    from virtlab.platforms.kvm.user_space.io_paths import IoPath

    with IoPath(model, "disk", "passthrough") as path:
        path.driver.read(0)


def _warm_data_centre(state: dict) -> None:
    from virtlab.platforms.vsphere.cluster import simulation

    simulation(2, 8).step()


def _warm_domains(state: dict) -> None:
    from virtlab.isa.assembler import assemble
    from virtlab.platforms.xen import Kernel, Xen
    from virtlab.platforms.xen.migration import Migration

    loop, base = "loop: addi s0, s0, 1\nj loop\n", 0x8020_0000
    ported = ".globl paravirt_abi_1\nparavirt_abi_1:\n"
    kernels = {"pv": Kernel(assemble(ported + loop, base)), "hvm": Kernel(assemble(loop, base))}
    settings = dict(ram="16M", domain0="pv", domain0_ram="4M", steps_per_tick=1, record=False)
    here, there = (Xen(kernels=kernels, **settings) for _ in range(2))
    moved = here.control.create("moved", "hvm", "4M")
    here.control.unpause(moved)
    here.run(1)
    Migration(here, moved, there).run()


def warm(progress=None) -> float:
    """Run one of everything that is compiled; returns the seconds it took.

    progress : callable(step, total, name), called before each step
    """
    began = time.perf_counter()
    state: dict = {}
    for number, (name, function) in enumerate(STEPS, 1):
        if progress:
            progress(number, len(STEPS), name)
        globals()[function](state)
    return time.perf_counter() - began


def main() -> int:
    """Print a line for each step."""

    def show(number: int, total: int, name: str) -> None:
        print(f"{number}/{total} {name}", flush=True)

    seconds = warm(show)
    print(f"compiled code is in {cache_base()} ({seconds:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
