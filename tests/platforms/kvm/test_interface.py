"""One suite for both implementations: what a guest does, and what its program hears of it."""

import pytest

from virtlab.platforms.kvm import api, x86
from virtlab.platforms.kvm.api import (
    KVM_EXIT_HLT,
    KVM_EXIT_INTERNAL_ERROR,
    KVM_EXIT_INTR,
    KVM_EXIT_MMIO,
    KVM_EXIT_SHUTDOWN,
    KVM_MEM_LOG_DIRTY_PAGES,
    KVM_MEM_READONLY,
    Capability,
    KvmError,
)
from virtlab.platforms.kvm.guest_program import DEVICE, TABLE, WRITTEN, assembled

# The loop that the chapter has the reader write. Only the first word that follows `import` differs.
READERS_LOOP = """
from virtlab.platforms.kvm import {implementation} as machine
from virtlab.platforms.kvm.api import KVM_EXIT_HLT, KVM_EXIT_MMIO

def run_guest(name, registers, stored):
    with machine.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(0x40000)
        vm.set_user_memory_region(0, machine.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        machine.GUESTS[name].start(vcpu, memory)
        while (run := vcpu.run()).exit_reason != KVM_EXIT_HLT:
            if run.exit_reason != KVM_EXIT_MMIO:
                raise RuntimeError(run)
            if run.mmio.is_write:
                stored.append((run.mmio.phys_addr, run.mmio.value))
            else:
                run.mmio.value = registers[run.mmio.phys_addr]
        return getattr(vcpu.get_regs(), machine.GUESTS[name].result)
"""


def test_the_readers_loop_is_the_same_text_for_both(machine):
    text = READERS_LOOP.format(implementation=machine.__name__.rpartition(".")[2])
    assert len(text.strip().partition("def ")[2].splitlines()) == 15
    names: dict = {}
    exec(text, names)
    stored: list = []
    assert names["run_guest"]("halt", {}, stored) == 42
    assert names["run_guest"]("mmio", {DEVICE + 8: 0x1FF}, stored) == 0x200
    assert stored == [(DEVICE, 0x1234_5678), (DEVICE + 16, 0)]
    with pytest.raises(RuntimeError, match="KVM_EXIT_SHUTDOWN: the guest's processor has given up"):
        names["run_guest"]("fault", {}, stored)


def test_the_version_is_twelve(machine):
    with machine.Kvm() as kvm:
        assert kvm.api_version() == api.KVM_API_VERSION == 12


@pytest.mark.parametrize(
    "capability",
    [
        Capability.KVM_CAP_USER_MEMORY,
        Capability.KVM_CAP_IRQCHIP,
        Capability.KVM_CAP_IRQFD,
        Capability.KVM_CAP_IOEVENTFD,
        Capability.KVM_CAP_COALESCED_MMIO,
        Capability.KVM_CAP_READONLY_MEM,
    ],
)
def test_both_have_what_the_chapter_uses(machine, capability):
    with machine.Kvm() as kvm:
        assert kvm.require(capability) == kvm.check_extension(capability) > 0


def test_an_unsupported_capability_gets_one_sentence(machine):
    with machine.Kvm() as kvm:
        assert kvm.check_extension(Capability.KVM_CAP_S390_UCONTROL) == 0
        with pytest.raises(KvmError, match=r"^KVM_CAP_S390_UCONTROL: [^.]*\.$"):
            kvm.require(Capability.KVM_CAP_S390_UCONTROL)
        with pytest.raises(KvmError, match="KVM_CAP_S390_UCONTROL"):
            kvm.create_vm().enable_cap(Capability.KVM_CAP_S390_UCONTROL)


def test_each_access_to_a_device_is_an_exit_with_its_record(prepared):
    vcpu = prepared("mmio").vcpu
    run = vcpu.run()
    seen = (run.reason, run.mmio.phys_addr, run.mmio.len, run.mmio.is_write, run.mmio.value)
    assert seen == (KVM_EXIT_MMIO, DEVICE, 4, 1, 0x1234_5678)
    run = vcpu.run()
    assert (run.mmio.phys_addr, run.mmio.len, run.mmio.is_write) == (DEVICE + 8, 4, 0)
    assert str(run).startswith("KVM_EXIT_MMIO: 4-byte load from 0x10000008")
    run.mmio.value = 0xFFFF_FFFE
    run = vcpu.run()
    assert (run.mmio.phys_addr, run.mmio.len, run.mmio.value) == (DEVICE + 16, 1, 0xFF)
    assert vcpu.run().reason == KVM_EXIT_HLT
    assert vcpu.n_runs == 4


def test_a_halted_guest_goes_on_behind_the_halt(prepared):
    made = prepared("halt")
    for _ in range(3):
        assert made.vcpu.run().reason == KVM_EXIT_HLT
        regs = made.vcpu.get_regs()
        assert getattr(regs, made.guest.result) == 42
        setattr(regs, made.guest.result, 0)
        made.vcpu.set_regs(regs)


def test_the_dirty_log_names_the_pages_written_since_it_was_last_read(prepared):
    made = prepared("dirty", KVM_MEM_LOG_DIRTY_PAGES)
    made.vm.get_dirty_log(0)
    assert made.vcpu.run().reason == KVM_EXIT_HLT
    assert made.vm.get_dirty_log(0) == list(WRITTEN[:2])
    assert made.vm.get_dirty_log(0) == []
    made.memory.write(0x2_5000, b"written by the program, which is not logged")
    assert made.vcpu.run().reason == KVM_EXIT_HLT
    assert made.vm.get_dirty_log(0) == list(WRITTEN[2:])
    assert [made.memory.read(page << 12, 1) for page in WRITTEN[:1]] == [b"\x01"]


def test_a_slot_without_a_log_says_so(prepared):
    with pytest.raises(ValueError, match=r"^memory slot 0 has no dirty log; accepted are [^.]*\.$"):
        prepared("halt").vm.get_dirty_log(0)


def test_a_guest_without_a_handler_shuts_down(prepared):
    run = prepared("fault").vcpu.run()
    assert run.reason == KVM_EXIT_SHUTDOWN
    assert str(run) == (
        "KVM_EXIT_SHUTDOWN: the guest's processor has given up, since the handler of a fault "
        "cannot be reached either (on x86 a triple fault)."
    )


def test_an_access_that_cannot_be_emulated_is_an_internal_error(prepared):
    run = prepared("odd").vcpu.run()
    assert run.reason == KVM_EXIT_INTERNAL_ERROR
    assert run.internal.suberror == api.KVM_INTERNAL_ERROR_EMULATION
    assert "an instruction that KVM would have to emulate" in str(run)


def test_immediate_exit_ends_the_run_before_the_guest(prepared):
    made = prepared("halt")
    made.vcpu.kvm_run.immediate_exit = 1
    assert made.vcpu.run().reason == KVM_EXIT_INTR
    assert getattr(made.vcpu.get_regs(), made.guest.result) != 42
    made.vcpu.kvm_run.immediate_exit = 0
    assert made.vcpu.run().reason == KVM_EXIT_HLT


def test_a_store_is_over_when_it_is_handed_out(prepared):
    made = prepared("player")
    play(made, (STORE, 4, DEVICE, 1))
    assert made.vcpu.run().reason == KVM_EXIT_MMIO
    play(made, (STORE, 4, DEVICE + 4, 2), (STORE, 4, DEVICE + 8, 3))
    stored = []
    while (run := made.vcpu.run()).reason == KVM_EXIT_MMIO:
        stored.append((run.mmio.phys_addr, run.mmio.value))
    assert stored == [(DEVICE + 4, 2), (DEVICE + 8, 3)]


def test_an_answer_reaches_the_guest_at_the_next_run_even_one_with_immediate_exit(prepared):
    made = prepared("mmio")
    made.vcpu.run()
    run = made.vcpu.run()
    assert not run.mmio.is_write
    run.mmio.value = 0x77
    run.immediate_exit = 1
    assert made.vcpu.run().reason == KVM_EXIT_INTR
    assert getattr(made.vcpu.get_regs(), made.guest.result) == 0x77


def test_what_is_closed_says_so(prepared):
    made = prepared("halt")
    made.kvm.close()
    with pytest.raises(KvmError, match="it has been closed"):
        made.vcpu.run()
    with pytest.raises(KvmError, match="it has been closed"):
        made.vcpu.get_regs()
    with pytest.raises(KvmError, match="it has been closed"):
        made.vm.create_vcpu()
    with pytest.raises(KvmError, match="it has been closed"):
        made.kvm.create_vm()
    made.kvm.close()


def test_interrupts_come_by_irqfd_and_wake_the_guest(prepared):
    made = prepared("interrupt", irqchip=True)
    event = made.kvm.eventfd()
    made.vm.irqfd(event, made.guest.irq)
    counted = []
    for _ in range(4):
        run = made.vcpu.run()
        assert (run.reason, run.mmio.phys_addr) == (KVM_EXIT_MMIO, made.guest.device)
        counted.append(run.mmio.value)
        event.signal()
    assert counted == [0, 1, 2, 3]
    event.close()


def test_interrupts_come_by_irq_line_too(prepared):
    made = prepared("interrupt", irqchip=True)
    for count in range(3):
        assert made.vcpu.run().mmio.value == count
        made.vm.irq_line(made.guest.irq, 1)
        if made.machine.ARCHITECTURE == "x86-64":
            made.vm.irq_line(made.guest.irq, 0)


def play(made, *accesses):
    """Have the guest `player` make (kind, bytes, address, value) accesses."""
    table = b"".join(
        kind.to_bytes(4, "little")
        + n_bytes.to_bytes(4, "little")
        + address.to_bytes(8, "little")
        + value.to_bytes(8, "little")
        + bytes(8)
        for kind, n_bytes, address, value in accesses
    )
    made.memory.write(TABLE, table + bytes(32))
    made.machine.GUESTS["player"].start(made.vcpu, made.memory)


STORE, LOAD = 1, 2


@pytest.mark.parametrize("n_bytes", [1, 2, 4, 8])
def test_accesses_of_every_size_arrive_whole(prepared, n_bytes):
    made = prepared("player")
    value = 0x8877_6655_4433_2211
    play(made, (STORE, n_bytes, DEVICE, value), (LOAD, n_bytes, DEVICE + 8, 0))
    run = made.vcpu.run()
    assert (run.mmio.len, run.mmio.value) == (n_bytes, value & (1 << 8 * n_bytes) - 1)
    run = made.vcpu.run()
    assert (run.mmio.len, run.mmio.is_write) == (n_bytes, 0)
    run.mmio.value = value
    assert made.vcpu.run().reason == KVM_EXIT_HLT
    read = int.from_bytes(made.memory.read(TABLE + 32 + 24, 8), "little")
    assert read == value & (1 << 8 * n_bytes) - 1


def test_an_ioeventfd_takes_a_store_without_an_exit(prepared):
    made = prepared("player")
    event, picky = made.kvm.eventfd(), made.kvm.eventfd()
    made.vm.ioeventfd(event, DEVICE + 0x50, 4)
    made.vm.ioeventfd(picky, DEVICE + 0x60, 4, datamatch=7)
    play(
        made,
        (STORE, 4, DEVICE + 0x50, 1),
        (STORE, 4, DEVICE + 0x50, 2),
        (STORE, 4, DEVICE + 0x60, 7),
        (STORE, 4, DEVICE + 0x60, 8),
        (STORE, 2, DEVICE + 0x50, 3),
    )
    assert (made.vcpu.run().mmio.phys_addr, made.vcpu.kvm_run.mmio.value) == (DEVICE + 0x60, 8)
    assert (made.vcpu.run().mmio.phys_addr, made.vcpu.kvm_run.mmio.len) == (DEVICE + 0x50, 2)
    assert made.vcpu.run().reason == KVM_EXIT_HLT
    assert (event.take(), event.take(), picky.take()) == (2, 0, 1)
    made.vm.ioeventfd(event, DEVICE + 0x50, 4, deassign=True)
    play(made, (STORE, 4, DEVICE + 0x50, 1))
    assert made.vcpu.run().reason == KVM_EXIT_MMIO


def test_coalesced_stores_wait_in_a_ring_until_the_next_exit(prepared):
    made = prepared("player")
    made.vm.register_coalesced_mmio(DEVICE + 0x100, 0x100)
    accesses = [(STORE, 4, DEVICE + 0x100 + 4 * k, k) for k in range(10)]
    play(made, *accesses, (STORE, 1, DEVICE, 9))
    run = made.vcpu.run()
    assert (run.mmio.phys_addr, run.mmio.value) == (DEVICE, 9)
    waited = [(at, int.from_bytes(data, "little")) for at, data in made.vcpu.coalesced_stores()]
    assert waited == [(address, value) for _, _, address, value in accesses]
    assert made.vcpu.coalesced_stores() == []
    made.vm.unregister_coalesced_mmio(DEVICE + 0x100, 0x100)
    play(made, accesses[0])
    assert made.vcpu.run().reason == KVM_EXIT_MMIO


def test_a_full_ring_exits(prepared):
    made = prepared("player")
    made.vm.register_coalesced_mmio(DEVICE, 0x1000)
    play(made, *[(STORE, 1, DEVICE + k, k & 0xFF) for k in range(200)])
    run = made.vcpu.run()
    assert run.reason == KVM_EXIT_MMIO
    assert run.mmio.phys_addr == DEVICE + len(made.vcpu.coalesced_stores()) == DEVICE + 169


def test_a_store_to_a_read_only_slot_is_handed_out_and_changes_nothing(prepared):
    made = prepared("player")
    memory = made.kvm.user_memory(0x1000)
    memory.write(0, b"\x55" * 8)
    at = made.machine.RAM_BASE + 0x8_0000
    made.vm.set_user_memory_region(1, at, memory, KVM_MEM_READONLY)
    play(made, (LOAD, 8, at, 0), (STORE, 2, at, 0x1234), (LOAD, 8, at, 0))
    run = made.vcpu.run()
    assert (run.mmio.phys_addr, run.mmio.is_write, run.mmio.value) == (at, 1, 0x1234)
    assert made.vcpu.run().reason == KVM_EXIT_HLT
    assert memory.read(0, 8) == b"\x55" * 8
    for k in (0, 2):
        assert made.memory.read(TABLE + 32 * k + 24, 8) == b"\x55" * 8


def test_a_slot_that_is_taken_away_is_memory_no_more(prepared):
    made = prepared("player")
    memory = made.kvm.user_memory(0x1000)
    at = made.machine.RAM_BASE + 0x8_0000
    made.vm.set_user_memory_region(1, at, memory)
    play(made, (STORE, 4, at, 5))
    assert made.vcpu.run().reason == KVM_EXIT_HLT
    made.vm.set_user_memory_region(1, at, None)
    assert memory.read(0, 4) == b"\x05\0\0\0"
    play(made, (STORE, 4, at, 6))
    run = made.vcpu.run()
    assert (run.reason, run.mmio.phys_addr, run.mmio.value) == (KVM_EXIT_MMIO, at, 6)
    assert memory.read(0, 4) == b"\x05\0\0\0"


@pytest.mark.parametrize(
    ("slot", "at", "n_bytes", "flags", "says"),
    [
        (1, 0x1_0800, 0x1000, 0, "whole pages"),
        (1, 0x1_0000, 0x1000, 0, "overlaps slot 0"),
        (-1, 0x8_0000, 0x1000, 0, "accepted are 0 to"),
        (1 << 20, 0x8_0000, 0x1000, 0, "accepted are 0 to"),
        (1, 0x8_0000, 0x1000, 8, "flags 0x8"),
        (0, 0, 0x1000, 0, "take it away"),
    ],
)
def test_a_bad_memory_slot_gets_one_sentence(prepared, slot, at, n_bytes, flags, says):
    made = prepared("halt")
    memory = made.kvm.user_memory(n_bytes)
    with pytest.raises(ValueError, match=says) as refused:
        made.vm.set_user_memory_region(slot, made.machine.RAM_BASE + at, memory, flags)
    text = str(refused.value)
    assert text.startswith(f"memory slot {slot}: ")
    assert text.count(".") == 1 and text.endswith(".")
    assert made.vcpu.run().reason == KVM_EXIT_HLT


def test_a_slot_ends_where_addresses_do(prepared):
    made = prepared("halt")
    with pytest.raises(ValueError, match=r"accepted is what ends at 2\*\*64 at most"):
        made.vm.set_user_memory_region(1, (1 << 64) - 0x1000, made.kvm.user_memory(0x2000))


def test_a_slot_that_is_not_there_cannot_be_taken_away(prepared):
    with pytest.raises(ValueError, match=r"memory slot 3: there is none; there are \[0\]\."):
        prepared("halt").vm.set_user_memory_region(3, 0, None)


@pytest.mark.parametrize("n_bytes", [0, -4096, 100])
def test_user_memory_is_whole_pages(machine, n_bytes):
    with machine.Kvm() as kvm, pytest.raises(ValueError, match="multiples of 0x1000"):
        kvm.user_memory(n_bytes)


def test_user_memory_has_an_end(machine):
    with machine.Kvm() as kvm:
        memory = kvm.user_memory(0x1000)
        memory.write(0xFF8, bytes(8))
        for reach in (lambda: memory.read(0xFF9, 8), lambda: memory.write(-1, b"x")):
            with pytest.raises(ValueError, match="outside the memory; accepted are 0 to 0x1000"):
                reach()


def test_what_the_guest_left_in_memory_outlives_it(prepared):
    made = prepared("dirty")
    made.vcpu.run()
    made.kvm.close()
    assert made.memory.read(WRITTEN[0] << 12, 1) == b"\x01"


def test_the_kernel_counts_exits(prepared):
    made = prepared("mmio")
    while made.vcpu.run().reason != KVM_EXIT_HLT:
        pass
    assert made.vcpu.stats()["exits"] >= 4


def test_an_irqchip_comes_before_the_first_vcpu(prepared):
    with pytest.raises(KvmError, match=r"^creating the interrupt controller[^.]*\.$"):
        prepared("halt").vm.create_irqchip()


def test_listings_hold_every_byte_of_the_code(machine):
    for guest in machine.GUESTS.values():
        assert guest.listing.count("\n") >= 2
        if machine.ARCHITECTURE == "x86-64":
            hexed = "".join(line[6:30] for line in guest.listing.splitlines())
            assert bytes.fromhex(hexed) == guest.code
        else:
            words = [line.split()[1] for line in guest.listing.splitlines()]
            assert b"".join(bytes.fromhex(word)[::-1] for word in words) == guest.code


SHORT_JUMPS = (0xEB, 0x74, 0x75)


def test_the_jumps_of_the_x86_listings_go_where_the_text_says():
    n_jumps = 0
    for guest in x86.GUESTS.values():
        for line in guest.listing.splitlines():
            at, code = int(line[:4], 16), bytes.fromhex(line[6:30])
            if code[0] in SHORT_JUMPS and len(code) == 2:
                target = at + 2 + int.from_bytes(code[1:], signed=True)
                assert f" {target:#x}" in line, f"{guest.name}: {line}"
                n_jumps += 1
    assert n_jumps > 20


@pytest.mark.parametrize("rows", ["xx  nop", "  nop"])
def test_a_row_that_is_no_bytes_is_refused(rows):
    with pytest.raises(ValueError, match="accepted are bytes in hex, then text"):
        assembled("90  nop\n" + rows)
