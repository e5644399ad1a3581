"""Does the figure show the library's own translation, word by word?"""

import pytest

from virtlab.explore import translation
from virtlab.isa.assembler import AssemblyError

KERNEL = """
        csrw  sscratch, a0
        addi  a0, a0, -1
        sd    a0, 8(sp)
        csrw  satp, a1
        add   a0, a0, a0
"""


def test_nothing_privileged_is_left_in_a_translation():
    drawing = translation(KERNEL)
    hosts = [row[2] for row in drawing.rows]
    assert not [host for host in hosts if host.startswith("csr")]
    assert [row[2] for row in drawing.rows if row[1] == "csrw sscratch, a0"] == ["sd a0, -64(zero)"]


def test_the_block_ends_at_the_first_call_out_that_is_always_taken():
    drawing = translation(KERNEL)
    assert drawing.text.startswith("4 instructions became 10 words")
    assert not [row for row in drawing.rows if row[1] == "add a0, a0, a0"]


def test_a_call_out_says_what_it_asks_for():
    asked = [row[3] for row in translation("again: addi a0, a0, -1\nbnez a0, again").rows]
    assert asked[-2:] == [
        "call out, until chained: what follows",
        "call out, until chained: where the branch leads",
    ]
    assert translation("ret").rows[-1][3] == "call out: where has the target been translated?"


def test_short_instructions_are_told_from_long_ones():
    guests = [row[1] for row in translation("c.addi a0, 1\nc.mv a1, a0\nmret").rows if row[1]]
    assert guests == ["(begin)", "addi a0, a0, 1", "mv a1, a0", "mret"]


@pytest.mark.parametrize("text", ["", "nop\n" * 65])
def test_a_block_has_1_to_64_instructions(text):
    with pytest.raises(ValueError, match="accepted are 1 to 64"):
        translation(text)


def test_a_mistake_in_the_assembly_is_named():
    with pytest.raises(AssemblyError, match="line 1"):
        translation("csrw sscratchy, a0")
