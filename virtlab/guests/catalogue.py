"""Which guests there are, and where their sources and images lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
IMAGES = HERE / "images"

# The teaching OS in reading order; user/user.c is what every program is linked with.
PITH_COMMON = ["common/abi.h", "common/text.h", "common/text.c"]
PITH_KERNEL = [
    f"kernel/{name}"
    for name in """
    kernel.h riscv.h page_table.h board.h main.c entry.S trap.c system.c
    box.c shares.c memory.c process.c timer.c exec.c page.c vm.c
    file.c pipe.c overlay.c fs.h fs.c block.c
    interrupts.c uart.c console.c disk.c
    device_tree.c sbi.c print.c kernel.ld
    """.split()
]
# The paravirtual port: these files take the place of those of the same name, or join them.
PITH_PARAVIRT = [
    f"paravirt/{name}"
    for name in """
    paravirt.h riscv.h page_table.h board.h entry.S updates.c
    interrupts.c uart.c disk.c device_tree.c sbi.c
    """.split()
]
# What a domain of Xen's has more, in the same way: laid over the paravirtual port, with back ends,
# or over the kernel as it is.
PITH_XEN = [
    f"xen/{name}"
    for name in """
    xen_abi.h xen.h domain.c channels.c grants.c store.c orders.c balloon.c
    ring.h block_front.c net_front.c request.h request.c system.c
    """.split()
]
PITH_XEN_PV = [
    f"xen/{name}"
    for name in """
    port.h interrupts.c disk.c backend.h backend.c block_back.c net_back.c
    """.split()
]
PITH_XEN_HVM = ["xen/hvm/port.h", "xen/hvm/interrupts.c"]
PITH_XEN_LIBRARY = ["xen/user/xen.h", "xen/user/xen.c"]
PITH_XEN_PROGRAMS = [f"xen/user/{name}.c" for name in "init xl store fill rawread packets".split()]
PITH_LIBRARY = ["user/user.h", "user/user.c", "user/start.S", "user/user.ld"]
PITH_PROGRAMS = [
    f"user/{name}.c"
    for name in """
    init sh cat echo free grep kill ls mkdir ps rm shutdown sleep uptime wc
    box boxes limit hostname serve call
    """.split()
]
PITH_WORKLOADS = [
    f"workloads/{name}.c"
    for name in """
    nullsys forkwait ctxsw pgfault ptemod devread diskread compute memwalk hog escape selftest
    """.split()
]


@dataclass(frozen=True)
class Guest:
    """Where a guest's sources are: one file of assembly text, or the files of a folder."""

    folder: Path
    parts: tuple[str, ...]
    disk: str = ""  # the image that goes with it

    def files(self) -> list[str]:
        return list(self.parts)


BARE = ["hello", "timer", "user_mode", "paging"]

GUESTS = {
    "pith": Guest(
        HERE / "pith",
        (*PITH_COMMON, *PITH_KERNEL, *PITH_LIBRARY, *PITH_PROGRAMS, *PITH_WORKLOADS),
        disk="pith.img",
    ),
    "pith_pv": Guest(HERE / "pith", tuple(PITH_PARAVIRT), disk="pith.img"),
    "pith_xen": Guest(
        HERE / "pith",
        (*PITH_XEN, *PITH_XEN_PV, *PITH_XEN_LIBRARY, *PITH_XEN_PROGRAMS),
        disk="pith_xen.img",
    ),
    "pith_hvm": Guest(HERE / "pith", tuple(PITH_XEN_HVM), disk="pith_xen.img"),
    **{name: Guest(HERE / "bare", (f"{name}.s",)) for name in BARE},
    "integer_mix": Guest(HERE / "bench", ("integer_mix.c", "start.S", "bench.ld")),
}
