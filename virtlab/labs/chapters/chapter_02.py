"""Exercises of chapter 02, full virtualization: exits, shadows, handlers, what keeps quiet."""

import functools

from virtlab import cost
from virtlab.hypervisors import Emulation, ExitReason, TrapAndEmulate
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.isa.operands import REGISTERS as NUMBERS
from virtlab.labs.chapters.chapter_00 import boot
from virtlab.labs.exercise import Choice, Code, Draw, Exercise, Explanation, Number
from virtlab.labs.judge import load, run_handler, run_to
from virtlab.machine import Machine
from virtlab.published import ia32
from virtlab.published.sensitive import classify

TEN = """
        li    a0, ROUNDS
        la    t0, handler
        csrw  stvec, t0
again:  csrw  sscratch, a0
        csrr  a1, sscratch
        add   a2, a2, a1
        addi  a0, a0, -1
        bnez  a0, again
done:   j     done
handler:
        j     handler
"""
HANDLER_START = """def mine(vcpu, exit):
    return Action.HANDLE
"""
WANTS_HANDLER = "a function of vcpu and exit that returns an Action"


def exits_of_ten(draw: Draw) -> int:
    """Exits until done of the ten instructions."""
    m = load(TrapAndEmulate, TEN.replace("ROUNDS", str(draw.rounds)))
    run_to(m, "done")
    return m.n_exits


def carried_out(draw: Draw) -> int:
    """Instructions of the ten that the hypervisor executes in the hart's place."""
    m = load(TrapAndEmulate, TEN.replace("ROUNDS", str(draw.rounds)))
    run_to(m, "done")
    return m.counts["emulated"]


POLICIES = ("flush", "lazy", "trace", "eager")


def best_policy(draw: Draw) -> str:
    """The policy of the shadow with the fewest exits for a command."""
    exits = {p: boot(TrapAndEmulate, draw.command, policy=p).n_exits for p in POLICIES}
    return min(exits, key=exits.get)


def dispatch_price(draw: Draw) -> float:
    """Cycles of a dispatch at which emulation costs what trap-and-emulate does."""
    prices = cost.complete("pentium-4-672")
    counts = [boot(kind, draw.command).counts for kind in (Emulation, TrapAndEmulate)]
    return cost.crossover(*counts, prices, "dispatch", under=("emulation", "trap-and-emulate"))


# 02.5, 02.12, 02.13: handlers

REGISTERS = ("a0", "a1", "a2", "s2", "s3", "t3", "t4", "zero")
QUIET = ("misa", "mvendorid", "marchid", "mscratch", "sscratch", "scause")


def draw_reads(rng) -> dict:
    """Reads of CSRs in random order, into random registers, in each of the three forms."""
    names = [rng.choice(QUIET) for _ in range(rng.randrange(3, 8))] + ["mhartid", "mhartid"]
    rng.shuffle(names)
    forms = ("csrr {rd}, {csr}", "csrrs {rd}, {csr}, zero", "csrrci {rd}, {csr}, 0")
    return {"reads": [(rng.choice(forms), rng.choice(REGISTERS), name) for name in names]}


def listing(draw: Draw) -> str:
    """The guest that makes these reads."""
    lines = [form.format(rd=rd, csr=csr) for form, rd, csr in draw.reads]
    return "li s11, 11\n" + "\n".join(lines) + "\ndone: j done\n"


def registers_of(m) -> dict[str, int]:
    """x1 to x31."""
    return {f"x{k}": int(m.registers[f"x{k}"]) for k in range(1, 32)}


def try_hart_number(candidate, draw: Draw) -> str | None:
    """02.5: reads of mhartid give 7, everything else is as before."""
    plain = load(TrapAndEmulate, listing(draw))
    m = load(TrapAndEmulate, listing(draw))
    failed = run_handler(candidate, m, ExitReason.PRIVILEGED, "done")
    if failed:
        return failed
    run_to(plain, "done")
    last = {rd: csr for _, rd, csr in draw.reads if rd != "zero"}
    for rd, csr in last.items():
        given, before = int(m.registers[rd]), int(plain.registers[rd])
        if csr == "mhartid" and given != 7:
            return f"After a read of mhartid into {rd} the register holds {given}."
        if csr != "mhartid" and given != before:
            return f"A read of {csr} into {rd} does not give any more what it gave."
    named = {f"x{NUMBERS[rd]}" for rd in last}
    for name, before in registers_of(plain).items():
        if name not in named and int(m.registers[name]) != before:
            return f"Register {name} was changed, which no instruction had named."
    if m.n_exits != plain.n_exits or m.steps != plain.steps:
        return "The guest has executed another number of instructions than before."
    return None


def draw_words(rng) -> dict:
    """Privileged instructions of several kinds."""
    texts = (
        *("csrr a0, misa", "csrw mscratch, a0", "csrr a1, mscratch", "csrw stvec, zero"),
        *("csrr a2, mhartid", "sfence.vma", "csrrsi a3, sscratch, 5"),
    )
    body = ["csrr a0, misa", "sfence.vma"]
    body += [rng.choice(texts) for _ in range(rng.randrange(4, 16))]
    rng.shuffle(body)
    return {"body": body}


def try_count_by_csr(candidate, draw: Draw) -> str | None:
    """02.12: counted holds, for each CSR's number, how many instructions named it."""
    m = load(TrapAndEmulate, "\n".join(draw.body) + "\ndone: j done\n")
    failed = run_handler(candidate, m, ExitReason.PRIVILEGED, "done")
    if failed:
        return failed
    right: dict[int, int] = {}
    for text in draw.body:
        for word in text.replace(",", " ").split():
            if word in CSR_NUMBERS:
                right[CSR_NUMBERS[word]] = right.get(CSR_NUMBERS[word], 0) + 1
    given = candidate.read("counted")
    if not isinstance(given, dict):
        return "There is no dict with the name counted."
    if given == right:
        return None
    extra = [k for k in given if k not in right]
    if extra:
        return (
            f"counted has the key {extra[0]!r:.40}, and no CSR of that number was named. "
            "sfence.vma names none: bits 14 to 12 of the word are 0 there."
        )
    if not given:
        return "counted is empty at the end."
    k = next(k for k in right if given.get(k) != right[k])
    n = f"{given.get(k, 0)!r:.20}"
    return f"CSR {k:#x} was counted {n} times, which is not how often it was named."


def draw_lottery(rng) -> dict:
    """Loads and stores at the device and beside it."""
    places = [("lw", 0x1001_0000, "a2"), ("lw", 0x1001_0000, "s4")]
    for _ in range(rng.randrange(3, 9)):
        where = rng.choice((0x1001_0000, 0x1001_0000, 0x1000_0005))
        form = "lw" if where == 0x1001_0000 else "lb"
        places.append((form, where, rng.choice(("a2", "a3", "s4", "t5"))))
    rng.shuffle(places)
    return {"places": places, "start": rng.randrange(1, 1000)}


def try_device(candidate, draw: Draw) -> str | None:
    """02.13: the n-th load at 0x1001_0000 gives n; the rest is left alone."""
    lines = [f"li t0, {where}\n{form} {rd}, 0(t0)" for form, where, rd in draw.places]
    text = "la t1, lost\ncsrw mtvec, t1\n" + "\n".join(lines)
    m = load(TrapAndEmulate, text + "\ndone: j done\nlost: li s1, 1\nj done\n")
    plain_uart = uart_status()
    failed = run_handler(candidate, m, ExitReason.MMIO, "done")
    if failed:
        return failed
    if m.registers["s1"]:
        return "Nobody answered a load, which was an access fault in the guest."
    n, right = 0, {}
    for _, where, rd in draw.places:
        n += where == 0x1001_0000
        right[rd] = n if where == 0x1001_0000 else plain_uart
    for rd, value in right.items():
        given = int(m.registers[rd])
        if given == value:
            continue
        if value == plain_uart:
            return f"The UART's status in {rd} is {given:#x}; its loads are not the device's."
        if given > len(draw.places):
            return (
                f"Load number {value} gave {given}. If your device has counted in a run before, "
                "set it back to its beginning."
            )
        if given == value - 1:
            return f"The load number {value} gave {given}; the first gives 1."
        return f"After load number {value} of the device register {rd} holds {given}."
    return None


def uart_status() -> int:
    """What the machine's UART says of itself when it has nothing to say."""
    m = load(Machine, "li t0, 0x10000005\nlb a0, 0(t0)\ndone: j done\n")
    run_to(m, "done")
    return int(m.registers["a0"])


# 02.6, 02.10, 02.11

FAULT, PAGE_FAULT = "a store access fault in the guest", "a store page fault in the guest"
OVERWRITES, ENDS = "a page of the hypervisor is overwritten", "the virtual machine is stopped"


def beyond_ram(draw: Draw) -> str:
    """What a store to the first address behind the guest's RAM does."""
    text = f"""
        la    t0, handler
        csrw  mtvec, t0
        li    t0, {0x8000_0000 + (draw.mib << 20)}
        li    t1, 0x5ec3e7
        sd    t1, {draw.offset}(t0)
        j     done
handler:
        csrr  s0, mcause
done:   j     done
"""
    m = load(TrapAndEmulate, text, ram=f"{draw.mib}M")
    if run_to(m, "done") is not None:
        return ENDS
    return {7: FAULT, 15: PAGE_FAULT}.get(m.registers["s0"], OVERWRITES)


def hidden_faults(draw: Draw) -> int:
    """Hidden faults of the data pages, D clear in the guest's entry."""
    lines = []
    for k in range(draw.pages):
        where = f"{k * 4096:#x}"
        lines += [f"li t1, {where}", "add t1, t1, a0"]
        lines += ["ld a1, 0(t1)"] * draw.loads + ["sd a1, 0(t1)"] * draw.stores
    text = "li a0, 0x80100000\nla t0, table + 16\nli t1, 0x2000004f\nsd t1, 0(t0)\nla t0, table\n"
    text += "srli t0, t0, 12\nli t1, 8 << 60\nor t0, t0, t1\ncsrw satp, t0\n"
    text += "\n".join(lines) + "\ndone: j done\n.balign 4096\ntable: .zero 4096\n"
    m = load(TrapAndEmulate, text, ram="16M", firmware="sbi", adue=True)
    run_to(m, "done")
    pages = range(0x80100, 0x80100 + draw.pages)
    return sum(1 for e in m.exits if e.gva is not None and e.gva >> 12 in pages)


def draw_quiet(rng) -> dict:
    """One instruction that keeps quiet, and three that trap or are harmless."""
    quiet = rng.choice(("popf", "smsw", "sgdt", "sidt", "str", "pushf"))
    others = rng.sample(("lgdt", "lidt", "clts", "hlt", "invlpg", "wrmsr", "cli", "in"), 3)
    options = [quiet, *others]
    rng.shuffle(options)
    return {"options": options}


def quiet_one(draw: Draw) -> str:
    """The one of the options that is sensitive and not privileged, by trying them all."""
    return next(name for name in draw.options if name in critical_ones())


@functools.cache
def critical_ones() -> frozenset[str]:
    """The instructions of IA-32 that are sensitive and not privileged."""
    return frozenset(classify(ia32.IA32).critical)


def times(n: int, what: str) -> str:
    """A number of something, in words."""
    return f"{n or 'no'} {what}{'s' * (n != 1)}"


EXERCISES = [
    Exercise(
        id="02.1",
        grade=1,
        title="Exits of ten instructions",
        text=lambda d: (
            f"The loop of `TEN` runs {d.rounds} times under trap-and-emulate with 1 MiB of RAM. "
            "How many exits are there until `done`?"
        ),
        draw=lambda rng: {"rounds": rng.randrange(7, 90)},
        kind=Number(
            value=exits_of_ten,
            unit="exits",
            mistakes=(
                (
                    lambda right, d: right - 1,
                    "One exit is for no instruction: the hypervisor had not yet mapped something.",
                ),
                (lambda right, d: right - 2, "The loop is right. What comes before it?"),
                (lambda right, d: d.rounds + 2, "Reading sscratch exits as well as writing it."),
                (lambda right, d: d.rounds, "sscratch is used twice in each round."),
            ),
        ),
        because=lambda d: f"Two in each of {d.rounds} rounds, one for stvec, one for the page.",
        step=lambda d: (
            "A round has two privileged instructions, csrw and csrr; each is one exit. Before the "
            "loop there is csrw stvec. And the first fetch of all finds an empty shadow."
        ),
    ),
    Exercise(
        id="02.2",
        grade=2,
        title="How cheap would a dispatch have to be?",
        text=lambda d: (
            "At the prices of the Pentium 4 672, how many cycles may a dispatch take, so that "
            f"emulating pith with `{d.command}` (16 MiB of RAM) costs no more than "
            "trap-and-emulate?"
        ),
        draw=lambda rng: {"command": rng.choice(("ls /bin", "echo hi", "ps", "nullsys 300"))},
        kind=Number(
            value=dispatch_price,
            unit="cycles",
            tolerance=0.02,
            mistakes=(
                (
                    lambda right, d: cost.complete("pentium-4-672")["dispatch"].cycles,
                    "That is what a dispatch costs now; what would it have to cost?",
                ),
            ),
        ),
        because=lambda d: "A translating emulator such as QEMU comes near that.",
        step=lambda d: (
            'Run both with `.counts`, then `cost.crossover(first, second, prices, "dispatch", '
            'under=("emulation", "trap-and-emulate"))`.'
        ),
    ),
    Exercise(
        id="02.3",
        grade=2,
        title="Why satp is compared",
        text=lambda d: (
            "`handle_privileged` compares `satp` before and after `emulate`. Why `satp`, and not "
            "`stvec` or `sepc`?"
        ),
        kind=Explanation(
            (
                "satp names the guest's page table: if it has changed, the hart must walk another "
                "shadow.",
                "stvec and sepc matter at the guest's next trap or return.",
                "Traps and returns of the guest pass the virtual CPU anyway.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="02.4",
        grade=2,
        title="Why RETRY does not count",
        text=lambda d: (
            "In `settle_exit` the actions RESUME and REFLECT count the instruction as executed, "
            "RETRY does not. What would the guest see if RETRY counted it?"
        ),
        kind=Explanation(
            (
                "Every hidden fault would make instret and time run ahead.",
                "Timer interrupts would come earlier than on the bare machine.",
                "The guest could tell: equivalence would be lost.",
            )
        ),
        step=lambda d: "",
    ),
    Exercise(
        id="02.5",
        grade=3,
        title="Hart 7",
        text=lambda d: (
            "Write a handler for PRIVILEGED that lets the guest believe it runs on hart 7: a read "
            "of `mhartid` (CSR 0xf14) gives 7, and all else is left to the built-in handler by "
            "`Action.HANDLE`. `exit.detail` is the instruction word."
        ),
        kind=Code(
            form="handler",
            trial=try_hart_number,
            start=HANDLER_START,
            wants=WANTS_HANDLER,
            draw=draw_reads,
        ),
        step=lambda d: (
            "Bits 31 to 20 of the word are the CSR's number: `exit.detail >> 20`. Bits 11 to 7 are "
            'the register: `vcpu.registers[f"x{exit.detail >> 7 & 31}"] = 7`, then Action.RESUME.'
        ),
    ),
    Exercise(
        id="02.6",
        grade=4,
        title="The first address behind the RAM",
        text=lambda d: (
            f"A guest with {d.mib} MiB of RAM, in M-mode under trap-and-emulate, stores to "
            f"{0x8000_0000 + (d.mib << 20) + d.offset:#x}. On the host, the hypervisor's own pages "
            "lie there. What happens?"
        ),
        draw=lambda rng: {"mib": rng.choice((1, 2, 4, 8)), "offset": rng.choice((0, 8, 256))},
        kind=Choice(
            options=lambda d: [OVERWRITES, FAULT, PAGE_FAULT, ENDS],
            value=beyond_ram,
            hints=lambda d: {
                OVERWRITES: "A shadow is only ever filled with pages of the guest's own RAM.",
                PAGE_FAULT: "The guest's M-mode has no page table that could refuse the store.",
                ENDS: "A guest may be wrong; what would the bare machine do?",
            },
        ),
        because=lambda d: "The same as on the bare machine: nobody answers at that address.",
        step=lambda d: (
            "The store faults, because the address is in no shadow. It leads to no RAM of the "
            "guest, so the exit is MMIO, and the virtual machine's bus is asked. Nobody answers."
        ),
    ),
    Exercise(
        id="02.10",
        grade=2,
        title="Hidden faults and dirty bits",
        text=lambda d: (
            f"As in `DIRTY`, with `adue=True` and D clear in the guest's entry: {d.pages} fresh "
            f"pages, and in each first {times(d.loads, 'load')}, then "
            f"{times(d.stores, 'store')}. How many hidden faults do these pages cause?"
        ),
        draw=lambda rng: {
            "pages": rng.randrange(1, 7),
            "loads": rng.randrange(0, 4),
            "stores": rng.randrange(1, 4),
        },
        kind=Number(
            value=hidden_faults,
            unit="faults",
            mistakes=(
                (
                    lambda right, d: d.pages * (d.loads + d.stores),
                    "What has been entered into the shadow stays there.",
                ),
                (
                    lambda right, d: d.pages if d.loads else 2 * d.pages,
                    "A load enters the page without the right to write; a store first enters it "
                    "with that right.",
                ),
                (
                    lambda right, d: right + 1 if d.pages > 1 else -1,
                    "D stands in the guest's entry for the whole gigabyte. Is it clear for ever?",
                ),
                (
                    lambda right, d: 2 * d.pages if d.loads else -1,
                    "D stands in the guest's entry for the whole gigabyte. Is it clear for ever?",
                ),
            ),
        ),
        because=lambda d: "All pages share one entry of the guest, so D is set once for all.",
        step=lambda d: (
            "Take the first page: a load faults and enters it without the right to write, if D is "
            "clear. The first store faults and sets D in the guest's entry. That entry is the "
            "gigabyte's: for the next page D is set from the beginning."
        ),
    ),
    Exercise(
        id="02.11",
        grade=1,
        title="Which one keeps quiet?",
        text=lambda d: "Which of these IA-32 instructions is sensitive and does not trap?",
        draw=draw_quiet,
        kind=Choice(
            options=lambda d: d.options,
            value=quiet_one,
            hints=lambda d: {
                name: f"{name} traps in user mode, so a hypervisor hears of it."
                for name in d.options
            },
        ),
        because=lambda d: "Nobody is told when a program in user mode uses it.",
        step=lambda d: (
            "`classify(ia32.IA32).critical` has the names of all that are sensitive and not "
            "privileged; chapter 02 prints them."
        ),
    ),
    Exercise(
        id="02.12",
        grade=3,
        title="Count by CSR",
        text=lambda d: (
            "Write a handler for PRIVILEGED that counts in the dict `counted`, by its number, "
            "how often the guest names which CSR, and leaves the answer to the built-in handler. "
            "`sfence.vma` is PRIVILEGED, too, and names none."
        ),
        kind=Code(
            form="handler",
            trial=try_count_by_csr,
            start="counted = {}\n\n\n" + HANDLER_START,
            wants=WANTS_HANDLER,
            draw=draw_words,
            empty=("counted",),
        ),
        step=lambda d: (
            "A CSR instruction has something else than 0 in bits 14 to 12: "
            "`exit.detail >> 12 & 7`. Its CSR's number is `exit.detail >> 20`."
        ),
    ),
    Exercise(
        id="02.13",
        grade=4,
        title="A device of your own",
        text=lambda d: (
            "Write a handler for MMIO that plays a device: the n-th load from 0x1001_0000 gives n, "
            "beginning with 1. Accesses to other addresses are left to the built-in handler. "
            "`exit.gpa` is the address, `exit.detail` the instruction word, with the register in "
            "bits 11 to 7."
        ),
        kind=Code(
            form="handler",
            trial=try_device,
            start=HANDLER_START,
            wants=WANTS_HANDLER,
            draw=draw_lottery,
        ),
        step=lambda d: (
            "Keep the number in a list or a dict outside the function. If exit.gpa is 0x1001_0000, "
            "add one, put it into the register, and answer Action.RESUME; else Action.HANDLE."
        ),
    ),
    Exercise(
        id="02.14",
        grade=1,
        title="Who executes what",
        text=lambda d: (
            f"The loop of `TEN` runs {d.rounds} times. How many instructions does the hypervisor "
            "carry out in the hart's place until `done`?"
        ),
        draw=lambda rng: {"rounds": rng.randrange(7, 90)},
        kind=Number(
            value=carried_out,
            unit="instructions",
            mistakes=(
                (
                    lambda right, d: right + 1,
                    "An exit for a hidden fault carries nothing out: the guest tries again.",
                ),
                (lambda right, d: right - 1, "The loop is right. What comes before it?"),
                (lambda right, d: d.rounds, "Reading sscratch is privileged, too."),
                (lambda right, d: 5 * d.rounds, "Only what is privileged leaves the hart."),
            ),
        ),
        because=lambda d: f"Two in each of {d.rounds} rounds, and csrw stvec.",
        step=lambda d: (
            "Mark the lines of `TEN` that name a CSR: one before the loop, two in it. All others "
            "run on the hart."
        ),
    ),
    Exercise(
        id="02.15",
        grade=1,
        title="Which policy keeps the shadow best?",
        text=lambda d: (
            "Under trap-and-emulate with 16 MiB, which policy of the shadow has the fewest exits "
            f"for `{d.command}`?"
        ),
        draw=lambda rng: {"command": rng.choice(("forkwait 30", "ptemod", "ctxsw 150", "ls /bin"))},
        kind=Choice(
            options=lambda d: list(POLICIES),
            value=best_policy,
            hints=lambda d: {
                "flush": "A flush drops what was still right, and every page of it faults again.",
                "lazy": "What a fence names is dropped. Are the same tables used again soon?",
                "trace": "Each store to a table exits. Is the table used before it changes again?",
                "eager": "It fills entries at once. Are they used before they change again?",
            },
        ),
        because=lambda d: "No policy wins everywhere.",
        step=lambda d: (
            f"Boot TrapAndEmulate with `append='{d.command}'` and each policy, and compare "
            "`n_exits`."
        ),
    ),
]
