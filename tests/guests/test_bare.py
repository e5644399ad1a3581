"""The guests that have the machine to themselves, on every simulator that can run them."""

import importlib.util

import pytest

from virtlab import guests
from virtlab.guests import elf

CONSOLES = {
    "hello": "Hello from the bare machine.\n",
    "timer": "...\n",
    "user_mode": "User mode speaking.\n",
    "paging": "P\n",
}
MIX_AT_LEAST = 100_000_000  # instructions: what the benchmark needs to be a measurement


@pytest.mark.parametrize("name", CONSOLES)
def test_a_bare_guest_prints_its_text_and_ends(board, name):
    outcome = board.run(guests.path(name))
    assert (outcome.console, outcome.exit_code) == (CONSOLES[name], 0)


def test_the_timer_guest_sleeps_between_its_interrupts(our_board):
    machine = our_board.machine(guests.path("timer"), kernel=False)
    machine.run()
    interrupts = [event for event in machine.events if event.kind == "interrupt"]
    assert [event.cause_name for event in interrupts] == ["machine timer interrupt"] * 3


def test_the_paging_guest_ends_in_the_one_fault_it_means_to_take(our_board):
    machine = our_board.machine(guests.path("paging"), kernel=False)
    machine.run()
    faults = [event for event in machine.events if event.kind == "exception"]
    assert [(fault.from_mode, fault.tval) for fault in faults] == [("S", 0x4000_1000)]


def test_the_benchmark_is_long_enough_and_right_on_our_machine(our_board):
    machine = our_board.machine(guests.path("integer_mix"), kernel=False, ram="16M")
    stop = machine.run()
    assert (stop.reason, machine.exit_code) == ("exit", 0)
    assert machine.steps >= MIX_AT_LEAST


def mix() -> elf.Image:
    return elf.read(guests.path("integer_mix").read_bytes())


@pytest.mark.skipif(not importlib.util.find_spec("unicorn"), reason="unicorn is not installed")
def test_the_benchmark_is_right_under_unicorn():
    import unicorn

    image = mix()
    tohost = next(symbol.address for symbol in image.symbols if symbol.name == "tohost")
    emulator = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
    emulator.mem_map(0x8000_0000, 16 << 20)
    for segment in image.segments:
        emulator.mem_write(segment.address, segment.data)
    written = []

    def stop(emulator, access, address, size, value, data):
        written.append(value)
        emulator.emu_stop()

    emulator.hook_add(unicorn.UC_HOOK_MEM_WRITE, stop, begin=tohost, end=tohost + 7)
    emulator.emu_start(image.entry, 0, timeout=120_000_000)
    assert written == [1]
