"""Exercises of chapter 01, the machine: traps, page tables, the TLB, and small programs."""

from virtlab.isa.assembler import assemble
from virtlab.isa.encoding import PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X
from virtlab.labs.exercise import Choice, Code, Draw, Exercise, Explanation, Number
from virtlab.labs.judge import did_not_arrive, load, run_to
from virtlab.machine import Machine

RAM = 0x8000_0000

BEGIN = "\n.text\n_start:\n"  # behind the learner's text, whose lines so keep their numbers
TO_USER = """
        la    t0, handler
        csrw  mtvec, t0
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        la    t0, program
        csrw  mepc, t0
        mret
program:
"""
COUNTING = """
handler:
        addi  s0, s0, 1
        csrr  t1, mepc
        addi  t1, t1, 4
        csrw  mepc, t1
        mret
"""
TO_SUPERVISOR = """
        la    t0, table + 16
        li    t1, 0x200000cf
        sd    t1, 0(t0)
        la    t0, table
        srli  t0, t0, 12
        li    t1, 8 << 60
        or    t0, t0, t1
        csrw  satp, t0
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 1 << 11
        csrw  mstatus, t0
        la    t0, begin
        csrw  mepc, t0
        mret
"""


def traps_of(draw: Draw) -> int:
    """Traps of a program in user mode that calls, and tries what it may not."""
    program = f"li a0, {draw.rounds}\nagain: ecall\naddi a0, a0, -1\nbnez a0, again\n"
    program += "csrr a1, mstatus\n" * draw.reads + "done: j done\n"
    m = load(Machine, TO_USER + program + COUNTING)
    run_to(m, "done")
    return m.registers["s0"]


def misses(draw: Draw) -> int:
    """TLB misses of one round over `pages` pages, `stride` pages apart, the first left out."""
    totals = []
    for rounds in (1, 11):
        loop = f"""
begin:  li    s0, {rounds}
round:  li    a0, 0x80100000
        li    a1, {draw.pages}
        li    t2, {4096 * draw.stride}
page:   ld    a2, 0(a0)
        add   a0, a0, t2
        addi  a1, a1, -1
        bnez  a1, page
        addi  s0, s0, -1
        bnez  s0, round
done:   j     done
        .balign 4096
table:  .zero 4096
"""
        m = load(Machine, TO_SUPERVISOR + loop, ram="16M")
        run_to(m, "done")
        totals.append(m.counters["tlb_misses"])
    return (totals[1] - totals[0]) // 10


FLAGS = {"R": PTE_R, "W": PTE_W, "X": PTE_X, "U": PTE_U, "A": PTE_A, "D": PTE_D}


def entry_of(draw: Draw) -> int:
    """The leaf entry for a page: its number from bit 10 on, the flags below."""
    flags = PTE_V
    for letter in draw.flags:
        flags |= FLAGS[letter]
    return draw.page >> 12 << 10 | flags


def draw_entry(rng) -> dict:
    page = RAM + (rng.randrange(1, 4096) << 12)
    return {"page": page, "flags": rng.choice(("RAD", "RWAD", "RXA", "RWXAD", "RUA", "RWUAD"))}


def steps_of(draw: Draw) -> int:
    """Instructions until done of two loops, one in the other."""
    m = load(Machine, nested_loop(draw))
    run_to(m, "done")
    return m.steps


def nested_loop(draw: Draw) -> str:
    """The listing of 01.7."""
    return f"""
        li    a0, {draw.outer}
outer:  li    a1, {draw.inner}
inner:  addi  a1, a1, -1
        bnez  a1, inner
        addi  a0, a0, -1
        bnez  a0, outer
done:   j     done
"""


# What may be done to a page: tried on the machine

ACCESSES = {"a load": "ld a2, 0(a0)", "a store": "sd a2, 0(a0)"}
ALLOWED, NOT_ALLOWED = "it goes through", "a page fault"


def access_of(draw: Draw) -> str:
    """Whether supervisor mode may access a page with such flags, without SUM."""
    flags = PTE_V
    for letter in draw.flags:
        flags |= FLAGS[letter]
    middle = 0x8000_2000
    text = f"""
        la    t0, handler
        csrw  mtvec, t0
        li    t0, {RAM + 0x1000}
        li    t1, {middle >> 12 << 10 | PTE_V}
        sd    t1, 8(t0)
        li    t0, {middle}
        li    t1, {0x8000_3000 >> 12 << 10 | PTE_V}
        sd    t1, 0(t0)
        li    t0, 0x80003000
        li    t1, {0x8000_4000 >> 12 << 10 | flags}
        sd    t1, 0(t0)
        li    t0, {8 << 60 | (RAM + 0x1000) >> 12}
        csrw  satp, t0
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    a0, 0x40000000
        li    t0, 0x20800        # MPRV: loads and stores as in supervisor mode
        csrw  mstatus, t0
        {ACCESSES[draw.access]}
        j     done
handler:
        li    s0, 1
done:   j     done
"""
    m = load(Machine, text)
    run_to(m, "done")
    return NOT_ALLOWED if m.registers["s0"] else ALLOWED


# Code


def handler_part(text: str) -> str:
    """From the label handler on, so that a whole program may be handed in; lines keep numbers."""
    start = max(0, text.find("handler:"))
    return "\n" * text.count("\n", 0, start) + text[start:]


def draw_calls(rng) -> dict:
    kinds = ("ecall", "ebreak", "csrr a1, mstatus", "csrw satp, zero", "ecall", ".word 0xffffffff")
    body = [rng.choice(kinds) for _ in range(rng.randrange(6, 20))]
    return {"body": ["ecall", "csrr a1, mstatus", *body]}


def try_counting_handler(text: str, draw: Draw) -> str | None:
    """01.5: ecalls in s0, all other exceptions in s1."""
    program = TO_USER + "\n".join(draw.body) + "\ndone: j done\n"
    m = load(Machine, handler_part(text) + BEGIN + program)
    stop = run_to(m, "done")
    if stop is not None:
        return did_not_arrive(stop) + " Does the handler go on behind the instruction?"
    calls = draw.body.count("ecall")
    others = len(draw.body) - calls
    s0, s1 = m.registers["s0"], m.registers["s1"]
    if (s0, s1) == (calls, others):
        return None
    if (s0, s1) == (len(draw.body), 0):
        return "s0 has counted every trap; mcause says which are calls."
    if (s0, s1) == (others, calls):
        return "The two are exchanged: mcause is 8 for a call from user mode."
    if s0 + s1 > len(draw.body):
        return "Some traps were counted in both registers; is there a jump over the second?"
    return f"{len(draw.body)} traps were taken; s0 has counted {s0} and s1 {s1} of them."


def draw_words(rng) -> dict:
    n = rng.choice((0, 1, 2, 7, 40))
    return {"words": [rng.getrandbits(64) for _ in range(n)]}


COPY_FROM, COPY_TO = 0x8004_0000, 0x8006_0000
CANARY = 0x5A5A_5A5A_5A5A_5A5A


def try_copy(text: str, draw: Draw) -> str | None:
    """01.8: copy a2 double words from a0 to a1, and nothing else."""
    words = draw.words
    call = "li sp, 0x80080000\nli a0, 0x80040000\nli a1, 0x80060000\n"
    call += f"li a2, {len(words)}\ncall copy\nreturned: j returned\n"
    m = load(Machine, text + BEGIN + call)
    source = b"".join(w.to_bytes(8, "little") for w in words)
    edge = CANARY.to_bytes(8, "little")
    if source:
        m.memory.write(COPY_FROM, source)
    m.memory.write(COPY_TO - 8, edge * (len(words) + 2))
    stop = run_to(m, "returned")
    if stop is not None:
        return did_not_arrive(stop) + (" It was asked to copy nothing." if not words else "")
    there = bytes(m.memory.read(COPY_TO - 8, 8 * (len(words) + 2)))
    if there[:8] != edge or there[-8:] != edge:
        return f"It wrote beyond the {len(words)} words that were asked for."
    if there[8:-8] != source:
        return f"Of {len(words)} words some did not arrive as they were."
    if source and bytes(m.memory.read(COPY_FROM, len(source))) != source:
        return "It has changed the words that it copied from."
    return None


def draw_walk(rng) -> dict:
    """A table of random shape: where the page lies, and at which level it ends."""
    return {
        "va": rng.randrange(1 << 38),
        "level": rng.randrange(3),
        "page": RAM + (rng.randrange(1, 64) << 12),
        "tables": rng.sample(range(16, 64), 3),
    }


def tables_for(draw: Draw) -> tuple[bytes, int]:
    """RAM with the tables of a walk in it, and the address of the root."""
    ram = bytearray(1 << 20)
    frames = [RAM + (n << 12) for n in draw.tables]
    for level in range(2, draw.level - 1, -1):
        at = frames[2 - level] - RAM + (draw.va >> 12 + 9 * level & 511) * 8
        entry = frames[min(3 - level, 2)] >> 12 << 10 | PTE_V
        if level == draw.level:
            entry = draw.page >> 12 + 9 * level << 10 + 9 * level | 0xCF
        ram[at : at + 8] = entry.to_bytes(8, "little")
    return bytes(ram), frames[0]


def try_walk(text: str, draw: Draw) -> str | None:
    """01.9: the address of the entry that ends the walk of a1 from the root at a0."""
    ram, root = tables_for(draw)
    call = f"li sp, 0x800f0000\nli a0, {root}\nli a1, {draw.va}\ncall walk\n"
    program = text + BEGIN + call + "returned: j returned\n"
    m = load(Machine, program)
    if len(assemble(program).data) > 0xF000:
        return "The program is so long that it covers the tables; 60 KiB are accepted."
    m.memory.write(RAM + 0x10000, ram[0x10000:])
    right = last_entry(ram, root, draw.va)
    stop = run_to(m, "returned")
    if stop is not None:
        return did_not_arrive(stop)
    given = m.registers["a0"]
    if given == right:
        return None
    size = ("4 KiB", "2 MiB", "1 GiB")[draw.level]
    if given == 0:
        return f"For a page of {size} the answer was 0."
    if int.from_bytes(ram[right - RAM : right - RAM + 8], "little") == given:
        return "That is the entry itself; its address is asked for."
    if draw.level and given >> 12 != right >> 12:
        return f"For a page of {size} it went on behind the leaf: R, W or X set ends the walk."
    if given >> 12 == right >> 12:
        return "The table is the right one and the place in it is not; an entry has 8 bytes."
    return f"For a page of {size} the answer {given:#x} is in another table."


def last_entry(ram: bytes, root: int, va: int) -> int:
    """Where the walk of `va` ends, as the machine's own walker says."""
    m = load(Machine, f"li t0, {8 << 60 | root >> 12}\ncsrw satp, t0\n{AS_SUPERVISOR}")
    m.memory.write(RAM + 0x10000, ram[0x10000:])
    run_to(m, "done")
    return m.translate(va).steps[-1].pte_pa


AS_SUPERVISOR = """
        li    t0, 0x20800        # MPRV: loads and stores as in supervisor mode
        csrw  mstatus, t0
done:   j     done
"""

EXERCISES = [
    Exercise(
        id="01.1",
        grade=1,
        title="Traps of a loop",
        text=lambda d: (
            f"The loop in `TRAPS` runs {d.rounds} times, and "
            + ("`csrr a1, mstatus`" if d.reads == 1 else f"{d.reads} times `csrr a1, mstatus`")
            + " follows it. How many traps are there?"
        ),
        draw=lambda rng: {"rounds": rng.randrange(7, 60), "reads": rng.randrange(1, 4)},
        kind=Number(
            value=traps_of,
            unit="traps",
            mistakes=(
                (lambda right, d: d.rounds, "Reading mstatus in user mode traps as well."),
                (lambda right, d: 2 * right, "A return from a trap is not a trap."),
                (lambda right, d: 3 * d.rounds + d.reads, "addi and bnez do not trap."),
            ),
        ),
        because=lambda d: f"{d.rounds} calls, and {d.reads} illegal: mstatus is not the user's.",
        step=lambda d: (
            "Each round has one ecall, and an ecall is one trap. Then count the instructions that "
            "user mode may not execute. mret leads back and is no trap."
        ),
    ),
    Exercise(
        id="01.2",
        grade=1,
        title="A TLB of 256 slots",
        text=lambda d: (
            f"{d.pages} pages are read in every round, {d.stride} pages apart "
            f"({4 * d.stride} KiB). How many TLB misses does a round have, after the first?"
        ),
        draw=lambda rng: {"pages": rng.randrange(140, 250), "stride": rng.choice((2, 2, 3))},
        kind=Number(
            value=misses,
            unit="misses",
            mistakes=(
                (
                    lambda right, d: right / 2,
                    "A page too many throws out another, which misses too: each costs two.",
                ),
                (
                    lambda right, d: d.pages,
                    "Not every page has a rival for its slot. How many slots do these use?",
                ),
                (
                    lambda right, d: 0 if d.stride == 2 else -1,
                    "There are 256 slots, but pages of even numbers use only half of them.",
                ),
            ),
        ),
        because=lambda d: "The slot is the page's number modulo 256; an odd stride uses them all.",
        step=lambda d: (
            f"Page k of the round wants slot (256 + {d.stride} k) mod 256. Write down how many "
            "pages want each slot: one alone hits, two or more in a slot all miss."
        ),
    ),
    Exercise(
        id="01.3",
        grade=2,
        title="Why 4 is added",
        text=lambda d: (
            "Why does the handler in `TRAPS` add 4 to `mepc`? What happens without that line?"
        ),
        kind=Explanation(
            (
                "mepc holds the address of the instruction that trapped, not of the next.",
                "Without the addition mret returns to the same ecall, which traps again for ever.",
                "After an interrupt or a page fault 4 must not be added: the instruction has not "
                "been executed yet.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="01.4",
        grade=2,
        title="A page-table entry by hand",
        text=lambda d: (
            f"Which entry maps a page to physical address {d.page:#x} with the flags V, "
            f"{', '.join(d.flags)}? Give it in hexadecimal."
        ),
        draw=draw_entry,
        kind=Number(
            value=entry_of,
            base=16,
            mistakes=(
                (
                    lambda right, d: d.page | right & 0x3FF,
                    "The page's number stands from bit 10 on, its address would from bit 12.",
                ),
                (lambda right, d: right & ~PTE_V, "V is missing: nothing would be mapped."),
                (
                    lambda right, d: right & ~0x3FF,
                    "The page's number is right; the flags are the low eight bits.",
                ),
                (
                    lambda right, d: d.page >> 12 | right & 0x3FF,
                    "The page's number has to be moved up by 10 bits.",
                ),
            ),
        ),
        because=lambda d: f"{d.page >> 12:#x} << 10, and D A G U X W R V from bit 7 down.",
        step=lambda d: (
            f"The page's number is {d.page:#x} >> 12, which is {d.page >> 12:#x}. Moved up by ten "
            "bits it leaves room for the flags: V is 1, R 2, W 4, X 8, U 0x10, G 0x20, A 0x40, "
            "D 0x80."
        ),
    ),
    Exercise(
        id="01.5",
        grade=3,
        title="A handler that tells calls apart",
        text=lambda d: (
            "Let the handler of `TRAPS` count `ecall`s in `s0` and every other exception in `s1`. "
            "Hand in the handler, from `handler:` on. `mcause` is 8 for an `ecall` from user mode."
        ),
        kind=Code(
            form="assembly",
            trial=try_counting_handler,
            start=COUNTING.strip("\n"),
            wants="the handler in assembly, from its label on",
            draw=draw_calls,
        ),
        step=lambda d: (
            "Read mcause into t1, load 8 into t2, and branch with `beq t1, t2, call`. Behind the "
            "branch stands the other case, which has to jump over the first."
        ),
    ),
    Exercise(
        id="01.7",
        grade=1,
        title="Instructions of two loops",
        text=lambda d: f"How many instructions are executed until `done`?\n{nested_loop(d)}",
        draw=lambda rng: {"outer": rng.randrange(3, 20), "inner": rng.randrange(3, 40)},
        kind=Number(
            value=steps_of,
            unit="instructions",
            mistakes=(
                (lambda right, d: right + 1, "The instruction at done is not counted."),
                (lambda right, d: right - 1, "The first li counts as well."),
                (
                    lambda right, d: 2 * d.outer * d.inner,
                    "These are the inner loop's; the outer one has three of its own in a round.",
                ),
            ),
        ),
        because=lambda d: f"1 + {d.outer} (1 + 2 * {d.inner} + 2).",
        step=lambda d: (
            f"One round of the outer loop: a li, {d.inner} times two instructions, and two more. "
            f"That {d.outer} times, and the li at the beginning."
        ),
    ),
    Exercise(
        id="01.8",
        grade=3,
        title="Copy words",
        text=lambda d: (
            "Write `copy`: it copies `a2` double words (8 bytes each) from the address in `a0` to "
            "the address in `a1`, touches nothing else, and returns with `ret`. `a2` may be 0."
        ),
        kind=Code(
            form="assembly",
            trial=try_copy,
            start="copy:\n        ret",
            wants="the function in assembly, from its label `copy` on",
            draw=draw_words,
            n_trials=6,
        ),
        step=lambda d: (
            "Begin with `beqz a2, end`, so that nothing is copied if nothing is asked for. A round "
            "is ld, sd, two addi of 8 for the addresses, and one of -1 for the count."
        ),
    ),
    Exercise(
        id="01.9",
        grade=4,
        title="Walk a page table yourself",
        text=lambda d: (
            "Write `walk`: `a0` is the physical address of an Sv39 root table, `a1` a virtual "
            "address that is mapped. Return in `a0` the physical address of the entry that ends "
            "the walk, of whatever size the page is. The program runs in M-mode, so loads are "
            "physical."
        ),
        kind=Code(
            form="assembly",
            trial=try_walk,
            start="walk:\n        ret",
            wants="the function in assembly, from its label `walk` on",
            draw=draw_walk,
            n_trials=8,
        ),
        step=lambda d: (
            "The index at level 2 is bits 38 to 30 of the address: shift right by 30, and with "
            "511, times 8, plus the table. Load the entry; if any of R, W, X (14) is set you are "
            "done. Else the next table is the entry's bits from 10 on, times 4096."
        ),
    ),
    Exercise(
        id="01.10",
        grade=2,
        title="May the kernel touch this page?",
        text=lambda d: (
            f"In supervisor mode, with SUM and MXR clear, {d.access} meets a page with the flags "
            f"V, {', '.join(d.flags)}. What happens?"
        ),
        draw=lambda rng: {
            "access": rng.choice(tuple(ACCESSES)),
            "flags": rng.choice(("RAD", "RWAD", "RWXAD", "RWUAD", "RUAD", "XAD", "RXA")),
        },
        kind=Choice(
            options=lambda d: [ALLOWED, NOT_ALLOWED],
            value=access_of,
            hints=lambda d: {
                ALLOWED: "Look for U, and for the right that this access needs.",
                NOT_ALLOWED: "Nothing forbids it: the right is there, and U is clear.",
            },
        ),
        step=lambda d: (
            "Ask in this order: is V set? Has the page the right, R for a load and W for a store? "
            "Is U clear? Is A set, and for a store D? One no is a page fault."
        ),
    ),
]
