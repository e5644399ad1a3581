"""The teaching OS: the same dialogue on our machine and on QEMU, and each of its promises."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from virtlab import guests
from virtlab.guests import build, catalogue, filesystem

BANNER = """\
pith: a small kernel on RISC-V
memory up to 0x8400_0000, 61 MiB free
disk of 256 blocks
"""
MOST_STEPS_TO_PROMPT = 1_000_000

PS = """\
process parent pages state   name
      1      0     N waiting init
      2      1     N waiting sh
     21      2     N waiting sleep
     22      2     N running ps
"""

DIALOGUE = [
    ("echo hello   world # a comment\n", "hello world\n"),
    ("echo 'quoted  text' \"it's\" ; echo two\n", "quoted  text it's\ntwo\n"),
    ("cat readme | wc\n", "2 17 88\n"),
    ("grep small readme\n", "pith is a small kernel, made for reading.\n"),
    ("mkdir /tmp/d; cd /tmp/d; echo first > f; echo second >> f; cat < f\n", "first\nsecond\n"),
    ("ls; ls ..; cd /\n", "     13 f\n   4096 d/\n"),
    ("rm /tmp/d\n", "/tmp/d: directory is not empty\n"),
    ("rm /tmp/d/f /tmp/d; ls /tmp\n", ""),
    ("cat nothing\n", "nothing: no such file or directory\n"),
    ("nonsense\n", "nonsense: no such file or directory\n"),
    ("echo a |\n", "sh: cannot understand: echo a |\n\n"),
    ("sleep 1000 & ps; kill 21; wait\n", PS),
    ("kill 999\n", "999: no such process\n"),
    ("free\n", "memory: N of N pages free\ndisk: N of N blocks free\n"),
    ("echo echo from a script > s; sh s; rm s\n", "from a script\n"),
]
WORKLOADS = {
    "nullsys 50": "nullsys: 50 system calls\n",
    "forkwait 5": "forkwait: 5 processes\n",
    "ctxsw 20": "ctxsw: 20 round trips\n",
    "pgfault 100 3": "pgfault: 300 page faults\n",
    "ptemod 10 4": "ptemod: 40 entries mapped, protected and unmapped\n",
    "devread 30": "devread: 30 reads of a register that holds 2\n",
    "diskread 7": "diskread: 7 blocks\n",
    "compute 1000 10": "compute: 168 primes below 1000, matrix sum 8250\n",
    "memwalk 64 5": "memwalk: 64 pages, 320 steps, back at page 0\n",
}


def after_banner(outcome) -> str:
    assert outcome.console.startswith(BANNER), outcome.console
    return outcome.console.removeprefix(BANNER)


def without_page_counts(console: str) -> str:
    """Numbers of pages and blocks are N: they change with every change of a program."""
    console = re.sub(r"^( +\d+ +\d+ ) *\d+ (?=[a-z])", r"\1    N ", console, flags=re.MULTILINE)
    return re.sub(r"\d+ of \d+ (?=pages|blocks)", "N of N ", console)


def test_a_dialogue_with_the_shell(board, pith):
    outcome = board.run(**pith, lines=[line for line, _ in DIALOGUE] + ["exit\n"])
    expected = "".join(f"$ {line}{answer}" for line, answer in DIALOGUE)
    assert without_page_counts(after_banner(outcome)) == expected + "$ exit\n"
    assert outcome.exit_code == 0


@pytest.mark.qemu
def test_both_boards_show_the_same_console(our_board, qemu_board, pith):
    lines = [line for line, _ in DIALOGUE] + [
        "selftest\n",
        *(f"{w}\n" for w in WORKLOADS),
        "exit\n",
    ]
    ours, theirs = (board.run(**pith, lines=lines) for board in (our_board, qemu_board))
    assert ours.console == theirs.console


def test_it_keeps_its_promises(board, pith):
    outcome = board.run(**pith, command="selftest")
    lines = [
        line
        for line in after_banner(outcome).splitlines()
        if not line.startswith(("selftest (", "box "))
    ]
    assert len(lines) == 14
    assert all(re.fullmatch(r"selftest: [a-z ]+: ok", line) for line in lines[:-1]), lines
    assert lines[-1] == "selftest: 0 failed"
    assert outcome.exit_code == 0


@pytest.mark.parametrize("command", WORKLOADS)
def test_a_workload_prints_its_count(board, pith, command):
    assert after_banner(board.run(**pith, command=command)) == WORKLOADS[command]


def test_the_disk_is_in_order_afterwards_and_holds_what_was_written(board, pith):
    lines = [
        "mkdir /tmp/x; cat /bin/sh /bin/selftest > /tmp/x/copy; rm /bin/ls; selftest\n",
        "exit\n",
    ]
    outcome = board.run(**pith, lines=lines)
    before = filesystem.files(guests.disk("pith").read_bytes())
    after = filesystem.files(outcome.disk)
    assert after.pop("tmp/x/copy") == before["bin/sh"] + before["bin/selftest"]
    assert after.pop("tmp/x/") == b""
    del before["bin/ls"]
    assert after == before


def test_ctrl_c_ends_what_the_shell_runs(our_board, pith):
    machine = our_board.machine(**pith)
    machine.run(until="$ ")
    machine.type("sleep 1000000 | cat\n")
    machine.run(20_000_000)
    machine.type("\x03")
    machine.run(20_000_000)
    machine.type("ps\n")
    assert machine.run(50_000_000).reason == "idle"
    listed = re.findall(r"(?:waiting|running|ready) +(\w+)", machine.console)
    assert listed == ["init", "sh", "ps"]


def test_a_line_can_be_corrected_and_the_input_ended(board, pith):
    outcome = board.run(**pith, lines=["rubbish\x15echx\x7fo right\n", "\x04"])
    erased = "\b \b"
    typed = f"rubbish{erased * 7}echx{erased}o right\n"
    assert after_banner(outcome) == f"$ {typed}right\n$ "


def test_typing_ahead_loses_nothing(board, pith):
    """More than the console holds arrives while the shell does something else."""
    texts = [f"{i:03d} {'.' * 60}" for i in range(50)]
    typed = "sleep 1\n" + "".join(f"echo {text} >> /tmp/f\n" for text in texts) + "exit\n"
    outcome = board.run(**pith, lines=[typed])
    assert filesystem.files(outcome.disk)["tmp/f"].decode().split("\n") == [*texts, ""]


def test_the_shells_status_decides_how_the_machine_ends(our_board, pith):
    assert our_board.run(**pith, command="exit 0").exit_code == 0
    assert our_board.run(**pith, command="exit 3").exit_code != 0
    assert our_board.run(**pith, command="cat nothing").exit_code != 0
    assert our_board.run(**pith, command="shutdown").exit_code == 0
    assert our_board.run(**pith, command="shutdown 1").exit_code != 0


def test_memory_ends_where_the_device_tree_says(board, pith):
    outcome = board.run(**pith, command="free", ram="256M")
    assert "memory up to 0x9000_0000, 253 MiB free\n" in outcome.console


def test_a_program_that_wants_too_much_memory_is_ended_and_the_rest_goes_on(board, pith):
    outcome = board.run(**pith, command="memwalk 20000 1; free", ram="32M")
    assert "memwalk (process 3): store to a page it may not write" in outcome.console
    assert outcome.console.endswith("blocks free\n")


@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="ziglang is not installed")
def test_programs_that_call_the_kernel_with_nonsense_do_no_harm(our_board, pith, seed, tmp_path):
    """Random calls with random arguments: the kernel, the shell and the disk stay in order."""
    folder = tmp_path / "pith"
    shutil.copytree(catalogue.HERE / "pith", folder)
    shutil.copy(Path(__file__).with_name("hostile.c"), folder / "user" / "hostile.c")
    sources = ["user/start.S", "user/hostile.c", "user/user.c", *build.COMMON]
    program = build.link(sources, folder, "user/user.ld", None)
    files = filesystem.files(pith["disk"].read_bytes())
    disk = filesystem.make({**files, "bin/hostile": program})
    outcome = our_board.run(**{**pith, "disk": disk}, command=f"hostile {seed}; echo alive")
    assert outcome.console.endswith("hostile: done\nalive\n"), outcome.console[-2000:]
    after = filesystem.files(outcome.disk)
    assert {name: after.get(name) for name in files} == files


def test_without_a_disk_it_says_so_and_gives_up(board, pith):
    outcome = board.run(pith["image"], kernel=True)
    assert "panic in disk_init: there is no virtio disk" in outcome.console
    if board.name == "ours":  # the OpenSBI that QEMU 7.2 brings along forgets the reason
        assert outcome.exit_code != 0


def test_a_disk_without_a_file_system_is_refused(board, pith):
    outcome = board.run(pith["image"], kernel=True, disk=bytes(1 << 20))
    assert "panic in fs_init: the disk holds no file system of this kernel\n" in outcome.console


def test_the_prompt_comes_soon_and_then_it_waits_for_the_reader(our_board, pith):
    machine = our_board.machine(**pith)
    assert machine.run(MOST_STEPS_TO_PROMPT, until="$ ").reason == "until"
    assert machine.run().reason == "idle"
    assert machine.mode == "S"


def test_user_pages_are_never_both_writable_and_executable(our_board, pith):
    machine = our_board.machine(**pith)
    machine.run()
    flags = {mapping.flags for mapping in machine.page_table()}
    assert flags
    assert not [f for f in flags if "W" in f and "X" in f]


def test_it_boots_where_the_hart_leaves_accessed_and_dirty_bits_alone(pith):
    from virtlab.machine import Machine

    for adue in (False, True):
        machine = Machine(ram="64M", firmware="sbi", disk=pith["disk"], adue=adue)
        assert machine.load(pith["image"]).run(until="$ ").reason == "until"
