"""The command `virtlab`: what it prints, how it ends, and what it says about mistakes."""

import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from virtlab import __version__, cli, guests
from virtlab.hypervisors import TECHNIQUES
from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf

RAM = 0x8000_0000
HEADER = """
        .equ UART, 0x10000000
        .equ FINISHER, 0x100000
"""
HELLO = f"""{HEADER}
_start: la   s0, text
        li   s1, UART
1:      lbu  t0, 0(s0)
        beqz t0, 2f
        sb   t0, 0(s1)
        addi s0, s0, 1
        j    1b
2:      li   t0, FINISHER
        li   t1, 7 << 16 | 0x3333       # ends with exit code 7
        sw   t1, 0(t0)
3:      j    3b
text:   .asciz "hello\\n"
"""
LOOP = f"""{HEADER}
_start: li   s1, UART
        li   t0, 'x'
        sb   t0, 0(s1)
        li   t0, '\\n'
        sb   t0, 0(s1)
around: addi a0, a0, 1
        j    around
"""
# Prints each byte that is typed as it is, and ends when it has read a dot.
ECHO = f"""{HEADER}
_start: li   s1, UART
1:      lbu  t0, 5(s1)
        andi t0, t0, 1
        beqz t0, 1b
        lbu  t0, 0(s1)
        sb   t0, 0(s1)
        li   t1, '.'
        bne  t0, t1, 1b
        li   t0, FINISHER
        li   t1, 0x5555
        sw   t1, 0(t0)
"""
SLEEP = "_start: wfi\n j _start"
# Wakes every millisecond of its time, and does nothing.
TICK = """
_start: la   t0, tick
        csrw mtvec, t0
        li   t0, 0x80
        csrw mie, t0
        csrsi mstatus, 8
        li   s0, 0x2004000
        j    tick
1:      wfi
        j    1b
        .balign 4
tick:   li   s1, 0x200bff8
        ld   t0, 0(s1)
        li   t1, 10000
        add  t0, t0, t1
        sd   t0, 0(s0)
        la   t0, 1b
        csrw mepc, t0
        li   t0, 0x1880
        csrs mstatus, t0
        mret
"""
# Prints the device tree as it lies in memory.
TREE = f"""{HEADER}
_start: li   s1, UART
        lbu  s2, 6(a1)
        lbu  t0, 7(a1)
        slli s2, s2, 8
        or   s2, s2, t0
1:      lbu  t0, 0(a1)
        sb   t0, 0(s1)
        addi a1, a1, 1
        addi s2, s2, -1
        bnez s2, 1b
        li   t0, FINISHER
        li   t1, 0x5555
        sw   t1, 0(t0)
"""
# Ends with the privilege mode it was started in, as told by whether mstatus can be read: the trap
# from S-mode goes to stvec.
MODE = f"""{HEADER}
_start: la   t0, 1f
        csrw stvec, t0
        li   a0, 11
        csrr t1, mstatus
        li   a0, 13
        .balign 4
1:      slli a0, a0, 16
        li   t1, 0x3333
        or   a0, a0, t1
        li   t0, FINISHER
        sw   a0, 0(t0)
"""
EXIT_BY_FIRMWARE = f"""{HEADER}
        li   t0, FINISHER
        li   t1, 21 << 16 | 0x3333
        sw   t1, 0(t0)
"""


def printing(text: str) -> str:
    """The guest HELLO with another text."""
    data = ", ".join(map(str, text.encode()))
    return HELLO.replace('.asciz "hello\\n"', f".byte {data}, 0")


@pytest.fixture
def guest(tmp_path):
    """Write a guest's ELF file, assembled at `base`, with parts of the header replaced."""

    def write(text: str, base: int = RAM, **patches: tuple) -> str:
        data = bytearray(program_to_elf(assemble(text, base)))
        for form, at, value in patches.values():
            struct.pack_into(form, data, at, value)
        path = tmp_path / "guest.elf"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture
def virtlab(capsys, monkeypatch):
    """Call the command in this process; returns (exit code, standard output, standard error)."""

    def call(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def refused(virtlab):
    """Call the command with a mistake; returns the one sentence that it must answer with."""

    def call(*arguments: str, stdin: str = "") -> str:
        code, out, err = virtlab(*arguments, stdin=stdin)
        assert (code, out) == (2, ""), err
        assert re.fullmatch(r"virtlab( run| asm| dis)?: [^\n]+\.\n", err), err
        assert "Traceback" not in err and "Errno" not in err
        return err

    return call


def command(*arguments: str, **options) -> subprocess.Popen:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "virtlab.cli", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# Running


def test_the_console_is_printed_and_the_exit_code_passed_on(guest, virtlab):
    assert virtlab("run", guest(HELLO)) == (7, "hello\n", "")


def test_a_process_ends_as_the_guest_does(guest):
    process = command("run", guest(HELLO))
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (7, "hello\n", "")


def test_an_exit_code_that_does_not_fit_is_still_no_success(guest, virtlab):
    assert virtlab("run", guest(HELLO.replace("7 << 16", "0x100 << 16")))[0] == 1
    assert virtlab("run", guest(HELLO.replace("7 << 16 | 0x3333", "0x5555")))[0] == 0


def test_a_guest_of_the_package_runs(virtlab):
    code, out, err = virtlab("run", guests.path("hello"))
    assert code == 0 and out and not err


def test_json_tells_what_was_counted(guest, virtlab):
    code, out, err = virtlab("run", guest(HELLO), "--json")
    report = json.loads(out)
    assert (code, report["exit_code"], report["console"]) == (7, 7, "hello\n")
    assert err == "hello\n"
    assert 30 < report["instructions"] < 60 and report["steps"] == report["instructions"]
    assert report["device_accesses"] == len("hello\n") + 1
    assert report["device_accesses"] == report["device_reads"] + report["device_writes"]
    assert report["tlb_misses"] >= 2 and report["tlb_hits"] > 30
    assert report["walk_references"] == 0 and report["traps"] == {}
    assert 0 < report["seconds"] < 60
    assert report["mips"] == pytest.approx(
        report["steps"] / report["seconds"] / 1e6, rel=0.2, abs=0.01
    )


def test_json_counts_traps_and_walks(virtlab):
    code, out, _ = virtlab("run", guests.path("paging"), "--json")
    report = json.loads(out)
    assert code == 0
    assert report["walk_references"] >= report["page_walks"] > 0
    assert report["traps"] and all(n > 0 for n in report["traps"].values())


def under(virtlab, *arguments: str) -> dict:
    """The report of the teaching OS making ten system calls."""
    name = "pith_pv" if "paravirt" in arguments else "pith"
    image = ["run", guests.path(name), "--disk", guests.disk("pith"), "--append", "nullsys 10"]
    code, out, err = virtlab(*image, "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def test_json_under_a_hypervisor_tells_exits_and_cycles(virtlab):
    bare = under(virtlab)
    assert (bare["under"], bare["exits"]) == ("bare", {})
    cycles = {"bare": bare["cycles"]}
    for technique in TECHNIQUES:
        report = under(virtlab, "--under", technique)
        assert report["under"] == technique
        assert report["console"] == bare["console"]
        assert report["betrayed"] is None
        assert sum(report["cycles_by_event"].values()) == pytest.approx(report["cycles"], abs=30)
        if technique not in ("emulation", "paravirt"):
            assert report["exits"]["mmio"] == bare["device_accesses"]
        if technique != "paravirt":
            assert report["steps"] == bare["steps"]
        cycles[technique] = report["cycles"]
    assert cycles["bare"] == min(cycles.values())
    assert cycles["emulation"] == max(cycles.values())


def test_the_hypervisors_choices_are_passed_on(virtlab):
    nested = under(virtlab, "--under", "hardware-assisted", "--paging", "nested")["exits"]
    shadow = under(virtlab, "--under", "hardware-assisted", "--paging", "shadow")["exits"]
    assert "guest_page_fault" in nested and "shadow_page_fault" not in nested
    assert "shadow_page_fault" in shadow and "guest_page_fault" not in shadow
    trace = under(virtlab, "--under", "trap-and-emulate", "--policy", "trace")["exits"]
    lazy = under(virtlab, "--under", "trap-and-emulate", "--policy", "lazy")["exits"]
    assert "trace" in trace and "trace" not in lazy


def test_other_prices_make_other_cycles(virtlab):
    shares = ["--under", "hardware-assisted", "--prices"]
    old, new = (under(virtlab, *shares, name) for name in ("prescott", "broadwell"))
    assert (old["prices"], new["prices"]) == ("prescott", "broadwell")
    assert old["exits"] == new["exits"]
    assert old["cycles"] > new["cycles"]


def test_the_instruction_that_betrayed_the_hypervisor_is_named(virtlab):
    image = ["run", guests.path("pith"), "--disk", guests.disk("pith"), "--json"]
    few = ["--max-instructions", "50000"]
    _, out, err = virtlab(*image, *few, "--under", "trap-and-emulate", "--silent-privileged")
    betrayed = json.loads(out)["betrayed"]
    assert betrayed.startswith("csr")
    assert f"{betrayed} did not trap." in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--under", "magic"), "--under 'magic': accepted are bare, emulation, "),
        (("--under", "emulation", "--paging", "nested"), "--paging: there is no choice of it"),
        (("--policy", "lazy"), "--policy: there is no choice of it with --under bare"),
        (("--under", "emulation", "--prices", "z80"), "no price list 'z80'; there are "),
        (("--under", "hardware-assisted", "--paging", "magic"), "invalid choice: 'magic'"),
        (("--under", "paravirt"), "guest.elf: has not been ported to this hypervisor"),
    ],
)
def test_a_hypervisor_that_cannot_be(guest, refused, arguments, says):
    assert says in refused("run", guest(HELLO), *arguments)


@pytest.mark.parametrize(
    ("typed", "arrives"),
    [
        ("ab.", "ab."),
        (r"a\nb\tc\\n.", "a\nb\tc\\n."),
        (r"\x41\x7e.", "A~."),
        (r"\r\e[A\0.", "\r\x1b[A\0."),
        ("käse €.", "käse €."),
        (r"\\.", "\\."),
    ],
)
def test_input_is_typed_with_its_escapes(guest, virtlab, typed, arrives):
    code, out, err = virtlab("run", guest(ECHO), "--input", typed)
    assert (code, out, err) == (0, arrives, "")


def test_input_may_come_from_standard_input(guest, virtlab):
    text = "first line\nsecond \\n line."
    assert virtlab("run", guest(ECHO), "--input", "-", stdin=text) == (0, text, "")


def test_more_input_than_the_queue_holds_arrives(guest, virtlab):
    text = "".join(f"{k} " for k in range(3000)) + "."
    assert virtlab("run", guest(ECHO), "--input", "-", stdin=text) == (0, text, "")


def test_without_a_terminal_standard_input_is_left_alone(guest, virtlab):
    code, out, _ = virtlab("run", guest(ECHO), "--max-instructions", "1000", stdin="typed.")
    assert (code, out) == (124, "")


def test_max_instructions_is_exact_and_says_where(guest, virtlab):
    code, out, err = virtlab("run", guest(LOOP), "--max-instructions", "5,000,001", "--json")
    report = json.loads(out)
    assert (code, report["steps"], report["exit_code"]) == (124, 5_000_001, None)
    assert f"stopped after 5,000,001 instructions, at pc {report['pc']:#x}." in err
    assert report["message"] in err


def test_what_was_printed_before_the_limit_is_shown(guest, virtlab):
    assert virtlab("run", guest(LOOP), "--max-instructions", "100")[1] == "x\n"
    assert virtlab("run", guest(LOOP), "--max-instructions", "0")[:2] == (124, "")


def test_a_guest_that_waits_for_nothing_is_ended(guest, virtlab):
    code, out, err = virtlab("run", guest(SLEEP))
    assert (code, out) == (124, "")
    assert "waits for input that will not come, at pc 0x8000000" in err


def test_a_guest_that_does_nothing_but_tick_is_ended(guest, virtlab):
    code, _, err = virtlab("run", guest(TICK), "--max-instructions", "200_000_000")
    assert code == 124 and "waits for input that will not come" in err


def test_a_guest_that_works_in_silence_is_not_taken_for_a_sleeper(guest, virtlab):
    busy = TICK.replace("1:      wfi", "1:      addi a0, a0, 1")
    code, _, err = virtlab("run", guest(busy), "--max-instructions", "20_000_000")
    assert code == 124 and "stopped after 20,000,000 instructions" in err


def test_the_teaching_system_answers_and_then_waits(virtlab):
    code, out, err = virtlab(
        "run", guests.path("pith"), "--disk", guests.disk("pith"), "--input", r"ls\n"
    )
    assert code == 124 and "waits for input" in err
    assert "readme" in out.partition("$ ")[2]


def test_the_disk_file_is_never_changed(virtlab, tmp_path):
    disk = tmp_path / "disk.img"
    contents = Path(guests.disk("pith")).read_bytes()
    disk.write_bytes(contents)
    code, out, _ = virtlab(
        "run",
        guests.path("pith"),
        "--disk",
        disk,
        "--json",
        "--input",
        r"echo kept > new\ncat new\n",
    )
    report = json.loads(out)
    assert code == 124 and report["disk_writes"] > 0
    assert report["console"].count("kept") >= 2
    assert disk.read_bytes() == contents
    disk.chmod(0o444)
    assert virtlab("run", guests.path("pith"), "--disk", disk, "--input", r"ls\n")[0] == 124


@pytest.mark.parametrize(
    ("base", "firmware", "code"),
    [
        (RAM, "none", 13),
        (RAM, "sbi", 11),
        (RAM + 0x20_0000, "none", 13),
        (RAM + 0x20_0000, "sbi", 11),
        (RAM, "auto", 13),
        (RAM + 0x20_0000, "auto", 11),
    ],
)
def test_the_firmware_decides_the_mode(guest, virtlab, base, firmware, code):
    assert virtlab("run", guest(MODE, base), "--firmware", firmware)[0] == code


def test_the_firmware_may_be_a_file(guest, virtlab, tmp_path):
    flat, elf = tmp_path / "firmware.bin", tmp_path / "firmware.elf"
    program = assemble(EXIT_BY_FIRMWARE)
    flat.write_bytes(program.data)
    elf.write_bytes(program_to_elf(program))
    image = guest(MODE, RAM + 0x20_0000)
    assert virtlab("run", image, "--firmware", flat)[0] == 21
    assert virtlab("run", image, "--firmware", elf)[0] == 21


def test_the_command_line_reaches_the_device_tree(guest, virtlab):
    out = virtlab("run", guest(TREE), "--append", "root=/dev/vda quiet=1")[1]
    assert "bootargs" in out and "root=/dev/vda quiet=1\0" in out
    assert "quiet=1" not in virtlab("run", guest(TREE))[1]


def test_ram_is_as_large_as_asked_for(guest, virtlab):
    last_word = guest(f"li t2, {RAM + (4 << 20) - 8}\n ld t3, 0(t2)\n{EXIT_BY_FIRMWARE}")
    assert virtlab("run", last_word, "--ram", "4M")[0] == 21
    assert virtlab("run", last_word, "--ram", "2M", "--max-instructions", "1000")[0] == 124


def test_half_a_character_waits_for_its_other_half(guest, virtlab, monkeypatch):
    monkeypatch.setattr(cli, "SLICE_STEPS", 10)
    assert virtlab("run", guest(printing("aäö€é🙂z")))[1] == "aäö€é🙂z"


def test_a_terminal_that_lacks_a_character_shows_another(guest):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = command("run", guest(printing("käse\n")), env=environment)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (7, "k?se\n", "")


def test_nobody_who_reads_on_is_no_error(guest):
    process = command("run", guest(HELLO.replace("hello", "hello " * 100)))
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=120) in (7, 124)


# Ctrl-C


def test_ctrl_c_ends_within_two_seconds_and_says_where(guest):
    process = command("run", guest(LOOP))
    assert process.stdout.readline() == "x\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    began = time.perf_counter()
    out, err = process.communicate(timeout=60)
    assert time.perf_counter() - began < 2
    assert (process.returncode, out) == (130, "")
    assert re.search(
        r"interrupted at step [\d,]+, pc 0x8000\w+ \(in around\+0x[04]\), M-mode\.", err
    )
    assert "Traceback" not in err


def test_ctrl_c_still_prints_the_counters(guest):
    process = command("run", guest(LOOP), "--json")
    assert process.stderr.readline() == "x\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    report = json.loads(out)
    assert process.returncode == 130 and report["console"] == "x\n"
    assert report["message"].startswith("interrupted at step") and report["message"] in err


# Assembling and disassembling


def test_asm_prints_a_listing(virtlab, tmp_path):
    path = tmp_path / "a.s"
    path.write_text("start: addi a0, zero, 1\n  ecall\n")
    code, out, err = virtlab("asm", path)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.split()[:3] == ["1", "0x80000000", "00100513"]
    assert second.split() == ["2", "0x80000004", "00000073", "ecall"]


def test_asm_reads_standard_input(virtlab):
    code, out, _ = virtlab("asm", "-", "--base", "0x80200000", stdin="ecall\n")
    assert code == 0 and out.split()[:3] == ["1", "0x80200000", "00000073"]


def test_asm_writes_what_run_and_dis_read(virtlab, tmp_path):
    source, elf, flat = tmp_path / "a.s", tmp_path / "a.elf", tmp_path / "a.bin"
    source.write_text(HELLO)
    assert virtlab("asm", source, "-o", elf) == (0, "", "")
    assert virtlab("asm", source, "-o", flat) == (0, "", "")
    assert flat.read_bytes() == assemble(HELLO).data
    assert virtlab("run", elf)[:2] == (7, "hello\n")
    code, out, _ = virtlab("dis", elf)
    assert code == 0
    assert "0x80000000 <_start>:" in out and re.search(r"0x\w+  \w+ +sb ", out)
    listed = [line.split(None, 1)[1] for line in out.splitlines() if "  " in line]
    code, out, _ = virtlab("dis", flat, "--base", "0x80000000")
    assert code == 0 and len([line for line in out.splitlines() if line]) == len(listed)


def test_dis_shows_addresses_from_its_base(virtlab, tmp_path):
    path = tmp_path / "flat"
    path.write_bytes(assemble("ecall").data)
    assert virtlab("dis", path, "--base", "4096")[1].split() == ["0x00001000", "00000073", "ecall"]


# Mistakes


def test_the_version(virtlab):
    assert virtlab("--version") == (0, f"virtlab {__version__}\n", "")


def test_without_a_command(refused):
    assert "command" in refused()
    assert "'walk'" in refused("walk")


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        (("<H", 18, 62), ["guest.elf", "x86-64", "64-bit RISC-V"]),
        (("<H", 18, 183), ["guest.elf", "Arm 64-bit"]),
        (("<B", 4, 1), ["guest.elf", "32-bit", "64-bit files"]),
        (("<B", 5, 2), ["guest.elf", "big-endian", "little-endian"]),
        (("<H", 16, 1), ["guest.elf", "type 1", "executables"]),
        (("<Q", 88, 0x1000), ["guest.elf", "does not fit", "0x1000", "0x80000000"]),
        (("<Q", 88, RAM + (128 << 20)), ["guest.elf", "does not fit", "0x88000000"]),
        (("<Q", 96, 1 << 40), ["guest.elf", "truncated"]),
        (("<Q", 24, 0), ["guest.elf", "entry point 0x0"]),
    ],
)
def test_an_image_that_cannot_run(guest, refused, patch, says):
    message = refused("run", guest(HELLO, patch=patch))
    for text in says:
        assert text in message


def test_an_image_whose_segments_overlap(guest, refused):
    second = {
        name: (form, 120 + at, value)
        for name, form, at, value in (
            ("kind", "<I", 0, 1), ("va", "<Q", 16, RAM + 4), ("pa", "<Q", 24, RAM + 4),
            ("memsz", "<Q", 40, 64),
        )
    }  # fmt: skip
    message = refused("run", guest(HELLO, count=("<H", 56, 2), **second))
    assert "segments overlap" in message and "0x80000004" in message


def test_a_file_that_is_no_image(refused, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert "notes.txt: not an ELF file (it begins with 68 65 6c 6c)" in refused("run", path)
    path.write_bytes(b"")
    assert "not an ELF file" in refused("run", path)
    path.write_bytes(program_to_elf(assemble(HELLO))[:1000])
    assert "truncated" in refused("run", path)
    assert "truncated" in refused("dis", path)


def test_files_that_cannot_be_read_or_written(guest, refused, tmp_path):
    nowhere = tmp_path / "nowhere"
    for arguments in (
        ("run", nowhere),
        ("run", guest(HELLO), "--disk", nowhere),
        ("run", guest(HELLO), "--firmware", nowhere),
        ("asm", nowhere),
        ("dis", nowhere),
    ):
        message = refused(*arguments)
        assert str(nowhere) in message and "No such file or directory" in message
    assert "Is a directory" in refused("run", tmp_path)
    assert "Is a directory" in refused("asm", tmp_path)
    source = tmp_path / "a.s"
    source.write_text("nop")
    assert "No such file" in refused("asm", source, "-o", nowhere / "a.elf")


def test_a_disk_or_firmware_that_cannot_be_used(guest, refused, tmp_path):
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert "512 bytes" in refused("run", guest(HELLO), "--disk", empty)
    assert "empty" in refused("run", guest(HELLO), "--firmware", empty)
    flat = tmp_path / "firmware.bin"
    flat.write_bytes(b"\x13\0\0\0")
    assert "overlap" in refused("run", guest(HELLO), "--firmware", flat)
    other = bytearray(program_to_elf(assemble(HELLO)))
    other[18] = 62
    flat.write_bytes(other)
    assert "firmware.bin: built for x86-64" in refused("run", guest(HELLO), "--firmware", flat)


@pytest.mark.parametrize(
    "size", ["", "lots", "-1", "12Q", "1", "63K", "8G", "100001", "1.5M", "²M"]
)
def test_a_size_of_ram_that_cannot_be(guest, refused, size):
    message = refused("run", guest(HELLO), f"--ram={size}")
    assert repr(size) in message and "64K to 4G" in message


@pytest.mark.parametrize("number", ["", "many", "-1", "1.5", "0x10", "²", "9" * 30])
def test_a_number_of_instructions_that_cannot_be(guest, refused, number):
    message = refused("run", guest(HELLO), f"--max-instructions={number}")
    assert "--max-instructions" in message and repr(number) in message


@pytest.mark.parametrize("address", ["", "here", "-4", "0x1ffffffffffffffff"])
def test_an_address_that_cannot_be(refused, address):
    assert "is not an address" in refused("asm", "-", f"--base={address}")
    assert "is not an address" in refused("dis", "-", f"--base={address}")


@pytest.mark.parametrize("text", [r"\q", "a\\", r"\x4", r"\u0041"])
def test_an_escape_that_is_not_known(guest, refused, text):
    assert "accepted are" in refused("run", guest(ECHO), "--input", text)


def test_a_mistake_in_assembly_text_is_found_by_line_and_column(refused, tmp_path):
    path = tmp_path / "a.s"
    path.write_text("nop\n\n  addi a0, a1, 5000\n")
    assert re.search(r"line 3, column 16: ", refused("asm", path))
    assert re.search(r"line 1, column 1: ", refused("asm", "-", stdin="frob a0"))
    path.write_bytes(b"nop\n\xff\xfe\n")
    assert "line 2, column 1: " in refused("asm", path)
    assert "multiple of 4" in refused("asm", "-", "--base", "3", stdin="nop")


def test_a_command_line_that_is_no_text(guest, refused):
    assert "append" in refused("run", guest(HELLO), "--append", "a\0b")
