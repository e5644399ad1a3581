"""What does KVM do between the guest's exit and its next entry? The kernel's part, on the model.

The guest runs on the model's hart under virtlab.hypervisors.hardware_assisted. Each exit comes here
first, and is dealt with in one of two places:

    the exit                        in the kernel                         handed out to the program
    page not mapped yet             of a slot: map it
    page of a slot written          note it in the dirty log              read-only slot: MMIO
    other guest physical address    interrupt controller, ioeventfd,      MMIO
                                    ring of stores that wait
    WFI                             with an interrupt controller: halt    without one: HLT
    call to the firmware            timer, fences, what the hart can do   SYSTEM_EVENT, HYPERCALL
    the trap handler out of reach                                         SHUTDOWN
    atomic access to a device                                             INTERNAL_ERROR
    registers of a device given     map them; none exits any more
    interrupt of such a device      take it, signal its eventfd

Three modes: the guest executes instructions, the kernel handles exits, the program runs between one
`run` and the next. `modes` counts what each has done.

# Model: a RISC-V hart whose trap handler cannot be fetched goes round for ever; the model hands it
# out as KVM_EXIT_SHUTDOWN, which is what x86 does about a triple fault.
# Model: Linux on RISC-V hands out a call to the firmware as KVM_EXIT_RISCV_SBI, and halts in the
# kernel always; the model does as x86 does.
# Model: where a halt would block for ever, `run` comes back with KVM_EXIT_INTR, as if a signal had
# come. A guest that runs for RUN_STEPS steps without an exit comes back so, too.

Sources: Linux 6.12, arch/riscv/kvm/vcpu_exit.c, vcpu_insn.c and vcpu_sbi.c for who handles what;
arch/x86/kvm/x86.c, function kvm_emulate_halt.
"""

import ctypes

import numpy as np

from virtlab.hypervisors import Action, ExitReason
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.machine.arguments import U64, signed
from virtlab.machine.devices.plic import PLIC_BASE, PLIC_BYTES
from virtlab.machine.firmware.sbi import EXT_SRST
from virtlab.machine.keyboard import uninterrupted
from virtlab.platforms.kvm import api
from virtlab.platforms.kvm.halt_polling import HaltPolling
from virtlab.platforms.kvm.processor import Processor

RUN_STEPS = 1_000_000_000
NS_PER_STEP = 1  # 100 steps to a tick of the 10 MHz clock
SLICE_STEPS = 250_000  # between two looks at the keyboard, and for a guest that is lost
RING_PLACES = (api.PAGE_BYTES - 8) // 24 - 1  # of stores that wait; one place stays free
A0, A1, A7 = 10, 11, 17
LEGACY_SHUTDOWN = 8
# Linux, arch/riscv/kvm/vcpu_sbi.c: the rest goes to the program.
KERNEL_CALLS = {0x10, 0x5449_4D45, 0x73_5049, 0x5246_4E43, 0x48_534D, 0, 3, 4, 5, 6, 7}

# op: bytes, and whether a load extends the sign
LOADS = {
    op.LB: (1, True),
    op.LH: (2, True),
    op.LW: (4, True),
    op.LD: (8, True),
    op.LBU: (1, False),
    op.LHU: (2, False),
    op.LWU: (4, False),
}
STORES = {op.SB: 1, op.SH: 2, op.SW: 4, op.SD: 8}


REGISTERS = (
    "pc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 "
    "t3 t4 t5 t6"
).split()
CSRS = "sstatus sie stvec sscratch sepc scause stval sip satp scounteren".split()


class Regs(ctypes.Structure):
    """pc and the integer registers, in the order of RISC-V's struct user_regs_struct."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in REGISTERS)


class Sregs(ctypes.Structure):
    """The supervisor's CSRs, in the order of struct kvm_riscv_csr."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in CSRS)


class Vcpu:
    """A virtual processor of the model; made by Vm.create_vcpu.

    kvm_run : the Run page, right after each run
    n_runs : how often it was entered from the program
    halt_polling : see halt_polling.py
    watch : called with reason, exit and whether it is handed out, after each decision; or None
    """

    def __init__(self, vm, processor: Processor, halt_polling: HaltPolling):
        self._vm, self._processor = vm, processor
        self.kvm_run = api.Run()
        self.halt_polling = halt_polling
        self.n_runs = 0
        self.watch = None
        self._answer = Action.HANDLE
        self._complete = None  # what is left to do of the exit that was handed out
        self._halted_at: int | None = None
        self._stores: list[tuple[int, bytes]] = []
        self._exits: dict[str, list[int]] = {}
        names = "exits mmio_exit_user mmio_exit_kernel wfi_exit_stat ecall_exit_stat signal_exits"
        self._counts = dict.fromkeys(names.split(), 0)

    # Registers

    def get_regs(self) -> Regs:
        """pc and the integer registers by name."""
        api.check_open(self._processor is not None, "the registers of a vcpu")
        hart = self._processor.vcpu
        x = [int(hart.x[k]) & U64 for k in range(32)]
        return Regs(int(hart.pc) & U64, *x[1:5], *x[5:8], *x[8:32])

    def set_regs(self, regs: Regs) -> None:
        """Set them all."""
        api.check_open(self._processor is not None, "the registers of a vcpu")
        if regs.pc & 1:
            raise ValueError(f"pc {regs.pc:#x} is odd; accepted are even addresses.")
        hart = self._processor.vcpu
        hart.pc = signed(regs.pc)
        for k, name in enumerate(REGISTERS[1:], 1):
            hart.x[k] = signed(getattr(regs, name))

    def get_sregs(self) -> Sregs:
        """The supervisor's CSRs by name."""
        api.check_open(self._processor is not None, "the registers of a vcpu")
        return Sregs(*(self._processor.csr[name].value for name in CSRS))

    def set_sregs(self, sregs: Sregs) -> None:
        """Set them all; bits that the guest could not write stay as they are."""
        api.check_open(self._processor is not None, "the registers of a vcpu")
        for name in CSRS:
            self._processor.write_csr(name, getattr(sregs, name))

    # Running

    def run(self) -> api.Run:
        """The guest runs until it needs the program; returns the page that says for what.

        What the program answers to an exit reaches the guest at the beginning of the next run.

        Raises
        ------
        KvmError
            the vcpu has been closed
        """
        api.check_open(self._processor is not None, "running a vcpu")
        self.n_runs += 1
        if self._complete is not None:
            self._complete()
            self._complete = None
        if self.kvm_run.immediate_exit:
            return self._interrupted()
        with uninterrupted() as interrupted:
            return self._run(interrupted)

    def _run(self, interrupted) -> api.Run:
        end = self._processor.steps + RUN_STEPS
        while self._processor.steps < end and not interrupted.is_set():
            goal = min(end, self._processor.steps + SLICE_STEPS)
            answer, self._answer = self._answer, Action.HANDLE
            handed_out = self._processor.go(goal, answer, self._decide)
            self._wake()
            if handed_out:
                return self.kvm_run
            if self._processor.is_lost:
                self._hand_out(api.KVM_EXIT_SHUTDOWN)
                return self.kvm_run
            if self._processor.sleeps:
                break
        return self._interrupted()

    def _interrupted(self) -> api.Run:
        self._counts["signal_exits"] += 1
        self.kvm_run.exit_reason = api.KVM_EXIT_INTR
        return self.kvm_run

    def _wake(self) -> None:
        """Account for a halt that is over."""
        if self._halted_at is not None and not self._processor.sleeps:
            slept = self._processor.idle_steps - self._halted_at
            self.halt_polling.halted(slept * NS_PER_STEP)
            self._halted_at = None

    def _decide(self, reason: ExitReason, exit_) -> Action:
        self._wake()
        self._counts["exits"] += 1
        slot = self._vm.slot_of(int(exit_.gpa)) if reason == ExitReason.MMIO else None
        if slot is not None:  # registers of a device that the guest has
            reason = ExitReason.GUEST_PAGE_FAULT
            exit_.reason = reason
        decide = {
            ExitReason.GUEST_PAGE_FAULT: self._memory,
            ExitReason.MMIO: self._memory,
            ExitReason.TRACE: self._memory,
            ExitReason.WFI: self._wfi,
            ExitReason.ECALL: self._ecall,
            ExitReason.INTERRUPT: self._interrupt,
        }.get(reason)
        action = Action.HANDLE if decide is None else decide(exit_)
        counted = self._exits.setdefault(reason.name, [0, 0])
        counted[action == Action.STOP] += 1
        if self.watch is not None:
            self.watch(reason, exit_, action == Action.STOP)
        return action

    def _hand_out(self, reason: api.ExitReason, complete=None, then=Action.RETRY) -> Action:
        self.kvm_run.exit_reason = reason
        self._complete, self._answer = complete, then
        return Action.STOP

    # What the guest can have left for

    def _memory(self, exit_) -> Action:
        gpa = int(exit_.gpa)
        slot = self._vm.slot_of(gpa)
        if int(exit_.cause) == e.CAUSE_FETCH_GUEST_PAGE:
            code = slot is not None and not slot.is_device
            return Action.HANDLE if code else self._fetch(exit_)
        if slot is not None and slot.is_device:
            self._processor.map_registers(gpa, slot.memory.hpa)
            return Action.RETRY
        if slot is not None and int(exit_.reason) != ExitReason.TRACE:
            return Action.HANDLE
        if slot is not None and not slot.read_only:
            slot.written((gpa - slot.gpa) >> 12)
            self._processor.allow_stores(gpa)
            return Action.RETRY
        access = Access(self._processor, exit_)
        if access.n_bytes == 0:
            self.kvm_run.internal.suberror = api.KVM_INTERNAL_ERROR_EMULATION
            self.kvm_run.internal.ndata = 0
            return self._hand_out(api.KVM_EXIT_INTERNAL_ERROR)
        return self._device(gpa, access)

    def _fetch(self, exit_) -> Action:
        """Instructions where no slot is: a fault of the guest's, if its handler can be reached."""
        vcpu = self._processor.vcpu
        if int(vcpu.stvec) & ~3 == int(exit_.pc):
            return self._hand_out(api.KVM_EXIT_SHUTDOWN)
        exit_.cause = e.CAUSE_FETCH_ACCESS
        return Action.REFLECT

    def _device(self, gpa: int, access: "Access") -> Action:
        in_kernel = PLIC_BASE <= gpa < PLIC_BASE + PLIC_BYTES and self._vm.has_irqchip
        if in_kernel:
            self._counts["mmio_exit_kernel"] += 1
            return Action.HANDLE
        if access.is_store:
            data = access.stored()
            event = self._vm.event_for(gpa, data)
            waits = self._vm.may_wait(gpa, len(data)) and len(self._stores) < RING_PLACES
            if event is not None or waits:
                self._counts["mmio_exit_kernel"] += 1
                access.skip()
                if event is not None:
                    event.signal()
                else:
                    self._stores.append((gpa, data))
                return Action.RESUME
        self._counts["mmio_exit_user"] += 1
        mmio = self.kvm_run.mmio
        mmio.phys_addr, mmio.len, mmio.is_write = gpa, access.n_bytes, access.is_store
        if access.is_store:  # done, as far as the guest knows
            mmio.value = int.from_bytes(data, "little")
            access.skip()
            return self._hand_out(api.KVM_EXIT_MMIO, None, Action.RESUME)
        mmio.value = 0

        def complete():
            access.loaded(mmio.value)
            access.skip()

        return self._hand_out(api.KVM_EXIT_MMIO, complete, Action.RESUME)

    def _interrupt(self, exit_) -> Action:
        self._processor.interrupted(int(exit_.detail))
        return Action.HANDLE

    def _wfi(self, _exit) -> Action:
        self._counts["wfi_exit_stat"] += 1
        vcpu = self._processor.vcpu
        if int(vcpu.mode) != e.SUPERVISOR:
            return Action.HANDLE
        if self._vm.has_irqchip:
            self._halted_at = self._processor.idle_steps
            return Action.HANDLE
        vcpu.pc += 4
        return self._hand_out(api.KVM_EXIT_HLT, None, Action.RESUME)

    def _ecall(self, _exit) -> Action:
        vcpu = self._processor.vcpu
        number = int(vcpu.x[A7]) & U64
        self._counts["ecall_exit_stat"] += 1
        if int(vcpu.mode) != e.SUPERVISOR or number in KERNEL_CALLS:
            return Action.HANDLE
        if number in (EXT_SRST, LEGACY_SHUTDOWN):
            resets = number == EXT_SRST and int(vcpu.x[A0]) != 0
            event = self.kvm_run.system_event
            event.type = api.KVM_SYSTEM_EVENT_RESET if resets else api.KVM_SYSTEM_EVENT_SHUTDOWN
            event.ndata = 0
            return self._hand_out(api.KVM_EXIT_SYSTEM_EVENT)
        call = self.kvm_run.hypercall
        call.nr, call.ret = number, 0
        call.args[:] = [int(vcpu.x[A0 + k]) & U64 for k in range(6)]

        def complete():
            vcpu.x[A0] = signed(call.ret)
            vcpu.pc += 4

        return self._hand_out(api.KVM_EXIT_HYPERCALL, complete, Action.RESUME)

    # Looking

    def coalesced_stores(self) -> list[tuple[int, bytes]]:
        """(guest physical address, data) of the stores that wait, oldest first; takes them out."""
        taken, self._stores = self._stores, []
        return taken

    def stats(self) -> dict[str, int]:
        """What the kernel has counted, by the names that it has on RISC-V, as kvm_stat shows it."""
        return self._counts | self.halt_polling.counts

    def exits_by_reason(self) -> dict[str, tuple[int, int]]:
        """(handled in the kernel, handed out) for each reason, as `perf kvm stat` counts them."""
        return {reason: (kernel, user) for reason, (kernel, user) in self._exits.items()}

    def modes(self) -> dict[str, int]:
        """What each mode has done: instructions (guest), exits (kernel), returns (user)."""
        handed_out = sum(user for _, user in self._exits.values()) + self._counts["signal_exits"]
        return {
            "guest": self._processor.steps,
            "kernel": self._counts["exits"],
            "user": handed_out,
        }

    def close(self) -> None:
        """Give the hart back."""
        self._processor = self._complete = None


class Access:
    """The load or store that left, taken apart, as a kernel does that finishes it for the guest.

    n_bytes : 0 if it is something else, such as an atomic operation
    """

    def __init__(self, processor: Processor, exit_):
        self._vcpu = processor.vcpu
        word = int(exit_.detail)
        if int(exit_.reason) == ExitReason.GUEST_PAGE_FAULT:  # in RAM, and in no slot
            word = processor.word_at(int(exit_.pc))
        decoded = int(decode(np.int64(word)))
        number = decoded & 0xFF
        self._length = 2 if number >= op.COMPRESSED else 4
        number %= op.COMPRESSED
        self.is_store = number in STORES
        self.n_bytes, self._signed = LOADS.get(number, (STORES.get(number, 0), False))
        self._rd, self._rs2 = decoded >> 8 & 0xFF, decoded >> 24 & 0xFF

    def stored(self) -> bytes:
        """The bytes that it stores."""
        return (int(self._vcpu.x[self._rs2]) & U64).to_bytes(8, "little")[: self.n_bytes]

    def loaded(self, value: int) -> None:
        """Put what was read into its register."""
        bits = 8 * self.n_bytes
        value &= (1 << bits) - 1
        if self._signed and value >> (bits - 1):
            value -= 1 << bits
        self._vcpu.x[self._rd] = signed(value)

    def skip(self) -> None:
        """Go on behind it."""
        self._vcpu.pc += self._length
