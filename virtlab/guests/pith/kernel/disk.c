// The disk: a virtio block device behind memory-mapped registers. The kernel describes a request
// in memory that both can see, rings, and is interrupted when the device has carried it out.
// Source: Virtual I/O Device (VIRTIO) Version 1.2, OASIS, "Split Virtqueues", "Virtio Over MMIO",
// "Block Device".
#include "kernel.h"
#include "fs.h"

enum disk_register {
    MAGIC = DISK_BASE + 0x000,
    VERSION = DISK_BASE + 0x004,
    DEVICE = DISK_BASE + 0x008,
    DEVICE_FEATURES = DISK_BASE + 0x010,
    DRIVER_FEATURES = DISK_BASE + 0x020,
    DRIVER_FEATURES_SELECT = DISK_BASE + 0x024,  // which 32 of them
    QUEUE_SELECT = DISK_BASE + 0x030,
    QUEUE_MAX_SIZE = DISK_BASE + 0x034,
    QUEUE_SIZE = DISK_BASE + 0x038,
    QUEUE_READY = DISK_BASE + 0x044,
    QUEUE_NOTIFY = DISK_BASE + 0x050,
    INTERRUPT_STATUS = DISK_BASE + 0x060,
    INTERRUPT_DONE = DISK_BASE + 0x064,
    STATUS = DISK_BASE + 0x070,
    DESCRIPTORS = DISK_BASE + 0x080,  // each of these three is 64 bits wide
    AVAILABLE = DISK_BASE + 0x090,
    USED = DISK_BASE + 0x0a0,
    CAPACITY = DISK_BASE + 0x100,     // in sectors, 64 bits
};
#define VIRTIO_MAGIC 0x74726976  // "virt"
#define VIRTIO_VERSION 2
#define VIRTIO_BLOCK 2
#define FEATURE_VERSION_1 (1 << 0)  // of the second 32 features

// The steps by which driver and device come to know each other.
enum { ACKNOWLEDGED = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

#define SECTOR_SIZE 512
#define QUEUE_LENGTH 4  // a power of two; one request needs three descriptors

struct descriptor {
    uint64_t address;
    uint32_t n_bytes;
    uint16_t flags;
    uint16_t next;
};
enum { HAS_NEXT = 1, DEVICE_WRITES = 2 };

static struct descriptor descriptors[QUEUE_LENGTH] __attribute__((aligned(16)));
static struct {
    uint16_t flags;
    volatile uint16_t index;   // counts up for ever; place index % QUEUE_LENGTH comes next
    uint16_t ring[QUEUE_LENGTH];
} available __attribute__((aligned(2)));
static struct {
    uint16_t flags;
    volatile uint16_t index;
    struct {
        uint32_t id, n_bytes;
    } ring[QUEUE_LENGTH];
} used __attribute__((aligned(4)));

// A request as the device sees it: this header, then the data, then one byte of outcome.
static struct {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
} header;
enum { REQUEST_READ, REQUEST_WRITE };
static volatile uint8_t outcome;

uint32_t disk_n_blocks;

static void write_address(uint64_t which, const volatile void *address)
{
    device_write32(which, (uint64_t)address);
    device_write32(which + 4, (uint64_t)address >> 32);
}

void disk_init(void)
{
    uint32_t status = ACKNOWLEDGED | DRIVER;

    if (device_read32(MAGIC) != VIRTIO_MAGIC || device_read32(VERSION) != VIRTIO_VERSION ||
        device_read32(DEVICE) != VIRTIO_BLOCK)
        panic("there is no virtio disk (version %d) at %p", VIRTIO_VERSION, DISK_BASE);
    device_write32(STATUS, 0);  // reset
    device_write32(STATUS, status);

    // Of all it offers, this driver wants only the modern interface.
    device_write32(DRIVER_FEATURES_SELECT, 0);
    device_write32(DRIVER_FEATURES, 0);
    device_write32(DRIVER_FEATURES_SELECT, 1);
    device_write32(DRIVER_FEATURES, FEATURE_VERSION_1);
    status |= FEATURES_OK;
    device_write32(STATUS, status);
    if (!(device_read32(STATUS) & FEATURES_OK))
        panic("the disk wants features that this driver does not have");

    device_write32(QUEUE_SELECT, 0);
    if (device_read32(QUEUE_MAX_SIZE) < QUEUE_LENGTH)
        panic("the disk's queue is too short");
    device_write32(QUEUE_SIZE, QUEUE_LENGTH);
    write_address(DESCRIPTORS, descriptors);
    write_address(AVAILABLE, &available);
    write_address(USED, &used);
    device_write32(QUEUE_READY, 1);
    device_write32(STATUS, status | DRIVER_OK);
    disk_n_blocks = device_read32(CAPACITY) / (BLOCK_SIZE / SECTOR_SIZE);
}

// Reads or writes one block. Only one process at a time comes here: the caller is in fs_enter().
void disk_transfer(uint32_t number, void *data, bool write)
{
    header.type = write ? REQUEST_WRITE : REQUEST_READ;
    header.sector = (uint64_t)number * (BLOCK_SIZE / SECTOR_SIZE);
    descriptors[0] = (struct descriptor){(uint64_t)&header, sizeof header, HAS_NEXT, 1};
    descriptors[1] = (struct descriptor){(uint64_t)data, BLOCK_SIZE,
                                         HAS_NEXT | (write ? 0 : DEVICE_WRITES), 2};
    descriptors[2] = (struct descriptor){(uint64_t)&outcome, 1, DEVICE_WRITES, 0};

    available.ring[available.index % QUEUE_LENGTH] = 0;  // the chain starts at descriptor 0
    memory_barrier();  // the device must not see the new index before the rest
    available.index++;
    memory_barrier();
    device_write32(QUEUE_NOTIFY, 0);

    while (used.index != available.index)  // the device counts up when it has finished
        wait_for(&used);
    if (outcome != 0)
        panic("the disk fails on block %u", number);
}

void disk_interrupt(void)
{
    device_write32(INTERRUPT_DONE, device_read32(INTERRUPT_STATUS));
    wake_up(&used);
}

// A register whose reading has no effect, for programs that measure what reading one costs.
uint32_t disk_probe(void) { return device_read32(VERSION); }
