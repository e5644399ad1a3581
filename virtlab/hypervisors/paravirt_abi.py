"""What do a paravirtual guest and its hypervisor agree on? Hypercalls, a shared page, three events.

A guest declares itself by a symbol named `paravirt_abi_1`, starts in U-mode with translation on,
and finds this:

    gpa            what
    0x8000_0000    the shared page
    0x8000_1000    the page tables on which its kernel runs: all RAM at va = gpa, in 4 KiB pages,
                   readable and writable, but the tables themselves only readable
    0x8020_0000    from here on its own image may lie, executable where the image has contents
    a0, a1         0 and the address of the shared page

Hypercall: ECALL in the kernel; number in a7, arguments in a0 and a1, the result in a0: zero or
more, or an error, negated. All other registers keep their values.

    0 VERSION                     the ABI's; an event that is pending is delivered on the way back
    1 SET_CALLBACK entry          where exceptions and events enter the kernel, a multiple of 4
    2 MMU_UPDATE requests, count  see direct_paging.py; how many were done, also in the shared page
    3 RETURN                      to what the words sepc, sstatus, sp and a7 of the shared page say
    4 SET_TIMER when              the timer's event comes when TIME is there, and not before
    5 BLOCK                       lets events in, and sleeps until there is one
    6 NOTIFY port                 there is something new in the port's ring
    7 SHUTDOWN failed             ends the machine

Exceptions of a program, and its ECALL, enter the kernel at the callback: sepc, scause, stval and
sstatus (SPP, SPIE) are words of the shared page and mean what the registers of that name mean; sp
is put aside there and loaded from `kernel_sp`, and events are off. The kernel runs on the tables it
started with; programs run on the root of the last SWITCH, which need not map the kernel.

An event is a bit of `pending`, one a port. Unless `masked` has the bit too, or `events_off` is not
0, it enters the kernel like an interrupt: scause says timer (5) if that is among them, else
external (9). The kernel clears the bit. There is no interrupt controller, and no device has a
register.

Rings are in the shared page; their indices only count up. The disk's holds 8 requests of 512-byte
sectors in one page of memory each; the console's hold 256 bytes.

Addresses in page tables, in requests and in rings are machine addresses: the guest's own plus
`machine_offset`, because the hart uses the guest's tables as they are.

# Model: the ABI is this book's own. Xen's differs in all numbers, has a grant table, and finds its
rings through a store; what it shares with this one is told in the chapter on Xen.

Sources: P. Barham et al., "Xen and the Art of Virtualization", SOSP 2003, sections "Control
transfer: hypercalls and events" and "Data transfer: I/O rings". The words of the shared page that
stand for CSRs follow KVM's "magic page" for PowerPC (Linux, Documentation/virt/kvm/ppc-pv.rst).
"""

SYMBOL = "paravirt_abi_1"
ABI_VERSION = 1
SHARED_PAGE = 0x8000_0000
FIRST_TABLE = 0x8000_1000
IMAGE_BASE = 0x8020_0000

HYPERCALL_VERSION = 0
HYPERCALL_SET_CALLBACK = 1
HYPERCALL_MMU_UPDATE = 2
HYPERCALL_RETURN = 3
HYPERCALL_SET_TIMER = 4
HYPERCALL_BLOCK = 5
HYPERCALL_NOTIFY = 6
HYPERCALL_SHUTDOWN = 7
HYPERCALLS = ("VERSION SET_CALLBACK MMU_UPDATE RETURN SET_TIMER BLOCK NOTIFY SHUTDOWN").split()

ERROR_NOT_PERMITTED = 1
ERROR_NOT_FOUND = 3
ERROR_BAD_ADDRESS = 14
ERROR_BUSY = 16
ERROR_INVALID = 22
ERROR_NO_CALL = 38

UPDATE_PTE = 0
UPDATE_PIN = 1
UPDATE_UNPIN = 2
UPDATE_SWITCH = 3
UPDATE_FLUSH_PAGE = 4
UPDATE_FLUSH_ALL = 5
MAX_UPDATES = 512

EVENT_TIMER = 0
EVENT_CONSOLE = 1
EVENT_DISK = 2

# Byte offsets in the shared page, of 64-bit words unless the ABI says otherwise.
SHARED_VERSION = 0x000
SHARED_MACHINE_OFFSET = 0x008
SHARED_RAM_END = 0x010
SHARED_TICKS_PER_SECOND = 0x018
SHARED_KERNEL_ROOT = 0x020
SHARED_DISK_SECTORS = 0x028
SHARED_DISK_VERSION = 0x030
SHARED_COMMAND = 0x040
SHARED_SEPC = 0x0C0
SHARED_SCAUSE = 0x0C8
SHARED_STVAL = 0x0D0
SHARED_SSTATUS = 0x0D8
SHARED_SP = 0x0E0
SHARED_A7 = 0x0E8
SHARED_KERNEL_SP = 0x0F0
SHARED_EVENTS_OFF = 0x100
SHARED_PENDING = 0x108
SHARED_MASKED = 0x110
SHARED_UPDATES_DONE = 0x118
SHARED_REQUESTED = 0x140
SHARED_ANSWERED = 0x148
SHARED_PRINTED = 0x150
SHARED_TAKEN = 0x158
SHARED_TYPED = 0x160
SHARED_READ = 0x168
SHARED_REQUESTS = 0x200
SHARED_STATUSES = 0x400
SHARED_OUTPUT = 0x800
SHARED_INPUT = 0xC00

COMMAND_SIZE = 128
DISK_RING = 8
DISK_READ = 0
DISK_WRITE = 1
OUTPUT_RING = 256
INPUT_RING = 256
REQUEST_BYTES = 32  # operation, sector, n_sectors, address
DISK_VERSION = 2  # as virtio counts: the frontend shows it to programs that ask
