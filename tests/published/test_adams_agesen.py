"""Are the events really counted, is the fit frozen, and are the misses those we explain?"""

import pytest

from virtlab.cost import load
from virtlab.published import adams_agesen, reproduction, table
from virtlab.published import adams_agesen_operations as operations

INPUTS = {one.name: one.value for one in reproduction("R1").inputs}
MISSED = {
    "R1:adams2006-figure4:cr8wr:VT",
    "R1:adams2006-figure4:divzero:VT",
    "R1:adams2006-figure4:cr8wr:BT:rank",
    "R1:adams2006-figure4:cr8wr:VT:rank",
}


@pytest.mark.parametrize("monitor", operations.MONITORS)
def test_the_frozen_events_are_what_our_monitors_cause(monitor):
    counted = operations.count_all(operations.MONITORS[monitor])
    frozen = INPUTS["events"][monitor]
    assert set(counted) == set(frozen) == set(table("adams2006-figure4").rows)
    for row, events in counted.items():
        assert events == pytest.approx(frozen[row], rel=1e-4), row


def test_what_is_met_and_what_is_missed():
    scores = reproduction("R1").scores()
    assert {one.id for one in scores if not one.met} == MISSED
    assert all(one.why for one in scores if not one.met)


def test_operations_without_exits_cost_what_they_cost_natively():
    predicted = adams_agesen.predict(INPUTS)
    for row in ("syscall", "cr8wr", "call/ret", "divzero"):
        assert not INPUTS["events"]["VT"][row]
        assert predicted[f"adams2006-figure4:{row}:VT"] == INPUTS["native"][row]


def test_the_handler_is_fitted_on_the_row_that_is_not_scored():
    prices = adams_agesen.hardware_prices(2409, 1931, 178)
    events = INPUTS["events"]["VT"]["ptemod unchanged"]
    store = {"published": 12733, "native": 1, "events": events}
    handler = adams_agesen.fitted_handler(store, prices)
    assert events["exit:trace"] == 1
    assert handler == pytest.approx(12733 - 1 - 2409 - 1931 - 178 * events["vmcs_accesses"])
    assert load("pentium-4-672")["handler"].cycles == pytest.approx(handler)
    assert load("pentium-4-672")["handler"].mark == "fitted"
    assert "adams2006-figure4:ptemod unchanged:VT" not in adams_agesen.predict(INPUTS)
    assert not any("ptemod unchanged:VT" in one.cell for one in reproduction("R1").targets)


def test_an_exit_too_many_would_be_noticed():
    events = {name: dict(rows) for name, rows in INPUTS["events"].items()}
    events["VT"]["syscall"] = {"exit:ecall": 1}
    predicted = adams_agesen.predict(INPUTS | {"events": events})
    assert predicted["adams2006-figure4:syscall:VT"] > 10 * 246


def test_a_kernel_that_does_not_end_is_reported(monkeypatch):
    monkeypatch.setitem(operations.OPERATIONS, "cr8wr", ("j again", operations.PRESENT))
    with pytest.raises(RuntimeError, match="cr8wr, 8 times: Stopped at step 1,000,000"):
        operations.count_operation("cr8wr", operations.MONITORS["VT"])
