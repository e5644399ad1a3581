# user_mode: a program in U-mode that can do nothing by itself but compute, and a kernel of twenty
# lines in M-mode that does two things for it: print a character (a7 = 1, the character in a0) and
# end (a7 = 2).

        .equ    UART, 0x10000000
        .equ    FINISHER, 0x100000
        .equ    PASS, 0x5555
        .equ    FAIL, 0x3333
        .equ    MPP, 3 << 11            # mstatus: the mode that mret goes to; 0 is U
        .equ    ECALL_FROM_U, 8         # mcause
        .equ    PUT, 1
        .equ    END, 2

_start: la      t0, on_trap
        csrw    mtvec, t0
        li      t0, -1                  # physical memory protection: one region, all of memory,
        csrw    pmpaddr0, t0
        li      t0, 0x1f                # may be read, written and executed outside M-mode
        csrw    pmpcfg0, t0
        li      t0, MPP
        csrc    mstatus, t0             # MPP = U
        la      t0, program
        csrw    mepc, t0
        mret                            # "back" to where nobody has been yet

on_trap:
        csrr    t0, mcause
        li      t1, ECALL_FROM_U
        bne     t0, t1, fail            # an exception that nobody foresaw
        csrr    t0, mepc
        addi    t0, t0, 4               # go on after the ecall, not with it
        csrw    mepc, t0
        li      t1, END
        beq     a7, t1, end
        li      t1, UART
        sb      a0, 0(t1)
        mret

end:    li      t0, PASS
        j       finish
fail:   li      t0, FAIL
finish: li      t1, FINISHER
        sw      t0, 0(t1)
here:   j       here

# The program. It sees the machine through ecall alone.
program:
        la      s0, text
next:   lbu     a0, 0(s0)
        beqz    a0, quit
        li      a7, PUT
        ecall
        addi    s0, s0, 1
        j       next
quit:   li      a7, END
        ecall

text:   .asciz  "User mode speaking.\n"
