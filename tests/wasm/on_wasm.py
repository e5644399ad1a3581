"""A `Machine` whose arrays lie in a WebAssembly module's memory, and whose hart runs there."""

import hashlib

import numpy as np
from wasmtime_runner import Runner

from virtlab.machine import machine as machine_module
from virtlab.machine.state import HART, Memory

REPLACED = ("run_hart", "uart_update", "forget_all_code", "unguard_all")


class OnWasm:
    """Takes over a machine: its compiled functions are those of `module` from now on."""

    def __init__(self, module, machine, monkeypatch):
        self.runner = Runner(module)
        self.machine = machine
        place = self.runner.array
        ram = place(machine._mem.u8)
        views = (ram, *(ram.as_type(kind) for kind in (np.uint16, np.uint32, np.int64)))
        self.memory = Memory(*views, *(place(each) for each in machine._mem[4:]))
        self.harts = place(machine._harts)
        self.hart = self.harts.element()
        machine._mem = machine._host = Memory(*map(self.runner.view, self.memory))
        machine._harts = machine._running = self.runner.view(self.harts).view(HART)
        machine._hart = machine._harts[0]
        machine._steps = machine._harts["steps"]
        machine._ended_with = machine._harts["exit_code"]
        machine._uncollected = machine._harts["console_n"]
        self.native = {name: getattr(machine_module, name) for name in REPLACED}
        for name in REPLACED:
            monkeypatch.setattr(machine_module, name, getattr(self, name))

    def run_hart(self, harts, *rest):
        if harts is not self.machine._harts:
            return self.native["run_hart"](harts, *rest)
        return self.runner.call("run", self.harts, *self.memory, int(rest[-1]))

    def uart_update(self, hart):
        if hart is not self.machine._hart:
            return self.native["uart_update"](hart)
        return self.runner.call("uart_update", self.hart)

    def unguard_all(self, hart):
        if hart is not self.machine._hart:
            return self.native["unguard_all"](hart)
        return self.runner.call("unguard_all", self.hart)

    def forget_all_code(self, mem):
        if mem is not self.machine._mem:
            return self.native["forget_all_code"](mem)
        return self.runner.call("forget_all_code", self.memory)


def everything(machine) -> dict:
    """The whole state of a machine: every field of the record, a hash of each array."""
    state = {name: machine._hart[name].tobytes() for name in HART.names}
    for name, array in machine._mem._asdict().items():
        state[name] = hashlib.sha256(array.tobytes()).hexdigest()
    return {**state, "console": machine.console, "record": machine._harts.tobytes()}
