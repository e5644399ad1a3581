"""The fixed part of every random guest: a small kernel that takes traps, notes them, and goes on.

It answers system calls by going on in supervisor mode, repairs page-table entries on page faults,
reprograms its timer, claims external interrupts from the PLIC, and writes down what each trap left
behind together with the time, so that an interrupt that comes one instruction late is seen in
memory. Registers that the random part leaves to it:

    x25 base       of RAM, mapped to itself
    x26 x28 x29 x30   the handlers' own
    x27 resume     where to go on after an exception; 0: the round is over
    x31 patience   traps that this round may still take

When patience is at an end, or x27 is 0, the round is over; the last round ends the machine.
"""

from functools import cache

from virtlab.isa.assembler import Program, assemble

BASE = 0x8000_0000
ALIAS = 0x4000_0000  # where the pages of the guest appear with random rights
SERVICE = 0x55  # a7 of a system call that asks to go on with the kernel's rights
PATIENCE = 90

# Offsets in RAM.
KERNEL, NOTES, LOG, CODE, DATA = 0x0, 0x2000, 0x3000, 0x4000, 0x8000
QUEUE, BUFFERS, SPARE, TABLES = 0xC000, 0xD000, 0xE000, 0x1_0000
TABLE_PAGES = 6  # of an address space
SPACES = 3
PAGES = (TABLES >> 12) + SPACES * TABLE_PAGES

# Words of the page NOTES.
LOG_AT, ROUNDS, INTERRUPTS, REPAIR, LEAF, DICE, FLAGS, FRAME = 0, 8, 16, 24, 32, 40, 48, 64
# Flags of the kernel's manners.
SAVES_FRAME, TIMER_BY_SBI, REPAIRS, ENDS_BY_SBI, STARTS_IN_M, RETURNS_TO_KERNEL = (
    1 << k for k in range(6)
)

SAVED = [k for k in range(1, 25) if k not in (8, 9)]
_SAVE = "\n".join(f"  sd x{k}, {FRAME + 8 * k}(x29)" for k in SAVED)
_RESTORE = "\n".join(f"  ld x{k}, {FRAME + 8 * k}(x29)" for k in SAVED)
_VECTORS = "\n".join([".balign 256", "{0}_vectors:"] + ["  j {0}_trap"] * 16)


def _note(level: str) -> str:
    """Assembly text that notes a trap to `level`: its CSRs and the three clocks."""
    csrs = [f"{level}cause", f"{level}epc", f"{level}tval", f"{level}status", f"{level}ip"]
    csrs += ["time", "cycle", "instret"]
    stores = "\n".join(f"  csrr x30, {name}\n  sd x30, {8 * k}(x26)" for k, name in enumerate(csrs))
    return f"""
  ld x26, {LOG_AT}(x29)
  addi x30, x26, 64
  slli x30, x30, 52
  srli x30, x30, 52
  sd x30, {LOG_AT}(x29)
  add x26, x26, x29
  lui x30, 1
  add x26, x26, x30
{stores}
"""


SOURCE = f"""
_start:
  lui x25, 0x80000
  slli x25, x25, 32
  srli x25, x25, 32
  li x28, {CODE}
  add x28, x28, x25
  jr x28

{_VECTORS.format("s")}
s_trap:
  addi x31, x31, -1
  blez x31, leave
  li x29, {NOTES}
  add x29, x29, x25
{_note("s")}
  ld x28, {FLAGS}(x29)
  andi x28, x28, {SAVES_FRAME}
  beqz x28, 1f
{_SAVE}
1:
  csrr x28, scause
  bltz x28, s_interrupt
  addi x30, x28, -8
  beqz x30, s_system_call
  addi x30, x28, -12
  beqz x30, s_page_fault
  addi x30, x28, -13
  beqz x30, s_page_fault
  addi x30, x28, -15
  beqz x30, s_page_fault
s_resume:
  beqz x27, leave
  csrw sepc, x27
s_return:
  li x29, {NOTES}
  add x29, x29, x25
  ld x28, {FLAGS}(x29)
  andi x28, x28, {SAVES_FRAME}
  beqz x28, 1f
{_RESTORE}
1:
  sret

s_system_call:
  addi x30, a7, -{SERVICE:#x}
  bnez x30, s_resume
  beqz x27, leave
  mv x30, x27
  srli x26, x27, 31
  bnez x26, 1f
  li x26, {ALIAS:#x}
  sub x30, x30, x26
  add x30, x30, x25
1:
  ld x28, {FLAGS}(x29)
  andi x28, x28, {RETURNS_TO_KERNEL}
  bnez x28, 2f
  jr x30                    # with interrupts off, as the handler runs
2:
  csrw sepc, x30
  li x30, 0x100
  csrs sstatus, x30
  j s_return

s_page_fault:               # a page of the alias: give it the rights that REPAIR names
  ld x30, {FLAGS}(x29)
  andi x30, x30, {REPAIRS}
  beqz x30, s_resume
  csrr x28, stval
  li x30, {ALIAS:#x}
  sub x28, x28, x30
  srli x28, x28, 12
  li x30, {PAGES}
  bgeu x28, x30, s_resume
  slli x28, x28, 3
  ld x30, {LEAF}(x29)
  beqz x30, s_resume
  add x28, x28, x30
  ld x30, 0(x28)
  ld x26, {REPAIR}(x29)
  or x26, x26, x30
  beq x26, x30, s_resume    # it has them already
  sd x26, 0(x28)
  csrr x28, stval
  sfence.vma x28, zero
  j s_return

s_interrupt:
  ld x30, {INTERRUPTS}(x29)
  addi x30, x30, -1
  sd x30, {INTERRUPTS}(x29)
  bgtz x30, 1f
  csrw sie, zero
1:
  andi x28, x28, 15
  addi x30, x28, -1
  beqz x30, s_software
  addi x30, x28, -5
  beqz x30, s_timer
  addi x30, x28, -9
  beqz x30, s_external
  csrw sie, zero
  j s_return
s_software:
  csrci sip, 2
  j s_return
s_timer:
  ld x30, {DICE}(x29)
  slli x28, x30, 13
  xor x30, x30, x28
  srli x28, x30, 7
  xor x30, x30, x28
  slli x28, x30, 17
  xor x30, x30, x28
  sd x30, {DICE}(x29)
  andi x30, x30, 127
  csrr x28, time
  add x30, x30, x28
  addi x30, x30, 1
  ld x28, {FLAGS}(x29)
  andi x28, x28, {TIMER_BY_SBI}
  bnez x28, 1f
  csrw stimecmp, x30
  j s_return
1:
  sd x10, {FRAME + 256}(x29)
  sd x11, {FRAME + 264}(x29)
  sd x16, {FRAME + 272}(x29)
  sd x17, {FRAME + 280}(x29)
  mv x10, x30
  li x16, 0
  li x17, 0x54494d45
  ecall
  ld x10, {FRAME + 256}(x29)
  ld x11, {FRAME + 264}(x29)
  ld x16, {FRAME + 272}(x29)
  ld x17, {FRAME + 280}(x29)
  j s_return
s_external:
  li x28, 0x0c201004
  lw x26, 0(x28)            # claim
  sd x26, {FRAME + 288}(x29)
  addi x30, x26, -10
  beqz x30, 1f
  addi x30, x26, -1
  beqz x30, 2f
  bnez x26, 3f
  csrw sie, zero
  j s_return
1:
  li x30, 0x10000000
  lbu x28, 2(x30)           # which cause: the transmitter's is answered by reading it
  sd x28, {FRAME + 296}(x29)
  lbu x28, 5(x30)
  andi x28, x28, 1
  beqz x28, 3f
  lbu x28, 0(x30)           # what was typed, and its echo
  sb x28, 0(x30)
  j 3f
2:
  li x30, 0x10001000
  lw x28, 0x60(x30)
  sw x28, 0x64(x30)
3:
  li x28, 0x0c201004
  sw x26, 0(x28)            # complete
  j s_return

leave:                      # in S-mode, or in M-mode if the guest began there
  li x29, {NOTES}
  add x29, x29, x25
  ld x28, {FLAGS}(x29)
  andi x28, x28, {STARTS_IN_M}
  beqz x28, round
  csrr x28, sscratch        # M-mode is asked by a call, which it takes as the end of patience
  li x31, 0
  ecall
1:
  j 1b

{_VECTORS.format("m")}
m_trap:
  addi x31, x31, -1
  blez x31, m_leave
  li x29, {NOTES}
  add x29, x29, x25
{_note("m")}
  csrr x28, mcause
  bltz x28, m_interrupt
  beqz x27, m_leave
  addi x29, x28, -8
  sltiu x29, x29, 4
  beqz x29, m_resume
  addi x29, a7, -{SERVICE:#x}
  bnez x29, m_resume
  mv x29, x27
  srli x30, x27, 31
  bnez x30, 1f
  li x30, {ALIAS:#x}
  sub x29, x27, x30
  add x29, x29, x25
1:
  jr x29
m_resume:
  csrw mepc, x27
  mret
m_interrupt:
  ld x30, {INTERRUPTS}(x29)
  addi x30, x30, -1
  sd x30, {INTERRUPTS}(x29)
  bgtz x30, 1f
  csrw mie, zero
1:
  andi x28, x28, 15
  addi x30, x28, -7
  beqz x30, m_timer
  addi x30, x28, -3
  beqz x30, m_software
  csrw mie, zero
  mret
m_software:
  lui x30, 0x2000
  sw zero, 0(x30)
  mret
m_timer:
  li x30, 0x200bff8
  ld x28, 0(x30)
  addi x28, x28, 37
  li x30, 0x2004000
  sd x28, 0(x30)
  mret
m_leave:
  csrw mstatus, zero
  csrw mie, zero
  csrw pmpcfg0, zero
  li x29, {NOTES}
  add x29, x29, x25

round:                      # the next round, or the end
  csrw sie, zero
  csrci sstatus, 2
  ld x28, {ROUNDS}(x29)
  addi x28, x28, -1
  sd x28, {ROUNDS}(x29)
  blez x28, finish
  li x31, {PATIENCE}
  li x28, {CODE}
  add x28, x28, x25
  jr x28
finish:
  csrw satp, zero
  ld x28, {FLAGS}(x29)
  andi x28, x28, {ENDS_BY_SBI}
  beqz x28, 1f
  li x10, 0
  li x11, 0
  li x16, 0
  li x17, 0x53525354
  ecall
1:
  li x28, 0x100000
  li x30, 0x5555
  sw x30, 0(x28)
2:
  j 2b
"""


@cache
def build() -> Program:
    """The kernel, assembled."""
    made = assemble(SOURCE, BASE)
    assert len(made.data) <= NOTES, "the kernel does not fit in its pages"
    return made
