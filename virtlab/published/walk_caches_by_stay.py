"""What if the programs of R3b had a gigabyte and stayed longer in a page instead?

The same caches and walks. R3b asks how large a program must be for its TLB to miss as often as
published, and finds a few megabytes; here the size is given and the stay in a page is asked for.

Source: as `virtlab.published.walk_caches`; data/reproductions/R3c.toml lists what is assumed.
"""

from virtlab.isa.encoding import PAGE_BYTES
from virtlab.published.reproduction import read_reproduction
from virtlab.published.walk_caches import (
    build_tables,
    find_stay,
    predict_suites,
    walk_latency,
)


def predict(inputs) -> dict[str, float]:
    """The suites by programs of one size, which stay in a page as long as their miss rates say."""
    return predict_suites(inputs, find_stay)


def ratio_by_size(inputs, rate: float, sizes_mib) -> dict[int, float]:
    """The 2D/native ratio of walk latency, for programs of these sizes in MiB.

    Between a few megabytes and a gigabyte lies the range of R3b and R3c. `inputs` are R3c's;
    `rate` is TLB misses in 100,000 instructions.
    """
    found = {}
    for mib in sizes_mib:
        workload = find_stay(rate, {**inputs, "pages": (mib << 20) // PAGE_BYTES})
        n, order = workload.n_pages, workload.order
        cycles = [
            walk_latency(workload, build_tables(n, order, nested), inputs)
            for nested in (True, False)
        ]
        found[mib] = cycles[0] / cycles[1]
    return found


ALL_MISS = (
    "Of a gigabyte's page tables an L2 cache of 512 KiB holds the upper levels and next to none of "
    "the entries that map pages; one such entry is one of four references natively and two are "
    "among 24 in two dimensions, so that waiting for memory hides the other references more than "
    "it did for the published suites. Their ratios lie between R3b's and these."
)
MORE_THAN_LATENCY = (
    "The ratio is too small, and with it what caches could save; besides, the published gains "
    "differ by more than the published latencies (in WebServer 9.4 times against 3.9), so that "
    "walks must have cost those suites something that no model of latency has."
)
REPRODUCTION = read_reproduction("R3c", predict, {"*:ratio": ALL_MISS, "*gain*": MORE_THAN_LATENCY})
