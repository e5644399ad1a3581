"""The built-in SBI, called by small kernels in S-mode.

Source of what is expected: RISC-V Supervisor Binary Interface Specification 2.0, the chapter of
each extension; its chapter "Legacy Extensions" for the calls without a function number.
"""

import pytest

from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

U64 = (1 << 64) - 1
SUCCESS, FAILED, NOT_SUPPORTED, INVALID_PARAMETER, ALREADY_AVAILABLE = 0, -1, -2, -3, -6
BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN = (
    0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x53525354, 0x4442434E,
)  # fmt: skip
EXTENSIONS = [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN]

KERNEL = """
ready:
    j ready
call:
    ecall
done:
    j done
look:
    csrr a0, sip
    csrr a1, time
looked:
    j looked
"""


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


class Kernel:
    """A kernel that makes the calls Python asks for."""

    def __init__(self, **options):
        self.m = Machine(ram="1M", firmware="sbi", **options).load(assemble(KERNEL))
        assert self.m.mode == "S"

    def call(self, extension: int, function: int, *arguments: int) -> tuple[int, int]:
        """(a0, a1) after a call, signed."""
        registers = self.m.registers
        for k in range(6):
            registers[f"a{k}"] = arguments[k] & U64 if k < len(arguments) else 0
        registers.a6, registers.a7 = function & U64, extension & U64
        self.m.pc = self.m.symbols["call"]
        stop = self.m.run(100, until=self.m.symbols["done"])
        self.stop = stop
        assert stop.reason in ("until", "exit", "reset"), str(stop)
        return signed(registers.a0), signed(registers.a1)

    def sip(self) -> int:
        self.m.pc = self.m.symbols["look"]
        self.m.run(100, until=self.m.symbols["looked"])
        return self.m.registers.a0


@pytest.fixture
def kernel():
    return Kernel()


# The calls in general


@pytest.mark.parametrize("extension", [9, 0xF, 0x11, 0x504D55, 0x0A000000, 0x53555350, -1])
def test_an_unknown_extension_is_not_supported(kernel, extension):
    assert kernel.call(extension, 0) == (NOT_SUPPORTED, 0)


@pytest.mark.parametrize(
    ("extension", "function"),
    [(BASE, 7), (TIME, 1), (IPI, 1), (RFENCE, 7), (HSM, 4), (SRST, 1), (DBCN, 3)],
)
def test_an_unknown_function_is_not_supported(kernel, extension, function):
    for number in (function, 1000, -1):
        assert kernel.call(extension, number)[0] == NOT_SUPPORTED


def test_a_call_changes_a0_and_a1_and_nothing_else(kernel):
    registers = kernel.m.registers
    names = [name for name in registers if name not in ("zero", "a0", "a1", "a6", "a7")]
    kernel.call(BASE, 0)
    for k, name in enumerate(names):
        registers[name] = 0x1000 + k
    registers.a7, registers.a6 = TIME, 0
    kernel.m.pc = kernel.m.symbols["call"]
    kernel.m.run(100, until=kernel.m.symbols["done"])
    assert [registers[name] for name in names] == [0x1000 + k for k in range(len(names))]


def test_a_call_is_answered_without_a_trap(kernel):
    kernel.call(BASE, 0)
    assert kernel.m.counters["traps"] == {}
    assert kernel.m.counters["sbi_calls"] == 1
    assert kernel.m.events == []


def test_user_mode_calls_its_kernel_and_not_the_firmware():
    m = Machine(ram="1M", firmware="sbi").load(
        assemble(
            f"""
            la t0, handler
            csrw stvec, t0
            la t0, user
            csrw sepc, t0
            sret
        user:
            li a7, {BASE}
            ecall
            .balign 4
        handler:
            csrr a2, scause
        end:
            nop
            """
        )
    )
    assert m.run(100, until=m.symbols["end"]).reason == "until"
    assert m.registers.a2 == 8
    assert m.counters["sbi_calls"] == 0


# Base


def test_the_base_extension_names_the_version_and_the_implementation(kernel):
    assert kernel.call(BASE, 0) == (SUCCESS, 2 << 24)
    for function in (1, 2, 4, 5, 6):
        error, value = kernel.call(BASE, function)
        assert error == SUCCESS
        assert value >= 0


@pytest.mark.parametrize("extension", [*EXTENSIONS, *range(9)])
def test_what_is_there_can_be_probed(kernel, extension):
    error, value = kernel.call(BASE, 3, extension)
    assert error == SUCCESS
    assert value != 0


@pytest.mark.parametrize("extension", [9, 0x504D55, 0x53555350, -1])
def test_what_is_not_there_can_be_probed_too(kernel, extension):
    assert kernel.call(BASE, 3, extension) == (SUCCESS, 0)


# TIME


@pytest.mark.parametrize("legacy", [False, True])
def test_the_timer_interrupt_is_pending_from_its_time_on_and_a_new_time_takes_it_back(
    kernel, legacy
):
    def set_timer(when: int) -> None:
        assert kernel.call(*((0, 0) if legacy else (TIME, 0)), when)[0] == SUCCESS

    assert kernel.sip() & 1 << 5 == 0
    set_timer(0)
    assert kernel.sip() & 1 << 5
    set_timer(-1)
    assert kernel.sip() & 1 << 5 == 0
    now = kernel.m.registers.a1
    set_timer(now + 3)
    assert kernel.sip() & 1 << 5 == 0
    kernel.m.pc = kernel.m.symbols["ready"]
    kernel.m.run(400)
    assert kernel.sip() & 1 << 5


# IPI and RFENCE


def test_an_interrupt_to_hart_0_is_pending_until_it_is_cleared(kernel):
    assert kernel.sip() & 2 == 0
    assert kernel.call(IPI, 0, 1, 0) == (SUCCESS, 0)
    assert kernel.sip() & 2
    assert kernel.call(3, 0)[0] == SUCCESS  # legacy clear
    assert kernel.sip() & 2 == 0


def test_a_mask_base_of_minus_one_means_every_hart(kernel):
    assert kernel.call(IPI, 0, 0, -1) == (SUCCESS, 0)
    assert kernel.sip() & 2


def test_an_empty_mask_interrupts_nobody(kernel):
    assert kernel.call(IPI, 0, 0, 0) == (SUCCESS, 0)
    assert kernel.sip() & 2 == 0


@pytest.mark.parametrize(("mask", "base"), [(2, 0), (3, 0), (1, 1), (1, 1 << 32)])
@pytest.mark.parametrize(("extension", "function"), [(IPI, 0), *((RFENCE, k) for k in range(7))])
def test_a_mask_with_a_hart_that_does_not_exist_is_refused(kernel, extension, function, mask, base):
    assert kernel.call(extension, function, mask, base) == (INVALID_PARAMETER, 0)
    assert kernel.sip() & 2 == 0


@pytest.mark.parametrize(
    "how", [(RFENCE, 1, 1, 0), (RFENCE, 1, 0, -1), (RFENCE, 2, 1, 0, 0, 0, 0), (6, 0), (7, 0)]
)
def test_a_remote_fence_makes_a_changed_page_table_entry_visible(how):
    arguments = "\n".join(f"li a{k}, {value}" for k, value in enumerate(how[2:]))
    m = Machine(ram="1M", firmware="sbi").load(
        assemble(
            f"""
            la s0, root
            la s1, one
            la s2, two
            srli t0, s0, 12
            li t1, 8 << 60
            or t0, t0, t1
            la t1, low
            srli t1, t1, 2
            ori t1, t1, 1
            sd t1, 0(s0)
            srli s1, s1, 2
            ori s1, s1, 0xc3
            srli s2, s2, 2
            ori s2, s2, 0xc3
            la s3, lowest
            srli t1, s3, 2
            ori t1, t1, 1
            la t2, low
            sd t1, 0(t2)
            sd s1, 0(s3)
            csrw satp, t0
            ld s4, 0(zero)
            sd s2, 0(s3)
            ld s5, 0(zero)
            li a4, 0
            {arguments}
            li a6, {how[1]}
            li a7, {how[0]}
            ecall
            ld s6, 0(zero)
        end:
            nop
            .data
            .balign 4096
        root: .dword 0, 0, 0x200000cf
            .space 4072
        low: .space 4096
        lowest: .space 4096
        one: .dword 1
            .space 4088
        two: .dword 2
            .space 4088
            """
        )
    )
    assert m.run(1000, until=m.symbols["end"]).reason == "until"
    r = m.registers
    assert (r.s4, r.s5, r.s6) == (1, 1, 2)


def test_remote_fences_succeed_for_the_only_hart(kernel):
    for function in range(7):
        assert kernel.call(RFENCE, function, 1, 0, 0x1000, 0x1000, 0) == (SUCCESS, 0)


# HSM


def test_the_only_hart_is_started_and_cannot_be_started_again(kernel):
    assert kernel.call(HSM, 2, 0) == (SUCCESS, 0)
    assert kernel.call(HSM, 0, 0, 0x8000_0000, 0)[0] == ALREADY_AVAILABLE


@pytest.mark.parametrize("hart", [1, 7, -1])
def test_other_harts_do_not_exist(kernel, hart):
    assert kernel.call(HSM, 0, hart, 0x8000_0000, 0)[0] == INVALID_PARAMETER
    assert kernel.call(HSM, 2, hart)[0] == INVALID_PARAMETER


def test_the_only_hart_refuses_to_stop(kernel):
    assert kernel.call(HSM, 1)[0] == FAILED


def test_a_suspended_hart_sleeps_until_its_timer():
    text = f"""
        li t0, 1 << 5
        csrw sie, t0
        li a0, 4000
        li a6, 0
        li a7, {TIME}
        ecall
        li a0, 0
        li a6, 3
        li a7, {HSM}
        ecall
        csrr a2, time
    end:
        nop
    """
    m = Machine(ram="1M", firmware="sbi").load(assemble(text))
    assert m.run(1000, until=m.symbols["end"]).reason == "until"
    assert (m.registers.a0, m.registers.a2) == (SUCCESS, 4000)
    assert m.counters["idle_steps"] > 399_000


def test_a_deeper_sleep_is_not_supported(kernel):
    assert kernel.call(HSM, 3, 0x8000_0000, 0x8000_0000, 0)[0] == NOT_SUPPORTED
    assert not kernel.m.waiting


# SRST


@pytest.mark.parametrize(("reason", "code"), [(0, 0), (1, 1)])
def test_a_shutdown_ends_the_run_and_tells_whether_the_system_failed(kernel, reason, code):
    kernel.call(SRST, 0, 0, reason)
    assert (kernel.stop.reason, kernel.m.exit_code) == ("exit", code)


@pytest.mark.parametrize("kind", [1, 2])
def test_a_reboot_is_handed_to_whoever_runs_the_machine(kernel, kind):
    kernel.call(SRST, 0, kind, 0)
    assert (kernel.stop.reason, kernel.m.exit_code) == ("reset", None)


@pytest.mark.parametrize("kind", [3, 0xEFFF_FFFF, 0xF000_0000])
def test_an_unknown_kind_of_reset_is_refused(kernel, kind):
    assert kernel.call(SRST, 0, kind, 0)[0] == INVALID_PARAMETER
    assert kernel.stop.reason == "until"


# DBCN


TEXT_PA = 0x8000_4000


def test_the_debug_console_writes_from_memory(kernel):
    kernel.m.memory.write(TEXT_PA, b"hello from a kernel\n")
    assert kernel.call(DBCN, 0, 5, TEXT_PA, 0) == (SUCCESS, 5)
    assert kernel.m.console == "hello"
    assert kernel.call(DBCN, 0, 0, TEXT_PA, 0) == (SUCCESS, 0)
    assert kernel.m.console == "hello"


def test_a_text_longer_than_one_piece_is_printed_by_asking_again_for_the_rest(kernel):
    text = "".join(f"line {k}\n" for k in range(4000))
    kernel.m.memory.write(TEXT_PA, text.encode())
    done = calls = 0
    while done < len(text):
        error, n = kernel.call(DBCN, 0, len(text) - done, TEXT_PA + done, 0)
        assert error == SUCCESS
        assert 0 < n <= len(text) - done
        done += n
        calls += 1
    assert calls > 1
    assert kernel.m.console == text


def test_the_debug_console_writes_one_byte(kernel):
    for byte in (ord("o"), 0xFFFF_FF00 | ord("k")):
        assert kernel.call(DBCN, 2, byte) == (SUCCESS, 0)
    assert kernel.m.console == "ok"


def test_the_debug_console_reads_what_has_been_typed_and_no_more_than_fits(kernel):
    assert kernel.call(DBCN, 1, 8, TEXT_PA, 0) == (SUCCESS, 0)
    kernel.m.type("typed")
    assert kernel.call(DBCN, 1, 3, TEXT_PA, 0) == (SUCCESS, 3)
    assert kernel.call(DBCN, 1, 8, TEXT_PA + 3, 0) == (SUCCESS, 2)
    assert kernel.m.memory.read(TEXT_PA, 6) == b"typed\0"


@pytest.mark.parametrize("function", [0, 1])
@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        (1, 0x1000, 0),
        (2, 0x8010_0000 - 1, 0),
        (1, 0x8000_0000, 1),
        (1 << 63, 0x8000_0000, 0),
        (U64, 0x8000_0000, 0),
        (1, U64, 0),
    ],
)
def test_the_debug_console_refuses_memory_that_is_not_there(kernel, function, n, low, high):
    kernel.m.type("x")
    assert kernel.call(DBCN, function, n, low, high)[0] == INVALID_PARAMETER
    assert kernel.m.console == ""
    assert kernel.m.unread_input == 1


# Legacy


def test_the_legacy_console_prints_and_reads_a_byte(kernel):
    kernel.call(1, 0, ord("A"))
    assert kernel.m.console == "A"
    assert kernel.call(2, 0)[0] == -1
    kernel.m.type("z")
    assert kernel.call(2, 0)[0] == ord("z")
    assert kernel.call(2, 0)[0] == -1


def test_legacy_calls_leave_a1_alone(kernel):
    for extension in range(8):
        assert kernel.call(extension, 0, 0, 0x77)[1] == 0x77


def test_the_legacy_interrupt_reaches_the_only_hart(kernel):
    kernel.m.memory.write(TEXT_PA, b"\1" + bytes(7))
    assert kernel.call(4, 0, TEXT_PA)[0] == SUCCESS
    assert kernel.sip() & 2


def test_the_legacy_shutdown_ends_the_run(kernel):
    kernel.call(8, 0)
    assert (kernel.stop.reason, kernel.m.exit_code) == ("exit", 0)
