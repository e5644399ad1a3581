"""Small kernels with page tables made beforehand, for tests that know each exit.

The image lies at the base of RAM and starts in S-mode on the firmware:

    0x8000_0000 CODE     0x8000_2000 MIDDLE    0x8000_4000 DATA (16 pages, page k begins with k)
    0x8000_1000 ROOT     0x8000_3000 LEAVES    0x8001_4000 SPARE (zero)

All of RAM is mapped to itself by a gigabyte page for the kernel. VIEW, 0x4000_0000, is mapped
through MIDDLE[0] and LEAVES, whose entries the test gives.
"""

import numpy as np

from tests.hypervisors.comparison import outcome
from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

BASE, VIEW = 0x8000_0000, 0x4000_0000
ROOT, MIDDLE, LEAVES, DATA, SPARE = (BASE + at for at in (0x1000, 0x2000, 0x3000, 0x4000, 0x1_4000))
PAGES = 16
KERNEL = e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_A | e.PTE_D
PROGRAM = KERNEL | e.PTE_U
NAMES = dict(ROOT=ROOT, MIDDLE=MIDDLE, LEAVES=LEAVES, DATA=DATA, SPARE=SPARE, VIEW=VIEW)

PAGING_ON = f"""
        li    a0, {8 << 60 | ROOT >> 12}
        csrw  satp, a0
        sfence.vma
"""
END = """
end:    li    a7, 8
        ecall
"""


def pte(pa: int, bits: int = KERNEL) -> int:
    """A page-table entry."""
    return pa >> 12 << 10 | bits


def kernel(body: str, leaves=None, middle=None, root=None, spare=None, ends=True) -> bytes:
    """An image.

    Parameters
    ----------
    body : assembly text that runs with paging on; `{LEAVES}` and the other names are filled in
    leaves, middle, root, spare : dict from index to entry, besides the entries that there are
    ends : switch the machine off behind the body
    """
    text = PAGING_ON + body.format(**NAMES) + (END if ends else "")
    code = assemble(text).data
    assert len(code) <= ROOT - BASE
    image = np.zeros((SPARE + 0x1000 - BASE) // 8, np.uint64)
    image.view(np.uint8)[: len(code)] = np.frombuffer(code, np.uint8)
    tables = {
        ROOT: {1: pte(MIDDLE, e.PTE_V), 2: pte(BASE)} | (root or {}),
        MIDDLE: {0: pte(LEAVES, e.PTE_V)} | (middle or {}),
        LEAVES: leaves or {},
        SPARE: spare or {},
    }
    for at, entries in tables.items():
        for k, entry in entries.items():
            image[(at - BASE) // 8 + k] = entry
    for k in range(PAGES):
        image[(DATA - BASE) // 8 + 512 * k] = k
    return image.tobytes()


def on(make, image: bytes, ram="4M", **options):
    """A machine with an image, switched on."""
    return make(ram=ram, firmware="sbi", **options).load_flat(image)


def same_as_bare(vm, image: bytes, budget: int = 1_000_000, **options):
    """Run a VM to its end, which must be the bare machine's; returns the VM."""
    bare = on(Machine, image, ram=vm.ram_bytes, record=False, **options)
    expected = outcome(bare, bare.run(budget).reason)
    differences = expected.differences(outcome(vm, vm.run(budget).reason))
    assert not differences, differences
    return vm


def reasons(vm) -> list[str]:
    """The names of the exits' reasons, in order."""
    return [exit.reason.name for exit in vm.exits]
