"""A device of one's own, with the IOMMU and without; and the tree by which domains find another."""

import pytest

from tests.platforms.xen.machines import assert_sound, machine, page, pv, refused, started
from virtlab.machine.state import RAM_BASE
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.passthrough import (
    ADDRESS,
    BAD_DMA,
    BAD_REQUEST,
    COMMAND,
    COUNT,
    DONE,
    READ_DISK,
    SECTOR,
    STATUS,
    WRITE_DISK,
)

DISK = bytes(range(256)) * 32
POISON = b"\xee" * 512


def dma(xen, domain, address: int, command: int = READ_DISK, sector: int = 0, n: int = 512) -> int:
    """What STATUS says after a transfer."""
    values = {ADDRESS: address, SECTOR: sector, COUNT: n, COMMAND: command}
    for register, value in values.items():
        assert xen.call(domain.number, abi.DEVICE, abi.DEVICE_WRITE, 0, register, value) == 0
    return xen.call(domain.number, abi.DEVICE, abi.DEVICE_READ, 0, STATUS)


@pytest.mark.parametrize("kernel", ["hog", "hvm_hog"])
def test_a_domain_uses_the_device_that_it_was_given(kernel):
    xen = machine(disks=[DISK])
    domain = started(xen, kernel)
    assert xen.call(domain.number, abi.DEVICE, abi.DEVICE_READ, 0, STATUS) == -abi.NOT_PERMITTED
    xen.control.assign(domain.number, 0)
    gpa = page(domain, 5) << 12
    address = gpa if kernel == "hvm_hog" else gpa + domain.base
    assert dma(xen, domain, address, n=1024) == DONE
    assert xen.read(domain, gpa, 1024) == DISK[:1024]
    xen.write(domain, gpa, b"new".ljust(512))
    assert dma(xen, domain, address, WRITE_DISK, 7) == DONE
    assert xen.devices[0].contents[7 * 512 :][:3] == b"new"
    assert dma(xen, domain, address, sector=16) == BAD_REQUEST
    assert dma(xen, domain, address, n=100) == BAD_REQUEST
    assert dma(xen, domain, address, command=7) == BAD_REQUEST
    assert refused(xen, 0, "assign", domain.number, 0) == abi.BUSY
    assert refused(xen, 0, "assign", domain.number, 1) == abi.NO_ENTRY
    xen.control.deassign(0)
    assert refused(xen, 0, "deassign", 0) == abi.NO_ENTRY
    assert xen.call(domain.number, abi.DEVICE, abi.DEVICE_READ, 0, STATUS) == -abi.NOT_PERMITTED
    xen.control.assign(domain.number, 0)
    xen.control.destroy(domain.number)
    assert xen.devices[0].owner is None


def attacked(iommu: bool, kernel: str = "hog"):
    """A machine on which a domain has had its device write everywhere it should not."""
    xen = machine(disks=[POISON * 16], iommu=iommu)
    hostile, victim = started(xen, kernel), started(xen, "hvm_hog")
    xen.run(5)
    xen.control.pause(victim.number)
    xen.control.assign(hostile.number, 0)
    domain0, table = xen.domains[0], xen.machines[hostile.number]._root()
    targets = {
        "Domain0": RAM_BASE + domain0.base + (100 << 12),
        "another domain": RAM_BASE + victim.base + (100 << 12),
        "its own page table": RAM_BASE + table,
        "the hypervisor's pages": RAM_BASE + victim.base + victim.ram_bytes,
    }
    before = xen.host.mem.u8.copy()
    statuses = {name: dma(xen, hostile, address) for name, address in targets.items()}
    changed = {
        name
        for name, address in targets.items()
        if (xen.host.mem.u8[address - RAM_BASE :][:512] != before[address - RAM_BASE :][:512]).any()
    }
    return xen, statuses, changed, set(targets)


def test_the_iommu_keeps_the_device_to_its_domains_pages():
    xen, statuses, changed, targets = attacked(iommu=True)
    assert set(statuses.values()) == {BAD_DMA}
    assert changed == set()
    assert len(xen.dma_faults) == len(targets)
    assert all(fault.domain == 1 and fault.writing for fault in xen.dma_faults)
    assert_sound(xen)


def test_without_the_iommu_a_device_writes_over_anybody():
    xen, statuses, changed, targets = attacked(iommu=False)
    assert set(statuses.values()) == {DONE}
    assert changed == targets
    assert xen.dma_faults == []


def test_the_iommu_may_be_switched_while_the_machine_runs():
    xen = machine(disks=[POISON * 16])
    domain = started(xen, "hog")
    xen.control.assign(domain.number, 0)
    address = RAM_BASE + xen.domains[0].base + (100 << 12)
    for on, status in ((True, BAD_DMA), (False, DONE), (True, BAD_DMA)):
        xen.switch_iommu(on)
        assert dma(xen, domain, address) == status


def test_where_there_is_no_memory_the_bus_says_so():
    for iommu in (False, True):
        xen = machine(disks=[DISK], iommu=iommu)
        domain = started(xen, "hog")
        xen.control.assign(domain.number, 0)
        for address in (0, RAM_BASE - 512, (1 << 63) - 512, (1 << 64) - 512):
            assert dma(xen, domain, address) == BAD_DMA
        assert len(xen.dma_faults) == 4


def test_a_transfer_across_two_pages_needs_both():
    xen = machine(disks=[DISK])
    domain = started(xen, "hvm_hog")
    xen.control.assign(domain.number, 0)
    last = (page(domain, 255) << 12) + 4096 - 256
    before = xen.read(domain, last, 256)
    assert dma(xen, domain, last) == BAD_DMA
    assert xen.read(domain, last, 256) == before
    assert dma(xen, domain, last - 4096) == DONE


# The store


@pytest.fixture
def xen():
    xen = machine()
    started(xen, "hog")
    started(xen, "hog")
    return xen


def test_a_domain_writes_below_its_own_node_only(xen):
    store = xen.store
    assert store.write(1, "/local/domain/1/data/a", b"1") == 0
    assert store.read(1, "/local/domain/1/data/a") == b"1"
    assert store.read(0, "/local/domain/1/data/a") == b"1"
    assert store.list(1, "/local/domain/1") == ["data", "domid", "memory", "name"]
    for path in ("/local/domain/2/data", "/local/domain/0/x", "/tool", "/local/domain/3"):
        assert store.write(1, path, b"") == -abi.NO_ACCESS, path
    assert store.remove(1, "/local/domain/2") == -abi.NO_ACCESS
    assert store.remove(1, "/local/domain/1") == -abi.NO_ACCESS
    assert store.remove(1, "/local/domain/1/data") == 0
    assert store.read(1, "/local/domain/1/data/a") == -abi.NO_ENTRY


def test_rights_are_given_by_the_owner(xen):
    store = xen.store
    store.write(1, "/local/domain/1/device", b"x")
    store.allow(1, "/local/domain/1/device", readers={2})
    assert store.read(2, "/local/domain/1/device") == b"x"
    assert store.write(2, "/local/domain/1/device", b"y") == -abi.NO_ACCESS
    assert store.allow(2, "/local/domain/1/device", writers={2}) == -abi.NO_ACCESS
    store.allow(1, "/local/domain/1/device", writers={2})
    assert store.write(2, "/local/domain/1/device", b"y") == 0
    store.allow(1, "/local/domain/1/device")
    assert store.read(2, "/local/domain/1/device") == -abi.NO_ACCESS
    assert store.allow(1, "/nowhere") == -abi.NO_ENTRY


def test_what_is_no_path_or_too_much_is_refused(xen):
    store = xen.store
    for path in ("", "x", "/local/domain/1/ü", "/local/domain/1/a b", "/" + "x" * 300):
        assert store.write(1, path, b"") == -abi.INVALID
    assert store.write(1, "/local/domain/1/a", bytes(2049)) == -abi.TOO_BIG
    results = [store.write(1, f"/local/domain/1/{k}", b"") for k in range(1100)]
    assert results.count(-abi.NO_SPACE) > 90
    assert store.owned(1) <= 1000
    assert store.write(2, "/local/domain/2/a", b"") == 0


def text(xen, domain, gpa: int, value: str) -> int:
    xen.write(domain, gpa, value.encode() + b"\0")
    return gpa


def test_a_guest_reads_writes_and_watches_by_calls(xen):
    one, two = xen.domains[1], xen.domains[2]
    at, buffer = page(one, 1) << 12, page(one, 2) << 12
    path = text(xen, one, at, "/local/domain/1/data")
    xen.write(one, buffer, b"value")
    assert xen.call(1, abi.STORE, abi.STORE_WRITE, path, buffer, 5) == 0
    assert xen.call(1, abi.STORE, abi.STORE_READ, path, buffer + 100, 3) == 5
    assert xen.read(one, buffer + 100, 4) == b"val\0"
    parent = text(xen, one, at + 100, "/local/domain/1")
    assert xen.call(1, abi.STORE, abi.STORE_LIST, parent, buffer, 4096) == 23
    assert xen.read(one, buffer, 23) == b"data\0domid\0memory\0name\0"
    own = text(xen, one, at + 200, "domid")
    assert xen.call(1, abi.STORE, abi.STORE_READ, own, buffer, 8) == 1
    assert xen.read(one, buffer, 1) == b"1"
    port = xen.call(1, abi.EVENT, abi.ALLOC_UNBOUND, 1)
    assert xen.call(1, abi.STORE, abi.STORE_WATCH, parent, port) == 0
    elsewhere = text(xen, two, page(two, 1) << 12, "/local/domain/2/a")
    xen.call(2, abi.STORE, abi.STORE_WRITE, elsewhere, elsewhere, 1)
    assert xen.call(1, abi.STORE, abi.STORE_NEXT, buffer, 100) == 0
    xen.call(1, abi.STORE, abi.STORE_REMOVE, path)
    assert xen.read_word(one, abi.SHARED_CHANNELS) == 1 << port
    assert xen.call(1, abi.STORE, abi.STORE_NEXT, buffer, 100) == 21
    assert xen.read(one, buffer, 21) == b"/local/domain/1/data\0"
    assert xen.call(1, abi.STORE, abi.STORE_UNWATCH, parent) == 0
    assert xen.call(1, abi.STORE, abi.STORE_UNWATCH, parent) == -abi.NO_ENTRY
    for words, error in (
        ((abi.STORE_READ, 0, buffer, 8), abi.INVALID),
        ((abi.STORE_READ, path, buffer, 8), abi.NO_ENTRY),
        ((abi.STORE_READ, parent, 0x1000, 8), abi.BAD_ADDRESS),
        ((abi.STORE_READ, parent, buffer, -1), abi.INVALID),
        ((abi.STORE_WRITE, path, 0x1000, 8), abi.BAD_ADDRESS),
        ((abi.STORE_WRITE, path, buffer, 1 << 40), abi.INVALID),
        ((abi.STORE_WATCH, parent, 0), abi.INVALID),
        ((99,), abi.NO_CALL),
    ):
        assert xen.call(1, abi.STORE, *words) == -error, words
    end = RAM_BASE + one.ram_bytes - 2
    xen.write(one, end, b"/a")
    assert xen.call(1, abi.STORE, abi.STORE_READ, end, buffer, 8) == -abi.INVALID


def test_each_call_of_a_guest_is_counted():
    store = "li a7, 37\nli a0, 0\nli a1, 0\necall\nli a7, 99\necall\nli a7, 5\necall\nj ."
    xen = machine(kernels={"caller": pv(store)})
    domain = started(xen, "caller")
    xen.run(5)
    assert domain.counts == {"store": 1, "refused": 1}  # 99 is not one of a platform's calls
    assert xen.machines[domain.number].counts["refused"] == 1
