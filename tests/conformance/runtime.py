"""What every random program stands on: trap handlers for M, HS and VS, a clean start, and the end.

The handlers show what a trap left behind by reading it into registers, where the comparison sees
it, and then carry on where the program said it wants to. They use no memory, because a program may
have made memory unreachable. Registers that programs leave to them:

    x25 slot       physical address of the program's slot
    x26 leave      where M-mode goes when the program is over
    x27 resume     where to go on after an exception; 0: the program is over
    x28 x29 x30    the handlers' own
    x31 patience   traps the program may still take

Whatever goes wrong in a program, traps take its patience away, and then each handler calls the
level above it until M-mode leaves. An interrupt is answered by switching all of its level's
interrupts off. A call with a7 = SERVICE that reaches M-mode goes on in M-mode.
"""

from virtlab.isa.assembler import Program, assemble

BASE = 0x8000_0000
PAGES = 2  # of the runtime
SLOTS = 0x8010_0000  # programs lie from here on
ALIAS = 0x4000_0000  # where user code of a slot runs when translation is on
SERVICE = 0x55
PATIENCE = 40

_VECTORS = "\n".join([".balign 256", "{0}_vectors:"] + ["  j {0}_trap"] * 16)

SOURCE = f"""
_start:
  la x28, first
  jr x28

{_VECTORS.format("m")}
m_trap:
  csrr x28, mcause
  csrr x29, mepc
  csrr x29, mtval
  csrr x29, mtval2
  csrr x29, mtinst
  csrr x29, mstatus
  csrr x29, mip
  addi x31, x31, -1
  blez x31, leave
  bltz x28, m_interrupt
  beqz x27, leave
  addi x29, x28, -8
  sltiu x29, x29, 4
  beqz x29, m_resume        # not a call
  addi x29, a7, -{SERVICE:#x}
  bnez x29, m_resume
  mv x29, x27               # stay in M-mode, at the physical address
  srli x30, x27, 31
  bnez x30, 1f
  li x30, {ALIAS:#x}
  sub x29, x27, x30
  add x29, x29, x25
1:
  csrr x30, mstatus
  jr x29
m_resume:
  csrw mepc, x27
  mret
m_interrupt:
  csrw mie, zero
  mret
leave:
  csrw mstatus, zero
  csrw pmpcfg0, zero        # an entry that covers half of an access stops even M-mode
  jr x26

{_VECTORS.format("s")}
s_trap:
  csrr x28, scause
  csrr x29, sepc
  csrr x29, stval
  csrr x29, htval
  csrr x29, htinst
  csrr x29, hstatus
  csrr x29, sstatus
  csrr x29, sip
  csrr x29, hip
  addi x31, x31, -1
  blez x31, s_leave
  bltz x28, s_interrupt
  beqz x27, s_leave
  csrw sepc, x27
  sret
s_interrupt:
  csrw sie, zero
  csrw hie, zero
  sret
s_leave:
  ecall
  j s_leave

{_VECTORS.format("v")}
v_trap:
  csrr x28, scause
  csrr x29, sepc
  csrr x29, stval
  csrr x29, sstatus
  csrr x29, sip
  addi x31, x31, -1
  blez x31, v_leave
  bltz x28, v_interrupt
  beqz x27, v_leave
  csrw sepc, x27
  sret
v_interrupt:
  csrw sie, zero
  sret
v_leave:
  ecall
  j v_leave

# A program begins with `jalr x5, clean`: every register the programs may have changed is reset.
clean:
  csrw mstatus, zero
  csrw mie, zero
  csrw mideleg, zero
  csrw medeleg, zero
  la x28, m_vectors
  csrw mtvec, x28
  la x28, s_vectors
  csrw stvec, x28
  la x28, v_vectors
  csrw vstvec, x28
  li x29, -1
  csrw menvcfg, x29         # so that henvcfg and the timers can be reached
  csrw henvcfg, x29
  csrw stimecmp, x29
  csrw vstimecmp, x29
  csrw henvcfg, zero
  csrw menvcfg, zero
  csrw hvip, zero
  csrw mip, zero
  csrw satp, zero
  csrw vsatp, zero
  csrw hgatp, zero
  csrw hstatus, zero
  csrw vsstatus, zero
  csrw hedeleg, zero
  csrw hideleg, zero
  csrw hcounteren, zero
  csrw mcounteren, zero
  csrw scounteren, zero
  csrw mcountinhibit, zero
  csrw htimedelta, zero
  csrw mscratch, zero
  csrw mepc, zero
  csrw mcause, zero
  csrw mtval, zero
  csrw mtval2, zero
  csrw mtinst, zero
  csrw sscratch, zero
  csrw sepc, zero
  csrw scause, zero
  csrw stval, zero
  csrw htval, zero
  csrw htinst, zero
  csrw vsscratch, zero
  csrw vsepc, zero
  csrw vscause, zero
  csrw vstval, zero
  csrw pmpcfg0, zero
  csrw pmpcfg2, zero
  csrw pmpaddr0, zero
  csrw pmpaddr1, zero
  csrw pmpaddr2, zero
  csrw pmpaddr3, zero
  csrw pmpaddr4, zero
  csrw pmpaddr5, zero
  csrw pmpaddr6, zero
  csrw pmpaddr7, zero
  csrw pmpaddr15, x29       # the last entry allows everything
  li x28, 0x1f
  slli x28, x28, 56
  csrw pmpcfg2, x28
  li x28, 0x2000000         # the CLINT: no software interrupt, the timer far away
  sw zero, 0(x28)
  li x28, 0x2004000
  sd x29, 0(x28)
  sfence.vma
  hfence.vvma
  hfence.gvma
  fence.i
  csrw mcycle, zero
  csrw minstret, zero
  li x27, 0
  li x31, {PATIENCE}
  jr x5

finish:
  la x28, finished          # Spike looks at tohost after a trap, so trap until it does
  csrw mtvec, x28
  la x28, tohost
  li x29, 1
ending:
  sd x29, 0(x28)
.balign 4
finished:
  ecall

.data
.balign 4096
tohost:
  .dword 0
  .balign 64
fromhost:
  .dword 0
"""


def build(first: int) -> Program:
    """The runtime, which starts with the program at `first`."""
    return assemble(f".equ first, {first:#x}\n" + SOURCE, BASE)
