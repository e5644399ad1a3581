# Executes each word of a table in M-mode and notes whether it was an illegal instruction.
#
# The word stands at `slot`, surrounded by zeros, which are illegal too: whatever a word does, the
# next trap comes soon, and it counts only if it comes from the slot itself. All registers
# point into `scratch`. A timer interrupt ends words that never trap (wfi, a jump to itself).
# The test appends the table: n_words, words, and room for a byte each at begin_signature.

.equ slot, 0x80a0_0000
.equ scratch, 0x80c0_0000
.equ mtimecmp, 0x0200_4000
.equ mtime, 0x0200_bff8
.equ patience, 200                  # ticks; the clock may jump by 50
.equ MPP_MPIE, 0x1880               # mstatus: return to M-mode with interrupts enabled
.equ illegal_instruction, 2

_start:
    la   t0, trap
    csrw mtvec, t0
    csrwi satp, 0
    li   t0, 1 << 7
    csrw mie, t0
    li   s0, 0                      # the word's number
    j    next

.balign 4
trap:
    csrr t0, mcause
    csrr t1, mepc
    la   s1, number
    ld   s0, (s1)
    li   t2, illegal_instruction
    xor  t0, t0, t2
    li   t2, slot
    xor  t1, t1, t2
    or   t0, t0, t1
    seqz t0, t0
    la   t1, begin_signature
    add  t1, t1, s0
    sb   t0, (t1)
    addi s0, s0, 1

next:
    la   t0, n_words
    ld   t0, (t0)
    beq  s0, t0, done
    la   t0, number
    sd   s0, (t0)

    slli t0, s0, 2
    la   t1, words
    add  t1, t1, t0
    lwu  t1, (t1)
    li   t2, slot
    sd   t1, (t2)
    fence.i

    li   t0, mtime
    ld   t0, (t0)
    addi t0, t0, patience
    li   t1, mtimecmp
    sd   t0, (t1)
    csrw mepc, t2
    csrwi sepc, 0
    li   t0, MPP_MPIE
    csrw mstatus, t0
    li   x1, scratch
    mv   x2, x1
    mv   x3, x1
    mv   x4, x1
    mv   x5, x1
    mv   x6, x1
    mv   x7, x1
    mv   x8, x1
    mv   x9, x1
    mv   x10, x1
    mv   x11, x1
    mv   x12, x1
    mv   x13, x1
    mv   x14, x1
    mv   x15, x1
    mv   x16, x1
    mv   x17, x1
    mv   x18, x1
    mv   x19, x1
    mv   x20, x1
    mv   x21, x1
    mv   x22, x1
    mv   x23, x1
    mv   x24, x1
    mv   x25, x1
    mv   x26, x1
    mv   x27, x1
    mv   x28, x1
    mv   x29, x1
    mv   x30, x1
    mv   x31, x1
    mret

done:
    li   t0, 1
    la   t1, tohost
    sd   t0, (t1)
    j    .

.data
.balign 8
tohost: .dword 0
fromhost: .dword 0
number: .dword 0
