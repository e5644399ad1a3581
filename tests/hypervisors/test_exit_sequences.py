"""Exact exits of guests so short that each exit can be told in advance: (reason, pc, action).

The pc is given as the index of the instruction. Shared by all: a technique's first fetch of a page
that its tables do not have yet, and whatever the technique makes of each instruction after that.
"""

import pytest

from virtlab.hypervisors import TECHNIQUES
from virtlab.isa.assembler import assemble

BASE = 0x8000_0000
# Assembly text, one instruction of four bytes a line, for S-mode without translation.
GUESTS = {
    "arithmetic": """
        addi   a0, zero, 1
        addi   a1, zero, 2
        add    a2, a0, a1
        mul    a3, a2, a2
        sub    a4, a3, a0
        xor    a5, a4, a3
        slli   a6, a5, 3
        srli   a7, a6, 1
        or     t0, a7, a6
        and    t1, t0, a0
    """,
    "registers": """
        addi   a0, zero, 1
        csrrw  zero, sscratch, a0
        csrrs  a1, sscratch, zero
        csrrs  a2, sstatus, zero
        csrrw  zero, stvec, zero
        csrrs  a3, scause, zero
        csrrwi zero, sie, 0
        csrrs  a4, time, zero
        csrrs  a5, instret, zero
        addi   a6, a1, 1
    """,
    "device": """
        lui    a0, 0x10000
        addi   a1, zero, 65
        sb     a1, 0(a0)
        lbu    a2, 5(a0)
        addi   a3, a2, 1
        sb     a1, 0(a0)
        addi   a4, zero, 2
        addi   a5, zero, 3
        lbu    a6, 5(a0)
        addi   a7, zero, 4
    """,
    "traps": """
        auipc  a0, 0
        addi   a0, a0, 24           # the handler: instruction 6
        csrrw  zero, stvec, a0
        addi   a7, zero, 9
        ecall                       # to the firmware
        ebreak
        csrrs  a1, scause, zero
        lw     a2, 0(zero)          # nothing is there; to instruction 6
        csrrs  a3, scause, zero
        addi   a4, zero, 1
    """,
    "program": """
        auipc  a0, 0
        addi   a0, a0, 24
        csrrw  zero, sepc, a0
        addi   a0, a0, 8
        csrrw  zero, stvec, a0
        sret                        # to instruction 6, in U-mode
        addi   a1, zero, 1
        ecall                       # to instruction 8, in S-mode
        csrrs  a2, scause, zero
        addi   a3, zero, 1
    """,
    "memory": """
        auipc  a0, 16
        sd     a0, 0(a0)            # a page
        ld     a1, 0(a0)
        lui    a2, 16
        add    a2, a2, a0
        ld     a3, 0(a2)            # another
        sd     a3, 0(a2)
        amoadd.d a4, a0, (a2)
        addi   a5, zero, 1
        fence.i
    """,
    "fences": """
        sfence.vma
        addi   a0, zero, 1
        sfence.vma a0, zero
        csrrw  zero, satp, zero
        addi   a1, zero, 1
        sfence.vma zero, a0
        csrrs  a2, satp, zero
        addi   a3, zero, 1
        addi   a4, zero, 1
        addi   a5, zero, 1
    """,
}
S, G, P = "SHADOW_PAGE_FAULT RETRY", "GUEST_PAGE_FAULT RETRY", "PRIVILEGED RESUME"
M, E, D, C = "MMIO RESUME", "ECALL RESUME", "EXCEPTION REFLECT", "CALLOUT RESUME"
M_FAULTS = "MMIO REFLECT"  # no device is there: the guest's own fault
DEVICE = [(2, M), (3, M), (5, M), (8, M)]
# For each way to run: what each guest's exits are, (instruction, reason and action).
EXITS = {
    ("emulation",): {name: [] for name in GUESTS},
    ("trap-and-emulate",): {
        "arithmetic": [(0, S)],
        "registers": [(0, S), (1, P), (2, P), (3, P), (4, P), (5, P), (6, P)],
        "device": [(0, S), *DEVICE],
        "traps": [(0, S), (2, P), (4, E), (5, D), (6, P), (7, M_FAULTS), (6, P), (7, M_FAULTS)],
        "program": [(0, S), (2, P), (4, P), (5, P), (6, S), (7, "ECALL REFLECT"), (8, P)],
        "memory": [(0, S), (1, S), (5, S)],
        "fences": [(0, S), (0, P), (2, P), (3, P), (5, P), (6, P)],
    },
    (
        "binary-translation",
    ): {  # most registers of the kernel are words of memory to its translation
        "arithmetic": [],
        "registers": [(6, C), (7, C), (8, C)],
        "device": DEVICE,
        "traps": [(4, E), (5, "CALLOUT REFLECT"), (7, M_FAULTS), (7, M_FAULTS)],
        "program": [(5, C), (6, S), (7, "ECALL REFLECT")],
        "memory": [(1, S), (5, S)],
        "fences": [(0, C), (2, C), (3, C), (5, C), (6, C)],
    },
    ("hardware-assisted", "nested"): {
        "arithmetic": [(0, G)],
        "registers": [(0, G)],
        "device": [(0, G), *DEVICE],
        "traps": [(0, G), (4, E), (7, M_FAULTS), (7, M_FAULTS)],
        "program": [(0, G)],
        "memory": [(0, G), (1, G), (5, G)],
        "fences": [(0, G)],
    },
    ("hardware-assisted", "shadow"): {
        "arithmetic": [(0, S)],
        "registers": [(0, S)],
        "device": [(0, S), *DEVICE],
        "traps": [(0, S), (4, E), (7, M_FAULTS), (7, M_FAULTS)],
        "program": [(0, S), (6, S), (8, S)],  # without translation, a shadow for each mode
        "memory": [(0, S), (1, S), (5, S)],
        "fences": [(0, S), (0, P), (2, P), (3, P), (5, P), (6, P)],
    },
}
CASES = [(way, name) for way in EXITS if way[0] in TECHNIQUES for name in GUESTS]


@pytest.mark.parametrize(
    ("way", "name"), CASES, ids=lambda part: " ".join(part) if isinstance(part, tuple) else part
)
def test_a_guest_leaves_where_its_technique_says(way, name):
    choices = {"paging": way[1]} if len(way) > 1 else {}
    vm = TECHNIQUES[way[0]](ram="1M", firmware="sbi", **choices)
    vm.load(assemble(".option norvc\n" + GUESTS[name], BASE))
    vm.step(10)
    found = [((exit.pc - BASE) // 4, f"{exit.reason.name} {exit.action.name}") for exit in vm.exits]
    assert found == EXITS[way][name]


def test_a_program_faults_on_a_page_that_its_kernel_has_not_mapped():
    """Hidden and true faults, dirty bits and traced stores, with translation on."""
    vm = TECHNIQUES["trap-and-emulate"](ram="1M", firmware="sbi")
    vm.load(
        assemble(
            """
        .option norvc
        la     s0, root                 # 0, 1: RAM as one gigapage, and nothing else
        csrrs  t0, sscratch, zero       # 2
        lui    t1, 0x20000              # 3
        addi   t1, t1, 0x4f             # 4: A, not D
        sd     t1, 16(s0)               # 5
        srli   t2, s0, 12               # 6
        addi   t3, zero, 8              # 7
        slli   t3, t3, 60               # 8
        or     t2, t2, t3               # 9
        csrrw  zero, satp, t2           # 10
        addi   t4, zero, 1              # 11: the first fetch through the shadow
        ld     t5, 0(s0)                # 12: the guest's table: hidden fault
        sd     t4, 24(s0)               # 13: a store to it is traced
        lui    t6, 64                   # 14
        ld     t6, 0(t6)                # 15: mapped nowhere: a true fault
        .balign 4096
root:   .zero 4096
        """,
            BASE,
        )
    )
    vm.step(16)
    found = [((exit.pc - BASE) // 4, exit.reason.name, exit.action.name) for exit in vm.exits]
    assert found == [
        (0, "SHADOW_PAGE_FAULT", "RETRY"),
        (2, "PRIVILEGED", "RESUME"),
        (5, "SHADOW_PAGE_FAULT", "RETRY"),
        (10, "PRIVILEGED", "RESUME"),
        (11, "SHADOW_PAGE_FAULT", "RETRY"),
        (12, "SHADOW_PAGE_FAULT", "RETRY"),
        (13, "TRACE", "RESUME"),
        (15, "TRUE_PAGE_FAULT", "REFLECT"),
    ]
