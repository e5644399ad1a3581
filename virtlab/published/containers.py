"""What is slower, later or larger: a process, a container, or a virtual machine?

Four sources compare them on real processors. Here the same comparison is counted on the teaching
OS, with the workload of ours that asks the same of the machine, and priced:

    cycles = instructions + references of page walks x L2 hit + exits x (exit + resume)

| published | counted here |
|---|---|
| native, Docker, KVM | bare, in a box, hardware-assisted with nested paging |
| PXZ, Linpack, Stream | compute: few TLB misses, no system call |
| RandomAccess | memwalk: a TLB miss at nearly every access |
| fio, reads of 4 KiB | diskread |
| fork/exec, Docker, Tinyx | from the shell's fork, or from reset, to the program |
| noop unikernel | a program without a kernel, from reset to its end |
| runc's system call | nullsys in a box |
| gVisor on KVM | nullsys in a virtual machine: the caller's own kernel answers it |
| gVisor on ptrace | nullsys and ctxsw in a box: to the process that answers, and back |
| gVisor's memory | a box, and a kernel of its own as large as our virtual machine |

Only the order is scored: a toy kernel's counts say nothing of milliseconds. Where a table needs a
unit, one of its cells is given and the others are predicted from the ratio of cycles or bytes.

Left out: what software does about an exit, which has no published price on these processors; what
a host does before a virtual machine's reset or a container's first process; the network.

Sources: Felter et al. 2015, Manco et al. 2017, Agache et al. 2020, the data of the gVisor project.
"""

from collections.abc import Mapping

from virtlab.published.reproduction import read_reproduction

NATIVE, BOX, VM = "native", "box", "vm"
FELTER = {NATIVE: "native", BOX: "Docker", VM: "KVM untuned"}
WORKLOADS = {"RandomAccess": "memwalk"}  # every other row is like compute
REFERENCES = ("walk_references", "gstage_references")
EXIT_PRICES = {
    "guest_page_fault": "vmexit/EPT",
    "mmio": "vmexit/IOb",
    "privileged": "vmexit/cpuid",
    "shadow_page_fault": "vmexit/#PF",
    "true_page_fault": "vmexit/#PF",
    "trace": "vmexit/#PF",
}
ANY_EXIT = "vmexit/vmcall"
MISSES = {
    "R8:felter2015-table1:RandomAccess:*": "The model pays an L2 hit for every reference of a "
    "walk, and the two-dimensional walk has five times as many at pages of 4 KiB. The published "
    "difference is one unit of the last digit printed, in favour of KVM: where many independent "
    "accesses wait for memory at once, walks hide behind them, and the model knows of no overlap.",
    "R8:manco2017-start:unikernel, usual tools:*": "Of the 83 ms, 80 are Xen's tools making the "
    "virtual machine. In the model that costs nothing: it counts from the reset on. LightVM is "
    "what is left when the tools are rewritten.",
    "R8:gvisor-syscall:system call:runsc KVM:*": "A call that the caller's own kernel answers has "
    "no exit, so it costs what a container's does, and the longer walks. Published, it takes less "
    "than half. A way in and back took 242 cycles in R1's table; what else the host does in the "
    "container's 1,939 ns the data do not say.",
}


def cycles(inputs: Mapping, counts: Mapping[str, float]) -> float:
    """What a run costs by its counts; what software does about an exit is not in it."""
    total = counts["instructions"] * inputs["cycles_per_instruction"]
    total += sum(counts.get(name, 0) for name in REFERENCES) * inputs["reference"]
    for name, n in counts.items():
        if name.startswith("exit:"):
            price = EXIT_PRICES.get(name.removeprefix("exit:"), ANY_EXIT)
            total += n * (inputs["exit"][price] + inputs["resume"])
    return total


def slowdown(inputs: Mapping, workload: str, where: str) -> float:
    """Cycles of a workload in a box or a virtual machine, relative to native."""
    runs = inputs["counts"][workload]
    return cycles(inputs, runs[where]) / cycles(inputs, runs[NATIVE])


def predict(inputs) -> dict[str, float]:
    """All cells that are scored or ranked among, in the units of their tables."""
    return (
        _throughput(inputs)
        | _disk(inputs)
        | _start(inputs)
        | _memory(inputs)
        | _system_call(inputs)
    )


def _throughput(inputs: Mapping) -> dict[str, float]:
    return {
        f"felter2015-table1:{row}:{FELTER[where]}": rate
        / slowdown(inputs, WORKLOADS.get(row, "compute"), where)
        for row, rate in inputs["native"].items()
        for where in (BOX, VM)
    }


def _disk(inputs: Mapping) -> dict[str, float]:
    box, vm = (1 / slowdown(inputs, "diskread", where) for where in (BOX, VM))
    return {
        "felter2015-fio:fio random IOPS:Docker": box,
        "felter2015-fio:fio random IOPS:KVM": vm,
        "agache2020-block:4 KiB:Firecracker": inputs["native_reads"] * vm,
    }


def _start(inputs: Mapping) -> dict[str, float]:
    took = {name: cycles(inputs, counts) for name, counts in inputs["start"].items()}
    rows = {
        "noop unikernel, LightVM": "unikernel",
        "unikernel, usual tools": "unikernel",
        "Docker": BOX,
        "Tinyx": VM,
    }
    ms = inputs["fork_exec"] / took["process"]
    return {f"manco2017-start:{row}:total": ms * took[name] for row, name in rows.items()}


def _memory(inputs: Mapping) -> dict[str, float]:
    box, vm = inputs["memory"][BOX], inputs["memory"][VM]
    return {
        "manco2017-memory:Tinyx:memory": inputs["docker_memory"] * vm / box,
        "gvisor-density:empty:runsc": inputs["runc_memory"] * (box + vm) / box,
    }


def _system_call(inputs: Mapping) -> dict[str, float]:
    counts = inputs["counts"]
    call = cycles(inputs, counts["nullsys"][BOX])
    ns = inputs["runc_call"] / call
    switches = cycles(inputs, counts["ctxsw"][BOX])
    return {
        "gvisor-syscall:system call:runsc ptrace": ns * (call + switches),
        "gvisor-syscall:system call:runsc KVM": ns * cycles(inputs, counts["nullsys"][VM]),
    }


REPRODUCTION = read_reproduction("R8", predict, misses=MISSES)
