# Starts in M-mode at the base of RAM, lets S-mode use all of memory, switches translation on and
# goes to S-mode, where the benchmark runs. A trap ends the run as a failure.

#define MSTATUS_MPP (3 << 11)
#define MSTATUS_MPP_S (1 << 11)
#define ALL_OF_MEMORY 0x1f              // one region: naturally aligned power of two, X W R
#define SATP_SV39 8
#define RESULT_TRAP 1337

    .section .text.entry
    .globl start
start:
    la      sp, stack_end
    la      t0, trap
    csrw    mtvec, t0
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, ALL_OF_MEMORY
    csrw    pmpcfg0, t0
    call    map_memory                  # the root's address comes back in a0
    srli    a0, a0, 12
    li      t0, SATP_SV39
    slli    t0, t0, 60
    or      a0, a0, t0
    csrw    satp, a0
    sfence.vma
    li      t0, MSTATUS_MPP
    csrc    mstatus, t0
    li      t0, MSTATUS_MPP_S
    csrs    mstatus, t0
    la      t0, supervisor
    csrw    mepc, t0
    mret

supervisor:
    call    main                        # 0 if every result is right, else the number of the wrong one
finish:
    slli    a0, a0, 1                   # tohost: the lowest bit says that the run is over
    ori     a0, a0, 1
    la      t0, tohost
1:  sd      a0, 0(t0)
    j       1b

    .balign 4
trap:
    li      a0, RESULT_TRAP
    j       finish

    .section .tohost, "aw"
    .globl tohost
    .globl fromhost
    .balign 64
tohost:
    .dword  0
    .balign 64
fromhost:
    .dword  0

    .bss
    .balign 16
    .skip   65536
stack_end:
