"""Guests written to break out: kernels that aim everything they control at memory not theirs.

Each is a kernel in S-mode on the firmware, with all of RAM (1 MiB) to itself. `GUESTS` are those
that come to an end or go on for ever, `ENDLESS` those that try to keep the host from ever regaining
control. s0 holds the base of RAM, s1 its end, where the host's memory goes on.
"""

RAM_BYTES = 1 << 20

BEGIN = f"""
        .equ   RAM, 0x80000000
        .equ   VIRTIO, 0x10001000
start:  li     s0, 1
        slli   s0, s0, 31
        li     s1, {RAM_BYTES}
        add    s1, s1, s0
        la     t0, trap
        csrw   stvec, t0
        j      go
        .balign 4
trap:   csrr   t5, scause               # whatever it was: go on behind it
        bltz   t5, 2f
        csrr   t6, sepc
        li     t4, 12                   # a fetch that failed goes on where the jump came from
        beq    t5, t4, 1f
        li     t4, 1
        beq    t5, t4, 1f
        addi   t6, t6, 4
        csrw   sepc, t6
        csrw   sscratch, t5
        sret
1:      csrw   sepc, ra
        csrw   sscratch, t5
        sret
2:      csrw   sie, zero
        sret
        .balign 16
end:    li     a0, 0
        li     a1, 0
        li     a6, 0
        li     a7, 0x53525354
        ecall
1:      j      1b
go:
"""

# Reads and writes at a0 with every width; what is read is mixed into s11.
TOUCH = """
        .option push
        .option norvc
touch:  ld     t0, 0(a0)
        xor    s11, s11, t0
        lb     t0, 1(a0)
        xor    s11, s11, t0
        lhu    t0, 2(a0)
        xor    s11, s11, t0
        lw     t0, 4(a0)
        xor    s11, s11, t0
        sd     s11, 0(a0)
        sw     s11, 4(a0)
        sh     s11, 2(a0)
        sb     s11, 1(a0)
        ld     t0, -3(a0)               # across a page's beginning
        xor    s11, s11, t0
        sd     s11, -3(a0)
        amoadd.d t0, s11, (a0)
        lr.d   t0, (a0)
        sc.d   t0, s11, (a0)
        ret
        .option pop
"""


def _body(text: str) -> str:
    return BEGIN + text + "        j end\n" + TOUCH


# Translation off, or on with the given flags in a root of gigapages that map everything.
EVERYTHING = """
        la     t0, root
        li     t1, 0
        li     t2, {flags}
1:      sd     t2, 0(t0)
        li     t3, 1
        slli   t3, t3, 28
        add    t2, t2, t3
        addi   t0, t0, 8
        addi   t1, t1, 1
        li     t3, 512
        bne    t1, t3, 1b
        la     t0, root
        srli   t0, t0, 12
        li     t1, 8
        slli   t1, t1, 60
        or     t0, t0, t1
        csrw   satp, t0
        sfence.vma
"""
ROOT = """
        .balign 4096
root:   .zero 4096
middle: .zero 4096
leaf:   .zero 4096
"""

AROUND = """
        mv     s2, s1
        li     s3, 100
        li     s4, 0x1b000
1:      mv     a0, s2                   # behind RAM, up to and past the hypervisor's own pages
        jal    touch
        add    s2, s2, s4
        addi   s3, s3, -1
        bnez   s3, 1b
        li     s2, 1
        slli   s2, s2, 31
        li     s3, 40
1:      addi   s2, s2, -1000            # below RAM
        andi   s2, s2, -8
        mv     a0, s2
        jal    touch
        addi   s3, s3, -1
        bnez   s3, 1b
        addi   a0, s1, -8
        jal    touch
        addi   a0, s1, -2
        jal    touch
        addi   a0, s1, 2
        jal    touch
"""

GUESTS = {
    "addresses that are not its own, without translation": _body(AROUND),
    "addresses that are not its own, through gigapages": _body(
        EVERYTHING.format(flags="0xcf") + AROUND
    )
    + ROOT,
    "pages that the host might have": _body(
        """
        la     s2, leaf                 # a leaf table that maps what is around the VM
        la     s3, middle
        la     s4, root
        srli   t0, s3, 2
        ori    t0, t0, 1
        sd     t0, 8(s4)
        srli   t0, s2, 2
        ori    t0, t0, 1
        sd     t0, 0(s3)
        srli   t0, s0, 2                # RAM itself, as a gigapage
        ori    t0, t0, 0xcf
        sd     t0, 16(s4)
        li     s5, 0
fill:   li     t0, 0x8080
        slli   t0, t0, 4
        add    t0, t0, s5
        slli   t0, t0, 10
        ori    t0, t0, 0xcf
        slli   t1, s5, 3
        add    t1, t1, s2
        sd     t0, 0(t1)
        addi   s5, s5, 1
        li     t0, 512
        bne    s5, t0, fill
        srli   t0, s4, 12
        li     t1, 8
        slli   t1, t1, 60
        or     t0, t0, t1
        csrw   satp, t0
        sfence.vma
        li     s5, 1
        slli   s5, s5, 30
        li     s6, 100
1:      mv     a0, s5
        jal    touch
        jalr   ra, s5                   # and run what is there
        li     t0, 0x5000
        add    s5, s5, t0
        addi   s6, s6, -1
        bnez   s6, 1b
"""
    )
    + ROOT,
    "page tables that are not in RAM": _body(
        """
        li     s2, 60
        li     s3, 0x87654321
1:      slli   t0, s3, 13               # any number
        xor    s3, s3, t0
        srli   t0, s3, 7
        xor    s3, s3, t0
        slli   t0, s3, 17
        xor    s3, s3, t0
        la     s4, root
        srli   t0, s0, 2
        ori    t0, t0, 0xcf
        sd     t0, 16(s4)
        srli   t0, s3, 20               # a pointer to a table anywhere
        ori    t0, t0, 1
        andi   t0, t0, -31
        sd     t0, 8(s4)
        srli   t0, s4, 12
        li     t1, 8
        slli   t1, t1, 60
        or     t0, t0, t1
        csrw   satp, t0
        sfence.vma
        li     a0, 1
        slli   a0, a0, 30
        jal    touch
        srli   t0, s1, 2                # behind the end of RAM
        slli   t1, s2, 10
        add    t0, t0, t1
        ori    t0, t0, 1
        sd     t0, 8(s4)
        sfence.vma
        jal    touch
        csrw   satp, zero
        addi   s2, s2, -1
        bnez   s2, 1b
"""
    )
    + ROOT,
    "a superpage that begins in RAM and ends behind it": _body(
        """
        la     s4, root
        la     s3, middle
        srli   t0, s0, 2
        ori    t0, t0, 0xcf
        sd     t0, 0(s3)
        srli   t0, s3, 2
        ori    t0, t0, 1
        sd     t0, 16(s4)
        srli   t0, s4, 12
        li     t1, 8
        slli   t1, t1, 60
        or     t0, t0, t1
        csrw   satp, t0
        sfence.vma
        li     s2, 100
        mv     s3, s0
        li     t0, 0x20000              # not over itself
        add    s3, s3, t0
1:      mv     a0, s3
        jal    touch
        li     t0, 0x5000
        add    s3, s3, t0
        addi   s2, s2, -1
        bnez   s2, 1b
"""
    )
    + ROOT,
    "any value in satp": _body(
        """
        li     s2, 300
        li     s3, 0x12345677
1:      slli   t0, s3, 13
        xor    s3, s3, t0
        srli   t0, s3, 7
        xor    s3, s3, t0
        slli   t0, s3, 17
        xor    s3, s3, t0
        la     t0, 2f
        csrw   stvec, t0
        slli   t0, s3, 1                # modes that there are not, and none with any root
        srli   t0, t0, 1
        csrw   satp, t0
        csrr   t1, satp
        xor    s11, s11, t1
        ld     t0, 0(s1)
        nop
        .balign 4
2:      csrw   satp, zero
        addi   s2, s2, -1
        bnez   s2, 1b
"""
    ),
    "the hypervisor's own registers": _body(
        """
        li     s2, 64
        li     s3, 0x12345677
        csrw   medeleg, s3
        csrw   mtvec, s0
        csrw   mstatus, s3
        csrw   mie, s3
        csrw   pmpaddr0, zero
        csrw   pmpcfg0, zero
        csrw   menvcfg, s3
        csrr   s4, mstatus
        csrr   s5, medeleg
        mret
        csrw   sie, s3
        csrw   scounteren, s3
        csrr   s6, scounteren
        wfi
"""
    ).replace("        wfi\n", ""),
    "every device, with every width": _body(
        """
        la     s2, places
1:      lw     a0, 0(s2)
        beqz   a0, 2f
        slli   a0, a0, 32
        srli   a0, a0, 32
        li     s3, 24
3:      jal    touch
        addi   a0, a0, 4
        addi   s3, s3, -1
        bnez   s3, 3b
        addi   s2, s2, 4
        j      1b
        .balign 4
places: .word  0x2000000, 0x2004000, 0x200bff0, 0xc000000, 0xc001000, 0xc002000, 0xc002080
        .word  0xc200ffc, 0xc201000, 0x10000000, 0x10000008, 0x10001000, 0x10001030, 0x10001070
        .word  0x10001100, 0x10002000, 0x10008000, 0x100010, 0x1000, 0x40000000, 0x7fffff00, 0
2:      nop
"""
    ),
    "a disk that shall read and write elsewhere": _body(
        """
        la     s2, queue
        li     s3, 0
again:  la     t0, targets              # the address that the request shall be served at
        slli   t1, s3, 4
        add    t0, t0, t1
        ld     s4, 0(t0)
        ld     s5, 8(t0)
        bnez   s5, 1f
        j      done
1:      li     s6, 0                    # 0: the device writes there, 1: it reads
kind:   la     t0, header
        sd     t0, 0(s2)
        li     t1, 16
        sw     t1, 8(s2)
        li     t1, 1
        sh     t1, 12(s2)
        sh     t1, 14(s2)
        sw     s6, 0(t0)
        sd     zero, 8(t0)
        sd     s4, 16(s2)
        sw     s5, 24(s2)
        li     t1, 3
        beqz   s6, 1f
        li     t1, 1
1:      sh     t1, 28(s2)
        li     t1, 2
        sh     t1, 30(s2)
        addi   t0, t0, 32
        sd     t0, 32(s2)
        li     t1, 1
        sw     t1, 40(s2)
        li     t1, 2
        sh     t1, 44(s2)
        la     t0, rings
        li     t1, 0x10000
        sw     t1, 0(t0)
        sw     zero, 4(t0)
        jal    serve
        addi   s6, s6, 1
        li     t0, 2
        bne    s6, t0, kind
        addi   s3, s3, 1
        j      again
serve:  li     t2, VIRTIO
        sw     zero, 0x70(t2)
        li     t1, 3
        sw     t1, 0x70(t2)
        li     t1, 1
        sw     t1, 0x24(t2)
        sw     t1, 0x20(t2)
        li     t1, 11
        sw     t1, 0x70(t2)
        sw     zero, 0x30(t2)
        li     t1, 8
        sw     t1, 0x38(t2)
        sw     s2, 0x80(t2)
        sw     zero, 0x84(t2)
        la     t1, rings
        sw     t1, 0x90(t2)
        sw     zero, 0x94(t2)
        li     t3, 512
        add    t1, t1, t3
        sw     t1, 0xa0(t2)
        sw     zero, 0xa4(t2)
        li     t1, 1
        sw     t1, 0x44(t2)
        li     t1, 15
        sw     t1, 0x70(t2)
        sw     zero, 0x50(t2)
        lw     t1, 0x70(t2)
        xor    s11, s11, t1
        ret
done:   la     s2, places2              # and rings that lie elsewhere
1:      ld     t0, 0(s2)
        bnez   t0, 3f
        j      end
3:      mv     s4, t0
        li     t2, VIRTIO
        sw     zero, 0x70(t2)
        li     t1, 11
        sw     t1, 0x70(t2)
        sw     zero, 0x30(t2)
        li     t1, 1024
        sw     t1, 0x38(t2)
        sw     s4, 0x80(t2)
        srli   t1, s4, 32
        sw     t1, 0x84(t2)
        sw     s4, 0x90(t2)
        sw     t1, 0x94(t2)
        sw     s4, 0xa0(t2)
        sw     t1, 0xa4(t2)
        li     t1, 1
        sw     t1, 0x44(t2)
        li     t1, 15
        sw     t1, 0x70(t2)
        sw     zero, 0x50(t2)
        addi   s2, s2, 8
        j      1b
        .balign 8
targets: .dword 0x80080000, 512, 0x80100000, 512, 0x800fff00, 512, 0x7fffff00, 512
        .dword 0x7ffffff0, 0x200000
        .dword 0, 512, 0xffffffffffffff00, 512, 0x80080000, 0xffffffff, 0x100000080000000, 512
        .dword 0x80400000, 4096, 0x80500000, 4096, 0x7fffffffffffff00, 1024, 0x800ffffe, 4, 0, 0
places2: .dword 0x80100000, 0x800fffc0, 0x7fffffc0, 0xffffffffffffffc0, 0x80400000, 0x1000, 0
header: .zero 64
        .balign 4096
queue:  .zero 256
rings:  .zero 1024
2:      nop
"""
    ),
    "firmware calls with addresses that are not its own": _body(
        """
        la     s2, places
1:      ld     a1, 0(s2)
        beqz   a1, 2f
        li     s3, 0
3:      ld     a1, 0(s2)
        li     a0, 64
        li     a2, 0
        mv     a6, s3
        li     a7, 0x4442434E
        ecall
        ld     a1, 0(s2)
        mv     a0, a1
        li     a2, -1
        ld     a3, 0(s2)
        mv     a6, s3
        li     a7, 0x52464E43
        ecall
        addi   s3, s3, 1
        li     t0, 3
        bne    s3, t0, 3b
        addi   s2, s2, 8
        j      1b
        .balign 8
places: .dword 0x80100000, 0x800fffe0, 0x7fffffe0, 0xffffffffffffffe0, 0x80400000, 0x1000, 0
2:      nop
"""
    ),
    "jumps to where the host might be": _body(
        """
        li     s2, 64
        mv     s3, s1
1:      jalr   ra, s3
        li     t0, 0x11000
        add    s3, s3, t0
        addi   s2, s2, -1
        bnez   s2, 1b
        addi   t0, s1, -2               # an instruction that begins in RAM and ends behind it
        li     t1, 0x0073
        sh     t1, 0(t0)
        fence.i
        jalr   ra, t0
        li     t0, -4
        jalr   ra, t0
        jalr   ra, zero
"""
    ),
}

ENDLESS = {
    "an empty loop": _body("1:      j 1b\n"),
    "a loop of system calls": _body("1:      li a7, 0x99\n        ecall\n        j 1b\n"),
    "a loop of words that are no instruction": _body(
        "        la ra, 1f\n1:      .word 0\n        j 1b\n"
    ),
    "a fault that its handler repeats": _body(
        "        la t0, 1f\n        csrw stvec, t0\n        .balign 4\n1:      ld t0, 0(zero)\n"
    ),
    "a handler that cannot be fetched": _body(
        "        csrw stvec, zero\n        ecall\n        ebreak\n"
    ),
    "no page that could be fetched": _body(
        "        li t0, 1\n        slli t0, t0, 63\n        csrw satp, t0\n        nop\n"
    ),
    "a storm of timer interrupts": _body(
        """
        la     t0, 2f
        csrw   stvec, t0
        csrw   stimecmp, zero
        li     t0, 0x20
        csrw   sie, t0
        csrsi  sstatus, 2
1:      j      1b
        .balign 4
2:      sret
"""
    ),
    "interrupts that are pending for ever in programs": _body(
        """
        la     t0, 2f
        csrw   stvec, t0
        csrw   stimecmp, zero
        li     t0, 0x222
        csrw   sie, t0
        csrsi  sip, 2
        la     t0, 1f
        csrw   sepc, t0
        sret
1:      j      1b
        .balign 4
2:      sret
"""
    ),
    "a loop of register reads": _body(
        "        li t0, 0x10000000\n1:      lbu t1, 5(t0)\n        j 1b\n"
    ),
    "a loop that changes its page table": _body(
        EVERYTHING.format(flags="0xcf")
        + "        la s2, root\n1:      ld t0, 32(s2)\n        xori t0, t0, 2\n"
        "        sd t0, 32(s2)\n        sfence.vma\n        j 1b\n"
    )
    + ROOT,
    "a loop that changes itself": _body(
        "        la s2, 1f\n        lw t0, 0(s2)\n        li t2, 0x100000\n"
        "1:      addi a0, a0, 0\n        add t0, t0, t2\n        sw t0, 0(s2)\n        fence.i\n"
        "        j 1b\n"
    ),
    "a loop of satp writes": _body(
        EVERYTHING.format(flags="0xcf")
        + "        csrr s2, satp\n        li s3, 1\n        slli s3, s3, 44\n"
        "1:      add s2, s2, s3\n        csrw satp, s2\n        ld t0, 0(s0)\n        j 1b\n"
    )
    + ROOT,
    "sleep from which its own timer wakes it at once": _body(
        "        li t0, 0x20\n        csrw sie, t0\n        csrw stimecmp, zero\n1:      wfi\n"
        "        j 1b\n"
    ),
}
ASLEEP = _body("1:      wfi\n        j 1b\n")
