"""What do processes, switches and faults cost under Xen, if a hypercall and a fault are known? R4.

    one hypercall        Xen's switch between two processes, less the native one
    one bounced fault    Xen's protection fault, less the native one
    one monitor's fault  VMware's protection fault, less the native one

All else is counting. A system call that Xen has no part in costs what it costs natively: the
processor brings it to the guest's kernel directly. A switch of processes is one hypercall. A page
touched for the first time is a bounced fault and a hypercall that installs the page. What a process
causes is counted on our teaching OS; Linux's processes are larger, so that one of them is worth
several of ours: how many, fork says, and exec and the shell are predicted. The same guest's faults
on shadow page tables, at the monitor's price, are what VMware's column should be.

Left out: caches and the TLB, the price of the page-table updates within a hypercall, the timer.

Source: P. Barham et al., SOSP 2003, Tables 3 to 5.
"""

from virtlab.published.reproduction import read_reproduction

PROCESSES, SWITCHES, FILES = (f"barham2003-{name}" for name in ("processes", "switches", "files"))
WITHOUT_XEN = (
    *((PROCESSES, row) for row in ("null call", "null I/O", "stat", "open/close", "slct TCP")),
    *((PROCESSES, row) for row in ("sig inst", "sig hndl")),
    *((FILES, f"{size} {what}") for size in ("0K", "10K") for what in ("create", "delete")),
)
MISSES = {
    "R4:*:sig hndl:Xen": "Xen was faster than the native system, by an accident of the cache as "
    "its authors say. A model that counts cannot know.",
    "R4:barham2003-switches:*": "Xen's switch costs from 1.2 to 3.5 us more, and more for "
    "processes that touch more memory. The model has one hypercall each time; the caches and the "
    "TLB that have to be filled again after it are not counted.",
    "R4:*:VMW*": "Our monitor takes a fault for nearly every page of a new process. The published "
    "times leave room for about a quarter as many, so VMware's must fill several entries at once "
    "or keep shadow tables from one process to the next.",
}


def predict(inputs) -> dict[str, float]:
    """Microseconds under Xen and VMware Workstation."""
    native = inputs["native"]
    hypercall = inputs["switch"] - native[SWITCHES, "2p0K"]
    bounce = inputs["bounced"] - native[FILES, "prot fault"]
    monitor_fault = inputs["monitored"] - native[FILES, "prot fault"]

    def xen(operation: str) -> float:
        calls, faults = inputs["hypercalls"][operation], inputs["faults"][operation]
        return calls * hypercall + faults * bounce

    def vmware(operation: str) -> float:
        return inputs["monitor_faults"][operation] * monitor_fault

    found = {(*place, "Xen"): native[place] for place in WITHOUT_XEN}
    for table, row in native:
        if table == SWITCHES and row != "2p0K":
            found[table, row, "Xen"] = native[table, row] + hypercall
    worth = (inputs["fork"] - native[PROCESSES, "fork"]) / xen("fork")
    for row in ("fork", "exec", "sh"):
        place = PROCESSES, row
        if row != "fork":
            found[(*place, "Xen")] = native[place] + worth * xen(row)
        found[(*place, "VMW")] = native[place] + worth * vmware(row)
    mmap, fault = (FILES, "mmap"), (FILES, "page fault")
    touched = inputs["faults_of_mmap"] * native[mmap] / native[fault]
    for system, more in (("Xen", xen("page fault")), ("VMW", vmware("page fault"))):
        found[(*fault, system)] = native[fault] + more
        found[(*mmap, system)] = native[mmap] + touched * more
    return {":".join(key): value for key, value in found.items()}


REPRODUCTION = read_reproduction("R4", predict, misses=MISSES)
