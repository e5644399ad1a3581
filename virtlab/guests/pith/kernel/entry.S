# Where the kernel is entered: at power-on, at a trap, and when it switches to another process.

    .section .text.entry
    .globl start
# The firmware jumps here in supervisor mode, translation off, interrupts off:
# a0 = this hart's number, a1 = the device tree. kernel_main(a0, a1) takes them as they are.
start:
    la      sp, boot_stack_end
    la      t0, bss_start               # C expects its unset variables to be zero
    la      t1, bss_end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b
    tail    kernel_main

    .text
# Every trap comes here (stvec). sscratch tells from where: while a program runs it holds the top
# of that process's kernel stack; while the kernel runs it holds 0.
    .equ    FRAME_SIZE, 34*8            # struct trap_frame
    .equ    FRAME_SSTATUS, 32*8
    .equ    SSTATUS_SPP, 1 << 8
    .globl  trap_entry
    .balign 4
trap_entry:
    csrrw   sp, sscratch, sp
    bnez    sp, save                    # from a program: sp is now its kernel stack
    csrr    sp, sscratch                # from the kernel itself: stay on the stack
save:
    addi    sp, sp, -FRAME_SIZE
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, \n*8(sp)
    .endr
    csrrw   t0, sscratch, zero          # the interrupted sp; and: we are in the kernel
    sd      t0, 2*8(sp)
    csrr    t0, sepc
    sd      t0, 0(sp)
    csrr    t0, sstatus
    sd      t0, FRAME_SSTATUS(sp)
    mv      a0, sp
    call    trap

# Back to whatever the frame at sp describes.
trap_return:
    ld      t0, FRAME_SSTATUS(sp)
    csrw    sstatus, t0
    ld      t1, 0(sp)
    csrw    sepc, t1
    andi    t0, t0, SSTATUS_SPP
    bnez    t0, restore
    addi    t0, sp, FRAME_SIZE          # to a program: the next trap starts at the stack's top
    csrw    sscratch, t0
restore:
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, \n*8(sp)
    .endr
    ld      sp, 2*8(sp)
    sret

# The first switch to a new process leads here; its context holds in s0 what it does first, or 0.
    .globl  begin
begin:
    beqz    s0, trap_return
    jalr    s0
    j       trap_return

# void switch_context(struct context *from, struct context *to)
# Returns where the other process called it: on that process's stack, with its registers.
    .globl  switch_context
switch_context:
    sd      ra, 0(a0)
    sd      sp, 8(a0)
    ld      ra, 0(a1)
    ld      sp, 8(a1)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd      s\n, 16+\n*8(a0)
    ld      s\n, 16+\n*8(a1)
    .endr
    ret

    .bss
    .balign 16
    .skip   4096
boot_stack_end:
