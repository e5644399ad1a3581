"""Running: what ends a run, where it stops, and what a Ctrl-C leaves behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from stories import FINISHER, RAM, UART, assert_same, catch, enter, machine, run_to

from virtlab.isa.assembler import assemble
from virtlab.machine import Event, Machine
from virtlab.machine import machine as machine_module

COUNT = "1: addi s0, s0, 1\n j 1b"
HELLO = f"""
        li   s0, {UART}
        la   s1, text
1:      lbu  t0, 0(s1)
        beqz t0, 2f
        sb   t0, 0(s0)
        addi s1, s1, 1
        j    1b
2:      wfi
        j    2b
text:   .asciz "Hello, hello!\\n"
"""
TRIP = f"""
        {catch("trap")}
        csrw  medeleg, zero
        {enter("U")}
begin:  nop
call:   ecall
after:  j     begin
trap:   csrr  t1, mepc
        addi  t1, t1, 4
        csrw  mepc, t1
return: mret
"""


@pytest.mark.parametrize("n", [0, 1, 2, 3, 999, 1000, 1001, 2047, 2048, 2049, 123_457])
def test_a_budget_is_used_up_exactly(n):
    m = machine(COUNT)
    stop = m.run(n)
    assert (stop.reason, stop.steps, m.steps) == ("budget", n, n)
    assert m.registers.s0 == (n + 1) // 2
    assert m.pc == RAM + 4 * (n % 2)


def test_a_budget_ends_between_the_instructions_of_a_line_without_jumps():
    m = machine("addi s0, s0, 1\n" * 3000)
    for n in (5, 1, 700, 1500):
        before = m.registers.s0
        m.run(n)
        assert m.registers.s0 == before + n


def test_a_step_is_one_instruction_and_a_trap_is_one_too():
    m = run_to(machine(TRIP), "call")
    m.step()
    assert (m.mode, m.pc) == ("M", m.symbols["trap"])


def test_a_run_stops_before_the_instruction_it_was_told():
    m = machine(TRIP)
    stop = m.run(until=m.symbols["after"])
    assert (stop.reason, stop.pc, m.mode) == ("until", m.symbols["after"], "U")
    again = m.run(until=m.symbols["after"])
    assert again.steps == stop.steps + 7  # once around
    assert str(again).startswith("Stopped at step 27, pc 0x0000_0000_8000_0")


def test_a_watched_pc_is_not_missed_where_a_slice_ends(monkeypatch):
    monkeypatch.setattr(machine_module, "SLICE_STEPS", 1000)
    m = machine("nop\n" * 1000 + "there: nop\nrest: j rest")
    stop = m.run(5000, until=m.symbols["there"])
    assert (stop.reason, stop.steps) == ("until", 1000)


def test_watching_two_instructions_in_turn_stops_at_each():
    m = machine(TRIP)
    labels = ("call", "trap", "return", "after") * 3
    for label in labels:
        run_to(m, label)
        assert m.pc == m.symbols[label]


def test_the_high_half_of_the_address_space_can_be_watched():
    m = machine("""
        la    t0, table + 8 * 511
        li    t1, 0x200000cf       # the last gigabyte is RAM
        sd    t1, 0(t0)
        la    t0, table + 8 * 2
        sd    t1, 0(t0)
        la    t0, table
        srli  t0, t0, 12
        li    t1, 8 << 60
        or    t0, t0, t1
        csrw  satp, t0
        li    t0, 1 << 11
        csrw  mstatus, t0
        la    t0, high
        li    t1, 0xffffffff40000000
        add   t0, t0, t1
        csrw  mepc, t0
        mret
high:   nop
there:  j there
        .balign 4096
table:  .zero 4096
    """)
    wanted = m.symbols["there"] + 0xFFFF_FFFF_4000_0000
    assert m.run(100, until=wanted).reason == "until"
    assert m.pc == wanted == m.run(100, until=wanted - (1 << 64)).pc


@pytest.mark.parametrize(
    ("event", "label"),
    [
        (Event.TRAP, "trap"),
        (Event.EXCEPTION, "trap"),
        (Event.RETURN, "after"),
        (Event.MODE, "trap"),
    ],
)
def test_a_run_stops_behind_the_event_it_was_told(event, label):
    m = run_to(machine(TRIP), "call")
    stop = m.run(100, until=event)
    assert (stop.reason, m.pc) == ("until", m.symbols[label])
    assert event.value in str(stop)


def test_an_event_that_does_not_come_leaves_the_budget():
    m = machine(TRIP)
    assert m.run(1000, until=Event.INTERRUPT).reason == "budget"
    assert m.run(1000, until=Event.EXIT).reason == "budget"


def test_the_machine_timer_is_an_interrupt_and_a_trap_but_no_exception():
    text = f"""
        {catch("trap")}
        li    t0, 0x2004000
        li    t1, 20
        sd    t1, 0(t0)
        li    t0, 0x80
        csrw  mie, t0
        csrsi mstatus, 8
    1:  j     1b
        .balign 4
    trap: j trap
    """
    for event in (Event.INTERRUPT, Event.TRAP):
        m = machine(text)
        assert m.run(10_000, until=event).reason == "until"
        assert m.steps == 2000  # tick 20, a hundred instructions each
    assert machine(text).run(10_000, until=Event.EXCEPTION).reason == "budget"


def test_a_run_stops_when_the_console_shows_a_text():
    m = machine(HELLO)
    assert m.run(10_000, until="llo").reason == "until"
    assert m.console == "Hello"
    assert m.run(10_000, until="llo").reason == "until"
    assert m.console == "Hello, hello"
    assert m.run(10_000, until="llo").reason == "idle"
    assert m.console == "Hello, hello!\n"


def test_text_inside_a_longer_print_is_noticed_where_the_print_ends():
    m = machine(
        """
        la   a1, text
        li   a0, 13
        li   a2, 0
        li   a6, 0
        li   a7, 0x4442434e        # DBCN: the whole text in one call
        ecall
    1:  j    1b
text:   .ascii "login: root #"
    """,
        firmware="sbi",
    )
    stop = m.run(1000, until="login:")
    assert stop.reason == "until"
    assert m.console == "login: root #"


def test_text_that_fills_the_printers_buffer_is_noticed():
    m = machine(f"""
        li   s0, {UART}
        li   t0, 'x'
        li   t1, 7679              # then the buffer is emptied at the next byte
    1:  sb   t0, 0(s0)
        addi t1, t1, -1
        bnez t1, 1b
        li   t0, '$'
        sb   t0, 0(s0)
        li   t0, 'y'
    2:  sb   t0, 0(s0)
        j    2b
    """)
    assert m.run(1_000_000, until="x$").reason == "until"
    assert m.console == "x" * 7679 + "$"


def test_what_was_printed_before_does_not_count():
    m = machine(HELLO)
    m.run(10_000)
    assert m.run(100, until="Hello").reason == "idle"


def test_a_long_print_is_complete():
    m = machine(f"""
        li   s0, {UART}
        li   t1, 100000
    1:  andi t0, t1, 63
        addi t0, t0, 48
        sb   t0, 0(s0)
        addi t1, t1, -1
        bnez t1, 1b
    2:  wfi
        j    2b
    """)
    m.run()
    assert m.console == "".join(chr(48 + (k & 63)) for k in range(100_000, 0, -1))


def test_a_guest_that_sleeps_with_nothing_to_wake_it_is_idle():
    m = machine("wfi\nnext: j next")
    stop = m.run()
    assert (stop.reason, stop.steps, m.waiting) == ("idle", 1, True)
    assert "waits for input" in str(stop)
    assert m.run().reason == m.step().reason == "idle"
    assert m.steps == 1


def test_idle_can_be_waited_for_though_a_timer_would_wake_the_guest():
    m = machine("""
        li    t0, 0x2004000
        li    t1, 1000
        sd    t1, 0(t0)
        li    t0, 0x80
        csrw  mie, t0
        wfi
    1:  j     1b
    """)
    assert m.run(until=Event.IDLE).reason == "until"
    assert m.waiting and m.counters["idle_steps"] == 0
    m.step()
    assert not m.waiting and m.steps + m.counters["idle_steps"] == 1000 * 100 + 1


def test_a_pc_that_is_set_wakes_a_sleeping_guest():
    m = machine("wfi\nrest: j rest\nthere: addi s0, s0, 1\n j there")
    m.run()
    m.pc = m.symbols["there"]
    m.run(10)
    assert m.registers.s0 == 5


def test_the_guests_end_is_final_until_reset():
    m = machine(f"li t0, {FINISHER}\n li t1, 0x73333\n sw t1, 0(t0)\n rest: j rest")
    stop = m.run(until=Event.EXIT)
    assert (stop.reason, m.exit_code) == ("exit", 7) and "exit code 7" in str(stop)
    assert m.run().reason == m.step().reason == "exit"
    assert list(m.traps(5)) == []
    m.reset()
    assert (m.exit_code, m.steps, m.registers.t1) == (None, 0, 0)
    assert m.run().reason == "exit"


def test_a_reboot_is_reported_and_left_to_the_caller():
    m = machine(f"li t0, {FINISHER}\n li t1, 0x7777\n sw t1, 0(t0)\n li s0, 1\n rest: j rest")
    assert m.run().reason == "reset" and m.exit_code is None
    m.reset().step()
    assert m.steps == 1


def test_reset_brings_back_memory_disk_and_board():
    m = Machine(ram="1M", firmware="none", disk=bytes(512)).load(assemble(HELLO))
    m.run()
    m.memory.write(RAM + 0x5000, b"changed")
    m.type("typed")
    fresh = Machine(ram="1M", firmware="none", disk=bytes(512)).load(assemble(HELLO))
    assert_same(m.reset(), fresh)


def test_python_sees_each_trap_with_the_record_of_the_hart():
    m = machine(TRIP)
    causes = [(int(hart.mcause), int(hart.pc) == m.symbols["trap"]) for hart in m.traps(3)]
    assert causes == [(8, True)] * 3
    assert m.counters["traps"] == {"environment call from U-mode": 3}
    assert len(list(m.traps(10**6, budget=70))) == 10


def test_python_can_answer_a_trap_by_the_recorded_ways():
    m = machine(TRIP)
    for _ in m.traps(5):
        m.registers.s0 += 1
        m.pc = m.symbols["return"]  # without moving mepc on: the call is made again
    m.run(1)
    assert m.registers.s0 == 5
    m.back(3)
    m.goto(m.steps + 3)
    assert m.registers.s0 == 5


def test_the_console_is_complete_at_each_trap_that_python_sees():
    m = machine(f"""
        {catch("trap")}
        li   s0, {UART}
        li   s1, 'a'
    1:  sb   s1, 0(s0)
        addi s1, s1, 1
        ecall
        j    1b
    trap:
        csrr t1, mepc
        addi t1, t1, 4
        csrw mepc, t1
        mret
    """)
    assert [m.console for _ in m.traps(3)] == ["a", "ab", "abc"]


def test_a_run_in_another_thread_works_too():
    m, stops = machine(COUNT), []
    thread = threading.Thread(target=lambda: stops.append(m.run(100_000)))
    thread.start()
    thread.join()
    assert stops[0].reason == "budget" and m.steps == 100_000


INTERRUPTED = """
    import json, signal, sys, time
    sys.path.insert(0, {folder!r})
    from stories import machine, state
    m = machine("1: addi s0, s0, 1\\n sd s0, 0(sp)\\n j 1b")
    m.registers.sp = 0x8001_0000
    m.run(10)
    print("ready", flush=True)
    began = time.perf_counter()
    try:
        {loop}
    except KeyboardInterrupt as error:
        print(time.perf_counter() - began, str(error)[:16])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    fresh = machine("1: addi s0, s0, 1\\n sd s0, 0(sp)\\n j 1b")
    fresh.registers.sp = 0x8001_0000
    fresh.goto(m.steps)
    assert state(fresh) == state(m), "the machine is not as a run to the same step leaves it"
    print("consistent", flush=True)
"""


@pytest.mark.parametrize(
    "loop",
    [
        "m.run(10**15)",
        "while True: m.step()",
        "while True: m.run(10**7); m.back(10**6)",
        "for _ in m.traps(1, budget=10**15): pass",
    ],
)
def test_an_interrupt_stops_the_machine_within_a_second_between_two_instructions(root, loop):
    program = textwrap.dedent(INTERRUPTED).format(folder=str(Path(__file__).parent), loop=loop)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.4)
        sent = time.perf_counter()
        process.send_signal(signal.SIGINT)
        lines = [process.stdout.readline() for _ in range(2)]
        waited = time.perf_counter() - sent
    assert lines[1] == "consistent\n", lines
    assert float(lines[0].split()[0]) < 0.4 + 1.0 and waited < 10
    assert process.returncode == 0


def test_a_program_that_ignores_interrupts_is_not_interrupted():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        m = machine(COUNT)
        timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        assert m.run(20_000_000).reason == "budget"
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_goes_to_the_handler_that_the_program_has_set():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        m = machine(COUNT)
        timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        stop = m.run(10**12)
        timer.join()
        assert seen == [signal.SIGINT] and stop.steps < 10**12
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m: m.run(-1), ValueError, "budget -1 is out of range; accepted are 0 to 2**60"),
        (lambda m: m.run(1.5), TypeError, "budget 1.5 is not a whole number"),
        (lambda m: m.run(True), TypeError, "budget True is not a whole number"),
        (lambda m: m.run(1 << 60), ValueError, "accepted are 0 to 2**60"),
        (lambda m: m.run(until=3), ValueError, "pc 0x3 is not an even 64-bit address"),
        (lambda m: m.run(until=1 << 64), ValueError, "not an even 64-bit address"),
        (lambda m: m.run(until=""), TypeError, "accepted are an Event, a pc, or console text"),
        (lambda m: m.run(until=1.0), TypeError, "accepted are an Event, a pc, or console text"),
        (lambda m: m.step(-1), ValueError, "number of steps -1 is out of range"),
        (lambda m: m.step("2"), TypeError, "number of steps '2' is not a whole number"),
        (lambda m: m.back(1), ValueError, "cannot go back 1 steps from step 0"),
        (lambda m: m.goto(-1), ValueError, "step -1 is out of range"),
        (lambda m: m.goto(0.5), TypeError, "step 0.5 is not a whole number"),
        (lambda m: list(m.traps(-1)), ValueError, "number of traps -1"),
        (lambda m: m.type(7), TypeError, "type takes text, not int"),
        (lambda m: setattr(m, "pc", 5), ValueError, "pc 0x5 is odd; accepted are even addresses"),
        (lambda m: setattr(m, "pc", "5"), TypeError, "pc '5' is not a whole number"),
        (lambda m: setattr(m, "pc", 1 << 64), ValueError, "more than 64 bits"),
        (lambda m: m.memory.read(0, 4), ValueError, "0x0 to 0x4 is not RAM, which is 0x80000000"),
        (lambda m: m.memory.read(RAM, -1), ValueError, "is not RAM"),
        (lambda m: m.memory.read(RAM + (1 << 20) - 3, 4), ValueError, "is not RAM"),
        (lambda m: m.memory.read(RAM, 1.0), TypeError, "number of bytes 1.0"),
        (lambda m: m.memory.write(RAM - 1, b"xx"), ValueError, "is not RAM"),
        (lambda m: m.memory.write(RAM, "text"), TypeError, "memory takes bytes, not str"),
        (lambda m: m.memory.write(RAM, 5), TypeError, "memory takes bytes, not int"),
        (lambda m: m.read_virtual(0x1000, 4), ValueError, "0x1000 to 0x1004 is not RAM"),
        (lambda m: m.translate(0, "write"), ValueError, "accepted are load, store, fetch"),
        (lambda m: m.translate(None), TypeError, "address None is not a whole number"),
        (lambda m: m.csr["mstatsu"], KeyError, "'mstatsu' is no CSR of this machine"),
        (lambda m: m.registers["a8"], KeyError, "'a8' is no register; accepted are zero, ra"),
        (lambda m: m.registers.a8, AttributeError, "'a8' is no register"),
        (lambda m: setattr(m.registers, "a0", 1.5), TypeError, "register a0 1.5 is not a whole"),
        (lambda m: setattr(m.registers, "a0", 1 << 64), ValueError, "more than 64 bits"),
        (lambda m: m.restore(None), TypeError, "restore takes what snapshot has returned"),
        (lambda m: m.page_table("root"), TypeError, "root 'root' is not a whole number"),
        (lambda m: m.disassemble(n=-1), ValueError, "number of lines -1"),
        (lambda m: m.load_flat(b"", RAM), ValueError, "is empty; expected at least one instr"),
        (lambda m: m.load_flat(b"1234", RAM + 1), ValueError, "is odd; instructions begin at even"),
        (lambda m: m.load_flat(b"1234", 0.5), TypeError, "address 0.5 is not a whole number"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_caller_is_one_sentence_and_changes_nothing(call, error, says):
    m = machine(COUNT)
    before = machine(COUNT)
    with pytest.raises(error) as caught:
        call(m)
    assert says in str(caught.value)
    assert_same(m, before)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"ram": "63K"}, ValueError, "accepted are 64K to 4G"),
        ({"ram": "5G"}, ValueError, "accepted are 64K to 4G"),
        ({"ram": "1000001"}, ValueError, "a multiple of 4096 bytes"),
        ({"ram": "much"}, ValueError, "RAM size 'much' is not a size"),
        ({"ram": "9" * 5000 + "M"}, ValueError, "is not a size"),
        ({"ram": -4096}, ValueError, "accepted are 64K to 4G"),
        ({"ram": 1e6}, TypeError, "is not a number or text"),
        ({"ram": None}, TypeError, "is not a number or text"),
        ({"firmware": "/no/such/file"}, ValueError, "accepted are auto, none, sbi, or a file"),
        ({"firmware": 3}, TypeError, "accepted are auto, none, sbi, a path or bytes"),
        ({"firmware": b""}, ValueError, "is empty"),
        ({"disk": "/no/such/disk"}, ValueError, "'/no/such/disk': cannot be read"),
        ({"disk": b""}, ValueError, "a disk has at least one sector of 512 bytes"),
        ({"disk": 512}, TypeError, "accepted are a path, bytes, or None"),
        ({"append": "a\0b"}, ValueError, "accepted is text without NUL characters"),
        ({"append": 1}, TypeError, "append 1: accepted is text"),
        ({"steps_per_tick": 0}, ValueError, "steps_per_tick 0 is out of range"),
        ({"steps_per_tick": 1.5}, TypeError, "steps_per_tick 1.5 is not a whole number"),
    ],
)
def test_a_machine_that_cannot_be_made_says_what_can(options, error, says):
    with pytest.raises(error) as caught:
        Machine(**options)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 6000 and "\n" not in str(caught.value)


def test_ram_is_told_in_bytes_or_with_a_letter():
    assert Machine(ram="64K").ram_bytes == 65536
    assert Machine(ram="1MiB").ram_bytes == Machine(ram=1 << 20).ram_bytes == 1 << 20
    assert Machine(ram=" 2mb ").ram_bytes == 2 << 20


def test_a_machine_without_an_image_runs_into_an_illegal_instruction():
    m = Machine(ram="64K")
    assert (m.pc, m.mode, m.steps) == (RAM, "M", 0)
    m.step()
    assert m.counters["traps"] == {"illegal instruction": 1}


def test_a_refused_image_changes_no_memory_that_a_snapshot_would_copy():
    m = Machine(ram="64K").load(assemble("la t0, end\nsd t0, 8(t0)\nnop\nend: j end"))
    with pytest.raises(ValueError, match="does not fit"):
        m.load(assemble(".zero 0x10001"))
    end = m.symbols["end"]
    m.step(3)
    assert m.memory.read(end + 8, 8) == end.to_bytes(8, "little")
    kept = m.snapshot()
    m.step(5)
    m.restore(kept)
    assert m.memory.read(end + 8, 8) == end.to_bytes(8, "little")
    assert m.goto(0).steps == 0
    assert m.memory.read(end + 8, 8) == bytes(8)


def test_an_image_that_is_refused_leaves_the_machine_as_it_was():
    m = machine(COUNT)
    m.run(100)
    with pytest.raises(ValueError, match="does not fit"):
        m.load_flat(bytes(2 << 20))
    assert m.steps == 100 and m.registers.s0 == 50
    assert m.reset().run(100).steps == 100 and m.registers.s0 == 50
