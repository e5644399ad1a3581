"""The paravirtual port of the teaching OS: its users see what those of the unmodified one see."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from virtlab import guests
from virtlab.guests import build, catalogue, elf, filesystem, port
from virtlab.hypervisors import Paravirt, paravirt_abi
from virtlab.isa import op
from virtlab.isa.decode import decode
from virtlab.isa.disassembler import disassemble

BUDGET = 3_000_000_000

LINES = [
    "echo hello   world # a comment\n",
    "cat readme | wc; grep small readme\n",
    "mkdir /tmp/d; cd /tmp/d; echo first > f; echo second >> f; cat < f; ls; cd /\n",
    "rm /tmp/d; rm /tmp/d/f /tmp/d; ls /tmp; cat nothing; nonsense\n",
    "sleep 1000 & ps; kill 17; wait; free\n",
    "rubbish\x15echx\x7fo right\n",
    "nullsys 20; forkwait 3; ctxsw 5; pgfault 20 2; ptemod 10 4; devread 30; diskread 7\n",
    "compute 1000 10; memwalk 64 5\n",
    "selftest\n",
    "exit\n",
]


def paravirtual(disk=None, command="", ram="64M") -> Paravirt:
    disk = guests.disk("pith_pv") if disk is None else disk
    return Paravirt(ram=ram, disk=disk, append=command).load(guests.path("pith_pv"))


def ended(vm, lines=()) -> Paravirt:
    """Type each line when the guest waits for it, and run to the end."""
    for line in lines:
        stop = vm.run(BUDGET)
        assert stop.reason == "idle", f"{stop}\n{vm.console}"
        vm.type(line)
    stop = vm.run(BUDGET)
    assert stop.reason == "exit", f"{stop}\n{vm.console}"
    return vm


def without_numbers_of_pages(console: str) -> str:
    """They differ with the size of the kernel."""
    console = re.sub(r"^( +\d+ +\d+ ) *\d+ (?=[a-z])", r"\1    N ", console, flags=re.MULTILINE)
    return re.sub(r"\d+ of \d+ pages", "N of N pages", console)


def test_a_dialogue_is_the_same_as_on_bare_metal(our_board, pith):
    bare = our_board.run(**pith, lines=LINES)
    vm = ended(paravirtual(), LINES)
    assert without_numbers_of_pages(vm.console) == without_numbers_of_pages(bare.console)
    assert vm.exit_code == bare.exit_code == 0
    assert vm._mem.disk.tobytes() == bare.disk
    assert vm.counts["refused"] == 0


@pytest.mark.parametrize(
    "command", ["exit 3", "cat nothing", "shutdown", "shutdown 1", f"echo {122 * 'a'}"]
)
def test_it_ends_as_on_bare_metal(our_board, pith, command):
    bare = our_board.run(**pith, command=command)
    vm = ended(paravirtual(command=command))
    assert (vm.console, vm.exit_code) == (bare.console, bare.exit_code)


def test_nothing_has_to_be_emulated():
    vm = ended(paravirtual(command="selftest"))
    names = {reason.name for reason in vm.exit_counts}
    assert names == {"HYPERCALL", "ECALL", "TRUE_PAGE_FAULT", "EXCEPTION"}
    assert vm.counts["emulated"] == vm.counts["mmio"] == 0


def test_page_table_updates_go_in_batches():
    small, large = (ended(paravirtual(command=f"forkwait {n}")).counts for n in (5, 25))
    updates = large["batched_updates"] - small["batched_updates"]
    hypercalls = large["hypercalls"] - small["hypercalls"]
    assert updates > 2 * hypercalls


def test_a_null_system_call_is_one_bounce_and_one_return():
    few, many = (ended(paravirtual(command=f"nullsys {n}")) for n in (10, 110))
    more = {r.name: n - few.exit_counts[r] for r, n in many.exit_counts.items()}
    assert more == {"ECALL": 100, "HYPERCALL": 100, "TRUE_PAGE_FAULT": 0}


def test_ctrl_c_ends_what_the_shell_runs():
    vm = paravirtual()
    vm.run(until="$ ")
    vm.type("sleep 1000000 | cat\n")
    vm.run(20_000_000)
    vm.type("\x03")
    vm.run(20_000_000)
    vm.type("ps\n")
    assert vm.run(50_000_000).reason == "idle"
    assert re.findall(r"(?:waiting|running|ready) +(\w+)", vm.console) == ["init", "sh", "ps"]


def test_typing_ahead_loses_nothing():
    texts = [f"{i:03d} {'.' * 60}" for i in range(50)]
    typed = "sleep 1\n" + "".join(f"echo {text} >> /tmp/f\n" for text in texts) + "exit\n"
    vm = ended(paravirtual(), [typed])
    left = filesystem.files(vm._mem.disk.tobytes())
    assert left["tmp/f"].decode().split("\n") == [*texts, ""]


def test_memory_runs_out_as_on_bare_metal():
    vm = ended(paravirtual(command="memwalk 20000 1; echo alive", ram="16M"))
    assert "memwalk (process 3): store to a page it may not write" in vm.console
    assert vm.console.endswith("alive\n")


def test_without_a_disk_it_says_so_and_gives_up():
    vm = ended(Paravirt(ram="16M").load(guests.path("pith_pv")))
    assert "panic in disk_init: there is no disk\n" in vm.console
    assert vm.exit_code != 0


def test_programs_cannot_reach_the_kernel():
    """The root of a program maps nothing of the kernel, and nothing both to write and execute."""
    vm = paravirtual(command="memwalk 10 1000000")
    vm.run(3_000_000)
    while vm.mode != "U":
        vm.step()
    mapped = vm.page_table()
    assert mapped and all(0x4000_0000 <= m.va < 0x8000_0000 for m in mapped)
    assert not [m for m in mapped if "W" in m.flags and "X" in m.flags]
    kernel = vm.page_table(paravirt_abi.FIRST_TABLE)
    assert not [m for m in kernel if "W" in m.flags and "X" in m.flags]


@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="ziglang is not installed")
def test_programs_that_call_the_kernel_with_nonsense_do_no_harm(seed, tmp_path):
    folder = tmp_path / "pith"
    shutil.copytree(catalogue.HERE / "pith", folder)
    shutil.copy(Path(__file__).with_name("hostile.c"), folder / "user" / "hostile.c")
    sources = ["user/start.S", "user/hostile.c", "user/user.c", *build.COMMON]
    program = build.link(sources, folder, "user/user.ld", None)
    files = filesystem.files(guests.disk("pith_pv").read_bytes())
    disk = filesystem.make({**files, "bin/hostile": program})
    vm = ended(paravirtual(disk=disk, command=f"hostile {seed}; echo alive"))
    assert vm.console.endswith("hostile: done\nalive\n"), vm.console[-2000:]
    after = filesystem.files(vm._mem.disk.tobytes())
    assert {name: after.get(name) for name in files} == files
    assert vm.counts["refused"] == 0


# The port as a piece of source


def test_the_ported_kernel_has_no_privileged_instruction():
    text = elf.read(guests.path("pith_pv").read_bytes()).segments[0].data
    at, allowed, found = 0, 0, []
    while at < len(text):
        low = int.from_bytes(text[at : at + 2], "little")
        n_bytes = 4 if low & 3 == 3 else 2
        word = int.from_bytes(text[at : at + n_bytes], "little")
        operation = int(decode(word)) & 0x7F
        if operation in (op.SRET, op.MRET, op.WFI, op.SFENCE_VMA) or (
            op.CSRRW <= operation <= op.CSRRCI
        ):
            found.append(disassemble(word, 0x8020_0000 + at))
        allowed += operation == op.ECALL
        at += n_bytes
    assert {line.split()[0] for line in found} == {"rdtime"}
    assert allowed > 5


def test_the_header_says_what_the_hypervisor_says():
    header = guests.source("pith_pv", "paravirt/paravirt.h")
    defined = dict(re.findall(r"^#define ([A-Z]\w+) (0x[0-9a-f]+|\d+)\b", header, re.MULTILINE))
    assert len(defined) > 60
    for name, value in defined.items():
        assert getattr(paravirt_abi, name) == int(value, 0), name
    numbers = {
        name
        for name in vars(paravirt_abi)
        if name.startswith(("HYPERCALL_", "ERROR_", "UPDATE_", "EVENT_", "SHARED_"))
    }
    assert numbers <= set(defined)
    for number, name in enumerate(paravirt_abi.HYPERCALLS):
        assert getattr(paravirt_abi, f"HYPERCALL_{name}") == number


def test_the_lines_of_the_port_are_counted_from_the_sources():
    counted = port.count()
    for change in counted.files:
        assert change.after == change.before - change.removed + change.added, change
        assert change.changed <= min(change.before, change.after)
    assert counted.kernel > 2000
    assert 0 < counted.touched == counted.total("changed") + counted.total("added")
    assert 0.05 < counted.share < 0.2  # an order of magnitude above Linux's: this kernel is small
    result = subprocess.run(
        [sys.executable, "-m", "virtlab.guests.port", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["total"]["touched"] == counted.touched
    assert f"{counted.touched:,} lines changed or added" in port.table(counted)


def test_a_counted_change_is_the_smallest_that_lines_can_tell():
    assert port.compare(["a", "b", "c"], ["a", "b", "c"]) == (0, 0, 0)
    assert port.compare(["a", "b", "c"], ["a", "x", "c"]) == (0, 0, 1)
    assert port.compare(["a", "b", "c"], ["a", "x", "y", "c"]) == (1, 0, 1)
    assert port.compare(["a", "b", "b", "c"], ["a", "x", "c"]) == (0, 1, 1)
    assert port.compare([], ["a"]) == (1, 0, 0)
