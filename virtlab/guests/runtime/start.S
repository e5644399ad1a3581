# Where a C program on the bare machine begins: gives it a stack, clears its unset variables, calls
# main, and ends the run with what main returned.
# SUPERVISOR is defined for a program that firmware starts in S-mode; else it starts in M-mode.
#ifdef SUPERVISOR
#define TVEC stvec
#define CAUSE scause
#define EPC sepc
#define TVAL stval
#else
#define TVEC mtvec
#define CAUSE mcause
#define EPC mepc
#define TVAL mtval
#endif

    .section .text.entry
    .globl start
start:
    la      sp, stack_end
    la      t0, unexpected_trap
    csrw    TVEC, t0
    la      t0, bss_start
    la      t1, bss_end
    j       2f
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
2:  bltu    t0, t1, 1b
    call    main
    j       exit

# A program that wants to handle traps writes its own handler's address to the trap vector.
    .balign 4
unexpected_trap:
    la      sp, stack_end
    csrr    a0, CAUSE
    csrr    a1, EPC
    csrr    a2, TVAL
    j       report_trap

    .bss
    .balign 16
    .skip   65536
stack_end:
