"""Answers to the exercises that are judged by running them: right ones, and wrong in known ways.

RIGHT has a solution of each exercise. WRONG has pairs (answer, words that the verdict contains), so
that the hint is seen to depend on the mistake.
"""

COUNTING = """
handler:
        csrr  t1, mcause
        li    t2, 8
        beq   t1, t2, call
        addi  s1, s1, 1
        j     next
call:   addi  s0, s0, 1
next:   csrr  t1, mepc
        addi  t1, t1, 4
        csrw  mepc, t1
        mret
"""
COPY = """
copy:   beqz  a2, end
round:  ld    t0, 0(a0)
        sd    t0, 0(a1)
        addi  a0, a0, 8
        addi  a1, a1, 8
        addi  a2, a2, -1
        bnez  a2, round
end:    ret
"""
WALK = """
walk:   li    t0, 30
next:   srl   t1, a1, t0
        andi  t1, t1, 511
        slli  t1, t1, 3
        add   a0, a0, t1
        ld    t2, 0(a0)
        andi  t3, t2, 14
        bnez  t3, end
        srli  a0, t2, 10
        slli  a0, a0, 12
        addi  t0, t0, -9
        j     next
end:    ret
"""
HART = """
def mine(vcpu, exit):
    if exit.detail >> 20 != 0xF14:
        return Action.HANDLE
    vcpu.registers[f"x{exit.detail >> 7 & 31}"] = 7
    return Action.RESUME
"""
BY_CSR = """
counted = {}


def mine(vcpu, exit):
    if exit.detail >> 12 & 7:
        number = exit.detail >> 20
        counted[number] = counted.get(number, 0) + 1
    return Action.HANDLE
"""
DEVICE = """
loads = [0]


def mine(vcpu, exit):
    if exit.gpa != 0x1001_0000:
        return Action.HANDLE
    loads[0] += 1
    vcpu.registers[f"x{exit.detail >> 7 & 31}"] = loads[0]
    return Action.RESUME
"""
HYPERCALLS = """
counted = {}


def mine(vcpu, exit):
    counted[exit.detail] = counted.get(exit.detail, 0) + 1
    return Action.HANDLE
"""
ASK = """
        .globl paravirt_abi_1
paravirt_abi_1:
        li    s1, 0x80300000
        ld    s2, 0(s1)
        li    s0, 0
again:  beqz  s2, end
        addi  s1, s1, 8
        ld    a7, 0(s1)
        ecall
        bgez  a0, next
        addi  s0, s0, 1
next:   addi  s2, s2, -1
        j     again
end:    li    a7, 7
        li    a0, 0
        ecall
"""
POLICY = """
def choose(ready, weights, ran):
    return min(ready, key=lambda k: ran[k] / weights[k])
"""
WAITS = """
waits = []


def mine(vcpu, exit):
    waits.append(exit.steps)
    return Action.HANDLE
"""

FIND = """
struct process { int number, box, inside; };

int find(const struct process *table, int n, int box, int number)
{
    for (int k = 0; k < n; k++) {
        const struct process *p = &table[k];
        if (p->number <= 0 || number <= 0)
            continue;
        if (box == 0 ? p->number == number : p->box == box && p->inside == number)
            return k;
    }
    return -1;
}
"""
ADDER = """
total = [0]


def answer(address, is_write, value):
    if not is_write:
        return total[0]
    if address == 0x1000_0000:
        total[0] += value
    else:
        total[0] = 0
"""

RULE = """
def advise(bill, meets, trusted):
    fit = [
        name
        for name in bill
        if meets[name] and (trusted or name not in ("process", "box"))
    ]
    return min(fit, key=bill.get) if fit else None
"""

RIGHT = {
    "01.5": COUNTING,
    "01.8": COPY,
    "01.9": WALK,
    "02.5": HART,
    "02.12": BY_CSR,
    "02.13": DEVICE,
    "03.5": HYPERCALLS,
    "03.9": ASK,
    "03.11": POLICY,
    "04.5": WAITS,
    "05.10": FIND,
    "07.8": ADDER,
    "09.4": RULE,
}

HANDLE = "def mine(vcpu, exit):\n    return Action.HANDLE\n"

WRONG = {
    "01.5": [
        (
            "handler: addi s0, s0, 1\ncsrr t1, mepc\naddi t1, t1, 4\ncsrw mepc, t1\nmret",
            "every trap",
        ),
        (COUNTING.replace("beq ", "bne "), "exchanged"),
        (COUNTING.replace("        j     next\n", ""), "both registers"),
        (COUNTING.replace("addi  t1, t1, 4", "nop"), "behind the instruction"),
        (COUNTING.replace("mcause", "mcuase"), "The assembler says: line 3"),
        (COUNTING.replace("li    t2, 8", "li    t2, 3"), "traps were taken"),
        ("nothing: j nothing", "handler"),
    ],
    "01.8": [
        (COPY.replace("copy:   beqz  a2, end", "copy:"), "copy nothing"),
        (COPY.replace("ld ", "lw ").replace("sd ", "sw "), "did not arrive"),
        ("copy: ret", "did not arrive"),
        (COPY.replace("bnez  a2, round", "bgez  a2, round"), "beyond"),
        (COPY.replace("end:", "sd zero, -8(a0)\nend:"), "changed the words"),
        ("copy: j copy", "loop without an end"),
        ("copy: jr zero", "not come to its end"),
        ("copy: li t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)\nret", "stopped before its end"),
        (".zero 99999999999", "16 MiB"),
        ("other: ret", "copy"),
        ("returned: copy: ret", "already"),
    ],
    "01.9": [
        (WALK.replace("bnez  t3, end", "nop"), ""),
        (WALK.replace("end:    ret", "end: ld a0, 0(a0)\n ret"), "the entry itself"),
        ("walk: ret", ""),
        ("walk: li a0, 0\nret", "was 0"),
        (WALK.replace("slli  t1, t1, 3", "slli  t1, t1, 2"), ""),
        ("walk: j walk", "loop without an end"),
    ],
    "02.5": [
        (HANDLE, "mhartid"),
        (HART.replace("= 7\n", "= 8\n"), "holds 8"),
        (HART.replace("!= 0xF14", "< 0"), "does not give any more"),
        (HART.replace("RESUME", "RETRY"), "calls there was no end"),
        (HART.replace(' f"x', ' f"y').replace('f"x{', 'f"y{'), "no register"),
        (HART.replace("Action.RESUME", "7"), "accepted are Action"),
        (HART.replace("    return Action.RESUME\n", ""), "accepted are Action"),
        (HART.replace("mine(vcpu, exit)", "mine(vcpu)"), "TypeError"),
        (HART + "\n    vcpu.registers.a9 = 3\n", None),
        (HART.replace("= 7\n", "= 7\n    vcpu.registers.s9 = 3\n"), "no instruction had named"),
        (HART.replace("= 7\n", "= 1.5\n"), "whole number"),
        (HART.replace("= 7\n", "= 7\n    vcpu.pc = 3\n"), "odd"),
    ],
    "02.12": [
        ("counted = {}\n" + HANDLE, "empty"),
        (HANDLE, "no dict"),
        (BY_CSR.replace("exit.detail >> 12 & 7", "True"), "names none"),
        (BY_CSR.replace("+ 1", "+ 2"), "was counted"),
        (BY_CSR.replace("exit.detail >> 20", "exit.detail >> 19"), "no CSR of that number"),
        (BY_CSR.replace("return Action.HANDLE", "return Action.STOP"), "cannot go on"),
    ],
    "02.13": [
        (HANDLE, "access fault"),
        (DEVICE.replace("loads = [0]", "loads = [-1]"), "the first gives 1"),
        (DEVICE.replace("!= 0x1001_0000", "== 0"), "UART|holds"),
        (DEVICE.replace("loads[0] += 1", "loads[0] += 3"), "holds|gave"),
        (DEVICE.replace("loads = [0]", "loads = [50]"), "set it back"),
    ],
    "03.5": [
        ("counted = {}\n" + HANDLE, "empty"),
        (HYPERCALLS.replace("[exit.detail]", "[0]").replace("(exit.detail,", "(0,"), "The sum"),
        (HYPERCALLS.replace("HANDLE", "RESUME"), "did not come to its end|calls there was no end"),
        (HYPERCALLS.replace("+ 1", "+ 2"), "does not agree"),
    ],
    "03.9": [
        (ASK.replace("paravirt_abi_1", "other"), "paravirt_abi_1"),
        (ASK.replace("bgez", "bltz"), "s0 is"),
        (
            ASK.replace("li    a0, 0\n        ecall\n", "li    a0, 1\n        ecall\n"),
            "exit code 1",
        ),
        (ASK.replace("end:    li    a7, 7", "end: j end"), "loop without an end"),
        (ASK.replace("        ecall\n        bgez", "        bgez"), "hypercalls were made|s0 is"),
    ],
    "03.11": [
        ("def choose(ready, weights, ran):\n    return ready[0]\n", "never run"),
        (
            "k = 0\ndef choose(ready, weights, ran):\n    global k\n    k += 1\n"
            "    return ready[k % len(ready)]\n",
            "proportion",
        ),
        ("def choose(ready, weights, ran):\n    return 0\n", "never run|not in ready"),
        ("def choose(ready, weights, ran):\n    return 99\n", "not in ready"),
        ("def choose(ready, weights, ran):\n    return None\n", "number of a virtual machine"),
        ("def choose(ready, weights, ran):\n    return True\n", "number of a virtual machine"),
        ("def choose(ready, weights, ran):\n    return ready[0] / 0\n", "ZeroDivisionError"),
    ],
    "04.5": [
        ("waits = []\n" + HANDLE, "has 0 entries"),
        (HANDLE, "no list"),
        (WAITS.replace("exit.steps", "exit.pc"), "not the guest's steps"),
        (WAITS.replace("HANDLE", "RESUME"), "calls there was no end|did not come"),
    ],
    "05.10": [
        (FIND.replace("p->box == box && ", ""), "must not reach"),
        (FIND.replace("box == 0 ? p->number == number :", ""), "There is such a process|host"),
        (FIND.replace("p->number <= 0 || number <= 0", "0"), "is free"),
        (FIND.replace("k++", ""), "loop without an end"),
        (FIND.replace("return -1", "return *(volatile int *)8"), "was ended with 1"),
        (FIND.replace("return -1", "exit(0)"), "answer was -99"),
        (FIND.replace("return k", "return ((struct process *)p)->box = 0, k"), "changed the table"),
        (FIND.replace("int k", "int"), "The compiler says: .*line 6"),
        ("int other;", "The compiler says: .*find"),
        (FIND + "int main(void) { return 0; }", "The compiler says: .*main"),
        ("char large[1L << 29] = {1};" + FIND, "compiler"),
        (FIND + "/*", "The compiler says"),
    ],
    "07.8": [
        (ADDER.replace("total = [0]", "total = [5]"), "set it back"),
        (ADDER.replace("total[0] = 0\n", "pass\n"), "since the last 0"),
        (ADDER.replace("+= value", "= value"), "since the last 0"),
        (ADDER.replace("if not is_write:", "if is_write:"), "32 bits|since the last 0"),
        (ADDER.replace("return total[0]", "return -1"), "32 bits"),
        (ADDER.replace("return total[0]", "return True"), "32 bits"),
    ],
    "09.4": [
        (RULE.replace("meets[name] and ", ""), "does not meet"),
        (RULE.replace("trusted or ", ""), "Is there none|costs less"),
        (RULE.replace('(trusted or name not in ("process", "box"))', "True"), "shares its kernel"),
        (RULE.replace('not in ("process", "box")', "!= 'box'"), "shares its kernel"),
        (RULE.replace("min(", "max("), "costs less"),
        (RULE.replace("min(fit, key=bill.get)", "fit[0]"), "costs less"),
        (RULE.replace("else None", "else next(iter(bill))"), "None of them"),
        (RULE.replace(" if fit else None", ""), "ValueError"),
        (RULE.replace("bill.get) if", "bill.get).lower() if"), "Accepted are the names"),
        ("def advise(bill, meets, trusted):\n    return 0\n", "Accepted are the names"),
        ("def advise(bill, meets, trusted):\n    return bill\n", "Accepted are the names"),
    ],
}

# What could make a compiler read a file, in the ways that C knows to write it
NO_C = [
    '#include "/etc/hostname"',
    '%:include "/etc/hostname"',
    '??=include "/etc/hostname"',
    'void f(void) { __asm__(".incbin \\"/etc/hostname\\""); }',
    'void f(void) { asm(".incbin \\"/etc/hostname\\""); }',
    '_Pragma("GCC dependency \\"/etc/hostname\\"")',
    "as\\\nm(1);",
    "int \\u0061sm;",
]

# What no answer may do, for exercises with Python: (name, body of a function, words of the verdict)
DEEPER = (
    "    kind = [k for k in ().__class__.__base__.__subclasses__()"
    " if k.__name__ == '_wrap_close'][0]\n    os = kind.__init__.__globals__\n"
)
HOSTILE = [
    ("loop", "    while True:\n        pass\n", "loop without an end"),
    ("big list", "    return [0] * 10**10\n", "memory"),
    (
        "growing",
        "    kept = []\n    while True:\n        kept.append('x' * 10**6)\n",
        "memory|loop without an end",  # whichever limit a slow machine reaches first
    ),
    ("reads", "    return open('/etc/hostname').read()\n", "only compute"),
    ("writes", "    open('kept', 'w').write('x')\n", "only compute"),
    (
        "swallows the refusal",
        "    try:\n        open('/etc/hostname')\n    except Exception:\n        pass\n",
        "only compute",
    ),
    ("imports", "    import os\n    os.listdir('/')\n", "may import"),
    ("imports the package", "    from virtlab import labs\n", "may import"),
    ("network", "    import socket\n", "may import"),
    ("by the back door", DEEPER + "    os['system']('id')\n", "only compute"),
    ("lists by the back door", DEEPER + "    os['listdir']('/')\n", "only compute"),
    ("exits", DEEPER + "    os['_exit'](0)\n", "ended its process"),
    ("aborts", DEEPER + "    os['abort']()\n", "crashed"),
    ("leaves", "    raise SystemExit(0)\n", "ended itself"),
    ("recursion", "    def f(): return f()\n    f()\n", "RecursionError"),
    ("raises", "    raise ValueError('no')\n", "ValueError: no"),
    ("strange error", "    raise type('E', (Exception,), {'__str__': None})\n", "failed"),
    ("no syntax", "    return (\n", "not Python"),
    (
        "speaks for itself",
        DEEPER + "    for n in range(64):\n        try:\n"
        '            os[\'write\'](n, b\'{"answer": {"member": "Action.RESUME"}, \'\n'
        '                b\'"right": true, "registers": {"x99": 1}}\\n\')\n'
        "        except OSError:\n            pass\n",
        "",
    ),
    (
        "floods",
        DEEPER + "    while True:\n        for n in range(16):\n            try:\n"
        "                os['write'](n, b'x' * 65536)\n            except OSError:\n"
        "                pass\n",
        "loop without an end|no answer",
    ),
    ("threads", DEEPER + "    os['sys'].modules['_thread'].start_new_thread(print, ())\n", ""),
    (
        "foreign memory",
        DEEPER + "    os['sys'].modules['ctypes'].memset(1, 0, 99)\n",
        "crashed|failed|only compute",
    ),
    (
        "looks through all objects",
        "    import collections\n" + DEEPER + "    gc = os['sys'].modules.get('gc')\n"
        "    known = gc.get_objects() if gc else []\n"
        "    return [o for o in known if type(o) is dict and {'right', 'draw'} & set(o)][:1]\n",
        "",
    ),
    (
        "rewrites who asked",
        DEEPER + "    frame = os['sys']._getframe()\n    while frame:\n"
        "        frame.f_globals['plain'] = lambda *a: {'member': 'Action.RESUME', 'right': True}\n"
        "        frame.f_globals['describe'] = lambda error: {'right': True, 'ready': True}\n"
        "        frame = frame.f_back\n",
        "",
    ),
    ("prints", "    print('right. \\x1b[32m' * 10**5)\n    return None\n", ""),
]
