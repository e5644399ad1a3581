"""Shadow page tables: what enters them and what drops it, under each policy and both techniques."""

import pytest

from tests.hypervisors.paged import (
    DATA,
    KERNEL,
    LEAVES,
    MIDDLE,
    ROOT,
    SPARE,
    VIEW,
    kernel,
    on,
    pte,
    same_as_bare,
)
from virtlab.hypervisors import ExitReason, HardwareAssisted, TrapAndEmulate
from virtlab.hypervisors.shadow import N_CONTEXTS, PATIENCE, POLICIES
from virtlab.isa import encoding as e
from virtlab.machine import Machine

USED = e.PTE_A | e.PTE_D
TRACING = ("trace", "eager")


def trapped(**options):
    return TrapAndEmulate(**options)


def assisted(**options):
    return HardwareAssisted(paging="shadow", **options)


@pytest.fixture(params=[trapped, assisted], ids=["trap-and-emulate", "hardware-assisted"])
def make(request):
    return request.param


def count(vm, name: str) -> int:
    return vm.exit_counts.get(ExitReason[name], 0)


def faults_at(vm, gva: int) -> int:
    """Hidden faults on the page of an address."""
    return sum(
        exit.reason is ExitReason.SHADOW_PAGE_FAULT and exit.gva >> 12 == gva >> 12
        for exit in vm.exits
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_accessed_and_dirty_bits_appear_when_they_do_on_the_bare_machine(make, policy):
    image = kernel(
        """
        li    s0, {VIEW}
        ld    a0, 0(s0)
        ld    a0, 8(s0)
        sd    a0, 8(s0)
        sd    a0, 16(s0)
        """,
        leaves={0: pte(DATA, KERNEL & ~USED)},
    )
    bare, vm = on(Machine, image), on(make, image, policy=policy)
    seen = []
    while bare.exit_code is None:
        assert vm.memory.entry(LEAVES) == bare.memory.entry(LEAVES), bare.steps
        seen.append(bare.memory.entry(LEAVES) & USED)
        bare.step()
        vm.step()
    assert sorted(set(seen)) == [0, e.PTE_A, USED]
    assert faults_at(vm, VIEW) == 2  # entered for the load, and again when it may be written


def test_without_hardware_update_a_clear_bit_is_the_guests_own_fault(make):
    image = kernel(
        """
        la    t0, end
        csrw  stvec, t0
        li    s0, {VIEW}
        ld    a0, 0(s0)
        .balign 4
        """,
        leaves={0: pte(DATA, KERNEL & ~USED)},
    )
    vm = same_as_bare(on(make, image, adue=False), image, adue=False)
    assert count(vm, "TRUE_PAGE_FAULT") == 1
    assert vm.memory.entry(LEAVES) & USED == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_a_superpage_enters_in_pieces_of_4_kib(make, policy):
    image = kernel(
        """
        li    s0, {VIEW} + 0x200000 + 0x4000
        ld    a0, 0(s0)
        ld    a1, 8(s0)
        li    t0, 0x3000
        add   s0, s0, t0
        ld    a2, 0(s0)
        """,
        middle={1: pte(0x8000_0000)},
    )
    vm = on(make, image, policy=policy)
    vm.run(until=ExitReason.ECALL)
    assert [vm.registers[name] for name in ("a0", "a2")] == [0, 3]
    begin = VIEW + 0x20_0000
    assert [faults_at(vm, begin + at) for at in (0x4000, 0x5000, 0x6000, 0x7000)] == [1, 0, 0, 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fence_of_one_address_drops_all_of_the_superpage_around_it(make, policy):
    """Pages 4 and 5 of a megabyte page are used, it is moved, and the fence names only page 4."""
    image = kernel(
        f"""
        li    s0, {{VIEW}} + 0x200000 + 0x4000
        li    s1, {{VIEW}} + 0x200000 + 0x5000
        ld    a0, 0(s0)
        ld    a1, 0(s1)
        li    t0, {MIDDLE + 8}
        li    t1, {pte(0x8020_0000)}
        sd    t1, 0(t0)
        sfence.vma s0
        ld    a2, 0(s0)
        ld    a3, 0(s1)
        """,
        middle={1: pte(0x8000_0000)},
    )
    vm = same_as_bare(on(make, image, policy=policy), image)
    assert [vm.registers[name] for name in ("a1", "a3")] == [1, 0]


SWITCHES = f"""
        li    s0, {{VIEW}}
        li    s1, {8 << 60 | 1 << 44 | ROOT >> 12}
        li    s2, {8 << 60 | 2 << 44 | ROOT >> 12}
        li    s3, 10
again:  csrw  satp, s1
        ld    a0, 0(s0)
        csrw  satp, s2
        ld    a1, 0(s0)
        addi  s3, s3, -1
        bnez  s3, again
"""


@pytest.mark.parametrize("policy", POLICIES)
def test_address_spaces_are_kept_apart_by_asid_and_kept_by_all_policies_but_flush(make, policy):
    image = kernel(SWITCHES, leaves={0: pte(DATA)})
    vm = same_as_bare(on(make, image, policy=policy), image)
    assert faults_at(vm, VIEW) == (20 if policy == "flush" else 2)


def test_a_fence_of_one_asid_leaves_the_others(make):
    body = SWITCHES.replace(
        "        addi  s3", "        li t0, 2\n        sfence.vma x0, t0\n addi s3"
    )
    image = kernel(body, leaves={0: pte(DATA)})
    vm = same_as_bare(on(make, image, policy="lazy"), image)
    assert faults_at(vm, VIEW) == 1 + 10


@pytest.mark.parametrize("one_page", [False, True])
def test_a_fence_of_one_page_leaves_the_others(make, one_page):
    image = kernel(
        """
        li    s0, {VIEW}
        li    s1, {VIEW} + 0x1000
        li    s3, 10
again:  ld    a0, 0(s0)
        ld    a1, 0(s1)
        sfence.vma WHAT
        addi  s3, s3, -1
        bnez  s3, again
        """.replace("WHAT", "s0" if one_page else ""),
        leaves={0: pte(DATA), 1: pte(DATA + 0x1000)},
        root={2: pte(SPARE, e.PTE_V)},  # no gigabyte page: its pieces would have to go as well
        spare={0: pte(0x8000_0000)},
    )
    vm = same_as_bare(on(make, image, policy="lazy"), image)
    assert [faults_at(vm, VIEW), faults_at(vm, VIEW + 0x1000)] == [10, 1 if one_page else 10]


REMAP = f"""
        li    s0, {{VIEW}}
        ld    a0, 0(s0)
        li    t0, {{LEAVES}}
        li    t1, {pte(DATA + 0x1000)}
        sd    t1, 0(t0)
        sfence.vma
        ld    a1, 0(s0)
"""


@pytest.mark.parametrize("policy", POLICIES)
def test_a_changed_entry_is_used_after_the_fence(make, policy):
    image = kernel(REMAP, leaves={0: pte(DATA)})
    vm = on(make, image, policy=policy)
    vm.run(until=ExitReason.ECALL)
    assert [vm.registers.a0, vm.registers.a1] == [0, 1]
    assert count(vm, "TRACE") == (policy in TRACING)
    assert vm.counts["traced_writes"] == count(vm, "TRACE")
    assert faults_at(vm, VIEW) == (1 if policy == "eager" else 2)  # eager: entered with the store


@pytest.mark.parametrize("policy", TRACING)
def test_eager_enters_only_what_the_guest_has_used(make, policy):
    """An entry whose accessed bit is clear waits for its use, so that no bit appears too early."""
    body = REMAP.replace(str(pte(DATA + 0x1000)), str(pte(DATA + 0x1000, KERNEL & ~USED)))
    vm = same_as_bare(
        on(make, kernel(body, leaves={0: pte(DATA)}), policy=policy),
        kernel(body, leaves={0: pte(DATA)}),
    )
    assert faults_at(vm, VIEW) == 2
    assert vm.memory.entry(LEAVES) & USED == e.PTE_A


@pytest.mark.parametrize("policy", TRACING)
def test_a_page_that_is_written_often_and_not_walked_is_traced_no_longer(make, policy):
    """The table at LEAVES becomes ordinary memory; when it is a table again, it is right again."""
    image = kernel(
        f"""
        li    s0, {{VIEW}}
        ld    a0, 0(s0)
        li    t0, {{LEAVES}} + 0x800
        li    s3, 100
again:  sd    s3, 0(t0)
        addi  s3, s3, -1
        bnez  s3, again
        li    t0, {{LEAVES}}
        li    t1, {pte(DATA + 0x2000)}
        sd    t1, 0(t0)
        sfence.vma
        ld    a1, 0(s0)
        li    t1, {pte(DATA + 0x3000)}
        sd    t1, 0(t0)
        sfence.vma
        ld    a2, 0(s0)
        """,
        leaves={0: pte(DATA)},
    )
    vm = on(make, image, policy=policy)
    vm.run(until=ExitReason.ECALL)
    assert [vm.registers[name] for name in ("a0", "a1", "a2")] == [0, 2, 3]
    assert count(vm, "TRACE") == PATIENCE + 1 + 1  # the last when it is traced again


@pytest.mark.parametrize("policy", POLICIES)
def test_a_table_that_hangs_in_two_places_stays_a_table_when_one_lets_go(make, policy):
    """MIDDLE[0] and MIDDLE[1] lead to LEAVES; MIDDLE[1] is cut off, then LEAVES[0] changes."""
    image = kernel(
        f"""
        li    s0, {{VIEW}}
        ld    a0, 0(s0)
        li    t0, {{MIDDLE}} + 8
        sd    zero, 0(t0)
        sfence.vma
        li    t0, {{LEAVES}}
        li    t1, {pte(DATA + 0x1000)}
        sd    t1, 0(t0)
        sfence.vma
        ld    a1, 0(s0)
        """,
        leaves={0: pte(DATA)},
        middle={1: pte(LEAVES, e.PTE_V)},
    )
    vm = same_as_bare(on(make, image, policy=policy), image)
    assert [vm.registers.s0, vm.registers.a1] == [VIEW, 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_table_used_at_two_addresses_is_followed_at_both(make, policy):
    image = kernel(
        f"""
        li    s0, {{VIEW}}
        li    s1, {{VIEW}} + 0x200000
        ld    a0, 0(s0)
        ld    a1, 0(s1)
        li    t0, {{LEAVES}}
        li    t1, {pte(DATA + 0x1000)}
        sd    t1, 0(t0)
        sfence.vma
        ld    a2, 0(s0)
        ld    a3, 0(s1)
        """,
        leaves={0: pte(DATA)},
        middle={1: pte(LEAVES, e.PTE_V)},
    )
    vm = same_as_bare(on(make, image, policy=policy), image)
    assert [vm.registers[name] for name in ("a2", "a3")] == [1, 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_page_table_mapped_writable_is_traced_through_every_mapping(make, policy):
    """VIEW's page 1 is the leaf table itself: the guest changes its own entry through it."""
    image = kernel(
        f"""
        li    s0, {{VIEW}}
        li    s1, {{VIEW}} + 0x1000
        sd    zero, 0x400(s1)
        ld    a0, 0(s0)
        li    t1, {pte(DATA + 0x3000)}
        sd    t1, 0(s1)
        sfence.vma
        ld    a1, 0(s0)
        """,
        leaves={0: pte(DATA), 1: pte(LEAVES)},
    )
    vm = same_as_bare(on(make, image, policy=policy), image)
    assert vm.registers.a1 == 3


@pytest.mark.parametrize("policy", POLICIES)
def test_more_address_spaces_than_contexts(make, policy):
    image = kernel(
        f"""
        li    s0, {{VIEW}}
        li    s1, {8 << 60 | ROOT >> 12}
        li    s2, 1
        slli  s2, s2, 44
        li    s3, {2 * N_CONTEXTS}
again:  add   s1, s1, s2
        csrw  satp, s1
        ld    a0, 0(s0)
        add   s4, s4, a0
        addi  s3, s3, -1
        bnez  s3, again
        """,
        leaves={0: pte(DATA + 0x5000)},
    )
    vm = same_as_bare(on(make, image, policy=policy), image)
    assert vm.registers.s4 == 5 * 2 * N_CONTEXTS


@pytest.mark.parametrize("policy", POLICIES)
def test_when_the_pool_is_used_up_all_is_dropped_and_the_guest_goes_on(make, policy):
    """512 megabyte pages are touched, each of which needs a table; the pool holds 64 pages."""
    image = kernel(
        """
        li    s0, {VIEW}
        li    s1, 0x200000
        li    s3, 510
again:  ld    a0, 0(s0)
        add   s0, s0, s1
        addi  s3, s3, -1
        bnez  s3, again
        """,
        middle={k: pte(0x8000_0000) for k in range(512)},
    )
    vm = on(make, image, policy=policy)
    vm._vms["pool_end"][0] = vm._vms["pool"][0] + (64 << 12)
    same_as_bare(vm, image)
    assert vm.counts["shadow_flushes"] >= 510 // 64


def test_supervisor_may_reach_user_pages_only_with_sum(make):
    image = kernel(
        """
        la    t0, fault
        csrw  stvec, t0
        li    s0, {VIEW}
        li    t1, 0x40000
        csrs  sstatus, t1
        ld    a0, 0(s0)
        csrc  sstatus, t1
        ld    a1, 0(s0)
        j     end
        .balign 4
fault:  csrr  s4, scause
        csrr  t3, sepc
        addi  t3, t3, 4
        csrw  sepc, t3
        sret
        """,
        leaves={0: pte(DATA + 0x4000, KERNEL | e.PTE_U)},
    )
    vm = same_as_bare(on(make, image), image)
    assert vm.registers.s4 == e.CAUSE_LOAD_PAGE
    assert count(vm, "TRUE_PAGE_FAULT") == 1


def test_memory_written_from_outside_is_seen(make):
    """A reader changes a page table between two steps."""
    body = "li s0, {VIEW}\nld a0, 0(s0)\nnop\nsfence.vma\nld a1, 0(s0)"
    vm = on(make, kernel(body, leaves={0: pte(DATA)}))
    while not faults_at(vm, VIEW):
        vm.step()
    vm.memory.write(LEAVES, pte(DATA + 0x1000).to_bytes(8, "little"))
    vm.run(until=ExitReason.ECALL)
    assert [vm.registers.a0, vm.registers.a1] == [0, 1]
