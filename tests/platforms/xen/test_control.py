"""The control interface: what Domain0 may do, and that nobody else may."""

import pytest

from tests.platforms.xen.machines import (
    assert_sound,
    machine,
    page,
    pv,
    refused,
    started,
)
from virtlab.isa.assembler import assemble
from virtlab.platforms.xen import Kernel, Program, Xen, abi


def test_domain0_is_there_first_and_makes_the_others():
    xen = machine()
    assert [info.number for info in xen.control.list()] == [0]
    number = xen.control.create("guest", "hog", "8M", weight=512, cap=30)
    info = xen.control.info(number)
    assert (info.name, info.kind, info.pages, info.state) == ("guest", "pv", 2048, "--p--")
    assert (info.weight, info.cap) == (512, 30)
    xen.run(100)
    assert xen.domains[number].credit.run_steps == 0
    xen.control.unpause(number)
    xen.run(100)
    ran = xen.domains[number].credit.run_steps
    assert ran > 0
    xen.control.pause(number)
    xen.run(100)
    assert xen.domains[number].credit.run_steps == ran
    assert "guest" in str(xen.control.info(number))
    xen.control.destroy(number)
    assert [info.number for info in xen.control.list()] == [0]
    assert xen.free_pages == xen.total_pages - 1024


def test_another_domain_is_refused_and_nothing_has_changed():
    xen = machine()
    guest = started(xen, "hog")
    for name, arguments in {
        "create": ("x", "hog", "4M"),
        "destroy": (0,),
        "pause": (0,),
        "unpause": (0,),
        "max_memory": (0, "1M"),
        "schedule": (guest.number, 65535),
        "assign": (guest.number, 0),
        "deassign": (0,),
        "info": (0,),
        "list": (),
    }.items():
        assert refused(xen, guest.number, name, *arguments) == abi.NOT_PERMITTED, name
    assert guest.counts["refused"] == 10
    assert xen.refused == {"CONTROL": 10}
    assert [info.number for info in xen.control.list()] == [0, guest.number]
    assert guest.credit.weight == 256
    assert not xen.domains[0].paused


# Calls CONTROL with an op and arguments from memory, and shuts down with the result in a0's place.
CONTROL_CALL = """
        li      a7, 35
        li      a0, {op}
        li      a1, {a}
        li      a2, {b}
        ecall
        mv      s0, a0
        li      a7, 5
again:  ecall
        j       again
        .balign 8
name:   .ascii  "born"
        .zero   28
image:  .ascii  "hog"
        .zero   29
        .dword  1024
        .dword  300
        .dword  0
"""


def called_from(domain0: bool, op: int, a: object = 0, b: int = 0):
    """A machine after a guest has made a CONTROL call; its result."""
    draft = assemble(CONTROL_CALL.format(op=0, a=0x8020_0054, b=0), base=0x8020_0000)
    a = draft.symbols["name"] if a == "record" else a
    kernel = pv(CONTROL_CALL.format(op=op, a=a, b=b))
    if domain0:
        xen, number = machine(kernels={"caller": kernel}, domain0="caller"), 0
    else:
        xen = machine(kernels={"caller": kernel})
        number = started(xen, "caller").number
    xen.run(50)
    result = xen.machines[number].registers.s0
    return xen, result - (1 << 64) if result >> 63 else result


def test_a_guest_in_domain0_creates_and_lists_domains():
    xen, number = called_from(True, abi.CREATE, "record")
    domain = xen.domains[number]
    assert (domain.name, domain.paused, domain.n_pages) == ("born", True, 1024)
    assert domain.credit.weight == 300
    buffer = 0x8030_0000
    xen, count = called_from(True, abi.LIST, buffer, 4)
    assert count == 1
    record = abi.INFO_RECORD.unpack(xen.read(xen.domains[0], buffer, abi.INFO_RECORD.size))
    assert record[0] == 0
    assert record[2] == 1024
    assert record[-1].rstrip(b"\0") == b"Domain-0"
    xen, result = called_from(True, abi.INFO, 0, buffer)
    assert result == 0


def test_a_guest_elsewhere_is_refused_each_call():
    for op in range(12):
        xen, result = called_from(False, op, 0, 0)
        assert result == -abi.NOT_PERMITTED
        assert xen.refused == {"CONTROL": 1}
        assert sorted(xen.domains) == [0, 1]


def test_what_domain0_asks_for_is_checked():
    xen = machine()
    for error, name, *arguments in (
        (abi.NO_ENTRY, "create", "x", "windows", "4M"),
        (abi.NO_MEMORY, "create", "x", "hog", "128M"),
        (abi.INVALID, "create", "x", "hog", "128K"),
        (abi.INVALID, "create", "", "hog", "4M"),
        (abi.INVALID, "create", "x", "hog", "4M", 0, 101),
        (abi.NO_DOMAIN, "destroy", 7),
        (abi.INVALID, "destroy", 0),
        (abi.NO_DOMAIN, "pause", 7),
        (abi.NO_DOMAIN, "info", 7),
        (abi.INVALID, "max_memory", 0, "1G"),
    ):
        assert refused(xen, 0, name, *arguments) == error, (name, arguments)
    assert xen.free_pages == xen.total_pages - 1024
    assert_sound(xen)
    for op, a, error in (
        (abi.CREATE, 0x1000, abi.BAD_ADDRESS),
        (abi.LIST, 0x1000, abi.BAD_ADDRESS),
        (abi.INFO, 5, abi.NO_DOMAIN),
        (99, 0, abi.NO_CALL),
    ):
        assert xen.call(0, abi.CONTROL, op, a, 4) == -error
    with pytest.raises(ValueError, match="accepted are kernels of the catalogue"):
        machine(domain0="windows")


def test_a_kernel_that_cannot_be_loaded_leaves_no_trace():
    xen = machine(kernels={"low": Kernel(assemble(".globl paravirt_abi_1\nparavirt_abi_1: nop"))})
    before = dict(xen.host.places)
    assert refused(xen, 0, "create", "x", "low", "4M") == abi.INVALID
    assert xen.host.places == before


def test_memory_comes_back_and_is_used_again():
    xen = machine(ram="32M")
    for _ in range(30):
        numbers = [started(xen, kernel).number for kernel in ("hog", "hvm_hog", "python")]
        xen.run(5)
        for number in numbers:
            xen.control.destroy(number)
        assert_sound(xen)
        assert sorted(xen.domains) == [0]
        assert xen.free_pages == xen.total_pages - 1024


class Listener(Program):
    """Notes the ports at which it hears something."""

    def __init__(self):
        self.heard = []

    def on_event(self, xen, domain, port):
        self.heard.append(port)


def test_a_domain_that_ends_or_crashes_is_seen_and_nobody_else_suffers():
    nested = "li t0, 0x80\ncsrs hstatus, t0\nli t0, 0x100\ncsrs sstatus, t0\nsret"
    kernels = {
        "ends": pv("li a7, 7\nli a0, 3\necall"),
        "leaves": pv("li a7, 36\nli a0, 2\nli a1, 9\necall\nj ."),
        "nests": Kernel(assemble(nested, base=0x8020_0000)),
        "listener": Kernel(Listener()),
    }
    xen = machine(kernels=kernels, domain0="listener")
    port = xen.call(0, abi.EVENT, abi.BIND_VIRQ, abi.VIRQ_DOMAIN)
    ends, leaves, nests, hog = (
        started(xen, kernel) for kernel in ("ends", "leaves", "nests", "hog")
    )
    xen.run(100)
    assert ends.ended == "shut down (1)"
    assert leaves.ended == "shut down (9)"
    assert nests.ended.startswith("crashed: ")
    assert hog.credit.run_steps > 0.99 * xen.now
    assert xen.control.info(ends.number).state == "---s-"
    assert xen.domains[0].program.heard == [port] * 3
    assert_sound(xen)


# The balloon


def pages_call(xen, domain, op, gfns) -> int:
    at = page(domain, 9) << 12
    xen.write(domain, at, b"".join(gfn.to_bytes(8, "little") for gfn in gfns))
    return xen.call(domain.number, abi.MEMORY, op, at, len(gfns))


@pytest.mark.parametrize("kernel", ["hog", "hvm_hog", "python"])
def test_pages_go_back_to_the_machine_and_come_again(kernel):
    xen = machine()
    domain = started(xen, kernel)
    free = xen.free_pages
    gfns = [page(domain, k) for k in range(20, 120)]
    if kernel == "hog":  # its kernel maps all memory for writing; it must take that back first
        assert pages_call(xen, domain, abi.DECREASE, gfns) == -abi.BUSY
        xen.machines[domain.number].page_words()[788:888] = 0
    xen.write(domain, gfns[0] << 12, b"secret")
    assert pages_call(xen, domain, abi.DECREASE, gfns) == 100
    assert xen.free_pages == free + 100
    assert xen.call(domain.number, abi.MEMORY, abi.CURRENT) == 924
    assert xen.read(domain, gfns[0] << 12, 8) is None
    assert pages_call(xen, domain, abi.DECREASE, gfns[:1]) == -abi.BAD_ADDRESS
    assert_sound(xen)
    xen.control.max_memory(domain.number, 1000 << 12)
    assert xen.call(domain.number, abi.MEMORY, abi.MAXIMUM) == 1000
    assert pages_call(xen, domain, abi.INCREASE, gfns) == 76
    assert pages_call(xen, domain, abi.INCREASE, gfns[76:]) == -abi.NO_MEMORY
    assert pages_call(xen, domain, abi.INCREASE, gfns[:1]) == -abi.INVALID
    assert xen.read(domain, gfns[0] << 12, 8) == bytes(8)
    assert_sound(xen)


def test_memory_that_one_gives_back_another_can_have():
    xen = machine(ram="16M")
    first, second = started(xen, "hvm_hog"), started(xen, "hvm_hog")
    started(xen, "hvm_hog")
    assert xen.free_pages == 0
    gfns = [page(second, k) for k in range(20, 30)]
    assert pages_call(xen, second, abi.DECREASE, gfns) == 10
    gfns_of_first = [page(first, k) for k in range(20, 30)]
    assert pages_call(xen, first, abi.DECREASE, gfns_of_first) == 10
    assert pages_call(xen, second, abi.INCREASE, gfns) == 10
    assert xen.free_pages == 10


# A guest that touches a page which it has given back gets an access fault of its own.
TOUCH = """
        lla     t0, fault
        csrw    stvec, t0
        li      t1, 0x80310000
        sd      t1, 0(t1)
        li      t2, 0x80310
        lla     t3, gfn
        sd      t2, 0(t3)
        li      a7, 0x0958454e
        li      a6, 34
        li      a0, 2
        mv      a1, t3
        li      a2, 1
        ecall
        mv      s0, a0
        ld      s1, 0(t1)
        j       .
        .balign 4
fault:  csrr    s2, scause
        csrr    s3, stval
wait:   wfi
        j       wait
        .balign 8
gfn:    .dword  0
"""


def test_an_hvm_guest_faults_at_a_page_that_it_has_given_back():
    xen = machine(kernels={"touch": Kernel(assemble(TOUCH, base=0x8020_0000))})
    domain = started(xen, "touch")
    xen.run(10)
    registers = xen.machines[domain.number].registers
    assert (registers.s0, registers.s2, registers.s3) == (1, 5, 0x8031_0000)
    assert domain.n_pages == 1023
    assert domain.blocked


def test_wrong_settings_are_refused():
    for settings, message in (
        (dict(ram="0"), "RAM size"),
        (dict(steps_per_tick=0.5), "not a whole number"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            machine(**settings)
    with pytest.raises(ValueError, match="is ahead of"):
        Xen(domain0="pith_pv").goto(10)
