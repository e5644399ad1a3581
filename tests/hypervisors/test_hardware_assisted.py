"""Hardware assistance: what leaves the guest and what does not, and what the hart does itself."""

import numpy as np
import pytest

from tests.hypervisors.comparison import outcome
from tests.hypervisors.paged import (
    DATA,
    KERNEL,
    LEAVES,
    PAGES,
    PROGRAM,
    VIEW,
    kernel,
    on,
    pte,
    reasons,
    same_as_bare,
)
from virtlab import guests
from virtlab.hypervisors import Action, ExitReason, HardwareAssisted
from virtlab.hypervisors.gstage import ROOT as GSTAGE_ROOT
from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.machine import Event, Machine
from virtlab.machine.loader import ImageError

ALL_EXITS = ("wfi", "satp", "sret", "page_fault", "ecall", "breakpoint")
WAYS = {
    "nested": dict(),
    "nested, 2 MiB": dict(large_pages=True),
    "nested, all exits": dict(
        exits_on=("wfi", "satp", "sret", "page_fault", "ecall", "breakpoint")
    ),
    "nested, no exits": dict(exits_on=()),
    "shadow": dict(paging="shadow"),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def run(text: str, budget: int = 100_000, **options) -> HardwareAssisted:
    """A kernel without paging, which must end as on the bare machine."""
    image = assemble(text)
    vm = HardwareAssisted(ram="1M", firmware="sbi", **options).load(image)
    bare = Machine(ram="1M", firmware="sbi", record=False).load(image)
    expected = outcome(bare, bare.run(budget).reason)
    differences = expected.differences(outcome(vm, vm.run(budget).reason))
    assert not differences, differences
    assert vm.events == bare.events
    return vm


def exits_for(vm, reason: ExitReason) -> int:
    return vm.exit_counts.get(reason, 0)


# What each control makes exit. t0 is changed by the trap handler, which is the guest's own.
TRAPS = """
        la    t0, handler
        csrw  stvec, t0
        {what}
        li    a7, 8
        ecall
        .balign 4
handler:
        csrr  t0, scause
        csrr  t1, sepc
        addi  t1, t1, 4
        csrw  sepc, t1
        csrsi sstatus, 0
        sret
        .balign 8
"""
CONTROLS = {
    "wfi": ("li t0, 2\n csrs sie, t0\n csrs sip, t0\n wfi", ExitReason.WFI, 1),
    "satp": ("csrr t0, satp\n sfence.vma\n csrw satp, zero", ExitReason.PRIVILEGED, 3),
    "sret": ("la t0, 1f\n csrw sepc, t0\n li t0, 256\n csrs sstatus, t0\n sret\n1:",
             ExitReason.PRIVILEGED, 1),
    "breakpoint": (".option norvc\n ebreak", ExitReason.EXCEPTION, 1),
}  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_decides_whether_it_exits(control):
    text, reason, n = CONTROLS[control]
    for chosen in ((), (control,)):
        vm = run(TRAPS.format(what=text), exits_on=chosen)
        assert exits_for(vm, reason) == (n if chosen else 0), chosen


USER = """
        la    t0, trap
        csrw  stvec, t0
        li    t0, {VIEW}
        csrw  sepc, t0
        li    t0, 256
        csrc  sstatus, t0
        sret
        .balign 4
trap:   csrr  s2, scause
        csrr  s3, stval
"""


def program(text: str) -> dict[int, int]:
    """`data` for a page of VIEW that a program occupies, as 64-bit words."""
    code = assemble(text).data
    return np.frombuffer(code + bytes(-len(code) % 8), np.uint64)


def user_image(text: str) -> bytes:
    """A kernel that enters a program at VIEW in U-mode; its first trap ends the machine."""
    image = np.frombuffer(kernel(USER, leaves={0: pte(DATA, PROGRAM)}), np.uint64).copy()
    words = program(text)
    at = (DATA - 0x8000_0000) // 8
    image[at : at + len(words)] = words
    return image.tobytes()


@pytest.mark.parametrize(
    ("control", "text", "reason", "cause"),
    [
        ("ecall", "ecall", ExitReason.ECALL, e.CAUSE_ECALL_U),
        ("page_fault", "ld a0, 0(zero)", ExitReason.TRUE_PAGE_FAULT, e.CAUSE_LOAD_PAGE),
    ],
)
def test_a_programs_trap_goes_to_its_kernel_without_an_exit_unless_asked(
    control, text, reason, cause
):
    image = user_image(text)
    for chosen in ((), (control,)):
        vm = on(HardwareAssisted, image, exits_on=chosen)
        same_as_bare(vm, image)
        ours = [exit for exit in vm.exits if exit.mode == "U" and exit.reason is reason]
        assert len(ours) == len(chosen)
        assert vm.registers.s2 == cause


def test_the_first_generation_cannot_leave_page_faults_to_the_guest():
    image = user_image("ld a0, 0(zero)")
    vm = same_as_bare(on(HardwareAssisted, image, paging="shadow", exits_on=()), image)
    assert exits_for(vm, ExitReason.TRUE_PAGE_FAULT) == 1
    assert exits_for(vm, ExitReason.PRIVILEGED) == 2  # csrw satp, sfence.vma


# The guest's own H extension


@pytest.mark.parametrize(
    "text",
    [
        "csrr a0, hstatus\n li t1, 0x300180\n csrw hstatus, t1\n csrr a1, hstatus",
        "li t1, -1\n csrw hedeleg, t1\n csrr a0, hedeleg\n csrw hideleg, t1\n csrr a1, hideleg",
        "li t1, -1\n csrw vsstatus, t1\n csrr a0, vsstatus\n csrw vsepc, t1\n csrr a1, vsepc",
        "csrr a0, vsatp\n li t1, 0x8000000000080001\n csrw vsatp, t1\n csrr a1, vsatp",
        "li t1, 0x444\n csrw hvip, t1\n csrr a0, hip\n csrr a1, sip\n csrr a2, hvip",
        "li t1, 77\n csrw htimedelta, t1\n csrr a0, htimedelta\n rdtime a1",
        "hfence.vvma\n hfence.gvma\n csrr a0, hgatp",
        "li t1, 5\n csrw htval, t1\n csrw htinst, t1\n csrr a0, htval\n csrr a1, htinst",
    ],
)
def test_the_guests_own_h_registers_are_emulated(way, text):
    vm = run(TRAPS.format(what=text), **way)
    assert exits_for(vm, ExitReason.PRIVILEGED) > 0
    assert {exit.cause for exit in vm.exits if exit.reason is ExitReason.PRIVILEGED} == {
        e.CAUSE_VIRTUAL_INSTRUCTION
    }
    assert vm.counts["interpreted"] == 0


def test_a_trap_that_the_guest_takes_without_an_exit_clears_what_a_trap_clears(way):
    """htval, htinst and hstatus.SPV, GVA of a hart that takes a trap in V=0 become zero."""
    vm = run(
        TRAPS.format(
            what="""
            li    t1, 0xc0
            csrw  hstatus, t1
            li    t1, 5
            csrw  htval, t1
            csrw  htinst, t1
            csrr  s0, htval
            .word 0
            csrr  s1, htval
            csrr  s2, htinst
            csrr  s3, hstatus
            """
        ),
        **way,
    )
    assert [vm.registers[name] for name in ("s0", "s1", "s2")] == [5, 0, 0]
    assert vm.registers.s3 & (e.HSTATUS_SPV | e.HSTATUS_GVA) == 0


def test_a_program_that_touches_h_registers_gets_its_kernels_exception(way):
    image = user_image("csrr a0, hstatus")
    vm = same_as_bare(on(HardwareAssisted, image, **way), image)
    assert vm.registers.s2 == e.CAUSE_ILLEGAL


NEST = """
        la    t0, out
        csrw  stvec, t0
        la    t0, inside
        csrw  sepc, t0
        li    t0, 0x80
        csrs  hstatus, t0
        li    t0, 0x100
        csrs  sstatus, t0
        csrw  vsscratch, t0
        sret
inside: csrr  s0, sscratch
        li    s1, 1000
1:      addi  s1, s1, -1
        bnez  s1, 1b
        addi  s2, s2, 1
        ecall
        .balign 4
out:    csrr  s3, scause
        li    a7, 8
        ecall
"""


def test_a_guest_of_a_guest_is_interpreted_and_goes_the_same_way(way):
    vm = run(NEST, **way)
    assert [vm.registers[name] for name in ("s0", "s2", "s3")] == [0x100, 1, e.CAUSE_ECALL_VS]
    assert 2000 < vm.counts["interpreted"] < 2000 + 256


def test_an_interrupt_of_a_guest_that_the_guest_lets_reach_itself(way):
    """hie enables it and hideleg does not give it away: in V=0 it is a supervisor interrupt."""
    vm = run(
        """
        la    t0, out
        csrw  stvec, t0
        li    t0, 4
        csrw  hie, t0
        csrsi sstatus, 2
        nop
        csrw  hvip, t0
        addi  s1, s1, 1
        addi  s1, s1, 1
        .balign 4
out:    csrr  s3, scause
        csrw  hie, zero
        csrw  hvip, zero
        li    a7, 8
        ecall
        """,
        **way,
    )
    assert [vm.registers.s1, vm.registers.s3] == [0, 1 << 63 | 2]


# Interrupts


TIMER = """
        la    t0, trap
        csrw  stvec, t0
        rdtime t1
        addi  t1, t1, 50
        {arm}
        li    t0, 0x20
        csrs  sie, t0
        csrsi sstatus, 2
1:      addi  s1, s1, 1
        {wait}
        j     1b
        .balign 4
trap:   csrr  s2, scause
        rdtime s3
        li    a7, 8
        ecall
"""


@pytest.mark.parametrize("wait", ["nop", "wfi"])
@pytest.mark.parametrize("arm", ["csrw stimecmp, t1", "mv a0, t1\n li a7, 0\n ecall"])
def test_the_timer_interrupts_at_the_same_instruction_without_an_exit(way, arm, wait):
    vm = run(TIMER.format(arm=arm, wait=wait), **way)
    assert vm.registers.s2 == 1 << 63 | 5
    for reason in (ExitReason.TIMER, ExitReason.INTERRUPT):
        assert exits_for(vm, reason) == 0
    waits = 1 if wait == "wfi" and "wfi" in way.get("exits_on", ("wfi",)) else 0
    assert exits_for(vm, ExitReason.WFI) == waits


def test_a_devices_interrupt_waits_in_the_hart_until_the_guest_lets_it_in(way):
    """The UART asserts it at an exit; the guest enables interrupts much later, without an exit."""
    vm = run(
        """
        la    t0, trap
        csrw  stvec, t0
        li    t0, 0x200
        csrs  sie, t0
        li    t0, 0xc002080           # PLIC: enable source 10 for S-mode
        li    t1, 0x400
        sw    t1, 0(t0)
        li    t0, 0xc000028           # its priority
        li    t1, 1
        sw    t1, 0(t0)
        li    t0, 0x10000001          # UART: interrupt when the transmitter is empty
        li    t1, 2
        sb    t1, 0(t0)
        li    s0, 500
1:      addi  s0, s0, -1
        bnez  s0, 1b
        csrr  s1, sip
        csrsi sstatus, 2
        addi  s2, s2, 1
        .balign 4
trap:   csrr  s3, scause
        li    a7, 8
        ecall
        """,
        **way,
    )
    assert [vm.registers[name] for name in ("s1", "s2", "s3")] == [0x200, 0, 1 << 63 | 9]
    assert vm.counts["injections"] == 1
    assert vm.exits[-1].pc > vm.exits[-2].pc  # the call that ends it; none at the interrupt
    assert sum(exit.steps > 600 for exit in vm.exits) <= 1 + len(way.get("exits_on", ()))


def test_a_guest_that_nothing_can_wake_is_idle_until_something_is_typed(way):
    text = """
        la    t0, trap
        csrw  stvec, t0
        li    t0, 0x200
        csrs  sie, t0
        li    t0, 0xc002080
        li    t1, 0x400
        sw    t1, 0(t0)
        li    t0, 0xc000028
        li    t1, 1
        sw    t1, 0(t0)
        li    t0, 0x10000001
        sb    t1, 0(t0)
        csrsi sstatus, 2
        wfi
        .balign 4
trap:   li    t0, 0x10000000
        lb    s1, 0(t0)
        li    a7, 8
        ecall
    """
    machines = [
        make(ram="1M", firmware="sbi", **options).load(assemble(text))
        for make, options in ((Machine, {}), (HardwareAssisted, way))
    ]
    for m in machines:
        assert m.run().reason == "idle" and m.waiting
        m.type("x")
        assert m.run().reason == "exit"
        assert m.registers.s1 == ord("x")
    assert not outcome(machines[0]).differences(outcome(machines[1]))


# The G-stage


def gstage_entry(vm, gpa: int) -> int:
    """The entry of the G-stage table that maps a guest physical address."""
    host, table = vm._host.u64, int(vm._state[GSTAGE_ROOT])
    entry = int(host[(table >> 3) + (gpa >> 30)])
    for shift in (21, 12):
        table = (entry >> 10 << 12) - 0x8000_0000
        entry = int(host[(table >> 3) + (gpa >> shift & 511)])
        if entry & (e.PTE_R | e.PTE_X):
            break
    return entry


def test_each_page_enters_the_g_stage_once_and_the_hart_keeps_its_bits():
    image = kernel(
        """
        li    s0, {DATA}
        ld    a0, 0(s0)
        nop
        sd    a0, 0(s0)
        ld    a0, 8(s0)
        """
    )
    vm = on(HardwareAssisted, image)
    while vm.exits == [] or vm.exits[-1].gpa != DATA:
        vm.step()
    used = e.PTE_A | e.PTE_D
    assert gstage_entry(vm, DATA) & used == e.PTE_A
    same_as_bare(vm, image)
    assert gstage_entry(vm, DATA) & used == used
    assert gstage_entry(vm, DATA) & e.PTE_U
    filled = [exit.gpa >> 12 for exit in vm.exits if exit.reason is ExitReason.GUEST_PAGE_FAULT]
    assert sorted(set(filled)) == sorted(filled)
    assert vm.counts["gstage_fills"] == len(filled)


def test_large_pages_need_fewer_exits_and_shorter_walks():
    body = "li s0, {DATA}\n li s1, 16\n li s2, 0x1000\n"
    body += "1: ld a0, 0(s0)\n add s0, s0, s2\n addi s1, s1, -1\n bnez s1, 1b"
    image = kernel(body)
    small, large = (
        same_as_bare(on(HardwareAssisted, image, large_pages=large), image)
        for large in (False, True)
    )
    assert exits_for(small, ExitReason.GUEST_PAGE_FAULT) == 1 + 1 + PAGES  # code, root, data
    assert exits_for(large, ExitReason.GUEST_PAGE_FAULT) == 1
    assert large.counts["gstage_references"] < small.counts["gstage_references"]


def test_a_fence_of_one_page_keeps_the_others_whatever_the_g_stages_pages_are():
    body = """
        li    s0, {VIEW}
        li    s1, {VIEW} + 0x1000
        li    s2, 50
1:      ld    a0, 0(s0)
        ld    a1, 0(s1)
        sfence.vma s0
        addi  s2, s2, -1
        bnez  s2, 1b
    """
    image = kernel(body, leaves={0: pte(DATA), 1: pte(DATA + 0x1000)})
    small, large = (
        same_as_bare(on(HardwareAssisted, image, large_pages=large), image).counts
        for large in (False, True)
    )
    repeated = small["gstage_fills"] - large["gstage_fills"]  # a guest-page fault walks again
    assert small["walks"] - repeated <= large["walks"] <= small["walks"]


def test_the_page_through_which_a_test_talks_to_its_host_is_not_writable():
    text = """
        .globl tohost
        la    t0, tohost
        ld    t1, 0(t0)
        sd    t1, 8(t0)
        li    t1, 13
        sd    t1, 0(t0)
        j     .
        .balign 8
tohost: .dword 0, 0
    """
    for options in WAYS.values():
        vm = run(text, **options)
        assert vm.exit_code == 6
        assert reasons(vm).count("TRACE") == 2


def test_when_the_pool_is_used_up_the_g_stage_begins_again():
    body = "li s0, {DATA}\n li s1, 40\n li s2, 0x200000\n"
    body += "1: ld a0, 0(s0)\n add s0, s0, s2\n addi s1, s1, -1\n bnez s1, 1b"
    image = kernel(body)
    vm = on(HardwareAssisted, image, ram="96M")
    vm._vms["pool_end"][0] = vm._vms["pool"][0] + (16 << 12)  # a table for each 2 MiB
    same_as_bare(vm, image)
    assert vm.counts["gstage_fills"] > 2 + 40


def test_what_lies_outside_ram_is_a_device_or_nothing():
    vm = run(
        TRAPS.format(
            what="""
            li    t2, 0x10000005
            lb    s1, 0(t2)
            li    t2, 0x30000000
            .option norvc
            ld    s2, 0(t2)
            mv    s3, t0
            li    t2, 0x100000000
            ld    s2, 0(t2)
            li    t2, 1
            slli  t2, t2, 50
            sd    s2, 0(t2)
            mv    s4, t0
            """
        )
    )
    assert [vm.registers[name] for name in ("s1", "s3", "s4")] == [
        0x60,
        e.CAUSE_LOAD_ACCESS,
        e.CAUSE_STORE_ACCESS,
    ]
    assert exits_for(vm, ExitReason.MMIO) == 4


def test_a_page_table_outside_ram_is_an_access_fault_as_on_the_bare_machine(way):
    image = kernel(
        """
        la    t0, trap
        csrw  stvec, t0
        li    s0, {VIEW} + 0x200000
        ld    a0, 0(s0)
        .balign 4
trap:   csrr  s2, scause
        """,
        middle={1: pte(0x4000_0000, e.PTE_V)},
    )
    vm = same_as_bare(on(HardwareAssisted, image, **way), image)
    assert vm.registers.s2 == e.CAUSE_LOAD_ACCESS


@pytest.mark.parametrize("adue", [True, False])
def test_accessed_and_dirty_bits_are_the_guests(way, adue):
    body = """
        la    t0, trap
        csrw  stvec, t0
        li    s0, {VIEW}
        ld    a0, 0(s0)
        sd    a0, 0(s0)
        j     end
        .balign 4
trap:   csrr  s2, scause
    """
    image = kernel(body, leaves={0: pte(DATA, KERNEL & ~(e.PTE_A | e.PTE_D))})
    vm = same_as_bare(on(HardwareAssisted, image, adue=adue, **way), image, adue=adue)
    used = vm.memory.entry(LEAVES) & (e.PTE_A | e.PTE_D)
    assert used == (e.PTE_A | e.PTE_D if adue else 0)
    assert vm.registers.s2 == (0 if adue else e.CAUSE_LOAD_PAGE)


# The machine around it


@pytest.fixture(scope="module")
def pith():
    settings = dict(ram="16M", disk=guests.disk("pith"), append="ls | wc; forkwait 2")
    return settings, Machine(**settings).load(guests.path("pith"))


def test_it_steps_stops_and_rewinds_as_the_bare_machine(pith, way):
    settings, bare = pith
    bare.reset()
    vm = HardwareAssisted(**settings, **way).load(guests.path("pith"))

    def both(move):
        for m in (bare, vm):
            move(m)
        assert not outcome(bare).differences(outcome(vm))
        assert bare.last_events(20) == vm.last_events(20)

    both(lambda m: m.step(12_345))
    for event in (Event.TRAP, Event.INTERRUPT, Event.RETURN, Event.MODE, Event.EXCEPTION, "pith:"):
        both(lambda m, event=event: m.run(2_000_000, until=event))
    both(lambda m: m.run(5000, until=bare.pc))
    both(lambda m: m.run())
    log, steps = [str(exit) for exit in vm.exits], vm.steps
    both(lambda m: m.goto(400_001))
    both(lambda m: m.back(1))
    both(lambda m: m.run(until=Event.TRAP))
    vm.run()
    assert ([str(exit) for exit in vm.exits], vm.steps) == (log, steps)


def test_it_stands_at_an_exit_and_a_handler_answers_it():
    text = "li t0, 7\ncsrr s0, hstatus\ncsrr s1, hstatus\nli a7, 8\necall"
    vm = HardwareAssisted(ram="1M", firmware="sbi").load(assemble(text))
    vm.run(until=ExitReason.PRIVILEGED)
    exit = vm.exit_on_hand
    assert (exit.reason, exit.mode, exit.cause) == (ExitReason.PRIVILEGED, "S", 22)
    assert exit.detail >> 20 == e.HSTATUS

    def answer(vcpu, exit):
        vcpu.registers["s0" if exit.detail >> 7 & 31 == 8 else "s1"] = 99
        return Action.RESUME

    vm.reset()
    vm.handle(ExitReason.PRIVILEGED, answer)
    vm.run()
    assert [vm.registers.s0, vm.registers.s1] == [99, 99]


def test_a_handler_that_changes_satp_is_obeyed(way):
    image = kernel(
        "li s0, {VIEW}\n ld a0, 0(s0)\n csrr a1, hstatus\n ld a2, 0(s0)",
        leaves={0: pte(DATA + 0x1000)},
        spare={1: pte(0x8000_0000), 2: pte(0x8000_0000)},
    )
    vm = on(HardwareAssisted, image, **way)

    def other_table(vcpu, exit):
        if exit.detail >> 20 == e.HSTATUS:
            vcpu.write_csr("satp", 8 << 60 | 0x8001_4000 >> 12)
            vcpu.skip()
            return Action.RESUME
        return Action.HANDLE

    vm.handle(ExitReason.PRIVILEGED, other_table)
    vm.run(until=ExitReason.ECALL)
    first_words = int.from_bytes(vm.memory.read(0x8000_0000, 8), "little")
    assert vm.registers.a0 == 1
    assert vm.registers.a2 == first_words  # VIEW leads to the base of RAM there


def test_translations_carry_the_vmid():
    vm = run("nop\nli a7, 8\necall")
    assert vm._physical[0].hgatp >> e.ASID_SHIFT & e.VMID_MASK == vm._vms[0].vmid == 1


def test_registers_of_the_control_structure_are_counted_when_they_are_needed():
    """An exit reads three registers, a guest-page fault two more; a hidden exit writes none."""
    vm = run("csrr a0, hstatus\nli a7, 8\necall")
    assert reasons(vm) == ["GUEST_PAGE_FAULT", "PRIVILEGED", "ECALL"]
    entered = vm.counts["world_switches"]
    assert entered == 3
    first = vm.counts["vmcs_accesses"] - (5 + 3 + 3)
    assert 0 <= first <= 8  # what the first entry found changed since power-on


def test_what_cannot_be_done_is_said_in_one_sentence():
    vm = HardwareAssisted(ram="1M", firmware="sbi").load(assemble("li a0, 5\nnop"))
    vm.step(2)
    refused = HardwareAssisted(ram="1M")
    with pytest.raises(ImageError, match="program: starts in M-mode"):
        refused.load(assemble("nop"))
    assert refused.exits == []
    with pytest.raises(ValueError, match="paging 'both': accepted are nested, shadow"):
        HardwareAssisted(paging="both")
    with pytest.raises(ValueError, match="exits_on 'hlt': accepted are wfi, satp, sret"):
        HardwareAssisted(exits_on=["hlt"])
    with pytest.raises(TypeError, match="exits_on 'wfi': accepted is a list of"):
        HardwareAssisted(exits_on="wfi")
    assert vm.registers.a0 == 5


def test_view_is_the_guests(way):
    """The page of VIEW that the tests use is what the guest's own walk finds."""
    image = kernel("li s0, {VIEW}\n ld a0, 0(s0)\n 1: j 1b", leaves={0: pte(DATA)}, ends=False)
    vm = on(HardwareAssisted, image, **way)
    vm.run(5000)
    assert vm.translate(VIEW).pa == DATA
    assert vm.mode == "S"
    assert vm.csr["satp"].fields["MODE"] == 8
