"""Guests for the real device, assembled by hand: each row is an instruction, bytes and meaning.

A processor of this family starts in real mode: 16 bits, no protection, no page tables. `real_mode`
clears the code segment so that addresses are what they look like. `long_mode` writes page tables
that map the first 2 MiB and the device's 2 MiB to themselves, and switches to 64 bits:

    cr3  the first table      cr4.PAE, efer.LME, efer.LMA  64 bits      cr0.PE, cr0.PG  protection,
                                                                                        paging

Sources: Intel SDM volume 2, "Instruction Set Reference", for the bytes; volume 3, "4-Level Paging
and 5-Level Paging" and "IA-32e Mode"; Intel 8259A data sheet, "Programming the 8259A".
"""

from virtlab.platforms.kvm.guest_program import CODE, DEVICE, GuestProgram, assembled

PAGE_TABLES = 0x4000  # three pages: PML4, page-directory-pointer table, page directory
PRESENT_WRITABLE, LARGE = 3, 0x80
CR0_PE, CR0_ET, CR0_NE, CR0_PG = 1, 1 << 4, 1 << 5, 1 << 31
CR4_PAE = 1 << 5
EFER_LME, EFER_LMA = 1 << 8, 1 << 10
RFLAGS_ALWAYS = 2
STACK = 0x8000
CODE_SEGMENT, DATA_SEGMENT = 11, 3  # types: execute and read, accessed; read and write, accessed
REAL_DEVICE = 0xD_0000  # within reach of a segment register


def real_mode(vcpu, memory) -> None:
    """16-bit code at CODE in a segment that begins at 0."""
    sregs = vcpu.get_sregs()
    sregs.cs.base = sregs.cs.selector = 0
    vcpu.set_sregs(sregs)
    _start(vcpu)


def long_mode(vcpu, memory) -> None:
    """64-bit code at CODE; page tables at PAGE_TABLES."""
    pml4, pointers, directory = (PAGE_TABLES + k * 0x1000 for k in range(3))
    for at, entry in (
        (pml4, pointers | PRESENT_WRITABLE),
        (pointers, directory | PRESENT_WRITABLE),
        (directory, 0 | PRESENT_WRITABLE | LARGE),
        (directory + 8 * (DEVICE >> 21), DEVICE | PRESENT_WRITABLE | LARGE),
    ):
        memory.write(at, entry.to_bytes(8, "little"))
    sregs = vcpu.get_sregs()
    sregs.cr3, sregs.cr4, sregs.efer = pml4, CR4_PAE, EFER_LME | EFER_LMA
    sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG
    for name in ("cs", "ds", "es", "fs", "gs", "ss"):
        segment = getattr(sregs, name)
        segment.base, segment.limit, segment.present, segment.s, segment.g = 0, 0xFFFF_FFFF, 1, 1, 1
        segment.dpl, segment.selector, segment.type = 0, 16, DATA_SEGMENT
        segment.db, segment.l = 1, 0
    sregs.cs.selector, sregs.cs.type, sregs.cs.db, sregs.cs.l = 8, CODE_SEGMENT, 0, 1
    vcpu.set_sregs(sregs)
    _start(vcpu)


def _start(vcpu) -> None:
    regs = vcpu.get_regs()
    regs.rip, regs.rsp, regs.rflags = CODE, STACK, RFLAGS_ALWAYS
    vcpu.set_regs(regs)


HALT = """
b8 28 00           mov ax, 40
83 c0 02           add ax, 2
f4                 hlt
eb f7              jmp 0x1000
"""

PORT = """
ba f8 03           mov dx, 0x3f8         ; the first serial port
be 10 10           mov si, 0x1010        ; the text, behind the code
ac                 lodsb                 ; 0x1006: al = the next character
84 c0              test al, al
74 03              jz 0x100e
ee                 out dx, al
eb f8              jmp 0x1006
ec                 in al, dx             ; 0x100e: and what does the reader type?
f4                 hlt
48 65 6c 6c 6f 00  "Hello"
"""

MMIO = """
bb 00 00 00 10     mov ebx, 0x10000000   ; no memory slot there
c7 03 78 56 34 12  mov dword [rbx], 0x12345678
8b 43 08           mov eax, [rbx+8]
ff c0              inc eax
88 43 10           mov [rbx+16], al
f4                 hlt
"""

DIRTY = """
b8 00 20           mov ax, 0x2000        ; the segment that begins at 0x20000
8e d8              mov ds, ax
c6 06 00 00 01     mov byte [0], 1
c6 06 ff 2f 01     mov byte [0x2fff], 1
f4                 hlt
c6 06 00 30 01     mov byte [0x3000], 1
f4                 hlt
"""

FAULT = """
b8 00 00 00 40     mov eax, 0x40000000   ; no page there,
89 00              mov [rax], eax        ; no handler for the page fault, nor for that
f4                 hlt
"""

HYPERCALL = """
b8 0c 00 00 00     mov eax, 12           ; KVM_HC_MAP_GPA_RANGE
bb 00 10 00 00     mov ebx, 0x1000
b9 02 00 00 00     mov ecx, 2
ba 10 00 00 00     mov edx, 0x10
0f 01 c1           vmcall
f4                 hlt
"""

ODD = """
bb 00 00 00 10     mov ebx, 0x10000000
dd 03              fld qword [rbx]       ; a load into a floating-point register
f4                 hlt
"""

INTERRUPT = """
c7 06 94 00 2a 10  mov word [0x94], 0x102a  ; vector 0x25 is line 5; the handler is at 0x102a
b0 11              mov al, 0x11          ; the interrupt controller: begin, in a cascade
e6 20              out 0x20, al
b0 20              mov al, 0x20          ; its vectors begin at 0x20
e6 21              out 0x21, al
b0 04              mov al, 4             ; the second one is at line 2
e6 21              out 0x21, al
b0 01              mov al, 1             ; as in an 8086
e6 21              out 0x21, al
b0 df              mov al, 0xdf          ; all lines masked but 5
e6 21              out 0x21, al
b8 00 d0           mov ax, 0xd000        ; the segment of the device
8e d8              mov ds, ax
31 db              xor bx, bx            ; interrupts so far
89 1e 00 00        mov [0], bx           ; 0x1021
fb                 sti                   ; takes effect after the next instruction
f4                 hlt
fa                 cli
eb f7              jmp 0x1021
43                 inc bx                ; 0x102a: the handler
b0 20              mov al, 0x20          ; done with it
e6 20              out 0x20, al
cf                 iret
"""

STORM = """
89 03              mov [rbx], eax        ; 0x1000
ff c9              dec ecx
75 fa              jne 0x1000
f4                 hlt
"""

PLAYER = """
48 c7 c3 00 80 00 00  mov rbx, 0x8000    ; 0x1000: the table
8b 03              mov eax, [rbx]        ; 0x1007: what to do
8b 4b 04           mov ecx, [rbx+4]      ; bytes
48 8b 7b 08        mov rdi, [rbx+8]      ; address
83 f8 01           cmp eax, 1
74 0d              je 0x1022
83 f8 02           cmp eax, 2
74 2d              je 0x1047
83 f8 03           cmp eax, 3
74 53              je 0x1072
f4                 hlt
eb de              jmp 0x1000
48 8b 43 10        mov rax, [rbx+16]     ; 0x1022: store
83 f9 02           cmp ecx, 2
74 0e              je 0x1039
83 f9 04           cmp ecx, 4
74 0e              je 0x103e
83 f9 08           cmp ecx, 8
74 0d              je 0x1042
88 07              mov [rdi], al
eb 33              jmp 0x106c
66 89 07           mov [rdi], ax         ; 0x1039
eb 2e              jmp 0x106c
89 07              mov [rdi], eax        ; 0x103e
eb 2a              jmp 0x106c
48 89 07           mov [rdi], rax        ; 0x1042
eb 25              jmp 0x106c
31 c0              xor eax, eax          ; 0x1047: load
83 f9 02           cmp ecx, 2
74 0e              je 0x105c
83 f9 04           cmp ecx, 4
74 0e              je 0x1061
83 f9 08           cmp ecx, 8
74 0d              je 0x1065
8a 07              mov al, [rdi]
eb 0c              jmp 0x1068
66 8b 07           mov ax, [rdi]         ; 0x105c
eb 07              jmp 0x1068
8b 07              mov eax, [rdi]        ; 0x1061
eb 03              jmp 0x1068
48 8b 07           mov rax, [rdi]        ; 0x1065
48 89 43 18        mov [rbx+24], rax     ; 0x1068: what was read
48 83 c3 20        add rbx, 32           ; 0x106c: the next access
eb 95              jmp 0x1007
66 8b 07           mov ax, [rdi]         ; 0x1072: wait until two bytes are as wanted
66 3b 43 10        cmp ax, [rbx+16]
75 f7              jne 0x1072
eb ef              jmp 0x106c
"""


def _guest(name: str, rows: str, prepare, **places) -> GuestProgram:
    code, listing = assembled(rows)
    return GuestProgram(name, listing, code, "rax", prepare, **places)


GUESTS = {
    guest.name: guest
    for guest in (
        _guest("halt", HALT, real_mode),
        _guest("port", PORT, real_mode),
        _guest("mmio", MMIO, long_mode),
        _guest("dirty", DIRTY, real_mode),
        _guest("fault", FAULT, long_mode),
        _guest("hypercall", HYPERCALL, long_mode),
        _guest("odd", ODD, long_mode),
        _guest("interrupt", INTERRUPT, real_mode, device=REAL_DEVICE, irq=5),
        _guest("storm", STORM, long_mode, arguments=("rbx", "rcx")),
        _guest("player", PLAYER, long_mode),
    )
}
