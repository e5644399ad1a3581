"""What a box sees of the kernel's objects, against plain Python."""

import random
from collections import Counter

import numpy as np
import pytest

from virtlab.kernels import namespaces as kernel


@pytest.mark.parametrize("round_", range(40))
def test_a_box_sees_what_has_a_name_in_it(seed, round_):
    rng = random.Random(seed + round_)
    n, n_boxes = rng.randrange(1, 30), rng.randrange(1, 6)
    names = [[rng.choice((kernel.UNSEEN, k)) for k in range(n)] for _ in range(n_boxes)]
    kinds = [rng.randrange(kernel.N_KINDS) for _ in range(n)]
    owners = [rng.randrange(n_boxes) for _ in range(n)]
    viewer = rng.randrange(n_boxes)
    out = [np.zeros(size, np.int64) for size in (n, n, n, kernel.N_KINDS, kernel.N_KINDS, 1)]
    kernel.seen_from(np.array(names), np.array(kinds), np.array(owners), viewer, *out)
    inside, visible, own, n_seen, n_all, [hidden] = (array.tolist() for array in out)
    sees = [number != kernel.UNSEEN for number in names[viewer]]
    assert inside == names[viewer]
    assert visible == [int(seen) for seen in sees]
    assert own == [int(owner == viewer) for owner in owners]
    seen_kinds = Counter(kind for kind, seen in zip(kinds, sees, strict=True) if seen)
    assert n_seen == [seen_kinds[kind] for kind in range(kernel.N_KINDS)]
    assert n_all == [kinds.count(kind) for kind in range(kernel.N_KINDS)]
    assert hidden == sees.count(False) == n - sum(n_seen)
