"""Why did this exit happen? A sentence for each reason, with the rule and the operands.

What an exit leaves in the log is enough for the sentence. The page walk behind a fault is shown
too if the machine stands at that exit, because later the guest may have changed its tables:

    vm.goto(exit.steps); vm.run(until=ExitReason); print(why(vm))

Sources: Privileged ISA 20240411, "CSR Address Mapping Conventions", "Virtual Address Translation
Process", tables of exception causes; RISC-V SBI 2.0 for the names of calls.
"""

from virtlab.hypervisors.exits import (
    ASKED_JUMP,
    ASKED_NEXT,
    ASKED_STALE,
    Action,
    ExitReason,
)
from virtlab.hypervisors.virtual_machine import Exit, VirtualMachine
from virtlab.isa.disassembler import disassemble
from virtlab.isa.encoding import CSR_NAMES, SYSTEM_OPCODE, cause_name
from virtlab.machine.arguments import hex64
from virtlab.machine.devices.clint import CLINT_BASE, CLINT_BYTES
from virtlab.machine.devices.finisher import FINISHER_BASE, FINISHER_BYTES
from virtlab.machine.devices.plic import PLIC_BASE, PLIC_BYTES
from virtlab.machine.devices.uart import UART_BASE, UART_BYTES
from virtlab.machine.devices.virtio_blk import N_SLOTS, VIRTIO_BASE, VIRTIO_STRIDE

DEVICES = (
    (CLINT_BASE, CLINT_BYTES, "the CLINT (software and timer interrupts)"),
    (PLIC_BASE, PLIC_BYTES, "the PLIC (interrupt controller)"),
    (UART_BASE, UART_BYTES, "the UART (serial line)"),
    (VIRTIO_BASE, N_SLOTS * VIRTIO_STRIDE, "a virtio device (disk)"),
    (FINISHER_BASE, FINISHER_BYTES, "the test finisher (power)"),
)
SBI_CALLS = {
    0x10: "base",
    0x5449_4D45: "TIME, set the timer",
    0x73_5049: "IPI, send an interrupt",
    0x5246_4E43: "RFENCE, forget translations",
    0x48_534D: "HSM, hart state",
    0x5352_5354: "SRST, reset",
    0x4442_434E: "DBCN, debug console",
    0: "legacy set timer",
    1: "legacy print a character",
    2: "legacy read a character",
    8: "legacy shutdown",
}
LEVELS = {0: "U-mode", 1: "S-mode", 2: "HS-mode", 3: "M-mode"}
ACCESS_OF = {12: "fetch", 13: "load", 15: "store", 20: "fetch", 21: "load", 23: "store"}
VIRTUAL_INSTRUCTION = 22
ANSWERS = {
    Action.RESUME: "The hypervisor carried it out on the virtual hart, and the guest went on.",
    Action.RETRY: "Nothing of the guest was emulated: it executed the instruction again.",
    Action.REFLECT: "The hypervisor delivered the exception to the guest's own kernel.",
    Action.STOP: "The guest could not go on.",
    Action.HANDLE: "It has not been handled yet.",
}


def why(vm: VirtualMachine, exit: Exit | None = None) -> str:
    """Why an exit happened and what was done about it.

    Parameters
    ----------
    exit : one of vm.exits; by default the exit at which the run has stopped

    Raises
    ------
    ValueError
        no exit is given, and the run has not stopped at one
    """
    on_hand = vm.exit_on_hand
    exit = on_hand if exit is None else exit
    if exit is None:
        raise ValueError("the run has not stopped at an exit; give one of vm.exits.")
    sentence = _SENTENCES[exit.reason](vm, exit)
    parts = [f"{sentence} {ANSWERS[exit.action]}"]
    if on_hand is not None and on_hand.number == exit.number and exit.gva is not None:
        parts.append(str(vm.translate(exit.gva, ACCESS_OF.get(exit.cause, "load"))))
    return "\n".join(parts)


def device_at(gpa: int) -> str:
    """The device that answers at a guest physical address, or that nothing does."""
    for base, n_bytes, name in DEVICES:
        if base <= gpa < base + n_bytes:
            return name
    return "nothing: there the board has neither memory nor a device"


def _runs_in(vm: VirtualMachine, exit: Exit) -> str:
    """The mode that the guest believes in, and the one it has."""
    if vm.technique == "hardware-assisted":
        return f"{exit.mode}-mode, which on the hart is V{exit.mode}-mode"
    return f"{exit.mode}-mode, while the hart runs it in U-mode"


def _privileged(vm: VirtualMachine, exit: Exit) -> str:
    word = exit.detail
    text = disassemble(word, exit.pc)
    begin = f"{text} at {hex64(exit.pc)}: the guest believes to be in {_runs_in(vm, exit)}."
    number = word >> 20
    if word & 0x7F == SYSTEM_OPCODE and word >> 12 & 7:
        name = CSR_NAMES.get(number, f"CSR {number:#x}")
        lowest = LEVELS[number >> 8 & 3]
        rule = f"Bits 9..8 of the number of {name}, {number:#x}, say that it belongs to {lowest}"
        if exit.cause == VIRTUAL_INSTRUCTION:
            return f"{begin} {rule}, and a control of the hypervisor keeps it from the guest."
        return f"{begin} {rule}, so the access is an illegal instruction."
    if exit.cause == VIRTUAL_INSTRUCTION:
        return f"{begin} A control of the hypervisor makes it a virtual-instruction exception."
    return f"{begin} It is privileged: in U-mode it is an illegal instruction."


def _ecall(vm: VirtualMachine, exit: Exit) -> str:
    if exit.mode == "U" or exit.mode == "VU":
        return (
            f"ecall at {hex64(exit.pc)}, system call {exit.detail} (a7): every environment call "
            "traps, and the hypervisor sees it first."
        )
    name = SBI_CALLS.get(exit.detail, f"extension {exit.detail:#x}")
    return (
        f"ecall at {hex64(exit.pc)} by the guest's kernel: it calls its firmware (SBI {name}), "
        "and the firmware is the hypervisor's."
    )


def _fault(vm: VirtualMachine, exit: Exit) -> str:
    access = ACCESS_OF.get(exit.cause, "access")
    return f"{access} at {hex64(exit.gva)}, by {_instruction(vm, exit)}"


def _instruction(vm: VirtualMachine, exit: Exit) -> str:
    text = "the instruction"
    if exit.reason in (ExitReason.MMIO, ExitReason.TRACE) and exit.detail:
        text = disassemble(exit.detail, exit.pc)
    return f"{text} at {hex64(exit.pc)} in {exit.mode}-mode"


def _shadow_page_fault(vm: VirtualMachine, exit: Exit) -> str:
    return (
        f"Hidden page fault: {_fault(vm, exit)}. The guest's own table leads to "
        f"{hex64(exit.gpa)} and allows it; only the shadow page table that the hart walks has no "
        "entry yet, or none with this right."
    )


def _guest_page_fault(vm: VirtualMachine, exit: Exit) -> str:
    return (
        f"Guest-page fault: {_fault(vm, exit)}. It leads to guest physical address "
        f"{hex64(exit.gpa)}, for which the G-stage table (hgatp) has no entry yet. The page is the "
        "guest's, so one is made."
    )


def _true_page_fault(vm: VirtualMachine, exit: Exit) -> str:
    return (
        f"True page fault: {_fault(vm, exit)}. The guest's own table does not allow it "
        f"({cause_name(exit.cause)}), so on the bare machine it would fault too."
    )


def _trace(vm: VirtualMachine, exit: Exit) -> str:
    what = "one of its own page tables, whose shadow must follow"
    if vm.technique == "binary-translation":
        what = "one of its own page tables, or code that has been translated"
    return (
        f"Trace: {_fault(vm, exit)}, to {hex64(exit.gpa)}. The page is write-protected because it "
        f"holds {what}."
    )


def _mmio(vm: VirtualMachine, exit: Exit) -> str:
    if exit.gpa is None:
        return f"{_fault(vm, exit)}: no memory answers there."
    return (
        f"{_fault(vm, exit)}, to guest physical address {hex64(exit.gpa)}: there is "
        f"{device_at(exit.gpa)}, which is never mapped for a guest, so that each access reaches "
        "the hypervisor."
    )


def _exception(vm: VirtualMachine, exit: Exit) -> str:
    return (
        f"{cause_name(exit.cause)} by {_instruction(vm, exit)}: an exception that the bare machine "
        "would raise too; it traps to the hypervisor because every trap does."
    )


def _hypercall(vm: VirtualMachine, exit: Exit) -> str:
    names = getattr(vm, "hypercall_names", {})
    name = names.get(exit.detail, f"number {exit.detail}")
    return (
        f"Hypercall {name} at {hex64(exit.pc)}: the guest's kernel knows that it runs on a "
        "hypervisor, and asks."
    )


def _wfi(vm: VirtualMachine, exit: Exit) -> str:
    return (
        f"wfi at {hex64(exit.pc)}: the guest has nothing to do and would stop the hart, which is "
        "not its own; waiting is the hypervisor's business."
    )


def _callout(vm: VirtualMachine, exit: Exit) -> str:
    where = hex64(exit.pc)
    asked = exit.detail - (1 << 64) if exit.detail >> 63 else exit.detail
    if asked == ASKED_NEXT:
        return (
            f"Translated code ends where the guest goes on at {where}. The block there is "
            "translated if it is new, and jumped to directly from now on."
        )
    if asked == ASKED_JUMP:
        return (
            f"An indirect jump to {where}, which the look-up table does not hold. The block there "
            "is translated if it is new, and entered into the table."
        )
    if asked == ASKED_STALE:
        return (
            f"The translation of the code at {where} has been dropped, because its page was "
            "written or mapped elsewhere. It is translated again."
        )
    text = disassemble(exit.detail, exit.pc)
    if exit.detail & 0x7F == SYSTEM_OPCODE:
        return (
            f"{text} at {where} is sensitive: what it does depends on the guest's virtual hart or "
            "changes it. Its translation is a call to the hypervisor."
        )
    return (
        f"{text} at {where} is translated into a call: its stores have kept exiting, because they "
        "hit pages that are watched, or its address is one that the hypervisor uses itself."
    )


def _timer(vm: VirtualMachine, exit: Exit) -> str:
    return f"The guest's timer became due before {_instruction(vm, exit)}."


def _interrupt(vm: VirtualMachine, exit: Exit) -> str:
    return f"An interrupt for the guest arrived before {_instruction(vm, exit)}."


def _halt(vm: VirtualMachine, exit: Exit) -> str:
    return f"The guest switched its machine off with {_instruction(vm, exit)}."


def _internal_error(vm: VirtualMachine, exit: Exit) -> str:
    cause = "" if exit.cause is None else f" ({cause_name(exit.cause)})"
    return f"The model does not cover what {_instruction(vm, exit)} did{cause}."


_SENTENCES = {
    ExitReason.ECALL: _ecall,
    ExitReason.PRIVILEGED: _privileged,
    ExitReason.SHADOW_PAGE_FAULT: _shadow_page_fault,
    ExitReason.GUEST_PAGE_FAULT: _guest_page_fault,
    ExitReason.TRUE_PAGE_FAULT: _true_page_fault,
    ExitReason.TRACE: _trace,
    ExitReason.MMIO: _mmio,
    ExitReason.EXCEPTION: _exception,
    ExitReason.HYPERCALL: _hypercall,
    ExitReason.TIMER: _timer,
    ExitReason.INTERRUPT: _interrupt,
    ExitReason.WFI: _wfi,
    ExitReason.CALLOUT: _callout,
    ExitReason.HALT: _halt,
    ExitReason.INTERNAL_ERROR: _internal_error,
}
