"""Traps, told as short stories: a guest does something, and a handler finds out what it was.

The numbers expected are those of the manual: Privileged ISA 20240411, "Machine Trap Delegation
Registers", "Machine Cause Register", "Machine Trap Value Register", "Trap Entry" and "Trap Return",
"Hardware Performance Monitor", and of the chapter "Hypervisor Extension".
"""

import pytest

from virtlab.isa.assembler import assemble
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.machine import Machine

MODE_BITS = {"M": 3 << 11, "S": 1 << 11, "U": 0, "VS": 1 << 39 | 1 << 11, "VU": 1 << 39}
MODE_MASK = 1 << 39 | 3 << 11
NOWHERE = 0x4000_0000  # neither RAM nor a device
ALL_OF_RAM = 0x2000_0000  # a leaf entry for the 1 GiB at 0x8000_0000, its flags still to be added
SUPERVISOR_PAGE, USER_PAGE = ALL_OF_RAM | 0xCF, ALL_OF_RAM | 0xDF
INTERRUPT = 1 << 63


def guest(text: str, **options) -> Machine:
    return Machine(ram="1M", firmware="none", **options).load(assemble(text))


def reach(m: Machine, label: str) -> Machine:
    stop = m.run(100_000, until=m.symbols[label])
    assert stop.reason == "until", str(stop)
    return m


def csrs(m: Machine, *names: str) -> list[int]:
    return [m.csr[name].value for name in names]


def fields(m: Machine, name: str, *wanted: str) -> list[int]:
    found = m.csr[name].fields
    return [found[field] for field in wanted]


def write(csr: str, value: int, how: str = "csrw") -> str:
    return f"li t0, {value}\n{how} {csr}, t0\n"


def handler(csr: str = "mtvec", label: str = "caught") -> str:
    return f"la t0, {label}\ncsrw {csr}, t0\n"


def go(mode: str, label: str = "begin", more: int = 0) -> str:
    """From M-mode to `label` in another mode, with `more` bits of mstatus set."""
    return (
        write("mstatus", MODE_MASK, "csrc")
        + write("mstatus", MODE_BITS[mode] | more, "csrs")
        + f"la t0, {label}\ncsrw mepc, t0\nmret\n"
    )


def table(atp: str, label: str) -> str:
    """Switch a page table on, with its MODE field set to Sv39 or Sv39x4."""
    return f"""
        la t0, {label}
        srli t0, t0, 12
        li t1, 8
        slli t1, t1, 60
        or t0, t0, t1
        csrw {atp}, t0
    """


def root(label: str, page: int, n_bytes: int = 4096) -> str:
    """A root table that maps RAM to itself and nothing else."""
    return f"""
        .data
        .balign {n_bytes}
        {label}: .dword 0, 0, {page}
        .space {n_bytes - 24}
    """


def trapped(mode: str, instruction: str, before: str = "", data: str = "", **options) -> Machine:
    """A machine in M-mode's handler, after `instruction` at the label `here` in `mode`."""
    text = f"""
        {handler()}
        {before}
        {go(mode)}
    begin:
        li a0, {NOWHERE}
        la a1, begin
    here:
        {instruction}
        nop
    missed:
        j missed
        .balign 4
    caught:
        nop
        {data}
    """
    return reach(guest(text, **options), "caught")


def word_at(m: Machine, label: str) -> int:
    return int.from_bytes(m.memory.read(m.symbols[label], 4), "little")


# Every kind of exception


@pytest.mark.parametrize(
    ("mode", "cause"), [("U", 8), ("S", 9), ("VS", 10), ("VU", 8), ("M", 11)], ids=str
)
def test_an_environment_call_says_from_which_mode_it_came(mode, cause):
    m = trapped(mode, "ecall")
    assert csrs(m, "mcause", "mepc", "mtval") == [cause, m.symbols["here"], 0]
    virtual = int(mode.startswith("V"))
    assert fields(m, "mstatus", "MPP", "MPV", "MIE") == [MODE_BITS[mode] >> 11 & 3, virtual, 0]
    assert m.mode == "M"


@pytest.mark.parametrize("mode", ["U", "S", "VS", "VU", "M"])
def test_a_breakpoint_reports_its_own_address(mode):
    m = trapped(mode, "ebreak")
    assert csrs(m, "mcause", "mepc", "mtval") == [3, m.symbols["here"], m.symbols["here"]]


@pytest.mark.parametrize(
    ("text", "word"),
    [(".word 0xffffffff", 0xFFFF_FFFF), (".half 0", 0), (".word 0x0000707f", 0x707F)],
)
def test_an_illegal_instruction_shows_its_bits(text, word):
    m = trapped("S", text)
    assert csrs(m, "mcause", "mepc", "mtval") == [2, m.symbols["here"], word]


@pytest.mark.parametrize(
    ("instruction", "cause"),
    [
        ("lb a2, 0(a0)", 5),
        ("ld a2, 0(a0)", 5),
        ("lr.d a2, (a0)", 5),
        ("sb a2, 0(a0)", 7),
        ("sd a2, 0(a0)", 7),
        ("sc.d a2, a2, (a0)", 7),
        ("amoadd.w a2, a2, (a0)", 7),
    ],
)
def test_an_access_where_nothing_answers_is_an_access_fault(instruction, cause):
    m = trapped("U", f"{instruction}")
    assert csrs(m, "mcause", "mepc", "mtval") == [cause, m.symbols["here"], NOWHERE]


@pytest.mark.parametrize("where", [NOWHERE, 0x1000_0000, 0x7FFF_FFFE])
def test_code_runs_from_ram_only(where):
    m = trapped("S", f"li a0, {where}\njr a0")
    assert csrs(m, "mcause", "mepc", "mtval") == [1, where, where]


def test_a_jump_is_never_misaligned_because_jalr_clears_the_last_bit():
    m = trapped("U", "la a2, end\njr 1(a2)\nend: ecall")
    assert csrs(m, "mcause", "mepc") == [8, m.symbols["end"]]


@pytest.mark.parametrize(
    ("mode", "page"), [("S", SUPERVISOR_PAGE), ("U", USER_PAGE)], ids=["S", "U"]
)
@pytest.mark.parametrize(
    ("instruction", "cause"),
    [("lw a2, 8(a0)", 13), ("sw a2, 8(a0)", 15), ("amoadd.d a2, a2, (a0)", 15), ("jr 8(a0)", 12)],
)
def test_a_page_that_is_not_mapped_is_a_page_fault(mode, page, instruction, cause):
    m = trapped(mode, instruction, table("satp", "tables"), root("tables", page))
    address = NOWHERE + (0 if "amo" in instruction else 8)
    epc = address if cause == 12 else m.symbols["here"]
    assert csrs(m, "mcause", "mepc", "mtval") == [cause, epc, address]
    assert fields(m, "mstatus", "MPP", "GVA") == [MODE_BITS[mode] >> 11, 0]


def test_a_fault_in_the_second_half_of_an_instruction_names_the_second_half():
    """mtval is the address of the part that faulted, mepc that of the instruction."""
    last = 0x8000_0000 + (1 << 20) - 2
    m = guest(f"{handler()}li t0, {last}\nli t1, 0x13\nsh t1, 0(t0)\njr t0\ncaught: nop")
    reach(m, "caught")
    assert csrs(m, "mcause", "mepc", "mtval") == [1, last, last + 2]


# Guest-page faults


TWO_STAGES = table("hgatp", "gtables")
GUEST_TABLES = root("gtables", USER_PAGE, 16384)


@pytest.mark.parametrize("mode", ["VS", "VU"])
@pytest.mark.parametrize(
    ("instruction", "cause"), [("lw a2, 8(a0)", 21), ("sw a2, 8(a0)", 23), ("jr 8(a0)", 20)]
)
def test_a_guest_page_fault_reports_the_guest_physical_address(mode, instruction, cause):
    m = trapped(mode, instruction, TWO_STAGES, GUEST_TABLES)
    address = NOWHERE + 8
    epc = address if cause == 20 else m.symbols["here"]
    assert csrs(m, "mcause", "mepc", "mtval") == [cause, epc, address]
    assert csrs(m, "mtval2", "mtinst") == [address >> 2, 0]
    assert fields(m, "mstatus", "GVA", "MPV", "MPP") == [1, 1, MODE_BITS[mode] >> 11 & 3]


def test_a_guest_page_fault_goes_to_hs_mode_with_htval_when_delegated():
    before = write("medeleg", 1 << 21) + handler("stvec", "hyper") + TWO_STAGES
    text = f"{handler()}{before}{go('VS')}begin: li a0, {NOWHERE}\nhere: lw a2, 12(a0)\n"
    m = reach(guest(text + f"hyper: nop\ncaught: nop\n{GUEST_TABLES}"), "hyper")
    assert m.mode == "S"
    assert csrs(m, "scause", "sepc", "stval") == [21, m.symbols["here"], NOWHERE + 12]
    assert csrs(m, "htval", "htinst") == [(NOWHERE + 12) >> 2, 0]
    assert fields(m, "hstatus", "SPV", "SPVP", "GVA") == [1, 1, 1]


def test_a_walk_that_meets_a_guest_page_fault_says_so_in_the_instruction_register():
    """htinst 0x3000: a 64-bit read of a VS-stage entry."""
    vsatp = f"li t0, {8 << 60 | NOWHERE >> 12}\ncsrw vsatp, t0\n"
    m = trapped("VS", "nop", TWO_STAGES + vsatp, GUEST_TABLES)
    begin = m.symbols["begin"]
    assert csrs(m, "mcause", "mepc", "mtval") == [20, begin, begin]
    assert csrs(m, "mtval2", "mtinst") == [(NOWHERE + 2 * 8) >> 2, 0x3000]


def test_setting_an_accessed_bit_in_a_read_only_guest_page_is_a_write_that_faults():
    """htinst 0x3020: a 64-bit write of a VS-stage entry; the cause stays that of the access."""
    fresh = ALL_OF_RAM | 0xCF & ~0xC0
    read_only = USER_PAGE & ~4
    data = root("gtables", read_only, 16384) + root("tables", fresh)
    m = trapped("VS", "nop", TWO_STAGES + table("vsatp", "tables"), data, adue=True)
    entry = m.symbols["tables"] + 2 * 8
    assert csrs(m, "mcause", "mtval2", "mtinst") == [20, entry >> 2, 0x3020]


def test_a_guest_page_fault_cannot_be_delegated_to_the_guest():
    m = guest("li t0, -1\ncsrw hedeleg, t0\ncsrr a0, hedeleg\nhere: nop")
    reach(m, "here")
    assert m.registers.a0 & (0b1111 << 20 | 0b111 << 9) == 0
    assert m.registers.a0 & 1 << 13 != 0


# Virtual instructions


@pytest.mark.parametrize(
    ("mode", "instruction", "cause"),
    [
        ("VS", "hfence.gvma", 22),
        ("VS", "hfence.vvma", 22),
        ("VS", "hlv.w a2, (a1)", 22),
        ("VS", "hsv.w a2, (a1)", 22),
        ("VS", "csrr a2, hstatus", 22),
        ("VS", "csrr a2, vsstatus", 22),
        ("VS", "csrr a2, hgatp", 22),
        ("VS", "mret", 2),
        ("VS", "csrr a2, mstatus", 2),
        ("VU", "sret", 22),
        ("VU", "wfi", 22),
        ("VU", "sfence.vma", 22),
        ("VU", "hlv.w a2, (a1)", 22),
        ("VU", "csrr a2, sstatus", 22),
        ("VU", "csrr a2, hstatus", 22),
        ("VU", "mret", 2),
        ("U", "sret", 2),
        ("U", "wfi", 2),
        ("U", "sfence.vma", 2),
        ("U", "mret", 2),
        ("U", "hlv.w a2, (a1)", 2),
        ("U", "hfence.vvma", 2),
        ("U", "hfence.gvma", 2),
        ("S", "mret", 2),
    ],
)
def test_what_a_guest_may_not_do_is_virtual_and_what_nobody_there_may_do_is_illegal(
    mode, instruction, cause
):
    m = trapped(mode, instruction)
    assert csrs(m, "mcause", "mepc") == [cause, m.symbols["here"]]
    assert m.csr["mtval"].value == word_at(m, "here")


@pytest.mark.parametrize(
    ("bit", "instruction"),
    [
        (20, "csrr a2, satp"),
        (20, "csrw satp, zero"),
        (20, "sfence.vma"),
        (21, "wfi"),
        (22, "sret"),
    ],
    ids=["VTVM-read", "VTVM-write", "VTVM-fence", "VTW", "VTSR"],
)
def test_hstatus_takes_instructions_away_from_the_guests_supervisor(bit, instruction):
    m = trapped("VS", instruction, write("hstatus", 1 << bit, "csrs"))
    assert csrs(m, "mcause", "mepc") == [22, m.symbols["here"]]


@pytest.mark.parametrize(
    ("bit", "instruction"),
    [
        (20, "csrr a2, satp"),
        (20, "csrw satp, zero"),
        (20, "csrr a2, hgatp"),
        (20, "sfence.vma"),
        (20, "hfence.gvma"),
        (21, "wfi"),
        (22, "sret"),
    ],
    ids=["TVM-read", "TVM-write", "TVM-hgatp", "TVM-fence", "TVM-gfence", "TW", "TSR"],
)
def test_mstatus_takes_instructions_away_from_the_supervisor(bit, instruction):
    m = trapped("S", instruction, write("mstatus", 1 << bit, "csrs"))
    assert csrs(m, "mcause", "mepc") == [2, m.symbols["here"]]


@pytest.mark.parametrize("mode", ["VS", "VU"])
def test_a_wfi_that_machine_mode_forbids_is_illegal_in_guests_too(mode):
    m = trapped(mode, "wfi", write("mstatus", 1 << 21, "csrs"))
    assert csrs(m, "mcause", "mepc") == [2, m.symbols["here"]]


def test_the_supervisor_may_do_all_this_when_nothing_forbids_it():
    instructions = "csrr a2, satp\nsfence.vma\nhfence.gvma\nhfence.vvma\ncsrr a2, hgatp"
    m = trapped("S", f"{instructions}\nend: ecall")
    assert csrs(m, "mcause", "mepc") == [9, m.symbols["end"]]


def test_user_mode_may_look_into_a_guest_when_hstatus_hu_says_so():
    m = trapped("U", "hlv.w a2, (a1)\nend: ecall", write("hstatus", 1 << 9, "csrs"))
    assert csrs(m, "mcause", "mepc") == [8, m.symbols["end"]]
    assert m.registers.a2 & 0xFFFF_FFFF == word_at(m, "begin")


# Who may touch which CSR


@pytest.mark.parametrize(
    ("mode", "instruction", "cause"),
    [
        ("U", "csrr a2, sstatus", 2),
        ("U", "csrr a2, hstatus", 2),
        ("U", "csrr a2, mstatus", 2),
        ("S", "csrr a2, mstatus", 2),
        ("S", "csrw medeleg, zero", 2),
        ("S", "csrr a2, pmpcfg0", 2),
        ("M", "csrw cycle, zero", 2),
        ("M", "csrw mhartid, zero", 2),
        ("M", "csrsi mvendorid, 1", 2),
        ("M", "csrr a2, 0x5c0", 2),
        ("M", "csrr a2, 0x001", 2),
        ("M", "csrr a2, hpmcounter3", 2),
        ("S", "csrr a2, 0x6c0", 2),
        ("VS", "csrr a2, 0x6c0", 2),
        ("VS", "csrr a2, 0x5c0", 2),
        ("VU", "csrr a2, 0x5c0", 2),
        ("VS", "csrw cycle, zero", 2),
        ("S", "csrr a2, stimecmp", 2),
        ("VS", "csrr a2, stimecmp", 2),
        ("U", "csrr a2, fcsr", 2),
    ],
)
def test_a_csr_of_a_higher_mode_or_of_no_mode_is_illegal(mode, instruction, cause):
    instruction = instruction.replace("fcsr", "0x003")
    m = trapped(mode, instruction)
    assert csrs(m, "mcause", "mepc") == [cause, m.symbols["here"]]
    assert m.csr["mtval"].value == word_at(m, "here")


@pytest.mark.parametrize(
    "instruction", ["csrr a2, cycle", "csrrs a2, mhartid, zero", "csrrci a2, mvendorid, 0"]
)
def test_reading_a_read_only_csr_without_writing_it_is_allowed(instruction):
    m = trapped("M", f"{instruction}\nend: ecall")
    assert csrs(m, "mcause", "mepc") == [11, m.symbols["end"]]


def test_every_named_csr_can_be_read_in_machine_mode():
    numbers = [n for name, n in CSR_NUMBERS.items() if not name.startswith("hpmcounter")]
    text = "\n".join(f"csrr a2, {n}" for n in numbers)
    m = trapped("M", f"{text}\nend: ecall")
    assert csrs(m, "mcause", "mepc") == [11, m.symbols["end"]]


def test_a_guests_supervisor_registers_are_the_vs_registers():
    m = trapped("VS", "li a2, 0x1234\ncsrw sscratch, a2\ncsrw stvec, a2\nend: ecall")
    assert csrs(m, "vsscratch", "sscratch", "vstvec", "stvec") == [0x1234, 0, 0x1234, 0]


@pytest.mark.parametrize(
    ("mode", "m_bits", "h_bits", "s_bits", "cause"),
    [
        ("S", 0, 7, 7, 2),
        ("S", 1, 0, 0, None),
        ("U", 0, 7, 7, 2),
        ("U", 1, 0, 0, 2),
        ("U", 1, 0, 1, None),
        ("VS", 0, 7, 7, 2),
        ("VS", 1, 0, 7, 22),
        ("VS", 1, 1, 0, None),
        ("VU", 0, 7, 7, 2),
        ("VU", 1, 0, 1, 22),
        ("VU", 1, 1, 0, 22),
        ("VU", 1, 1, 1, None),
    ],
)
@pytest.mark.parametrize(("counter", "bit"), [("cycle", 0), ("time", 1), ("instret", 2)])
def test_each_level_opens_the_counters_for_the_levels_below(
    counter, bit, mode, m_bits, h_bits, s_bits, cause
):
    def opened(bits: int) -> int:  # 1: this counter alone, 7: all, 0: all the others
        return {0: 7 & ~(1 << bit), 1: 1 << bit, 7: 7}[bits]

    before = "".join(
        write(csr, opened(bits))
        for csr, bits in (("mcounteren", m_bits), ("hcounteren", h_bits), ("scounteren", s_bits))
    )
    m = trapped(mode, f"csrr a2, {counter}\nend: ecall", before)
    label = "here" if cause else "end"
    ecall = {"S": 9, "U": 8, "VS": 10, "VU": 8}[mode]
    assert csrs(m, "mcause", "mepc") == [cause or ecall, m.symbols[label]]


@pytest.mark.parametrize(
    ("stce", "tm", "h_stce", "h_tm", "cause"),
    [(0, 1, 1, 1, 2), (1, 0, 1, 1, 2), (1, 1, 0, 1, 22), (1, 1, 1, 0, 22), (1, 1, 1, 1, 10)],
)
def test_the_guests_timer_register_is_opened_by_both_levels_above(stce, tm, h_stce, h_tm, cause):
    before = (
        write("menvcfg", stce << 63)
        + write("mcounteren", tm << 1)
        + write("henvcfg", h_stce << 63)
        + write("hcounteren", h_tm << 1)
    )
    m = trapped("VS", "csrw stimecmp, a0\nend: ecall", before)
    assert m.csr["mcause"].value == cause
    assert m.csr["vstimecmp"].value == (NOWHERE if cause == 10 else (1 << 64) - 1)


# Counters


def test_the_counters_count_and_a_write_takes_the_place_of_the_count():
    m = guest(
        """
        csrw minstret, zero
        csrr a0, minstret
        csrr a1, minstret
        li t0, 1000
        csrw mcycle, t0
        csrr a2, mcycle
        nop
        nop
        csrr a3, mcycle
        end: nop
        """
    )
    r = reach(m, "end").registers
    assert (r.a0, r.a1, r.a2, r.a3) == (0, 1, 1000, 1003)


def test_an_instruction_that_traps_takes_a_cycle_but_is_not_retired():
    m = guest(
        f"""
        {handler()}
        csrw minstret, zero
        csrw mcycle, zero
        ecall
        .balign 4
    caught:
        csrr a0, minstret
        csrr a1, mcycle
        end: nop
        """
    )
    r = reach(m, "end").registers
    assert (r.a0, r.a1) == (1, 2)  # instret: csrw mcycle; cycle: ecall and csrr


def test_an_inhibited_counter_stands_still_and_goes_on_where_it_stood():
    m = guest(
        """
        csrwi mcountinhibit, 5
        csrr a0, minstret
        csrr a1, mcycle
        nop
        nop
        csrr a2, minstret
        csrr a3, mcycle
        li t0, 77
        csrw minstret, t0
        nop
        csrr a4, minstret
        csrwi mcountinhibit, 0
        csrr a5, minstret
        nop
        csrr a6, minstret
        end: nop
        """
    )
    r = reach(m, "end").registers
    assert (r.a2, r.a3, r.a4) == (r.a0, r.a1, 77)
    assert r.a5 in (77, 78)
    assert r.a6 == r.a5 + 2


def test_time_has_no_inhibit_bit_and_the_inhibit_register_keeps_two_bits():
    m = reach(guest("li t0, -1\ncsrw mcountinhibit, t0\ncsrr a0, mcountinhibit\nend: nop"), "end")
    assert m.registers.a0 == 5


# Delegation


def delegated(mode: str, instruction: str, before: str = "", data: str = "") -> Machine:
    """A machine whose supervisor (stvec) and whose guest's supervisor (vstvec) have handlers."""
    handlers = handler() + handler("stvec", "hyper") + handler("vstvec", "inner")
    text = f"{handlers}{before}{go(mode, more=1 << 1)}begin: nop\nhere: {instruction}\nmissed: nop"
    m = guest(f"{text}\n.balign 4\ncaught: nop\n.balign 4\nhyper: nop\n.balign 4\ninner: nop{data}")
    handlers = {m.symbols[label]: label for label in ("caught", "hyper", "inner")}
    for _ in range(100):
        m.step()
        if m.pc in handlers:
            m.taken_by = handlers[m.pc]
            return m
    raise AssertionError("no handler was reached")


@pytest.mark.parametrize(("mode", "spp"), [("U", 0), ("S", 1)])
def test_a_delegated_exception_goes_to_the_supervisor(mode, spp):
    m = delegated(mode, "ebreak", write("medeleg", 1 << 3))
    here = m.symbols["here"]
    assert (m.taken_by, m.mode) == ("hyper", "S")
    assert csrs(m, "scause", "sepc", "stval", "mcause", "mepc") == [
        3,
        here,
        here,
        0,
        m.symbols["begin"],
    ]
    assert fields(m, "mstatus", "SPP", "SPIE", "SIE") == [spp, 1, 0]
    assert fields(m, "hstatus", "SPV") == [0]


def test_an_exception_that_is_not_delegated_goes_to_machine_mode():
    m = delegated("U", "ebreak", write("medeleg", ~(1 << 3)))
    assert (m.taken_by, m.mode) == ("caught", "M")
    assert fields(m, "mstatus", "SPP", "SPIE", "SIE") == [0, 0, 1]


def test_a_trap_never_goes_to_a_lower_mode():
    m = delegated("M", "ebreak", write("medeleg", -1) + write("hedeleg", -1))
    assert (m.taken_by, m.mode) == ("caught", "M")
    assert fields(m, "mstatus", "MPP") == [3]
    m = delegated("S", "ebreak", write("medeleg", -1) + write("hedeleg", -1))
    assert (m.taken_by, m.mode) == ("hyper", "S")


@pytest.mark.parametrize(("mode", "power"), [("VU", 0), ("VS", 1)])
def test_a_guests_exception_goes_to_the_hypervisor(mode, power):
    m = delegated(mode, "ebreak", write("medeleg", 1 << 3))
    assert (m.taken_by, m.mode) == ("hyper", "S")
    assert csrs(m, "scause", "sepc") == [3, m.symbols["here"]]
    assert fields(m, "hstatus", "SPV", "SPVP", "GVA") == [1, power, 1]
    assert fields(m, "mstatus", "SPP", "SPIE", "SIE") == [power, 1, 0]


@pytest.mark.parametrize(("mode", "spp"), [("VU", 0), ("VS", 1)])
def test_a_guests_exception_goes_to_the_guest_when_both_levels_give_it_away(mode, spp):
    before = write("medeleg", 1 << 3) + write("hedeleg", 1 << 3) + write("vsstatus", 1 << 1)
    m = delegated(mode, "ebreak", before)
    here = m.symbols["here"]
    assert (m.taken_by, m.mode) == ("inner", "VS")
    assert csrs(m, "vscause", "vsepc", "vstval", "scause", "sepc") == [3, here, here, 0, 0]
    assert fields(m, "vsstatus", "SPP", "SPIE", "SIE") == [spp, 1, 0]
    assert fields(m, "hstatus", "SPV") == [0]


def test_hedeleg_alone_gives_nothing_to_the_guest():
    m = delegated("VU", "ebreak", write("hedeleg", 1 << 3))
    assert (m.taken_by, m.mode) == ("caught", "M")
    assert fields(m, "mstatus", "MPV", "MPP", "GVA") == [1, 0, 1]


# Interrupts and vectors


def test_in_vectored_mode_interrupts_go_to_their_own_entry_and_exceptions_to_the_base():
    vectors = "\n".join(f"entry{k}: nop" for k in range(12))
    start = """
        la t0, entry0
        ori t0, t0, 1
        csrw mtvec, t0
        csrwi mie, 8
        csrsi mstatus, 8
        li t0, 0x2000000
        li t1, 1
    """
    text = f"{start}sw t1, 0(t0)\nhere: j here\n.balign 256\n{vectors}"
    m = reach(guest(text), "entry3")
    assert csrs(m, "mcause", "mepc", "mtval") == [INTERRUPT | 3, m.symbols["here"], 0]
    assert fields(m, "mstatus", "MPP", "MPIE", "MIE") == [3, 1, 0]
    m = guest(f"{start}here: ecall\n.balign 256\n{vectors}")
    m.run(100, until=m.symbols["entry0"])
    assert (m.pc, m.csr["mcause"].value) == (m.symbols["entry0"], 11)


def test_interrupts_are_taken_in_the_manuals_order():
    """MEI, MSI, MTI, SEI, SSI, STI: here those that software can raise by itself."""
    m = guest(
        f"""
        {handler()}
        li t0, 0x2004000
        sd zero, 0(t0)
        li t0, 0x2000000
        li t1, 1
        sw t1, 0(t0)
        li t0, 0x222
        csrs mip, t0
        li t0, 0xaaa
        csrw mie, t0
        csrsi mstatus, 8
    idle:
        j idle
        .balign 4
    caught:
        csrr a0, mcause
        li t1, 1
        sll t1, t1, a0
        csrc mie, t1
        la t0, seen
        add t0, t0, s0
        sb a0, 0(t0)
        addi s0, s0, 1
        li t0, 5
        beq s0, t0, end
        mret
    end:
        nop
        .data
    seen: .space 8
        """
    )
    reach(m, "end")
    assert list(m.memory.read(m.symbols["seen"], 5)) == [3, 7, 9, 1, 5]


@pytest.mark.parametrize(
    ("mode", "enabled", "taken"),
    [("M", 1, False), ("S", 0, False), ("S", 1, True), ("U", 0, True), ("VS", 0, True)],
)
def test_a_delegated_interrupt_waits_until_its_mode_may_be_interrupted(mode, enabled, taken):
    m = guest(
        f"""
        {handler()}
        {handler("stvec", "hyper")}
        {write("mideleg", 2)}
        {write("mie", 2)}
        {write("mip", 2, "csrs")}
        {go(mode, more=enabled << 1)}
    begin:
        nop
        nop
        nop
    end:
        j end
        .balign 4
    caught:
        nop
        .balign 4
    hyper:
        j hyper
        """
    )
    m.run(60)
    assert (m.pc == m.symbols["hyper"]) is taken
    if taken:
        assert csrs(m, "scause", "sepc") == [INTERRUPT | 1, m.symbols["begin"]]
    else:
        assert m.pc == m.symbols["end"]


def test_a_guests_interrupt_comes_under_the_supervisors_number_and_vector():
    m = guest(
        f"""
        {handler()}
        {write("hideleg", 0x444)}
        {write("hvip", 4)}
        {write("hie", 4)}
        la t0, vectors
        ori t0, t0, 1
        csrw vstvec, t0
        {write("vsstatus", 2)}
        {go("VS")}
    begin:
        j begin
        .balign 4
    caught:
        nop
        .balign 64
    vectors:
        nop
    one:
        csrr a0, sip
        csrr a1, sie
    end:
        nop
        """
    )
    reach(m, "one")
    assert m.mode == "VS"
    assert csrs(m, "vscause", "vsepc", "scause") == [INTERRUPT | 1, m.symbols["begin"], 0]
    reach(m, "end")
    assert (m.registers.a0, m.registers.a1) == (2, 2)


def test_an_interrupt_for_the_guest_that_the_hypervisor_keeps_comes_under_its_own_number():
    m = guest(
        f"""
        {handler()}
        {handler("stvec", "hyper")}
        {write("hvip", 0x40)}
        {write("hie", 0x40)}
        {go("VU")}
    begin:
        j begin
        .balign 4
    caught:
        nop
        .balign 4
    hyper:
        nop
        """
    )
    reach(m, "hyper")
    assert csrs(m, "scause", "sepc") == [INTERRUPT | 6, m.symbols["begin"]]
    assert fields(m, "hstatus", "SPV", "SPVP") == [1, 0]


# The way back


@pytest.mark.parametrize("mode", ["M", "S", "U", "VS", "VU"])
@pytest.mark.parametrize("mpie", [0, 1])
def test_mret_returns_to_the_mode_that_mpp_and_mpv_name(mode, mpie):
    m = guest(f"{write('mstatus', 1 << 17, 'csrs')}{go(mode, more=mpie << 7)}begin: nop\nnop")
    reach(m, "begin")
    assert m.mode == mode
    assert fields(m, "mstatus", "MIE", "MPIE", "MPP", "MPV") == [mpie, 1, 0, 0]
    assert fields(m, "mstatus", "MPRV") == [int(mode == "M")]


@pytest.mark.parametrize(
    ("spv", "spp", "mode"), [(0, 0, "U"), (0, 1, "S"), (1, 0, "VU"), (1, 1, "VS")]
)
@pytest.mark.parametrize("start", ["M", "S"])
def test_sret_returns_to_the_mode_that_spp_and_spv_name(start, spv, spp, mode):
    m = guest(
        f"""
        {write("hstatus", spv << 7, "csrs")}
        {write("mstatus", spp << 8 | 1 << 5 | 1 << 17, "csrs")}
        la t0, end
        csrw sepc, t0
        {go(start)}
    begin:
        sret
    end:
        nop
        """
    )
    reach(m, "end")
    assert m.mode == mode
    assert fields(m, "mstatus", "SPP", "SPIE", "SIE", "MPRV") == [0, 1, 1, 0]
    assert fields(m, "hstatus", "SPV") == [0]


@pytest.mark.parametrize(("spp", "mode"), [(0, "VU"), (1, "VS")])
def test_a_guests_sret_stays_inside_the_guest(spp, mode):
    m = guest(
        f"""
        {write("vsstatus", spp << 8)}
        la t0, end
        csrw vsepc, t0
        {go("VS")}
    begin:
        sret
    end:
        nop
        """
    )
    reach(m, "end")
    assert m.mode == mode
    assert fields(m, "vsstatus", "SPP", "SPIE", "SIE") == [0, 1, 0]


def test_there_and_back_again_leaves_status_as_it_was():
    m = guest(
        f"""
        {handler()}
        {write("mie", 0)}
        {go("U", more=1 << 7)}
    begin:
        ecall
    end:
        nop
        .balign 4
    caught:
        csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
        """
    )
    reach(m, "begin")
    before = m.csr["mstatus"].value
    reach(m, "end")
    assert (m.mode, m.csr["mstatus"].value) == ("U", before)
    assert [event.kind for event in m.events] == ["return", "exception", "return"]


def test_mpp_ignores_the_mode_that_does_not_exist():
    m = guest("li t0, 0x1000\ncsrw mstatus, t0\ncsrr a0, mstatus\nend: nop")
    assert reach(m, "end").registers.a0 >> 11 & 3 in (0, 1, 3)


def test_exception_pcs_are_even():
    text = "\n".join(f"li t0, -1\ncsrw {csr}, t0" for csr in ("mepc", "sepc", "vsepc"))
    m = reach(guest(text + "\nend: nop"), "end")
    assert csrs(m, "mepc", "sepc", "vsepc") == [(1 << 64) - 2] * 3
