# hello: prints a line on the serial port and ends the run.
# Starts in M-mode at the base of RAM, as every guest here that has no operating system.

        .equ    UART, 0x10000000        # a byte stored here is sent
        .equ    FINISHER, 0x100000      # a word stored here ends the run
        .equ    PASS, 0x5555

_start: la      a0, text
        li      a1, UART
next:   lbu     t0, 0(a0)               # the next character, until the zero that ends the text
        beqz    t0, done
        sb      t0, 0(a1)
        addi    a0, a0, 1
        j       next

done:   li      t1, FINISHER
        li      t0, PASS
        sw      t0, 0(t1)
here:   j       here                    # the hart goes on until the board has stopped it

text:   .asciz  "Hello from the bare machine.\n"
