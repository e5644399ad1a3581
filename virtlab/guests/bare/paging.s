# paging: builds a Sv39 page table by hand, enters S-mode with translation on, reads a letter
# through the address 0x4000_0000, and then reads the page after it, which is not mapped.
#
#   root (level 2)                 level 1              level 0
#   [0] 1 GiB of devices
#   [1] ------------------------>  [0] -------------->  [0] the page called data
#   [2] 1 GiB of RAM, where                             [1] nothing: a page fault
#       this program is

        .equ    UART, 0x10000000
        .equ    FINISHER, 0x100000
        .equ    PASS, 0x5555
        .equ    FAIL, 0x3333
        .equ    WINDOW, 0x40000000      # the virtual address of the page called data
        .equ    PAGE, 4096
        .equ    POINTER, 0x01           # V: an entry that points to the next table
        .equ    LEAF, 0xcf              # D A - - X W R V
        .equ    SV39, 8 << 60
        .equ    MPP, 3 << 11
        .equ    MPP_S, 1 << 11
        .equ    LOAD_PAGE_FAULT, 13

_start: la      t0, on_trap
        csrw    mtvec, t0
        li      t0, -1                  # as in user_mode: all of memory outside M-mode
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0

        la      t0, root
        li      t1, LEAF                # page number 0
        sd      t1, 0(t0)
        la      t1, level1
        srli    t1, t1, 2               # an entry holds the page number from bit 10 on:
        addi    t1, t1, POINTER         # the address, 12 - 10 bits to the right
        sd      t1, 8(t0)
        li      t1, 0x80000000 >> 2 | LEAF
        sd      t1, 16(t0)
        la      t0, level1
        la      t1, level0
        srli    t1, t1, 2
        addi    t1, t1, POINTER
        sd      t1, 0(t0)
        la      t0, level0
        la      t1, data
        srli    t1, t1, 2
        addi    t1, t1, LEAF
        sd      t1, 0(t0)

        la      t0, root
        srli    t0, t0, 12
        li      t1, SV39
        or      t0, t0, t1
        csrw    satp, t0                # has no effect in M-mode, and so not yet
        sfence.vma
        li      t0, MPP
        csrc    mstatus, t0
        li      t0, MPP_S
        csrs    mstatus, t0
        la      t0, supervisor
        csrw    mepc, t0
        mret

supervisor:                             # from here on every address is translated
        li      s0, WINDOW
        lbu     a0, 0(s0)
        li      t1, UART
        sb      a0, 0(t1)
        li      t0, '\n'
        sb      t0, 0(t1)
        li      s1, PAGE
        add     s0, s0, s1
        lbu     a0, 0(s0)               # faults
        j       fail

on_trap:                                # in M-mode, and so without translation again
        csrr    t0, mcause
        li      t1, LOAD_PAGE_FAULT
        bne     t0, t1, fail
        csrr    t0, mtval               # the address that could not be translated
        bne     t0, s0, fail
        li      t0, PASS
        j       finish
fail:   li      t0, FAIL
finish: li      t1, FINISHER
        sw      t0, 0(t1)
here:   j       here

        .balign 4096
data:   .ascii  "P"
        .balign 4096
root:   .zero   4096
level1: .zero   4096
level0: .zero   4096
