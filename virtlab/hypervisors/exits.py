"""Why did the guest leave, and what was done about it? The vocabulary that all techniques share.

An exit is the way from the guest to its hypervisor. It has a reason, and the hypervisor answers it
with an action:

    RESUME    the instruction has been carried out for the guest; it goes on behind it
    RETRY     what was in the way is gone; the guest executes the instruction again
    REFLECT   the event is the guest's own business and is delivered to the guest's kernel
    STOP      the guest cannot go on

Each exit is counted by reason and written to a ring of the last `N_EXITS`. What an exit costs is
not known here.

Sources: the names follow KVM's exit reasons (Linux, include/uapi/linux/kvm.h); hidden and true
page faults are those of Adams & Agesen, "A Comparison of Software and Hardware Techniques for x86
Virtualization", ASPLOS 2006, section "Software virtualization".
"""

import enum

import numpy as np

from virtlab._jit import njit
from virtlab.machine.state import words

i64 = np.int64


class ExitReason(enum.IntEnum):
    """Why the guest left."""

    NONE = 0
    ECALL = 1  # an environment call: of a program to its kernel, or of the kernel to its firmware
    PRIVILEGED = 2  # an instruction that only a real kernel may execute
    SHADOW_PAGE_FAULT = 3  # hidden fault: the guest's table allows it, the shadow did not know yet
    GUEST_PAGE_FAULT = 4  # the G-stage has no entry for a page that the guest owns
    TRUE_PAGE_FAULT = 5  # the guest's own table forbids it
    TRACE = 6  # a store to a page that the hypervisor watches
    MMIO = 7  # a device's register, or no memory at all
    EXCEPTION = 8  # any other exception of the guest's own
    HYPERCALL = 9  # the guest asks the hypervisor
    TIMER = 10  # the guest's timer is due
    INTERRUPT = 11  # an interrupt for the guest
    WFI = 12  # the guest has nothing to do
    CALLOUT = 13  # translated code asks the translator
    HALT = 14  # the guest ends the machine
    INTERNAL_ERROR = 15  # a case that the model does not cover


class Action(enum.IntEnum):
    """What the hypervisor answers."""

    HANDLE = -1  # no answer yet: the built-in handler shall give it
    RESUME = 0
    RETRY = 1
    REFLECT = 2
    STOP = 3


N_REASONS = 16
# As plain numbers, for compiled code.
NONE, ECALL, PRIVILEGED, SHADOW_PAGE_FAULT, GUEST_PAGE_FAULT, TRUE_PAGE_FAULT = range(6)
TRACE, MMIO, EXCEPTION, HYPERCALL, TIMER, INTERRUPT, WFI, CALLOUT = range(6, 14)
HALT, INTERNAL_ERROR = range(14, 16)
# What translated code asks for by a CALLOUT that is for no instruction.
ASKED_NEXT, ASKED_JUMP, ASKED_STALE = -1, -2, -3
HANDLE, RESUME, RETRY, REFLECT, STOP = range(-1, 4)

# Columns of the exit log. Addresses are the guest's.
EXIT_STEPS = 0  # guest instructions before the one that left
EXIT_PC = 1
EXIT_REASON = 2
EXIT_ACTION = 3
EXIT_GVA = 4  # the address of a memory access, else 0
EXIT_GPA = 5  # where it leads in guest physical memory, -1 if nowhere
EXIT_DETAIL = 6  # the instruction word; of ECALL and HYPERCALL what is in a7; of CALLOUT either
EXIT_CAUSE = 7  # the exception that made the guest leave, -1 for none
EXIT_MODE = 8  # the guest's own mode (virtual): 0, 1, 3, plus 4 if V=1
EXIT_INSTRUCTIONS = 9  # instructions that the hart has executed for the guest so far
EXIT_COLUMNS = 10
N_EXITS = 4096

# How the next stretch is executed (VM.interpret).
DIRECT, INTERPRET = 0, 1

VM = np.dtype(
    (
        np.record,
        [
            # The virtual machine's place on the host: offset of its RAM, size, and the pages behind
            # it that the hypervisor uses for it: [pool, pool_end) as offsets in host RAM.
            *words("host_base", "ram_bytes", "pool", "pool_end"),
            *words("vmid", "asid"),  # identifiers of its own, the first of a range of ASIDs
            *words("policy", "paging"),
            # The exit on hand.
            *words("pending", "shown"),  # 1 between the exit and its handling; the run has stopped
            *words("reason", "pc", "gva", "gpa", "detail", "cause", "mode"),
            *words("interpret", "entered", "watch_exits", "error", "stale", "since"),
            *words("delivered"),  # 1: emulation ended in an exception of the guest's own
            # Counters, in the order of COUNTS.
            *words("n_exits"),
            ("reasons", np.int64, (N_REASONS,)),
            *words("hart_instructions", "emulated", "interpreted"),
            *words("shadow_fills", "shadow_invalidations", "shadow_flushes", "traced_writes"),
            *words("world_switches", "vmcs_accesses", "injections", "mmio"),
            *words("hypercalls", "batched_updates", "ring_requests", "refused"),
            *words("translated_blocks", "translated_instructions", "chained", "lookups"),
            *words("adapted", "gstage_fills"),
        ],
    )
)
COUNTERS = list(VM.names[VM.names.index("hart_instructions") :])


@njit(inner=True)
def record_exit(vm, exits, vcpu, action):
    """Count the exit on hand and write it to the log.

    Parameters
    ----------
    vm : record of dtype VM; reason, pc, gva, gpa, detail and cause describe the exit
    exits : (N_EXITS, EXIT_COLUMNS) int64, a ring
    vcpu : record of dtype HART, as it was at the exit
    action : int64, what was answered
    """
    row = vm.n_exits % N_EXITS
    vm.n_exits += 1
    vm.reasons[vm.reason & (N_REASONS - 1)] += 1
    exits[row, EXIT_STEPS] = vcpu.steps
    exits[row, EXIT_PC] = vm.pc
    exits[row, EXIT_REASON] = vm.reason
    exits[row, EXIT_ACTION] = action
    exits[row, EXIT_GVA] = vm.gva
    exits[row, EXIT_GPA] = vm.gpa
    exits[row, EXIT_DETAIL] = vm.detail
    exits[row, EXIT_CAUSE] = vm.cause
    exits[row, EXIT_MODE] = vm.mode
    exits[row, EXIT_INSTRUCTIONS] = vm.hart_instructions


@njit(inner=True)
def describe(vm, reason, gva, gpa, detail):
    """Fill in the exit on hand."""
    vm.reason = reason
    vm.gva = gva
    vm.gpa = gpa
    vm.detail = detail
