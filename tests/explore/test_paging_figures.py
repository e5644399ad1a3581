"""Shadow and nested paging in figures: against the published model, and on a real machine."""

import numpy as np
import pytest

from virtlab import cost
from virtlab.explore import paging_crossover, shadow_table, why
from virtlab.explore.figures.shadow_table import shadow_entry
from virtlab.hypervisors import Emulation, ExitReason, TrapAndEmulate
from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.kernels import paging as kernel
from virtlab.published.paging_crossover import PagingPrices, crossover

# Maps the first gigabyte of RAM onto itself, then loads from three pages, stores to one of them,
# and takes the middle one's entry away.
TOUCH = """
        la    t0, root
        srli  t1, t0, 12
        li    t2, 8 << 60
        or    t1, t1, t2
        la    t3, middle
        srli  t4, t3, 2
        addi  t4, t4, 1
        sd    t4, 16(t0)
        la    t5, last
        srli  t4, t5, 2
        addi  t4, t4, 1
        sd    t4, 0(t3)
        li    t4, 0x200000cf
        li    t6, 512
entry:  sd    t4, 0(t5)
        addi  t4, t4, 1024
        addi  t5, t5, 8
        addi  t6, t6, -1
        bnez  t6, entry
        csrw  satp, t1
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 1 << 11
        csrw  mstatus, t0
        la    t0, begin
        csrw  mepc, t0
        mret
begin:  li    a0, 0x80040000
        ld    a1, 0(a0)
        li    t0, 4096
        add   a0, a0, t0
        ld    a1, 0(a0)
        sd    a1, 0(a0)
done:   j     done
        .balign 4096
root:   .zero 4096
middle: .zero 4096
last:   .zero 4096
"""


@pytest.fixture(scope="module")
def vm() -> TrapAndEmulate:
    made = TrapAndEmulate(ram="1M").load(assemble(TOUCH))
    made.run(until=made.symbols["done"])
    return made


def hidden(vm, gva: int):
    faults = [exit for exit in vm.exits if exit.reason is ExitReason.SHADOW_PAGE_FAULT]
    return next(exit for exit in faults if exit.gva == gva)


def test_a_hidden_fault_fills_one_row_of_the_shadow(vm):
    here = vm.steps
    fault = hidden(vm, 0x8004_0000)
    figure = shadow_table(vm, fault)
    assert vm.steps == here
    before, after = figure.drawing(moment=0), figure.drawing()
    assert "The exit changes 1 of them" in after.text
    changed = [
        (mine, other) for mine, other in zip(before.rows, after.rows, strict=True) if mine != other
    ]
    ((mine, other),) = changed
    assert mine[0] == "0x8004_0000" and mine[3] == "none"
    assert other[3] == "0x8004_0000" and other[5] == "filled"
    assert f"exit {fault.number:,}" in after.title
    assert after.svg.count("class='mark'") == 1


def test_the_shadow_is_what_the_hart_walks(vm):
    entry = shadow_entry(vm, 0x8004_1000)
    assert entry & e.PTE_V and entry & e.PTE_W
    assert (entry >> e.PTE_PPN_SHIFT & e.PTE_PPN) << e.PAGE_SHIFT == 0x8004_1000
    assert shadow_entry(vm, 0x8004_2000) == 0
    drawing = shadow_table(vm, gva=0x8004_1000, pages=4).drawing()
    assert [row[5] for row in drawing.rows] == [
        *("not in the shadow", "filled", "filled", "not in the shadow")
    ]
    assert drawing.text.startswith("Of 4 pages from 0x8003_f000 the guest maps 4; the shadow has 2")


def test_a_guest_s_page_table_is_write_protected(vm):
    table = vm.symbols["last"]
    rows = shadow_table(vm, gva=table, pages=1).drawing().rows
    assert rows[0][0] == f"0x{table >> 16:04x}_{table & 0xFFFF:04x}"
    assert rows[0][5] != "filled"


def test_why_tells_the_rule_the_operands_and_the_walk(vm):
    here = vm.steps
    fault = hidden(vm, 0x8004_1000)
    drawing = why(vm, fault)
    assert vm.steps == here
    assert drawing.title == f"Why exit {fault.number:,} happened"
    assert drawing.text.startswith("Hidden page fault: load at 0x")
    told = dict(drawing.rows)
    assert told["instruction"] == "ld a1, 0(a0)"
    assert told["guest physical address"] == "0x8004_1000"
    assert [name for name in told if name.startswith("walk")] == [
        *("walk, level 2", "walk, level 1", "walk, level 0", "walk, result")
    ]
    assert told["walk, result"] == "0x8004_1000"


def test_why_explains_the_exit_at_which_a_run_has_stopped():
    vm = TrapAndEmulate(ram="1M").load(assemble("csrr a0, mhartid"))
    with pytest.raises(ValueError, match="has not stopped at an exit"):
        why(vm)
    vm.run(until=ExitReason.PRIVILEGED)
    drawing = why(vm)
    assert "mhartid" in drawing.text
    assert dict(drawing.rows)["what the hypervisor did"] == "not handled yet"
    other = TrapAndEmulate(ram="1M").load(assemble("nop\nnop\nnop\necall"))
    other.run(50)
    with pytest.raises(ValueError, match="does not come again"):
        why(vm, other.exits[-1])


def test_what_has_no_shadow_is_refused(vm):
    with pytest.raises(ValueError, match="has no shadow page tables"):
        shadow_table(Emulation(ram="64K"))
    with pytest.raises(ValueError, match="17 pages; accepted are 1 to 16"):
        shadow_table(vm, pages=17)


@pytest.mark.parametrize("levels", [3, 4])
def test_the_crossover_is_the_published_model_s(levels):
    figure = paging_crossover(levels=levels)
    prices = PagingPrices.of(cost.complete("haswell"), levels)
    for misses in (0.5, 2.0, 10.0):
        found = figure.evaluate(misses=misses, updates=1.5)
        expected = crossover(found["xs"], misses, prices)
        assert found["at"][0] == pytest.approx(expected.at)
        np.testing.assert_allclose(found["shadow"], expected.shadow)
        np.testing.assert_allclose(found["nested"], expected.nested)
        one = crossover([1.5], misses, prices)
        np.testing.assert_allclose(found["here"], [one.shadow[0], one.nested[0]])
        cheaper = kernel.NESTED if one.nested[0] < one.shadow[0] else kernel.SHADOW
        assert found["cheaper"][0] == cheaper


def test_the_axis_shows_the_crossing_and_the_rate_that_is_read_out():
    for misses, updates in ((0.0, 0.0), (20.0, 0.1), (0.1, 20.0)):
        found = paging_crossover(misses, updates).evaluate()
        assert found["xs"][-1] >= max(found["at"][0], updates)
    with pytest.raises(ValueError, match="levels 5; accepted are 3 and 4"):
        paging_crossover(levels=5)
    with pytest.raises(ValueError, match="no price list 'z80'"):
        paging_crossover(prices="z80")
