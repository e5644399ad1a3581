"""The table itself: every row is complete, and no two rows are the same instruction."""

import itertools

from virtlab.isa import op
from virtlab.isa.instructions import BY_NAME, INSTRUCTIONS, OPERAND, roles


def test_every_bit_of_every_row_is_fixed_or_belongs_to_one_field():
    for row in INSTRUCTIONS:
        covered = row.mask
        for field in row.fields.values():
            assert covered & field.mask == 0, row.name
            covered |= field.mask
        assert covered == (1 << 8 * row.length) - 1, row.name


def test_the_low_two_bits_of_a_row_agree_with_its_length():
    for row in INSTRUCTIONS:
        assert row.mask & 3 == 3, row.name
        assert (row.match & 3 == 3) == (row.length == 4), row.name


def test_every_operand_of_a_row_is_one_of_its_fields_or_sp():
    for row in INSTRUCTIONS:
        for operand in OPERAND.findall(row.operands):
            assert operand == "sp" or operand in row.fields, row.name


def test_rows_that_overlap_differ_in_their_number_of_fixed_bits():
    # The decoder prefers the row with more fixed bits; equally many would be a tie.
    for a, b in itertools.combinations(INSTRUCTIONS, 2):
        if a.length == b.length and (a.match ^ b.match) & a.mask & b.mask == 0:
            assert a.mask.bit_count() != b.mask.bit_count(), (a.name, b.name)


def test_each_operation_is_made_by_a_row_and_each_full_row_has_its_own():
    no_instruction = {op.UNDECODED, op.ILLEGAL, op.ROW_END, op.CROSS}
    full = [row.op for row in INSTRUCTIONS if row.length == 4]
    assert len(full) == len(set(full))
    assert {row.op for row in INSTRUCTIONS} == set(op.NAMES) - no_instruction
    assert max(full) < op.COMPRESSED


def test_a_short_row_stands_for_the_operation_that_its_number_names():
    for row in INSTRUCTIONS:
        base = BY_NAME[row.expansion.split()[0]]
        assert row.op == base.op + (op.COMPRESSED if row.length == 2 else 0), row.name
        assert set(roles(row)) == set(OPERAND.findall(base.operands)), row.name


def test_a_field_gives_back_what_was_put_in():
    for row in INSTRUCTIONS:
        for field in row.fields.values():
            middle = (field.low + field.high) // 2 // field.step * field.step
            for value in {field.low, field.high, middle}:
                assert field.extract(field.insert(value)) == value, (row.name, field.name)


def test_branch_ranges_are_those_of_the_manual():
    ranges = {"jal": (-1 << 20, (1 << 20) - 2), "beq": (-4096, 4094), "c.j": (-2048, 2046)}
    ranges |= {"c.beqz": (-256, 254)}
    for name, (low, high) in ranges.items():
        offset = BY_NAME[name].fields["offset"]
        assert (offset.low, offset.high, offset.step) == (low, high, 2), name
