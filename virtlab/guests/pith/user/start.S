# Where the kernel enters a program: a0 = argc, a1 = argv, and a stack.
    .section .text.entry
    .globl start
start:
    call    main
    j       exit                        # with what main returned

# long system_call(number, a0, a1, a2): the kernel wants the number in a7.
    .globl system_call
system_call:
    mv      a7, a0
    mv      a0, a1
    mv      a1, a2
    mv      a2, a3
    ecall
    ret
