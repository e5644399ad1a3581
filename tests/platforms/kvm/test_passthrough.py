"""Does a guest with a device of its own reach that, its own memory, and nothing else?"""

import numpy as np
import pytest

from virtlab.isa import encoding as e
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.kvm import api, model, vfio
from virtlab.platforms.kvm.guest_program import FREE, MEMORY_BYTES
from virtlab.platforms.kvm.user_space import virtio
from virtlab.platforms.kvm.user_space.board import Board
from virtlab.platforms.kvm.user_space.disk import SECTOR_BYTES
from virtlab.platforms.kvm.user_space.drivers import VirtioBlkDriver
from virtlab.platforms.kvm.user_space.io_paths import BASE, IoPath
from virtlab.platforms.kvm.user_space.player import Player, load, store
from virtlab.platforms.kvm.watching import Watch

EVIL = b"\xee" * SECTOR_BYTES
SAFE = bytes(SECTOR_BYTES)
LEAF = e.PTE_V | e.PTE_R | e.PTE_W | e.PTE_X | e.PTE_U | e.PTE_A | e.PTE_D


@pytest.fixture
def guest():
    """Makes a guest with the host's disk: guest(iommu=False, shared=..., irqchip=True)."""
    opened = []

    def make(iommu=True, flags=0, irqchip=False):
        kvm = model.Kvm()
        opened.append(kvm)
        vm, memory = kvm.create_vm(), kvm.user_memory(MEMORY_BYTES)
        if irqchip:
            vm.create_irqchip()
        vm.set_user_memory_region(0, RAM_BASE, memory, flags)
        vcpu = vm.create_vcpu()
        disk = vfio.AssignedDisk(vm, bytearray(EVIL + SAFE * 3), iommu)
        vm.set_user_memory_region(1, BASE, disk.region)
        disk.map_dma(RAM_BASE, memory)
        player = Player(model, vcpu, memory, Board(vcpu))
        return vm, vcpu, memory, disk, player, VirtioBlkDriver(player, BASE)

    yield make
    for kvm in opened:
        kvm.close()


def test_registers_of_the_guests_own_device_are_no_exits(guest):
    _, vcpu, _, disk, player, driver = guest()
    driver.read(0)  # whatever is touched for the first time has been touched
    before, reached = vcpu.exits_by_reason(), disk.n_accesses
    assert player.play([load(4, BASE + virtio.MAGIC)] * 100) == [0x7472_6976] * 100
    after = vcpu.exits_by_reason()
    assert disk.n_accesses == reached + 100
    assert {name: n for name, n in after.items() if n != before[name]} == {
        "WFI": (0, before["WFI"][1] + 1)
    }


def test_a_request_takes_the_interrupt_and_nothing_else(guest):
    _, vcpu, _, disk, _, driver = guest()
    driver.read(0)
    watch = Watch(vcpu)
    assert driver.read(0) == EVIL
    assert [(one.what.split(":")[0], one.to_program) for one in watch.exits] == [
        ("an interrupt of a device that the host has given away.", False),
        ("KVM_EXIT_HLT", True),
    ]
    assert disk.n_interrupts == 2


def places(vm):
    """Where a hostile driver would like its disk to write, beside the guest's memory."""
    processor = vm.processor_for_device()
    return {
        "behind the guest's memory": RAM_BASE + MEMORY_BYTES,
        "the guest's second table": processor.gstage_root,
        "the IOMMU's own table": (int(processor.physical.iohgatp) & (1 << 44) - 1) << 12,
        "where no memory is": 0x4000_0000,
        "beyond 41 bits": 1 << 45,
        "across the end of its memory": RAM_BASE + MEMORY_BYTES - 16,
    }


@pytest.mark.parametrize("where", range(6))
def test_hostile_dma_is_stopped(guest, where):
    vm, _, _, disk, _player, driver = guest()
    driver.read(1)
    name, gpa = list(places(vm).items())[where]
    host = vm.processor_for_device().host_words
    outside = host[MEMORY_BYTES >> 3 :].copy()
    assert not driver.demand(0, gpa), name
    assert np.array_equal(host[MEMORY_BYTES >> 3 :], outside), name
    assert disk.n_faults == 1
    page = gpa & -0x1000
    assert disk.fault == (page + 0x1000 if "across" in name else page), name


@pytest.mark.parametrize("iommu", [True, False])
def test_a_forged_second_table_gives_the_guest_the_host_unless_there_is_an_iommu(guest, iommu):
    vm, _, _, disk, player, driver = guest(iommu)
    processor, secret = vm.processor_for_device(), 0x5EC2_E700_5EC2_E700
    outside = RAM_BASE + 0x80_0000
    processor.store(outside, secret.to_bytes(8, "little"))
    driver.read(1)
    assert player.play([load(8, outside)]) == [(1 << 64) - 1]  # where nobody is
    forged = LEAF | (RAM_BASE >> 12) << 10  # a GiB of the host's memory
    disk.contents[0:SECTOR_BYTES] = SAFE[:16] + forged.to_bytes(8, "little") + SAFE[24:]
    assert driver.demand(0, places(vm)["the guest's second table"]) == (not iommu)
    assert player.play([load(8, outside)]) == [(1 << 64) - 1 if iommu else secret]


def test_a_table_of_nonsense_harms_the_guest_and_not_the_program(guest):
    vm, _, _, _, player, driver = guest(iommu=False)
    driver.read(1)
    assert driver.demand(0, places(vm)["the guest's second table"])
    assert player.play([load(4, BASE + virtio.MAGIC)]) == [0x7472_6976]


def test_rings_outside_the_guests_memory_are_refused_too(guest):
    _, _, _, disk, player, _ = guest()
    accesses = [
        store(4, BASE + virtio.QUEUE_USED, RAM_BASE + MEMORY_BYTES),
        store(4, BASE + virtio.QUEUE_NOTIFY, 0),
        load(4, BASE + virtio.DEVICE_STATUS),
    ]
    assert player.play(accesses)[0] & virtio.NEEDS_RESET
    assert disk.fault == RAM_BASE + MEMORY_BYTES


def test_memory_that_is_unmapped_or_read_only_for_the_device_is_out_of_reach(guest):
    _, _, memory, disk, _player, driver = guest()
    assert driver.read(0) == EVIL
    disk.unmap_dma(RAM_BASE)
    disk.map_dma(RAM_BASE, memory, writable=False)
    assert not driver.demand(0, RAM_BASE + FREE + 0x2000)
    assert disk.n_faults == 1 and disk.fault == RAM_BASE + FREE  # the used ring is written


def test_the_device_may_have_addresses_of_its_own(guest):
    _, _, memory, disk, player, _ = guest()
    disk.unmap_dma(RAM_BASE)
    disk.map_dma(0x1_0000_0000, memory)
    ring, away = RAM_BASE + FREE, 0x1_0000_0000 + FREE
    for low, at in ((0x80, 0), (0x90, 0x400), (0xA0, 0x800)):
        player.play([store(4, BASE + low, away + at), store(4, BASE + low + 4, 1)])
    chain = [
        (away + 0x1000, 16, 1 << 32 | 1 << 48),
        (away + 0x2000, SECTOR_BYTES, 3 << 32 | 2 << 48),
    ]
    chain.append((away + 0x1010, 1, 2 << 32))
    accesses = []
    for k, (where, n_bytes, more) in enumerate(chain):
        accesses += [store(8, ring + 16 * k, where), store(8, ring + 16 * k + 8, n_bytes | more)]
    player.play(
        [
            *accesses,
            store(8, ring + 0x1000, 0),
            store(8, ring + 0x1008, 0),
            store(2, ring + 0x404, 0),
            store(2, ring + 0x402, 1),
            store(4, BASE + virtio.QUEUE_NOTIFY, 0),
        ]
    )
    assert memory.read(FREE + 0x2000, SECTOR_BYTES) == EVIL
    assert disk.n_faults == 0


def test_an_interrupt_of_the_device_reaches_the_guests_handler_through_an_irqfd():
    with model.Kvm() as kvm:
        vm, memory = kvm.create_vm(), kvm.user_memory(MEMORY_BYTES)
        vm.create_irqchip()
        vm.set_user_memory_region(0, RAM_BASE, memory)
        vcpu, guest = vm.create_vcpu(), model.GUESTS["interrupt"]
        disk = vfio.AssignedDisk(vm, bytearray(SAFE))
        event = kvm.eventfd()
        vm.irqfd(event, guest.irq)
        disk.set_irq(event)
        guest.start(vcpu, memory)
        for count in range(4):
            run = vcpu.run()
            assert (run.reason, run.mmio.value) == (api.KVM_EXIT_MMIO, count)
            vm.processor_for_device().physical.plic_pending = 2  # the disk's line rises
        assert disk.n_interrupts == 3
        assert vcpu.exits_by_reason()["INTERRUPT"] == (3, 0)


def test_the_dirty_log_does_not_see_what_the_device_writes(guest):
    vm, _, _, _, player, driver = guest(flags=api.KVM_MEM_LOG_DIRTY_PAGES)
    driver.read(1)
    vm.get_dirty_log(0)
    buffer = RAM_BASE + 0x3_0000
    assert driver.demand(0, buffer)
    assert player.memory.read(0x3_0000, SECTOR_BYTES) == EVIL
    assert 0x30 not in vm.get_dirty_log(0)


def test_a_device_that_was_closed_reaches_nothing_and_can_be_opened_again(guest):
    vm, _, _memory, disk, player, driver = guest()
    driver.read(0)
    disk.close()
    assert player.play([load(4, BASE + virtio.DEVICE_ID)]) == [0]  # a slot of the bus that is empty
    vm.set_user_memory_region(0, RAM_BASE, None)
    again = vfio.AssignedDisk(vm, bytearray(SAFE))
    assert again.n_interrupts == 0


MISTAKES = [
    (lambda vm, memory, disk: vfio.AssignedDisk(vm, bytearray(SAFE)), "it is open"),
    (lambda vm, memory, disk: disk.map_dma(RAM_BASE, memory), "there is memory"),
    (lambda vm, memory, disk: disk.map_dma(5, memory), "accepted are multiples of 0x1000"),
    (lambda vm, memory, disk: disk.map_dma(0, model.UserMemory(4096)), "in no slot"),
    (lambda vm, memory, disk: disk.unmap_dma(0x1000), "accepted are 0x80000000"),
    (lambda vm, memory, disk: vm.set_user_memory_region(0, RAM_BASE, None), "after unmap_dma"),
    (lambda vm, memory, disk: vm.set_user_memory_region(2, RAM_BASE, disk.region), "overlaps"),
    (lambda vm, memory, disk: vm.set_user_memory_region(2, 1 << 40, disk.region), "ends at"),
]


@pytest.mark.parametrize(("mistake", "said"), MISTAKES)
def test_mistakes_are_refused_in_a_sentence(guest, mistake, said):
    vm, _, memory, disk, _, driver = guest()
    with pytest.raises((ValueError, api.KvmError), match=said):
        mistake(vm, memory, disk)
    assert driver.read(0) == EVIL


def test_a_device_before_the_vcpu_is_refused():
    with model.Kvm() as kvm, pytest.raises(api.KvmError, match="after create_vcpu"):
        vfio.AssignedDisk(kvm.create_vm(), bytearray(SAFE))


def test_a_path_that_is_closed_leaves_the_disk_to_its_owner():
    contents = bytes(range(256)) * 2 * 4
    with IoPath(model, "disk", "passthrough", contents) as one:
        assert one.driver.write(2, EVIL)
    assert one.contents == contents[:1024] + EVIL + contents[1536:]
    one.contents += b"more"  # nobody holds it any more
