# timer: sleeps, and lets the timer wake it three times.
# All in M-mode. The CLINT raises a timer interrupt while mtime >= mtimecmp; what puts it off is
# moving mtimecmp into the future.

        .equ    UART, 0x10000000
        .equ    FINISHER, 0x100000
        .equ    PASS, 0x5555
        .equ    MTIMECMP, 0x2004000     # of hart 0
        .equ    MTIME, 0x200bff8
        .equ    INTERVAL, 1000          # ticks of mtime; at 10 MHz, 100 microseconds
        .equ    MTI, 1 << 7             # the machine timer interrupt's bit in mie
        .equ    MIE, 1 << 3             # mstatus: interrupts are taken in M-mode

_start: la      t0, on_trap
        csrw    mtvec, t0
        li      s0, 3                   # wake-ups to go
        jal     set_timer
        li      t0, MTI
        csrw    mie, t0
        csrsi   mstatus, MIE
sleep:  wfi
        bnez    s0, sleep

        csrci   mstatus, MIE
        li      t1, UART
        li      t0, '\n'
        sb      t0, 0(t1)
        li      t1, FINISHER
        li      t0, PASS
        sw      t0, 0(t1)
here:   j       here

# Only the timer interrupt leads here, and the code above keeps nothing in t0, t1 and t2 while
# interrupts are on: so nothing has to be saved but ra.
on_trap:
        mv      s1, ra
        li      t1, UART
        li      t0, '.'
        sb      t0, 0(t1)
        addi    s0, s0, -1
        jal     set_timer
        mv      ra, s1
        mret

set_timer:
        li      t0, MTIME
        ld      t1, 0(t0)
        addi    t1, t1, INTERVAL
        li      t2, MTIMECMP
        sd      t1, 0(t2)
        ret
