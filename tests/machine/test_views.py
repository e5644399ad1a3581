"""Looking at a machine: registers, CSRs by field, events, tables, the TLB, code, counters."""

import dataclasses

import numpy as np
import pytest
from stories import RAM, UART, assert_same, catch, enter, machine, run_to

from virtlab import guests
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.machine import Machine
from virtlab.machine.csr_fields import FIELDS

# Sv39 over the first megabyte of RAM: code where it is, data at 0x4000_0000 in small pages.
PAGED = f"""
        {catch("trap")}
        la    t0, root
        la    t1, middle
        srli  t1, t1, 2
        ori   t1, t1, 1
        sd    t1, 8(t0)             # 0x4000_0000: the next table
        li    t1, 0x200000cf
        sd    t1, 16(t0)            # 0x8000_0000: one page of 1 GiB
        li    t1, 0x200000c7
        li    t2, 511 * 8
        add   t2, t0, t2
        sd    t1, 0(t2)             # the last gigabyte, without X
        la    t0, middle
        la    t1, leaves
        srli  t1, t1, 2
        ori   t1, t1, 1
        sd    t1, 0(t0)
        la    t0, leaves
        la    t1, data
        srli  t1, t1, 2
        ori   t2, t1, 0xd7          # D A U W R V
        sd    t2, 0(t0)
        addi  t2, t2, 1 << 10       # the next page
        sd    t2, 8(t0)
        ori   t2, t1, 0x43          # A R V
        sd    t2, 24(t0)
        la    t0, root
        srli  t0, t0, 12
        li    t1, 8 << 60 | 5 << 44 # Sv39, ASID 5
        or    t0, t0, t1
        csrw  satp, t0
        li    t0, 1 << 18           # SUM
        csrw  mstatus, t0
        {enter("S")}
begin:  li    s0, 0x40000000
        ld    a0, 0(s0)
        sd    a0, 8(s0)
        li    s1, 0x40003000
        ld    a1, 0(s1)
here:   ecall
trap:   j     trap
        .balign 4096
root:   .zero 4096
middle: .zero 4096
leaves: .zero 4096
data:   .dword 42
        .zero 8192
"""


@pytest.fixture
def paged() -> Machine:
    return run_to(machine(PAGED), "here")


def test_registers_have_names_and_numbers():
    m = machine("li a0, -1\nli sp, 0x123456789abcdef0\nrest: j rest")
    m.run(100)
    r = m.registers
    assert r.a0 == r["a0"] == r["x10"] == (1 << 64) - 1
    assert r.sp == r["x2"] == 0x1234_5678_9ABC_DEF0 and r.fp == r.s0 == 0
    assert list(r)[:3] == ["zero", "ra", "sp"] and len(r) == 32 and dict(r)["sp"] == r.sp
    assert "  sp 0x1234_5678_9abc_def0" in repr(r)


def test_a_register_is_set_signed_or_unsigned_and_zero_stays_zero():
    m = machine("nop")
    m.registers.a0 = -1
    m.registers["x11"] = (1 << 64) - 2
    m.registers.a2 = np.int64(-3)
    m.registers.zero = 5
    assert [m.registers[name] for name in ("a0", "a1", "a2", "zero")] == [
        (1 << 64) - 1,
        (1 << 64) - 2,
        (1 << 64) - 3,
        0,
    ]


def test_a_csr_is_shown_with_its_fields_and_its_meaning(paged):
    satp = paged.csr["satp"]
    root = paged.symbols["root"] >> 12
    assert satp.fields == {"MODE": 8, "ASID": 5, "PPN": root}
    assert str(satp) == f"satp 0x8000_5000_0008_000{root & 15:x} MODE=8 ASID=5 PPN={root}"
    paged.step()
    cause = paged.csr["mcause"]
    assert cause.fields == {"Interrupt": 0, "Code": 9}
    assert cause.meaning == "environment call from S-mode"
    assert paged.csr["mstatus"].fields["MPP"] == 1 and "SUM" in paged.csr["mstatus"].meaning
    assert paged.csr["medeleg"].fields["load page fault"] == 0
    assert paged.csr["mscratch"].fields == {"value": 0} and paged.csr["mscratch"].meaning == ""


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_a_csr_do_not_overlap(name):
    covered = [bit for high, low in FIELDS[name].values() for bit in range(low, high + 1)]
    assert len(covered) == len(set(covered)) and set(covered) <= set(range(64))
    assert name in CSR_NUMBERS


def test_looking_changes_nothing(paged):
    same = run_to(machine(PAGED), "here")
    paged.csrs()
    paged.tlb, paged.events, paged.counters, paged.page_table(), paged.disassemble()
    paged.translate(0x4000_0000), paged.read_virtual(0x4000_0000, 8), repr(paged), paged.console
    assert_same(paged, same)


def test_events_tell_what_happened_where_and_from_which_mode(paged):
    paged.step()
    entry, call = paged.events
    assert (entry.kind, entry.cause_name) == ("return", "return from trap")
    assert (entry.from_mode, entry.to_mode, entry.tval) == ("M", "S", paged.symbols["begin"])
    assert (call.kind, call.cause, call.pc) == ("exception", 9, paged.symbols["here"])
    assert (call.from_mode, call.to_mode, call.steps) == ("S", "M", paged.steps - 1)
    assert call.cause_name == "environment call from S-mode"
    assert paged.last_events(1) == [call] and paged.last_events(0) == []
    assert paged.last_events(99) == [entry, call]


def test_the_event_log_keeps_the_last_4096():
    m = machine(f"{catch('trap')}\ntrap: ecall")
    m.run(5004)
    events = m.events
    assert len(events) == 4096 and m.counters["traps"]["environment call from M-mode"] == 5000 + 1
    assert [e.steps for e in events[-2:]] == [5002, 5003]
    assert m.last_events(3) == events[-3:]


def test_the_page_table_is_shown_as_ranges(paged):
    ranges = [dataclasses.astuple(r) for r in paged.page_table()]
    data = paged.symbols["data"]
    assert ranges == [
        (0x4000_0000, data, 0x2000, 0, "DA-U-WRV"),
        (0x4000_3000, data, 0x1000, 0, "-A----RV"),
        (0x8000_0000, RAM, 1 << 30, 2, "DA--XWRV"),
        (0xFFFF_FFFF_C000_0000, RAM, 1 << 30, 2, "DA---WRV"),
    ]
    assert paged.page_table(paged.symbols["root"]) == paged.page_table()


def test_without_translation_there_is_no_page_table():
    assert machine("nop").page_table() == []


def test_a_page_table_that_points_to_itself_is_refused():
    m = machine("nop")
    pointer = RAM + 0x1000 >> 2 | 1
    m.memory.write(RAM + 0x1000, pointer.to_bytes(8, "little") * 512)
    with pytest.raises(ValueError, match="more than 8,192 tables; it may point to itself"):
        m.page_table(RAM + 0x1000)


def test_a_page_table_outside_ram_maps_nothing():
    assert machine("nop").page_table(0x1000) == []


def test_a_translation_is_told_step_by_step(paged):
    walk = paged.translate(0x4000_1234)
    assert walk.pa == paged.symbols["data"] + 0x1234 and walk.fault is None
    assert [(s.stage, s.level, s.index) for s in walk.steps] == [
        ("S", 2, 1),
        ("S", 1, 0),
        ("S", 0, 1),
    ]
    assert walk.steps[-1].flags == "DA-U-WRV" and walk.steps[-1].outcome == "leaf: a 4 KiB page"
    assert str(walk).endswith(f"-> {walk.pa:#x}")
    assert paged.translate(0x4000_3000, "store").fault == "store/AMO page fault"
    assert paged.translate(0x4000_0000, "fetch").fault == "instruction page fault"
    assert paged.translate(0x4000_2000).steps[-1].outcome == "not valid"
    assert paged.translate(1 << 40).steps == [] and paged.translate(1 << 40).pa is None
    assert paged.translate(-1 << 30).va == (1 << 64) - (1 << 30)


def test_translation_is_that_of_the_mode_the_machine_is_in(paged):
    paged.step()
    assert paged.mode == "M"
    assert paged.translate(0x4000_0000).pa == 0x4000_0000


def test_memory_is_read_by_virtual_address_across_pages(paged):
    data = paged.symbols["data"]
    paged.memory.write(data + 0xFFE, b"edge")
    assert paged.read_virtual(0x4000_0FFE, 4) == b"edge"
    assert paged.read_virtual(0x4000_0000, 0) == b""
    with pytest.raises(ValueError, match="cannot read 0x40002000: load page fault"):
        paged.read_virtual(0x4000_1FFF, 2)


def test_the_tlb_shows_what_was_used(paged):
    data = [t for t in paged.tlb if t.va >> 28 == 4]
    assert [(t.va, t.r, t.w, t.x, t.mode, t.asid) for t in data] == [
        (0x4000_0000, True, True, False, "S", 5),
        (0x4000_3000, True, False, False, "S", 5),
    ]
    assert {t.pa for t in data} == {paged.symbols["data"]}
    code = [t for t in paged.tlb if t.x and t.mode == "S"]
    assert [(t.va, t.pa) for t in code] == [(RAM, RAM)]
    assert all(t.index == t.va // 4096 % paged.tlb_slots for t in paged.tlb)


def test_the_tlb_counts_hits_and_misses_exactly(paged):
    counted = paged.counters
    # The fetch of `begin` in S-mode, two data pages to read and one to write; in M-mode the first
    # fetch, and the pages of the three tables to write.
    assert counted["data_tlb_misses"] == 3 + 3 and counted["fetch_tlb_misses"] == 2
    assert counted["page_walks"] == 4  # and M-mode walks no tables
    assert counted["walk_references"] == 1 + 3 * 3
    assert counted["tlb_hits"] == counted["data_accesses"] + counted["steps"] - 8


def test_code_around_pc_is_disassembled():
    m = run_to(machine("nop\nc.nop\nadd a0, a1, a2\nhere: c.addi a0, 1\nmul a3, a0, a0"), "here")
    lines = m.disassemble(n=4, before=2)
    assert [text for _, _, text in lines] == [
        "nop",
        "add a0, a1, a2",
        "addi a0, a0, 1",
        "mul a3, a0, a0",
    ]
    assert [address - RAM for address, _, _ in lines] == [4, 6, 10, 12]
    assert lines[2][1] == 0x0505
    assert m.disassemble(n=1)[0][0] == m.pc
    assert m.disassemble(n=0) == []
    assert m.disassemble(pc=RAM, n=2, before=4)[0][0] == RAM


def test_code_that_cannot_be_fetched_is_not_shown(paged):
    assert paged.disassemble(pc=0x4000_0000) == []
    end = RAM + paged.ram_bytes
    paged.memory.write(end - 4, bytes.fromhex("13001300"))  # nop, and half of another
    assert [a for a, _, _ in paged.disassemble(pc=end - 4, before=0)] == [end - 4]
    paged.memory.write(end - 2, b"\x13\x00")
    assert paged.disassemble(pc=end - 2, before=0) == []


def test_names_of_the_program_appear_in_the_listing():
    m = machine("start: j there\nnop\nthere: j start")
    assert "there" in m.disassemble(n=1)[0][2]


def test_counters_name_what_happened():
    m = machine(f"{catch('trap')}\nli s0, {UART}\nsb s0, 0(s0)\nlbu a0, 5(s0)\necall\ntrap: j trap")
    m.run(12)
    counted = m.counters
    assert (counted["device_reads"], counted["device_writes"]) == (1, 1)
    assert counted["traps"] == {"environment call from M-mode": 1}
    assert counted["instructions"] == counted["steps"] - 1 == 11


def test_the_guests_clock_is_told_in_seconds():
    m = machine(
        "li t0, 0x2004000\nli t1, 10000000\nsd t1, 0(t0)\nli t0, 0x80\ncsrw mie, t0\nwfi\n1: j 1b"
    )
    m.run(100)
    assert 1.0 <= m.seconds < 1.000_001


def test_text_that_is_no_utf8_is_shown_all_the_same():
    m = machine(f"li s0, {UART}\nli t0, 0xff\nsb t0, 0(s0)\nli t0, 65\nsb t0, 0(s0)\n1: j 1b")
    m.run(100)
    assert m.console == "\ufffdA"


def test_a_machine_says_in_short_what_it_is(paged):
    assert repr(paged) == f"Machine(1 MiB, step {paged.steps}, S-mode)"


def test_every_mode_has_a_name():
    for mode in ("U", "S", "VU", "VS"):
        assert run_to(machine(f"{enter(mode)}\nbegin: nop"), "begin").mode == mode


def test_the_teaching_system_shows_its_tables_and_symbols():
    m = Machine(ram="16M", firmware="sbi", disk=guests.disk("pith")).load(guests.path("pith"))
    m.run(until="$ ")
    assert {r.level for r in m.page_table()} >= {0, 1}
    assert any(name in m.symbols for name in ("kernel_main", "main", "start", "_start"))
    assert len(m.csrs()) > 60
    with pytest.raises(KeyError):
        m.csr["pmpaddr99"]
