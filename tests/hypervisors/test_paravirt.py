"""Paravirtualization: what a guest may ask for, and that no hostile guest gets more."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from virtlab import guests
from virtlab.hypervisors import Action, ExitReason, Paravirt
from virtlab.hypervisors import paravirt_abi as abi
from virtlab.hypervisors.direct_paging import (
    KERNEL_ROOT,
    KIND,
    N_ENTRIES,
    ONE,
    ORDINARY,
    PAGES,
    PROGRAM_ROOT,
)
from virtlab.hypervisors.virtual_machine import ROW_SPAN, reset_host_hart
from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import ImageError, boot
from virtlab.machine.machine import CODE_ROWS
from virtlab.machine.state import RAM_BASE, new_memory

CALLER = ".globl paravirt_abi_1\nparavirt_abi_1: ecall\nj paravirt_abi_1\nbounced: j bounced"
BATCH = 0x8021_0000  # where requests are written
FREE = 0x8030_0000  # a page that nobody uses, and those after it
LEAF = e.PTE_V | e.PTE_R | e.PTE_U | e.PTE_A | e.PTE_D
WRITABLE = LEAF | e.PTE_W


def pte(address: int, bits: int) -> int:
    return address >> e.PAGE_SHIFT << e.PTE_PPN_SHIFT | bits


def kernel_pte(address: int) -> int:
    """Where the entry lies by which the kernel maps a page of its own (see domain_builder)."""
    page = (address - RAM_BASE) >> 12
    return abi.FIRST_TABLE + 4096 * (2 + page // N_ENTRIES) + 8 * (page % N_ENTRIES)


class Caller:
    """A guest that does nothing but make the hypercalls it is told to."""

    def __init__(self, **settings):
        program = assemble(CALLER, base=abi.IMAGE_BASE)
        self.vm = Paravirt(**{"ram": "4M", "record": False, **settings}).load(program)
        self.start = self.vm.pc
        self.base = int(self.vm._vms[0].host_base)

    def call(self, number: int, a0: int = 0, a1: int = 0) -> int:
        """The result of a hypercall."""
        vm = self.vm
        vm.pc = self.start
        for register, value in (("a0", a0), ("a1", a1), ("a7", number)):
            vm.registers[register] = value & (1 << 64) - 1
        vm.step()
        return int(vm._hart.x[10])

    def write(self, address: int, *words: int) -> None:
        data = b"".join((word & (1 << 64) - 1).to_bytes(8, "little") for word in words)
        self.vm.memory.write(address, data)

    def word(self, address: int) -> int:
        return self.vm.memory.entry(address)

    def update(self, *requests: tuple[int, int, int]) -> int:
        """The result of a batch of (what, address, value)."""
        words = [w for what, address, value in requests for w in (address | what, value)]
        self.write(BATCH, *words)
        return self.call(abi.HYPERCALL_MMU_UPDATE, BATCH + self.base, len(requests))

    def make_table(self, page: int, level: int) -> int:
        """The result of what a kernel does to make one of its pages a table."""
        return self.update(
            (abi.UPDATE_PTE, kernel_pte(page), pte(page, LEAF)), (abi.UPDATE_PIN, page, level)
        )


@pytest.fixture
def caller():
    return Caller()


def assert_isolated(vm) -> None:
    """Both rules of direct paging, and every count, worked out again from the tables alone."""
    base, n_pages = int(vm._vms[0].host_base), vm.ram_bytes // 4096
    words = vm._state[PAGES:]
    tables = vm._mem.u64.reshape(n_pages, N_ENTRIES)
    counts = np.zeros(n_pages, np.int64)
    counts[0] += 1  # the shared page
    counts[vm._state[KERNEL_ROOT]] += 1
    if vm._state[PROGRAM_ROOT] >= 0:
        counts[vm._state[PROGRAM_ROOT]] += 1
    for page in np.flatnonzero(words & KIND):
        level = (words[page] & KIND) - 1
        used = tables[page][tables[page] & e.PTE_V != 0]
        target = (used >> e.PTE_PPN_SHIFT & e.PTE_PPN) - (RAM_BASE + base >> 12)
        assert ((target >= 0) & (target < n_pages)).all(), f"page {page} leads outside"
        assert not (used & (e.PTE_RESERVED | e.PTE_G)).any()
        if level == 0:
            target = target[used & e.PTE_W != 0]
            assert (words[target] & KIND == ORDINARY).all(), f"page {page} makes a table writable"
        else:
            assert (words[target] & KIND == level).all()
        np.add.at(counts, target, 1)
    assert (words // ONE == counts).all()


# What a guest may do


def test_version(caller):
    assert caller.call(abi.HYPERCALL_VERSION) == abi.ABI_VERSION
    assert [exit.reason for exit in caller.vm.exits] == [ExitReason.HYPERCALL]


def test_the_first_tables_keep_the_rules(caller):
    assert_isolated(caller.vm)
    flags = {m.flags for m in caller.vm.page_table() if m.va <= abi.FIRST_TABLE < m.va + 4096}
    assert flags == {"DA-U--RV"}


def test_a_table_is_made_linked_changed_and_given_back(caller):
    leaf, middle, root, data = (FREE + 4096 * k for k in range(4))
    for page, level in ((leaf, 0), (middle, 1), (root, 2)):
        assert caller.make_table(page, level) == 2
    assert (
        caller.update(
            (abi.UPDATE_PTE, root + 8, pte(middle, e.PTE_V)),
            (abi.UPDATE_PTE, middle, pte(leaf, e.PTE_V)),
            (abi.UPDATE_PTE, leaf + 16, pte(data, WRITABLE)),
            (abi.UPDATE_SWITCH, root, 0),
        )
        == 4
    )
    assert_isolated(caller.vm)
    assert caller.update((abi.UPDATE_UNPIN, root, 0)) == -abi.ERROR_BUSY  # programs run on it
    assert caller.update((abi.UPDATE_UNPIN, leaf, 0)) == -abi.ERROR_BUSY  # it is linked
    other = FREE + 4096 * 4
    assert caller.make_table(other, 2) == 2
    assert (
        caller.update(
            (abi.UPDATE_SWITCH, other, 0),
            (abi.UPDATE_UNPIN, root, 0),
            (abi.UPDATE_UNPIN, middle, 0),
            (abi.UPDATE_UNPIN, leaf, 0),
            (abi.UPDATE_PTE, kernel_pte(leaf), pte(leaf, WRITABLE)),
        )
        == 5
    )
    assert_isolated(caller.vm)
    assert caller.vm.counts["refused"] == 2


def test_a_batch_stops_at_the_first_request_that_is_refused(caller):
    good = (abi.UPDATE_PTE, kernel_pte(FREE), pte(FREE, LEAF))
    assert caller.update(good, (abi.UPDATE_PIN, FREE, 7), good) == -abi.ERROR_INVALID
    assert caller.word(abi.SHARED_PAGE + abi.SHARED_UPDATES_DONE) == 1


def test_the_timer_is_an_event_and_block_waits_for_it():
    text = """
        .globl paravirt_abi_1
paravirt_abi_1:
        lla     a0, entry
        li      a7, 1
        ecall
        rdtime  s0
        addi    a0, s0, 100
        li      a7, 4
        ecall
        li      a7, 5
        ecall
        .balign 4
entry:  rdtime  s1
        li      t0, 0x80000000
        ld      s2, 0xc8(t0)
        ld      s3, 0x108(t0)
        li      a0, 0
        li      a7, 7
        ecall
"""
    vm = Paravirt(ram="4M").load(assemble(text, base=abi.IMAGE_BASE))
    assert vm.run(1000).reason == "exit"
    registers = vm.registers
    assert registers.s1 - registers.s0 == 100
    assert registers.s2 == e.INTERRUPT & (1 << 64) - 1 | 5
    assert registers.s3 == 1 << abi.EVENT_TIMER
    assert vm.exit_counts == {ExitReason.HYPERCALL: 4}  # the event itself is no exit


def test_blocking_without_anything_to_wait_for_leaves_the_guest_idle(caller):
    caller.call(abi.HYPERCALL_BLOCK)
    assert caller.vm.run(10).reason == "idle"
    caller.vm.type("x")
    caller.vm.run(2)
    assert caller.word(abi.SHARED_PAGE + abi.SHARED_PENDING) == 1 << abi.EVENT_CONSOLE
    assert caller.vm.memory.read(abi.SHARED_PAGE + abi.SHARED_INPUT, 1) == b"x"


def test_a_masked_event_does_not_wake(caller):
    caller.write(abi.SHARED_PAGE + abi.SHARED_MASKED, 1 << abi.EVENT_CONSOLE)
    caller.call(abi.HYPERCALL_BLOCK)
    caller.vm.type("x")
    assert caller.vm.run(10).reason == "idle"


def test_more_is_typed_than_the_ring_holds(caller):
    caller.vm.type("a" * 300)
    caller.call(abi.HYPERCALL_VERSION)
    caller.call(abi.HYPERCALL_VERSION)
    assert caller.word(abi.SHARED_PAGE + abi.SHARED_TYPED) == abi.INPUT_RING
    caller.write(abi.SHARED_PAGE + abi.SHARED_READ, 100)
    caller.call(abi.HYPERCALL_VERSION)
    assert caller.word(abi.SHARED_PAGE + abi.SHARED_TYPED) == 300


def test_printing_and_the_disk_go_through_rings():
    caller = Caller(disk=bytes(range(256)) * 16)
    caller.vm.memory.write(abi.SHARED_PAGE + abi.SHARED_OUTPUT, b"hello\n")
    caller.write(abi.SHARED_PAGE + abi.SHARED_PRINTED, 6)
    assert caller.call(abi.HYPERCALL_NOTIFY, abi.EVENT_CONSOLE) == 0
    assert caller.vm.console == "hello\n"
    assert caller.word(abi.SHARED_PAGE + abi.SHARED_TAKEN) == 6
    assert ask_disk(caller, (abi.DISK_READ, 1, 2, FREE)) == [0]
    assert caller.vm.memory.read(FREE, 1024) == bytes(range(256)) * 4
    caller.write(FREE, 77)
    assert ask_disk(caller, (abi.DISK_WRITE, 7, 1, FREE)) == [0]
    assert int(caller.vm._mem.disk[7 * 512]) == 77
    assert caller.vm.counts["ring_requests"] == 8


def ask_disk(caller, *requests) -> list[int]:
    """The statuses of requests (operation, sector, n_sectors, address)."""
    shared = abi.SHARED_PAGE
    first = caller.word(shared + abi.SHARED_REQUESTED)
    places = [(first + k) % abi.DISK_RING for k in range(len(requests))]
    for place, request in zip(places, requests, strict=True):
        caller.write(shared + abi.SHARED_REQUESTS + abi.REQUEST_BYTES * place, *request)
    caller.write(shared + abi.SHARED_REQUESTED, first + len(requests))
    assert caller.call(abi.HYPERCALL_NOTIFY, abi.EVENT_DISK) == 0
    return [caller.word(shared + abi.SHARED_STATUSES + 8 * place) for place in places]


def test_a_handler_in_python_may_answer_a_hypercall(caller):
    def answer(vcpu, exit):
        if exit.detail != abi.HYPERCALL_VERSION:
            return Action.HANDLE
        vcpu.registers.a0 = 42
        return Action.RESUME

    caller.vm.handle(ExitReason.HYPERCALL, answer)
    assert caller.call(abi.HYPERCALL_VERSION) == 42
    assert caller.call(99) == -abi.ERROR_NO_CALL


# What a hostile guest may not do


def test_numbers_and_arguments_that_make_no_sense_are_refused(caller):
    calls = [
        (99, 0, 0, abi.ERROR_NO_CALL),
        (-1, 0, 0, abi.ERROR_NO_CALL),
        (abi.HYPERCALL_SET_CALLBACK, 0x8020_0002, 0, abi.ERROR_INVALID),
        (abi.HYPERCALL_NOTIFY, 17, 0, abi.ERROR_NOT_FOUND),
        (abi.HYPERCALL_NOTIFY, abi.EVENT_TIMER, 0, abi.ERROR_NOT_FOUND),
        (abi.HYPERCALL_MMU_UPDATE, BATCH, abi.MAX_UPDATES + 1, abi.ERROR_INVALID),
        (abi.HYPERCALL_MMU_UPDATE, BATCH, -1, abi.ERROR_INVALID),
        (abi.HYPERCALL_MMU_UPDATE, BATCH + 4, 1, abi.ERROR_BAD_ADDRESS),
        (abi.HYPERCALL_MMU_UPDATE, 0, 1, abi.ERROR_BAD_ADDRESS),
        (abi.HYPERCALL_MMU_UPDATE, -8, 1, abi.ERROR_BAD_ADDRESS),
        (abi.HYPERCALL_MMU_UPDATE, 1 << 63, 1, abi.ERROR_BAD_ADDRESS),
        (abi.HYPERCALL_MMU_UPDATE, RAM_BASE + (4 << 20) - 8, 1, abi.ERROR_BAD_ADDRESS),
        (abi.HYPERCALL_RETURN, 0, 0, abi.ERROR_NOT_FOUND),  # there is no root for programs
    ]
    for number, a0, a1, error in calls:
        assert caller.call(number, a0, a1) == -error, (number, hex(a0), a1)
    assert caller.vm.counts["refused"] == len(calls)
    assert_isolated(caller.vm)


TABLE, DATA = FREE, FREE + 4096
SOMEWHERE = RAM_BASE + (4 << 20)  # the first page behind the guest's memory
REFUSED = {
    "an entry outside a table": (abi.UPDATE_PTE, DATA, 0, abi.ERROR_NOT_FOUND),
    "an entry outside memory": (abi.UPDATE_PTE, SOMEWHERE, 0, abi.ERROR_BAD_ADDRESS),
    "an entry at address 0": (abi.UPDATE_PTE, 0, 0, abi.ERROR_BAD_ADDRESS),
    "a page behind the guest's": (
        *(abi.UPDATE_PTE, TABLE, pte(SOMEWHERE, LEAF)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a page below memory": (
        *(abi.UPDATE_PTE, TABLE, pte(0x1000_0000, WRITABLE)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a page far away": (
        *(abi.UPDATE_PTE, TABLE, e.PTE_PPN << e.PTE_PPN_SHIFT | LEAF),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a writable table": (
        *(abi.UPDATE_PTE, TABLE, pte(TABLE, WRITABLE)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a writable root": (
        *(abi.UPDATE_PTE, kernel_pte(abi.FIRST_TABLE), pte(abi.FIRST_TABLE, WRITABLE)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a leaf for all address spaces": (
        *(abi.UPDATE_PTE, TABLE, pte(DATA, LEAF | e.PTE_G)),
        abi.ERROR_INVALID,
    ),
    "a leaf that is no leaf": (
        *(abi.UPDATE_PTE, TABLE, pte(DATA, e.PTE_V)),
        abi.ERROR_INVALID,
    ),
    "a leaf to be written and not read": (
        *(abi.UPDATE_PTE, TABLE, pte(DATA, LEAF & ~e.PTE_R | e.PTE_W)),
        abi.ERROR_INVALID,
    ),
    "a leaf not for user mode": (
        *(abi.UPDATE_PTE, TABLE, pte(DATA, LEAF & ~e.PTE_U)),
        abi.ERROR_INVALID,
    ),
    "reserved bits": (abi.UPDATE_PTE, TABLE, pte(DATA, LEAF) | 1 << 60, abi.ERROR_INVALID),
    "a superpage": (
        *(abi.UPDATE_PTE, abi.FIRST_TABLE, pte(RAM_BASE, LEAF)),
        abi.ERROR_INVALID,
    ),
    "a link to a page that is no table": (
        *(abi.UPDATE_PTE, abi.FIRST_TABLE, pte(DATA, e.PTE_V)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a link to a table of another level": (
        *(abi.UPDATE_PTE, abi.FIRST_TABLE, pte(TABLE, e.PTE_V)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "a root that links to itself": (
        *(abi.UPDATE_PTE, abi.FIRST_TABLE, pte(abi.FIRST_TABLE, e.PTE_V)),
        abi.ERROR_NOT_PERMITTED,
    ),
    "pinning a page that is writable": (abi.UPDATE_PIN, DATA, 0, abi.ERROR_BUSY),
    "pinning the shared page": (abi.UPDATE_PIN, abi.SHARED_PAGE, 0, abi.ERROR_BUSY),
    "pinning twice": (abi.UPDATE_PIN, TABLE, 0, abi.ERROR_BUSY),
    "pinning at level 3": (abi.UPDATE_PIN, DATA, 3, abi.ERROR_INVALID),
    "pinning at level -1": (abi.UPDATE_PIN, DATA, -1, abi.ERROR_INVALID),
    "pinning outside memory": (abi.UPDATE_PIN, SOMEWHERE, 0, abi.ERROR_BAD_ADDRESS),
    "unpinning what is no table": (abi.UPDATE_UNPIN, DATA, 0, abi.ERROR_NOT_FOUND),
    "unpinning the root in use": (abi.UPDATE_UNPIN, abi.FIRST_TABLE, 0, abi.ERROR_BUSY),
    "unpinning a linked table": (abi.UPDATE_UNPIN, abi.FIRST_TABLE + 4096, 0, abi.ERROR_BUSY),
    "running on a table of level 0": (abi.UPDATE_SWITCH, TABLE, 0, abi.ERROR_NOT_FOUND),
    "running on data": (abi.UPDATE_SWITCH, DATA, 0, abi.ERROR_NOT_FOUND),
    "a request that does not exist": (7, DATA, 0, abi.ERROR_INVALID),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_request_that_would_break_isolation_is_refused(caller, what):
    request, address, value, error = REFUSED[what]
    assert caller.make_table(TABLE, 0) == 2
    before = caller.vm._state.copy(), caller.vm.memory.read(abi.FIRST_TABLE, 5 * 4096)
    assert caller.update((request, address, value)) == -error
    after = caller.vm._state, caller.vm.memory.read(abi.FIRST_TABLE, 5 * 4096)
    assert (before[0] == after[0]).all() and before[1] == after[1]
    assert_isolated(caller.vm)


def test_a_page_with_bad_entries_does_not_become_a_table(caller):
    good, bad = pte(DATA, WRITABLE), pte(SOMEWHERE, LEAF)
    for entries in ([good] * 5 + [bad], [good, pte(TABLE, WRITABLE)], [pte(TABLE, WRITABLE)]):
        caller.write(TABLE, *entries)
        caller.update((abi.UPDATE_PTE, kernel_pte(TABLE), pte(TABLE, LEAF)))
        assert caller.update((abi.UPDATE_PIN, TABLE, 0)) == -abi.ERROR_NOT_PERMITTED
        assert_isolated(caller.vm)


def test_a_table_cannot_be_written_through_what_the_hart_remembers():
    """Write to a page, make it a table in the next hypercall, write again: that must fault."""
    text = f"""
        .globl paravirt_abi_1
paravirt_abi_1:
        lla     a0, entry
        li      a7, 1
        ecall
        li      s0, {FREE}
        sd      zero, 0(s0)
        li      a0, {BATCH}
        li      t0, {kernel_pte(FREE)}
        sd      t0, 0(a0)
        li      t0, {pte(FREE, LEAF)}
        sd      t0, 8(a0)
        li      t0, {FREE | abi.UPDATE_PIN}
        sd      t0, 16(a0)
        sd      zero, 24(a0)
        li      a1, 2
        li      a7, 2
        ecall
        mv      s1, a0
        li      t0, {pte(RAM_BASE + (64 << 20), WRITABLE)}
        sd      t0, 0(s0)
        ebreak
        .balign 4
entry:  li      t0, 0x80000000
        ld      s2, 0xc8(t0)
        ld      s3, 0xd0(t0)
        li      a0, 0
        li      a7, 7
        ecall
"""
    vm = Paravirt(ram="4M").load(assemble(text, base=abi.IMAGE_BASE))
    assert vm.run(1000).reason == "exit"
    assert vm.registers.s1 == 2
    assert (vm.registers.s2, vm.registers.s3) == (e.CAUSE_STORE_PAGE, FREE)
    assert vm.memory.entry(FREE) == 0
    assert_isolated(vm)


def test_the_disk_is_not_written_to_a_table_nor_outside():
    caller = Caller(disk=b"\xff" * 8192)
    assert caller.make_table(TABLE, 0) == 2
    bad = [
        (abi.DISK_READ, 0, 1, TABLE),
        (abi.DISK_READ, 0, 1, abi.FIRST_TABLE),
        (abi.DISK_READ, 0, 1, SOMEWHERE),
        (abi.DISK_READ, 0, 8, DATA + 512),
        (abi.DISK_READ, 0, 9, DATA),
        (abi.DISK_READ, 0, 0, DATA),
        (abi.DISK_READ, 0, 1 << 60, DATA),
        (abi.DISK_READ, 15, 2, DATA),
        (abi.DISK_READ, -1, 1, DATA),
        (abi.DISK_READ, (1 << 63) - 1, 1, DATA),
        (abi.DISK_WRITE, 16, 1, DATA),
        (abi.DISK_WRITE, 0, 1, 0),
        (5, 0, 1, DATA),
    ]
    for request in bad:
        assert ask_disk(caller, request) == [1], request
    assert caller.vm.counts["refused"] == len(bad)
    assert (caller.vm._mem.disk == 0xFF).all()
    assert_isolated(caller.vm)


@pytest.mark.parametrize("index", [-1, 9, 257, 1 << 62, -(1 << 63)])
def test_ring_indices_gone_mad_are_refused(caller, index):
    shared = abi.SHARED_PAGE
    caller.write(shared + abi.SHARED_REQUESTED, index)
    assert caller.call(abi.HYPERCALL_NOTIFY, abi.EVENT_DISK) == -abi.ERROR_INVALID
    caller.write(shared + abi.SHARED_READ, index)
    caller.vm.type("x")
    assert caller.call(abi.HYPERCALL_VERSION) == abi.ABI_VERSION
    caller.write(shared + abi.SHARED_PRINTED, index)
    result = caller.call(abi.HYPERCALL_NOTIFY, abi.EVENT_CONSOLE)
    assert result == (0 if 0 <= index <= abi.OUTPUT_RING else -abi.ERROR_INVALID)
    assert len(caller.vm.console) <= abi.OUTPUT_RING


def test_a_fault_before_there_is_a_callback_ends_the_guest():
    program = assemble(".globl paravirt_abi_1\nparavirt_abi_1: ebreak", base=abi.IMAGE_BASE)
    vm = Paravirt(ram="4M").load(program)
    assert vm.run(100).reason == "exit"
    assert vm.exit_code == 1


def test_a_guest_that_faults_for_ever_uses_up_its_time_and_no_more(caller):
    caller.call(abi.HYPERCALL_SET_CALLBACK, 0x1000)  # where nothing is mapped
    caller.vm.registers.sp = 0
    caller.vm.pc = 0x2000
    assert caller.vm.run(5000).reason == "budget"
    assert caller.vm.exit_counts[ExitReason.TRUE_PAGE_FAULT] == 5000


def test_privileged_instructions_are_the_kernels_own_fault(caller):
    caller.call(abi.HYPERCALL_SET_CALLBACK, caller.start + 8)
    for word in (0x1800_0073 | 5 << 15 | 1 << 12, 0x1020_0073, 0x1200_0073, 0x1050_0073):
        caller.vm.memory.write(caller.start, word.to_bytes(4, "little"))
        caller.vm.pc = caller.start
        before = int(caller.vm._hart.satp)
        caller.vm.step()
        assert caller.vm.exits[-1].reason is ExitReason.EXCEPTION
        assert caller.vm.exits[-1].action is Action.REFLECT
        assert caller.word(abi.SHARED_PAGE + abi.SHARED_SCAUSE) == e.CAUSE_ILLEGAL
        assert caller.word(abi.SHARED_PAGE + abi.SHARED_STVAL) == word
        assert int(caller.vm._hart.satp) == before


class Host:
    """A host whose memory has something else on both sides of the guest."""

    def place(self, vm, n_bytes: int):
        self.end = ROW_SPAN + vm.ram_bytes
        n_bytes = ROW_SPAN + -(-n_bytes // ROW_SPAN) * ROW_SPAN
        self.mem = new_memory(n_bytes, CODE_ROWS, np.zeros(0, np.uint8))
        self.mem.u8[:ROW_SPAN] = 0xA5
        self.mem.u8[self.end :] = 0x5A
        harts = boot.new_hart()
        reset_host_hart(harts[0], n_bytes)
        return SimpleNamespace(base=ROW_SPAN, number=2, asid=6, mem=self.mem, harts=harts)

    def assert_untouched(self) -> None:
        assert (self.mem.u8[:ROW_SPAN] == 0xA5).all()
        assert (self.mem.u8[self.end :] == 0x5A).all()


def test_a_guest_anywhere_in_the_hosts_memory_behaves_the_same():
    settings = {"ram": "16M", "disk": guests.disk("pith_pv"), "append": "forkwait 2"}
    host = Host()
    here, there = (
        Paravirt(**settings, host=where).load(guests.path("pith_pv")) for where in (None, host)
    )
    assert here.run(10_000_000).reason == there.run(10_000_000).reason == "exit"
    assert here.console == there.console and here.steps == there.steps
    assert here.exit_counts == there.exit_counts
    host.assert_untouched()
    assert_isolated(there)


def random_request(rng, base: int) -> tuple[int, int, int]:
    """A request as a hostile guest would make it: often nearly right."""
    pages = [abi.SHARED_PAGE, abi.FIRST_TABLE, abi.FIRST_TABLE + 4096, abi.FIRST_TABLE + 8192]
    pages += [FREE + 4096 * k for k in range(6)]

    def page() -> int:
        if rng.random() < 0.08:
            wild = (
                0,
                0x1000_0000,
                RAM_BASE - 4096,
                SOMEWHERE,
                1 << 40,
                1 << 63,
                rng.getrandbits(64),
            )
            return rng.choice(wild) & ~0xFFF
        return rng.choice(pages) + base

    def entry() -> int:
        kind = rng.choice((0, LEAF, WRITABLE, WRITABLE, e.PTE_V, e.PTE_V))
        if rng.random() < 0.1:
            kind ^= 1 << rng.randrange(10)
        return pte(page(), kind)

    choice = rng.random()
    if choice < 0.35:
        return abi.UPDATE_PTE, page() + 8 * rng.choice((0, 1, 2, 3, 511)), entry()
    if choice < 0.55:  # the entry by which the kernel maps a page
        target = rng.choice(pages)
        return abi.UPDATE_PTE, kernel_pte(target) + base, entry()
    if choice < 0.75:
        return abi.UPDATE_PIN, page(), rng.choice((0, 0, 1, 1, 2, 2, 3))
    if choice < 0.88:
        return abi.UPDATE_UNPIN, page(), 0
    if choice < 0.95:
        return abi.UPDATE_SWITCH, page(), 0
    return rng.randrange(4, 8), rng.getrandbits(64) & ~7, 0


def test_random_requests_never_break_the_rules(seed):
    rng = random.Random(seed)
    kinds, carried_out, refused = set(), 0, 0
    for _ in range(100):  # a guest may take away its own code, and so end itself
        host = Host()
        caller = Caller(host=host)
        for _ in range(40):
            # The batch is in a page of its own, which the requests leave alone.
            batch = [random_request(rng, caller.base) for _ in range(rng.randrange(1, 8))]
            result = caller.update(*batch)
            carried_out += max(result, 0)
            assert_isolated(caller.vm)
            kinds |= set((caller.vm._state[PAGES:] & KIND).tolist())
            if caller.vm.exit_code is not None:
                break
        host.assert_untouched()
        refused += caller.vm.counts["refused"]
        if len(kinds) == 4 and min(carried_out, refused) > 50:
            return
    raise AssertionError(f"too little was tried: {carried_out} done, {refused} refused, {kinds}")


def test_random_hypercalls_never_escape(seed):
    """Any number, any arguments, any contents of the shared page; then the guest runs on."""
    rng = random.Random(seed ^ 1)

    def value() -> int:
        near = rng.choice((0, RAM_BASE, FREE, BATCH, abi.SHARED_PAGE, SOMEWHERE, abi.IMAGE_BASE))
        return rng.choice(
            (near + rng.randrange(-16, 17), rng.randrange(-3, 600), rng.getrandbits(64))
        )

    for _ in range(25):
        host = Host()
        caller = Caller(host=host, disk=bytes(8192))
        for _ in range(20):
            for _ in range(6):
                where = rng.randrange(8, 512) * 8
                caller.write(abi.SHARED_PAGE + where, value() & (1 << 64) - 1)
            if caller.vm.exit_code is not None:
                break
            caller.call(rng.choice((*range(8), rng.getrandbits(16))), value(), value())
            before = caller.vm.steps
            stop = caller.vm.run(200)
            assert caller.vm.steps <= before + 200
            assert stop.reason in ("budget", "idle", "exit"), stop
            caller.vm._hart.mode = e.SUPERVISOR  # back to the kernel, wherever it has gone
            caller.vm._hart.waiting = 0
        assert_isolated(caller.vm)
        host.assert_untouched()


# Who is let in


def test_a_kernel_that_is_not_ported_is_refused_with_one_sentence():
    with pytest.raises(
        ImageError, match=r"pith\.elf: has not been ported.*paravirt_abi_1.*pith_pv\.$"
    ):
        Paravirt(ram="16M").load(guests.path("pith"))
    low = assemble(".globl paravirt_abi_1\nparavirt_abi_1: nop")
    with pytest.raises(ImageError, match=r"begins at 0x80000000; accepted .* 0x80200000 on\.$"):
        Paravirt(ram="16M").load(low)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="1016M at most"):
        Paravirt(ram="2G")
    with pytest.raises(ValueError, match="accepted are auto and sbi"):
        Paravirt(firmware="none")


def test_a_guest_with_as_much_memory_as_there_can_be_starts():
    caller = Caller(ram="1016M")
    assert caller.call(abi.HYPERCALL_VERSION) == abi.ABI_VERSION
    assert_isolated(caller.vm)
