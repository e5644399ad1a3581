"""How much memory does one more server take, and how many fit? Found by starting them.

A server here is the program `serve`, which waits for a caller that never comes: as a process, in a
box, or alone on a kernel of its own in a virtual machine.

    process, box    started from the shell of one machine until one is refused and says so
    VM              switched on, one beside the other, on one `Host` until that refuses one

A virtual machine gets the smallest RAM in which its kernel still brings the server up, found by
trying.

# Model: a VM's place on its host is its RAM and a part for its hypervisor, used or not, together
rounded up to 4 MiB, so fewer fit than their pages alone would let; `Memory` tells them apart.

Left out: sharing equal pages between virtual machines, and taking back what a guest does not use.
"""

import functools
import re
from dataclasses import dataclass

import numpy as np

from virtlab.containers.pith import boxes
from virtlab.hypervisors import Host, ModelError
from virtlab.isa.encoding import PAGE_BYTES
from virtlab.machine import Machine, boot
from virtlab.machine.loader import ImageError
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.instances import BUDGET, NESTED, Instance, instance

SERVER = "serve {port} hello"
PROMPT = "$ "
SHELL_RAM = "16M"
STEP_BYTES = 16 << 10  # to which the smallest RAM is found
POOL = 1 << 20  # for a hypervisor: many times what it uses here, unless it keeps translated code
PATIENCE = 5_000_000  # instructions after which a kernel that is not up does not come up


@dataclass(frozen=True)
class Memory:
    """What one server takes, in pages of 4 KiB.

    taken : of the machine's RAM, so that nobody else can have them
    charged : of these, those that the kernel counts as the box's; 0 outside boxes
    touched : of the RAM of a virtual machine, those that hold anything but zeros; else all
    hypervisor : its own pages for this guest, in use; 0 without one
    reserved : what has to be free before it can be started: a VM's whole place on its host
    """

    instance: str
    taken: int
    charged: int
    touched: int
    hypervisor: int
    reserved: int

    @property
    def pages(self) -> int:
        """Taken and in use by the hypervisor, together."""
        return self.taken + self.hypervisor


@dataclass(frozen=True)
class Density:
    """How many servers were started in so much RAM.

    refused : why there is not one more, in the words of who refused it
    """

    instance: str
    ram_bytes: int
    n: int
    refused: str


def fit(where: str, ram="16M") -> Density:
    """Start servers in `ram` until one is refused.

    Parameters
    ----------
    where : one of INSTANCES
    ram : bytes, or text such as "16M", of the machine that all of them share

    Raises
    ------
    ValueError : there is no such instance, or the size is not acceptable
    """
    one, n_bytes = instance(where), boot.parse_ram(ram)
    n, refused = _fill_host(one, n_bytes) if one.is_virtual else _fill_kernel(one, n_bytes)
    return Density(where, n_bytes, n, refused)


def measure_memory(where: str) -> Memory:
    """What one server takes.

    Raises
    ------
    ValueError : there is no such instance
    """
    one = instance(where)
    return _memory_of_vm(one) if one.is_virtual else _memory_on_kernel(one)


# On one kernel


def _shell(one: Instance, n_bytes: int) -> Machine:
    """The machine, waiting at the shell's first prompt.

    Raises
    ------
    ValueError : the kernel does not come up in so little RAM
    """
    machine = one.switch_on("", ram=n_bytes)
    stop = machine.run(PATIENCE)
    if stop.reason != "idle":
        raise ValueError(f"RAM of {n_bytes:,} bytes: the kernel does not come up. {stop}")
    return machine


def _start_server(one: Instance, machine: Machine, number: int) -> str:
    """Have the shell start one more in the background; returns what was printed."""
    server = SERVER.format(port=number)
    before = len(machine.console)
    machine.type(f"box -name s{number} {server} &\n" if one.boxed else f"{server} &\n")
    machine.run(BUDGET)  # until all wait
    return machine.console[before:]


def _fill_kernel(one: Instance, n_bytes: int) -> tuple[int, str]:
    machine, n, refused = _shell(one, n_bytes), 0, ""
    while not refused:
        refused = _message(_start_server(one, machine, n + 1))
        if machine.exit_code is not None and not refused:
            refused = "the shell has ended"
        n += not refused
    return n, refused


def _message(printed: str) -> str:
    """What was printed besides prompts and the command; a server that waits is silent."""
    lines = [line.removeprefix(PROMPT).strip() for line in printed.splitlines()]
    return "; ".join(line for line in lines if line and "&" not in line)


def _memory_on_kernel(one: Instance) -> Memory:
    """Of the second, since the first also pays for what all of them share."""
    machine = _shell(one, boot.parse_ram(SHELL_RAM))
    _start_server(one, machine, 1)
    before = _free_pages(machine)
    _start_server(one, machine, 2)
    taken = before - _free_pages(machine)
    charged = boxes(machine)[-1].n_pages if one.boxed else 0
    return Memory(one.name, taken, charged, taken, 0, taken)


def _free_pages(machine: Machine) -> int:
    """What the kernel's own program says; it takes as much itself every time."""
    before = len(machine.console)
    machine.type("free\n")
    machine.run(BUDGET)
    return int(re.search(r"memory: (\d+) of", machine.console[before:])[1])


def _n_touched(machine: Machine) -> int:
    ram = np.frombuffer(machine.memory.read(RAM_BASE, machine.ram_bytes), np.uint8)
    return int(ram.reshape(-1, PAGE_BYTES).any(axis=1).sum())


# On a host


@functools.cache
def smallest_ram(where: str = NESTED.name) -> int:
    """Bytes of RAM, to 16 KiB, below which a kernel of its own does not bring the server up.

    Raises
    ------
    ValueError : there is no such instance, or it has no kernel of its own
    """
    one = instance(where)
    if not one.is_virtual:
        raise ValueError(f"{where!r} has no kernel of its own; accepted are virtual machines.")
    low, high = 1 << 20, 4 << 20  # too little, enough
    while high - low > STEP_BYTES:
        middle = (low + high) // 2 // STEP_BYTES * STEP_BYTES
        if _comes_up(one, middle):
            high = middle
        else:
            low = middle
    return high


def _server(one: Instance, n_bytes: int, **settings) -> Machine:
    pool = max(POOL, one.make.least_pool)
    return one.switch_on(SERVER.format(port=1), ram=n_bytes, pool=pool, **settings)


def _comes_up(one: Instance, n_bytes: int) -> bool:
    try:
        return _server(one, n_bytes).run(PATIENCE).reason == "idle"
    except (ImageError, ModelError):
        return False


def _fill_host(one: Instance, n_bytes: int) -> tuple[int, str]:
    host, ram, refused = Host(ram=n_bytes), smallest_ram(one.name), ""
    while not refused:
        try:
            _server(one, ram, host=host)
        except ValueError as problem:
            refused = str(problem)
    stops = host.run(PATIENCE)
    return sum(stop.reason == "idle" for stop in stops), refused


def _memory_of_vm(one: Instance) -> Memory:
    host = Host(ram="32M")
    vm = _server(one, smallest_ram(one.name), host=host)
    host.run(PATIENCE)
    reserved = len(host.place_of(vm)) // PAGE_BYTES
    taken = vm.ram_bytes // PAGE_BYTES
    return Memory(one.name, taken, 0, _n_touched(vm), vm.own_pages, reserved)
