"""How many events does one operation of Adams and Agesen's nanobenchmarks cause? Counted here.

A small kernel in S-mode does one operation again and again with translation on: once so many times,
once more often; the difference between the two runs, divided, is what one operation causes. It is
counted with binary translation, and with hardware assistance over shadow page tables, the two
monitors of the paper; page tables are traced, as theirs were.

| row | on IA-32 | here |
|---|---|---|
| syscall | syscall, sysret | ecall from U-mode, sret |
| in | in from a port of the chipset | load from a register of the serial port |
| cr8wr | write to the task-priority register | write to sie, the mask of interrupts |
| call/ret | call, ret | the same |
| pgfault | access to a page that is not present | the same; the handler skips it |
| divzero | division by zero | ebreak: RISC-V's division never traps |
| ptemod ... | store to a page-table entry | the same; the page is not used |

`python -m virtlab.published.adams_agesen_operations` prints what data/reproductions/R1.toml holds.

Source: Adams & Agesen, ASPLOS XII, 2006, section 6.3.
"""

from collections.abc import Callable

from virtlab.hypervisors import TECHNIQUES
from virtlab.isa.assembler import assemble

# Fewer than the stores after which a monitor takes a table that nobody walks for a table no longer
# (virtlab.hypervisors.shadow.PATIENCE).
ROUNDS = (8, 24)
MONITORS: dict[str, Callable] = {
    "BT": lambda **settings: TECHNIQUES["binary-translation"](policy="trace", **settings),
    "VT": lambda **settings: TECHNIQUES["hardware-assisted"](paging="shadow", **settings),
}
EVENTS = ("exit:", "vmcs_accesses", "lookups")  # what is kept: names, or beginnings of names

# The window's first 256 pages are mapped if PRESENT says so, page 256 is the program's, page 257 is
# always mapped, the pages behind it never. t1 points to entry 0, and s0 counts down.
KERNEL = """
        .equ    ROUNDS, {rounds}
        .equ    FINISHER, 0x100000
        .equ    UART, 0x10000000
        .equ    WINDOW, 0x40000000
        .equ    PAGE, 4096
        .equ    POINTER, 0x01           # V: an entry that points to the next table
        .equ    LEAF, 0xcf              # D A - - X W R V
        .equ    USER, 0x10
        .equ    N_PAGES, 256
        .equ    PRESENT, {present}
        .equ    SV39, 8 << 60
        .equ    SPP, 1 << 8

_start: la      t0, on_trap
        csrw    stvec, t0
        la      t0, root
        li      t1, LEAF                # a gigabyte of devices
        sd      t1, 0(t0)
        la      t1, level1
        srli    t1, t1, 2
        addi    t1, t1, POINTER
        sd      t1, 8(t0)
        li      t1, 0x80000000 >> 2 | LEAF
        sd      t1, 16(t0)
        la      t0, level1
        la      t1, level0
        srli    t1, t1, 2
        addi    t1, t1, POINTER
        sd      t1, 0(t0)
        la      t0, level0
        la      s2, data
        srli    s2, s2, 2
        ori     s2, s2, LEAF            # s2: an entry that maps the page called data
        li      t1, N_PAGES
fill:   li      t2, PRESENT
        beqz    t2, next
        sd      s2, 0(t0)
next:   addi    t0, t0, 8
        addi    t1, t1, -1
        bnez    t1, fill
        la      t1, program
        srli    t1, t1, 2
        ori     t1, t1, LEAF | USER
        sd      t1, 0(t0)               # page 256
        sd      s2, 8(t0)               # page 257
        la      t0, root
        srli    t0, t0, 12
        li      t1, SV39
        or      t0, t0, t1
        csrw    satp, t0
        sfence.vma
        li      s1, WINDOW + 257 * PAGE
        lbu     t0, 0(s1)               # the tables of the window are in use from here on
        la      t1, level0
        li      s0, ROUNDS
{body}
done:   li      t0, 0x5555
        li      t1, FINISHER
        sw      t0, 0(t1)
here:   j       here

        .balign 4
on_trap:
        csrr    t0, sepc
        addi    t0, t0, 4
        csrw    sepc, t0
        bltz    s0, done                # the program is through
        sret
callee: ret

        .balign 4096
program:
        ecall
        addi    s0, s0, -1
        bgez    s0, program
        ecall
        .balign 4096
data:   .zero   4096
root:   .zero   4096
level1: .zero   4096
level0: .zero   4096
"""
LOOP = """
again:  {operation}
        addi    s0, s0, -1
        bnez    s0, again
"""
TO_PROGRAM = """
        li      t0, WINDOW + 256 * PAGE
        csrw    sepc, t0
        li      t0, SPP
        csrc    sstatus, t0
        sret
"""
PRESENT, ABSENT = 1, 0
OPERATIONS = {  # the paper's row: the loop's body, and whether the window is mapped before
    "syscall": (TO_PROGRAM, PRESENT),
    "in": ("li t0, UART\nlbu t0, 5(t0)", PRESENT),
    "cr8wr": ("csrw sie, zero", PRESENT),
    "call/ret": ("call callee", PRESENT),
    "pgfault": ("li t0, WINDOW\nlbu t0, 0(t0)", ABSENT),
    "divzero": (".word 0x00100073", PRESENT),
    "ptemod unchanged": ("sd s2, 0(t1)", PRESENT),
    "ptemod P to NP": ("sd zero, 0(t1)\naddi t1, t1, 8", PRESENT),
    "ptemod NP to P": ("sd s2, 0(t1)\naddi t1, t1, 8", ABSENT),
}


def listing(row: str, rounds: int) -> str:
    """The kernel that does the operation of a row so many times, as assembly text."""
    body, present = OPERATIONS[row]
    body = body if body is TO_PROGRAM else LOOP.format(operation=body)
    return KERNEL.format(rounds=rounds, present=present, body=body)


def count_operation(row: str, machine: Callable) -> dict[str, float]:
    """The events that one operation causes, by name of the count; those that do not occur left out.

    Parameters
    ----------
    row : a key of OPERATIONS
    machine : makes a virtual machine from the settings of `Machine`

    Raises
    ------
    RuntimeError : the kernel did not come to its end
    """
    counted = []
    for rounds in ROUNDS:
        vm = machine(ram="1M", firmware="sbi", record=False).load(assemble(listing(row, rounds)))
        stop = vm.run(1_000_000)
        if vm.exit_code != 0:
            raise RuntimeError(f"{row}, {rounds} times: {stop}")
        counted.append(vm.counts)
    few, many = counted
    return {
        name: (many[name] - few[name]) / (ROUNDS[1] - ROUNDS[0])
        for name in many
        if name.startswith(EVENTS) and many[name] != few[name]
    }


def count_all(machine: Callable) -> dict[str, dict[str, float]]:
    """The events of every operation, by row."""
    return {row: count_operation(row, machine) for row in OPERATIONS}


def as_toml(events: dict[str, float]) -> str:
    """Events as an inline table of TOML."""
    return "{ " + ", ".join(f'"{name}" = {n:g}' for name, n in events.items()) + " }"


def main() -> None:
    for monitor, machine in MONITORS.items():
        for row, events in count_all(machine).items():
            print(f'{monitor}."{row}" = {as_toml(events)}')


if __name__ == "__main__":
    main()
