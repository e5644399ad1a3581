# Where the kernel is entered: at power-on, at a trap, and when it switches to another process.
#include "paravirt.h"

    .section .text.entry
    .globl start
# The hypervisor jumps here in user mode, translation on, events off:
# a0 = this hart's number, a1 = the shared page. kernel_main(a0, a1) takes them as they are.
# It starts no kernel that does not have this name, by which the port declares itself.
    .globl paravirt_abi_1
paravirt_abi_1:
start:
    la      sp, boot_stack_end
    la      t0, bss_start               # C expects its unset variables to be zero
    la      t1, bss_end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b
    tail    kernel_main

    .text
# Every exception and event comes here (HYPERCALL_SET_CALLBACK). If it interrupted a program, the
# hypervisor has loaded sp with the top of that process's kernel stack; the shared page tells what
# was there before.
    .equ    FRAME_SIZE, 34*8            # struct trap_frame
    .equ    FRAME_SSTATUS, 32*8
    .globl  trap_entry
    .balign 4
trap_entry:
    addi    sp, sp, -FRAME_SIZE
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, \n*8(sp)
    .endr
    li      t1, SHARED_PAGE
    ld      t0, SHARED_SP(t1)
    sd      t0, 2*8(sp)
    ld      t0, SHARED_SEPC(t1)
    sd      t0, 0(sp)
    ld      t0, SHARED_SSTATUS(t1)
    sd      t0, FRAME_SSTATUS(sp)
    mv      a0, sp
    call    trap

# Back to whatever the frame at sp describes.
trap_return:
    li      t1, SHARED_PAGE
    ld      t0, FRAME_SSTATUS(sp)
    sd      t0, SHARED_SSTATUS(t1)
    ld      t0, 0(sp)
    sd      t0, SHARED_SEPC(t1)
    ld      t0, 2*8(sp)
    sd      t0, SHARED_SP(t1)
    ld      t0, 17*8(sp)                # a7 is needed for the hypercall
    sd      t0, SHARED_A7(t1)
    addi    t0, sp, FRAME_SIZE          # from a program the next trap starts at the stack's top
    sd      t0, SHARED_KERNEL_SP(t1)
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, \n*8(sp)
    .endr
    li      a7, HYPERCALL_RETURN
    ecall

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
