"""The cost of a part of a run is a difference of counters."""

import pytest

from virtlab.explore import spent


def test_what_was_spent_is_the_difference_by_name_and_cause():
    before = {"instructions": 10, "traps": {"breakpoint": 1}}
    after = {"instructions": 25, "traps": {"breakpoint": 1, "illegal instruction": 3}}
    assert spent(before, after) == {
        "instructions": 15,
        "traps": {"breakpoint": 0, "illegal instruction": 3},
    }


def test_a_counter_that_goes_down_is_refused():
    with pytest.raises(ValueError, match="the counter 'n' goes down, from 3 to 2"):
        spent({"n": 3}, {"n": 2})
