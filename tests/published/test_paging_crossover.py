"""Where do shadow and nested paging change places?"""

import numpy as np
import pytest

from virtlab import cost
from virtlab.published.paging_crossover import PagingPrices, crossover

PRICES = PagingPrices(native_walk=44, nested_walk=264, update=971)


def test_few_updates_favour_shadow_paging_and_many_nested_paging():
    found = crossover([0, 0.1, 1, 10], 1.29, PRICES)
    assert (found.shadow < found.nested).tolist() == [True, True, False, False]
    assert found.shadow[0] == pytest.approx(1.29 * 44)
    assert np.all(found.nested == pytest.approx(1.29 * 264))


def test_at_the_crossover_both_cost_the_same():
    at = crossover([1], 1.29, PRICES).at
    found = crossover([at], 1.29, PRICES)
    assert found.shadow[0] == pytest.approx(found.nested[0])
    assert crossover([at], 2.58, PRICES).at == pytest.approx(2 * at)


def test_updates_that_are_free_never_make_nested_paging_cheaper():
    assert crossover([1], 1, PagingPrices(44, 264, 0)).at == np.inf


@pytest.mark.parametrize(
    "rates, misses, prices",
    [
        ([-1], 1, PRICES),
        ([np.nan], 1, PRICES),
        ([1], -1, PRICES),
        ([1], 1, PagingPrices(44, 264, -1)),
    ],
)
def test_negative_rates_and_prices_are_refused(rates, misses, prices):
    with pytest.raises(ValueError, match="from 0 on"):
        crossover(rates, misses, prices)


def test_prices_come_from_a_published_list():
    prices = PagingPrices.of(cost.load("westmere", stand_in=["opteron-simulated"]))
    assert prices == PRICES
