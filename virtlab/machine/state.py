"""The state of the machine: a record for the hart and its devices, arrays for memory.

Everything a guest can change stands here, so a copy of the record and of the written pages is a
snapshot. Fields of the record are 64-bit integers unless they say otherwise; registers and CSRs
hold the 64-bit pattern as a signed number. A second hart would be a second record.

`Memory` holds what is too large for the record. RAM is one block of bytes seen through four views.

Sources: "The RISC-V Instruction Set Manual, Volume II: Privileged Architecture", 20240411, for
every CSR and its reset value (chapter "Machine-Level ISA", section "Reset"); QEMU's `virt` board
for the devices.
"""

from collections import namedtuple

import numpy as np

from virtlab.machine.zeroed import zeroed

RAM_BASE = 0x8000_0000

N_TLB = 256  # entries of each TLB, direct-mapped by virtual page number
N_CONTEXTS = 512  # address-space contexts that TLB tags can tell apart
UART_RX_BYTES = 4096  # typed but not yet read
CONSOLE_BYTES = 8192  # printed but not yet collected
CONSOLE_ROOM = 512  # the buffer is collected while at least this much of it is free
CONSOLE_PIECE = 256  # at most this much is printed by one call
PLIC_SOURCES = 64  # interrupt sources 1..63; a source is a bit of a 64-bit word
N_PMP = 16

# Columns of the event log, one row a trap or a return from one.
EVENT_STEPS, EVENT_PC, EVENT_KIND, EVENT_CAUSE, EVENT_TVAL, EVENT_FROM, EVENT_TO = range(7)
EVENT_COLUMNS = 8
N_EVENTS = 4096
KIND_EXCEPTION, KIND_INTERRUPT, KIND_RETURN = range(3)

# Why `run` returned.
STOP_NONE = 0
STOP_BUDGET = 1  # the number of steps asked for has been made
STOP_EVENT = 2  # an event that was waited for has happened
STOP_EXIT = 3  # the guest ended the machine (finisher, SBI reset, tohost)
STOP_IDLE = 4  # waits in WFI and nothing inside the machine can wake it
STOP_CONSOLE = 5  # the console buffer wants to be collected
STOP_RESET = 6  # the guest asked for a reboot
STOP_TRAP = 7  # a trap to HS-mode, where a hypervisor waits outside the machine (hart.host)

# Events that `run` can be told to stop at (bits of `watch`).
WATCH_EXCEPTION = 1
WATCH_INTERRUPT = 2
WATCH_RETURN = 4
WATCH_MODE = 8
WATCH_IDLE = 16
WATCH_CONSOLE = 32  # a byte equal to watch_byte is printed
WATCH_PC = 64  # watch_pc is about to be executed; -1: none

# Constants that are passed as arguments are 64-bit integers, so that a function is compiled once
# and not again for each literal. Flags are passed as NO and YES.
NO, YES = np.int64(0), np.int64(1)
BYTE, HALF, WORD, DOUBLE = np.int64(1), np.int64(2), np.int64(4), np.int64(8)  # bytes accessed

_I = np.int64


def words(*names: str) -> list[tuple]:
    """Fields of a record, a 64-bit integer each."""
    return [(name, _I) for name in names]


HART = np.dtype(
    (
        np.record,
        [
            # The hart: x0..x31, and x32 into which writes to x0 are decoded.
            ("x", _I, (40,)),
            *words("pc", "mode", "virt"),  # reset: MACHINE, V=0
            *words("steps"),  # instructions attempted since reset, trapping ones too
            *words("idle_steps"),  # steps that WFI slept through: time has passed, nothing ran
            *words("not_retired"),  # steps that trapped
            *words("waiting"),  # 1 while the hart waits in WFI
            *words("reservation"),  # physical address of LR, -1: none
            # Machine level.
            *words("mstatus", "misa", "medeleg", "mideleg", "mie", "mip", "mtvec"),
            *words("mscratch", "mepc", "mcause", "mtval", "mtval2", "mtinst"),
            *words("mcounteren", "mcountinhibit", "menvcfg"),
            *words("cycle_offset", "instret_offset"),  # mcycle = steps + idle + offset
            ("pmpcfg", _I, (N_PMP,)),
            ("pmpaddr", _I, (N_PMP,)),
            # Supervisor level (HS when V=0).
            *words("stvec", "sscratch", "sepc", "scause", "stval", "satp"),
            *words("scounteren", "stimecmp"),
            # Hypervisor extension.
            *words("hstatus", "hedeleg", "hideleg", "hcounteren", "henvcfg", "htimedelta"),
            *words("htval", "htinst", "hgatp"),
            *words("vsstatus", "vstvec", "vsscratch", "vsepc", "vscause", "vstval"),
            *words("vsatp", "vstimecmp"),
            # A fault on its way to a trap: cause + 1, or 0; and what the trap will report.
            *words("fault", "fault_va", "fault_gpa", "fault_tinst", "fault_gva"),
            # For a hypervisor: does it take traps to HS-mode; what LR had reserved when the last
            # trap was taken; the tables of the last walk by level, and its leaf.
            *words("host", "reservation_lost"),
            ("walk_table", _I, (3,)),
            *words("walk_leaf", "walk_level"),
            *words("watched_dma"),  # PAGE_WATCHES flags of pages that devices have written
            # The x86 lesson: 1 if some instructions fail silently in U-mode; the first that did.
            *words("silent", "silent_count", "silent_pc", "silent_word"),
            # TLBs. A tag is the virtual page plus the context's key (see tlb.py), -1 if empty; the
            # addend turns a virtual address into an offset in RAM.
            *words("fetch_key", "data_key"),
            ("itlb_tag", _I, (N_TLB,)),
            ("itlb_add", _I, (N_TLB,)),
            ("dtlb_read", _I, (N_TLB,)),
            ("dtlb_write", _I, (N_TLB,)),
            ("dtlb_guarded", _I, (N_TLB,)),  # writable, but the page holds decoded code
            ("dtlb_add", _I, (N_TLB,)),
            ("itlb_level", np.int8, (N_TLB,)),
            ("dtlb_level", np.int8, (N_TLB,)),
            ("context", _I, (N_CONTEXTS,)),
            # Board: RAM, time, machine options.
            *words("ram_bytes", "disk_bytes", "steps_per_tick", "time_offset"),
            *words("sbi", "adue_at_reset", "tohost", "fromhost"),
            # CLINT.
            *words("msip", "mtimecmp"),
            # PLIC: context 0 is the hart's M-mode, context 1 its S-mode.
            *words("plic_pending", "plic_claimed"),
            ("plic_priority", _I, (PLIC_SOURCES,)),
            ("plic_enable", _I, (2,)),
            ("plic_threshold", _I, (2,)),
            # UART 16550.
            *words("uart_ier", "uart_lcr", "uart_mcr", "uart_scr", "uart_fcr", "uart_divisor"),
            *words("uart_thre"),  # 1: the transmitter-empty interrupt is pending
            *words("uart_rx_head", "uart_rx_tail"),
            ("uart_rx", np.uint8, (UART_RX_BYTES,)),
            *words("console_n"),
            ("console", np.uint8, (CONSOLE_BYTES,)),
            # virtio block device.
            *words("blk_status", "blk_features", "blk_feature_page", "blk_driver_page"),
            *words("blk_interrupt", "blk_queue", "blk_queue_size", "blk_queue_ready"),
            *words("blk_descriptors", "blk_available", "blk_used", "blk_last_available"),
            # IOMMU: the root of the table that a device's addresses go through, in hgatp's format,
            # 0: none; accesses refused, and the page that the last of them was for.
            *words("iohgatp", "iommu_faults", "iommu_fault"),
            # Run control.
            *words(
                "horizon",
                "first",
                "end",
                "stop",
                "watch",
                "watch_pc",
                "watch_byte",
                "stop_detail",
                "exit_code",
            ),
            *words("n_events"),
            # Counters.
            ("exceptions", _I, (64,)),
            ("interrupts", _I, (64,)),
            *words("data_accesses", "data_misses", "fetch_misses"),
            *words("walks", "walk_references", "gstage_references"),
            *words("device_reads", "device_writes", "disk_reads", "disk_writes", "sbi_calls"),
        ],
    )
)

# Flags of a page of RAM or disk block, one byte each in Memory.pages and Memory.blocks.
PAGE_DIRTY = 1  # written since the last snapshot
PAGE_CODE = 2  # has a row of decoded instructions
PAGE_TOHOST = 4  # holds the word through which a test program talks to its host
PAGE_GUARDED = PAGE_CODE | PAGE_TOHOST  # stores must take the slow path
PAGE_WATCHED = 8  # a hypervisor wants to know of devices' writes
PAGE_TRANSLATED = 16  # the same: code in it has been translated
PAGE_WATCHES = PAGE_WATCHED | PAGE_TRANSLATED

# Decoded instructions: a row a page, an entry a halfword, then the end mark and the row's owner.
ROW_ENTRIES = 2048
ROW_MARK = ROW_ENTRIES  # holds op.ROW_END
ROW_OWNER = ROW_ENTRIES + 1  # page frame in RAM + 1, 0: empty
ROW_PATIENCE = ROW_ENTRIES + 2  # stores the page may take before its row is dropped
ROW = ROW_ENTRIES + 8  # a whole number of cache lines
CODE_PATIENCE = 256

Memory = namedtuple("Memory", "u8 u16 u32 u64 pages code disk blocks log")
Memory.__doc__ = """The machine's arrays.

u8, u16, u32, u64 : RAM through views of 8 to 64 bits; u64 is int64, the others unsigned
pages : (ram_bytes / 4096,) uint8, PAGE_ flags
code : (n_rows * ROW + ROW,) int64, decoded instructions; the last row is for single instructions
disk : (n,) uint8, the block device's bytes, a multiple of 512, empty without a disk
blocks : (ceil(n / 4096),) uint8, PAGE_DIRTY flags of the disk
log : (N_EVENTS, EVENT_COLUMNS) int64, a ring
"""


def new_memory(ram_bytes: int, n_rows: int, disk: np.ndarray) -> Memory:
    """Zeroed RAM of `ram_bytes` (a multiple of 4096), `n_rows` (a power of two) code rows."""
    u8 = zeroed(ram_bytes)
    return Memory(
        u8=u8,
        u16=u8.view(np.uint16),
        u32=u8.view(np.uint32),
        u64=u8.view(np.int64),
        pages=np.zeros(ram_bytes >> 12, np.uint8),
        code=zeroed((n_rows + 1) * ROW, np.int64),
        disk=disk,
        blocks=np.zeros((len(disk) + 4095) >> 12, np.uint8),
        log=np.zeros((N_EVENTS, EVENT_COLUMNS), np.int64),
    )
