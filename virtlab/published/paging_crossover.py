"""Shadow or nested paging: which is cheaper, as guests change their page tables more often?

With shadow paging a TLB miss costs a native walk, but every update of a guest's page table costs an
exit. With nested paging an update costs nothing, but every miss costs a two-dimensional walk. In
1,000 instructions with u updates and m TLB misses:

    shadow = m native_walk + u update        nested = m nested_walk

so that they cross at u = m (nested_walk - native_walk) / update. Left out: hidden faults after a
switch of address spaces, the hypervisor's software beside the exit, and exits that both have.

Scored is only the sign of the gain at two rates of updates, and which of the two gains more: what
was published is "up to".

Source: prices as `PagingPrices.of` finds them in `virtlab.cost`; data/reproductions/R3d.toml for
what is scored.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from virtlab._jit import njit
from virtlab.cost import PriceList
from virtlab.published.reproduction import read_reproduction
from virtlab.published.walk_references import count_references


@dataclass(frozen=True)
class PagingPrices:
    """Cycles of a native walk, of a two-dimensional walk, and of one update under shadow paging."""

    native_walk: float
    nested_walk: float
    update: float

    @classmethod
    def of(cls, prices: PriceList, levels: int = 4) -> "PagingPrices":
        """Of a price list with walk_reference, nested_reference, vmexit_page_fault and vm_entry.

        Raises
        ------
        MissingPriceError : the list lacks one of them
        """
        reference, nested = (prices[name].cycles for name in ("walk_reference", "nested_reference"))
        native = count_references(levels, 0)
        rest = count_references(levels, levels) - native
        return cls(
            native * reference,
            native * reference + rest * nested,
            prices["vmexit_page_fault"].cycles + prices["vm_entry"].cycles,
        )


@dataclass(frozen=True)
class Crossover:
    """Cycles in 1,000 instructions under both, by rate of updates, and where they cross.

    at : updates in 1,000 instructions from which nested paging is cheaper; inf if an update is free
    """

    update_rates: np.ndarray
    shadow: np.ndarray
    nested: np.ndarray
    at: float


@njit
def paging_cycles(update_rates, tlb_miss_rate, native_walk, nested_walk, update, shadow, nested):
    """Fill `shadow` and `nested`, (n,) float64, for `update_rates`; see the module's formulas.

    Returns the rate of updates at which both cost the same, inf if an update costs nothing.
    """
    for k in range(update_rates.size):
        shadow[k] = tlb_miss_rate * native_walk + update_rates[k] * update
        nested[k] = tlb_miss_rate * nested_walk
    if update <= 0.0:
        return np.inf
    return tlb_miss_rate * (nested_walk - native_walk) / update


def crossover(
    update_rates: Iterable[float], tlb_miss_rate: float, prices: PagingPrices
) -> Crossover:
    """What paging costs under both, for a figure.

    Parameters
    ----------
    update_rates : page-table updates in 1,000 instructions
    tlb_miss_rate : TLB misses in 1,000 instructions

    Raises
    ------
    ValueError : a rate or a price is negative or no number
    """
    rates = np.array(list(update_rates), np.float64)
    numbers = (tlb_miss_rate, prices.native_walk, prices.nested_walk, prices.update)
    for name, values in (("update rates", rates), ("miss rate and prices", np.array(numbers))):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(f"{name} have to be numbers from 0 on.")
    shadow, nested = np.empty_like(rates), np.empty_like(rates)
    at = paging_cycles(rates, *map(float, numbers), shadow, nested)
    return Crossover(rates, shadow, nested, float(at))


def predict(inputs) -> dict[str, float]:
    """By how many per cent nested paging is faster, at a moderate and a high rate of updates."""
    prices = PagingPrices(
        count_references(4, 0) * inputs["l2_hit"],
        count_references(4, 4) * inputs["l2_hit"],
        inputs["exit"] + inputs["resume"],
    )
    rates = (inputs["updates"], inputs["most_updates"])
    found = crossover(rates, inputs["misses"] / 100, prices)
    base = 1000 * inputs["cycles_per_instruction"]
    gains = 100 * ((base + found.shadow) / (base + found.nested) - 1)
    return {
        f"{row}:{column}": float(gain)
        for row in ("vmware2009-ept:EPT", "vmware2008-rvi:RVI")
        for column, gain in zip(("MMU-intensive", "microbenchmark"), gains, strict=True)
    }


REPRODUCTION = read_reproduction("R3d", predict)
