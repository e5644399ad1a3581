"""The ELF file of a program, read by an independent library."""

import io

from elftools.elf.elffile import ELFFile

from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf

TEXT = "helper: ret\n_start: call helper\n.data\nword: .word 7"


def test_a_loader_finds_the_program_at_its_address():
    for base in (0, 0x8000_0000, 0x8020_0004):
        program = assemble(TEXT, base)
        elf = ELFFile(io.BytesIO(program_to_elf(program)))
        assert (elf.elfclass, elf.little_endian, elf["e_machine"]) == (64, True, "EM_RISCV")
        assert elf["e_type"] == "ET_EXEC"
        assert elf["e_entry"] == program.symbols["_start"]
        (segment,) = elf.iter_segments()
        assert segment["p_vaddr"] == segment["p_paddr"] == base
        assert segment["p_offset"] % segment["p_align"] == base % segment["p_align"]
        assert segment.data() == program.data
        assert segment["p_memsz"] == len(program.data)


def test_labels_are_symbols():
    program = assemble(TEXT)
    elf = ELFFile(io.BytesIO(program_to_elf(program)))
    symbols = elf.get_section_by_name(".symtab").iter_symbols()
    assert {symbol.name: symbol["st_value"] for symbol in symbols if symbol.name} == program.symbols
    assert elf.get_section_by_name(".text").data() == program.data
