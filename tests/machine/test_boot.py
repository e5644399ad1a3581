"""Starting: in which mode, with what in the registers, and with what firmware below."""

import struct

import pytest
from stories import FINISHER, RAM, assert_same, machine, run_to

from virtlab.isa import encoding as e
from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf
from virtlab.machine import ImageError, Machine

KERNEL_AT = 0x8020_0000
KERNEL = "csrr s0, sstatus\nrest: j rest"
# Firmware that enters the kernel in S-mode as the record in a2 tells it to.
FIRMWARE = f"""
        .equ  magic, 0x4942534f
        ld    t0, 0(a2)
        li    t1, magic
        bne   t0, t1, wrong
        ld    t0, 16(a2)           # the next stage's address
        csrw  mepc, t0
        ld    t0, 24(a2)           # and mode
        slli  t0, t0, 11
        li    t1, {e.MSTATUS_MPP}
        csrc  mstatus, t1
        csrs  mstatus, t0
        mret
wrong:  li    t0, {FINISHER}
        li    t1, 0x13333
        sw    t1, 0(t0)
"""


def kernel():
    return assemble(KERNEL, KERNEL_AT)


def tree_magic(m: Machine) -> bytes:
    return m.memory.read(m.registers.a1, 4)


def test_without_firmware_the_image_starts_in_machine_mode():
    m = Machine(ram="4M", firmware="none").load(kernel())
    assert (m.mode, m.pc, m.registers.a0) == ("M", KERNEL_AT, 0)
    assert m.registers.a1 % 4096 == 0 and tree_magic(m) == bytes.fromhex("d00dfeed")
    assert m.csr["mstatus"].fields["MIE"] == 0
    assert m.csr["mtvec"].value == m.csr["satp"].value == m.csr["medeleg"].value == 0


def test_behind_the_built_in_firmware_the_image_starts_in_supervisor_mode():
    m = Machine(ram="4M", firmware="sbi").load(kernel())
    assert (m.mode, m.pc, m.registers.a0) == ("S", KERNEL_AT, 0)
    assert tree_magic(m) == bytes.fromhex("d00dfeed")
    assert m.csr["medeleg"].fields["environment call from U-mode"] == 1
    assert m.csr["medeleg"].fields["environment call from S-mode"] == 0
    assert m.csr["menvcfg"].fields["STCE"] == 1 and m.csr["mcounteren"].value == 7
    assert m.csr["sie"].value == m.csr["sstatus"].fields["SIE"] == 0


@pytest.mark.parametrize(("base", "mode"), [(RAM, "M"), (RAM + 0x1000, "M"), (KERNEL_AT, "S")])
def test_an_image_that_leaves_room_for_firmware_is_taken_for_a_kernel(base, mode):
    assert Machine(ram="4M").load(assemble(KERNEL, base)).mode == mode


def test_somebody_elses_firmware_starts_first_and_learns_where_the_kernel_is():
    m = Machine(ram="4M", firmware=assemble(FIRMWARE).data).load(kernel())
    assert (m.mode, m.pc) == ("M", RAM)
    record = struct.unpack("<6Q", m.memory.read(m.registers.a2, 48))
    assert record == (0x4942_534F, 2, KERNEL_AT, 1, 0, 0)
    run_to(m, "rest")
    assert m.mode == "S" and m.exit_code is None


def test_firmware_may_be_an_elf_file_with_an_entry_of_its_own(tmp_path):
    path = tmp_path / "firmware.elf"
    path.write_bytes(program_to_elf(assemble("wfi\n_start:" + FIRMWARE)))
    m = Machine(ram="4M", firmware=path).load(kernel())
    assert m.pc == RAM + 4
    assert run_to(m, "rest").mode == "S"
    by_bytes = Machine(ram="4M", firmware=path.read_bytes()).load(kernel())
    assert_same(m, run_to(by_bytes, "rest"))


def test_firmware_finds_a_linux_image_where_its_header_puts_it():
    header = (
        struct.pack("<II5Q", 0x0000_006F, 0, 0x20_0000, 0x3000, 0, 2, 0) + b"RISCV\0\0\0RSC\x05"
    )
    m = Machine(ram="8M", firmware=assemble(FIRMWARE).data).load(header.ljust(64, b"\0"))
    m.run(100)
    assert (m.mode, m.pc) == ("S", KERNEL_AT)


@pytest.mark.parametrize(("adue", "bit"), [(True, 1), (False, 0)])
def test_who_sets_accessed_and_dirty_bits_at_reset_is_an_option(adue, bit):
    m = machine("nop", adue=adue)
    assert m.csr["menvcfg"].fields["ADUE"] == m.csr["henvcfg"].fields["ADUE"] == bit


def test_kernel_and_device_tree_may_not_overlap():
    with pytest.raises(ImageError, match="program and device tree overlap"):
        Machine(ram="64K").load(assemble(".zero 65536 - 64"))


def test_an_odd_entry_point_is_refused():
    elf = bytearray(program_to_elf(assemble("nop")))
    elf[24] |= 1
    for wrong in ({"firmware": bytes(elf)}, {}):
        m = Machine(ram="4M", **wrong)
        with pytest.raises(ImageError, match="0x80000001 is odd; instructions begin at even"):
            m.load(kernel() if wrong else bytes(elf))


def test_the_hart_says_what_it_is():
    misa = machine("nop").csr["misa"]
    letters = {chr(65 + k) for k in range(26) if misa.value >> k & 1}
    assert letters == set("ACHIMSU") and misa.fields["MXL"] == 2
    assert machine("nop").csr["mhartid"].value == 0
