"""Are elasticities, crossovers and sweeps what repeated pricing gives?"""

import numpy as np
import pytest
from runs import NESTED, TRAPPED

from virtlab.cost import complete, crossover, price, sensitivity, sweep

PRICES = complete("haswell")


@pytest.mark.parametrize("counts", [NESTED, TRAPPED], ids=["nested", "trapped"])
def test_an_elasticity_is_the_slope_of_the_logarithms(counts):
    total = price(counts, PRICES).cycles
    step = 1e-6
    for one in sensitivity(counts, PRICES):
        cycles = PRICES[one.price].cycles
        up = price(counts, PRICES.replace(**{one.price: cycles * (1 + step)})).cycles
        assert one.elasticity == pytest.approx(np.log(up / total) / np.log1p(step), rel=1e-5)


def test_the_price_that_decides_comes_first_and_all_elasticities_add_up_to_one():
    found = sensitivity(TRAPPED, PRICES)
    assert [one.price for one in found] == ["trap", "instruction"]
    assert sum(one.elasticity for one in found) == pytest.approx(1)
    assert sensitivity({}, PRICES) == []


def test_a_sweep_is_repeated_pricing():
    values = np.linspace(0, 5000, 50)
    for name in ("vm_entry", "vmexit_io", "handler", "walk_reference", "callout"):
        expected = [price(NESTED, PRICES.replace(**{name: v})).cycles for v in values.tolist()]
        np.testing.assert_allclose(sweep(NESTED, PRICES, name, values), expected, rtol=1e-12)


def test_two_techniques_cost_the_same_where_their_order_flips():
    for one in sensitivity(NESTED, PRICES, against=TRAPPED):
        if one.flips_at is None:
            continue
        at = PRICES.replace(**{one.price: one.flips_at})
        assert price(NESTED, at).cycles == pytest.approx(price(TRAPPED, at).cycles)
        assert one.flips_at == crossover(NESTED, TRAPPED, PRICES, one.price)
        below, above = (PRICES.replace(**{one.price: one.flips_at * f}) for f in (0.99, 1.01))
        assert (price(NESTED, below).cycles < price(TRAPPED, below).cycles) != (
            price(NESTED, above).cycles < price(TRAPPED, above).cycles
        )


def test_the_other_runs_own_prices_can_flip_the_order_too():
    found = {one.price: one for one in sensitivity(NESTED, PRICES, against=TRAPPED)}
    assert found["trap"].n == found["trap"].elasticity == 0
    assert found["trap"].flips_at == pytest.approx((price(NESTED, PRICES).cycles - 9_980) / 20)


def test_a_weight_reads_as_a_sentence():
    trap = sensitivity(TRAPPED, PRICES, against=NESTED)[0]
    assert str(trap).startswith("trap: 1 % more makes the run 0.80 % dearer; the order flips at ")
    assert str(sensitivity(TRAPPED, PRICES)[0]).endswith("dearer")


def test_some_orders_flip_at_no_price():
    cheap, dear = {"instructions": 10}, {"instructions": 20}
    assert crossover(cheap, dear, PRICES, "instruction") == 0
    assert crossover(cheap, cheap, PRICES, "instruction") is None  # the same at every price
    more = dear | {"walk_references": 5}
    assert crossover(cheap, more, PRICES, "walk_reference") is None  # only at a negative price


def test_mistakes_get_one_sentence():
    with pytest.raises(ValueError, match="no price is named 'coffee'"):
        sweep(NESTED, PRICES, "coffee", [1])
    with pytest.raises(ValueError, match="no price is named 'coffee'"):
        crossover(NESTED, TRAPPED, PRICES, "coffee")
    for values in ([-1.0], [float("inf")], 3.0):
        with pytest.raises(ValueError, match="values of vm_entry have to be a list of cycles"):
            sweep(NESTED, PRICES, "vm_entry", values)
