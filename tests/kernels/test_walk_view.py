"""What a figure of a walk shows, against plain Python, and made from a machine or a recording."""

import random

import numpy as np
from test_walk import empty_machine, walked
from test_walks import MODES, Case

from virtlab.kernels import walk as kernel
from virtlab.kernels import walk_view as view
from virtlab.machine.walk import ACCESSES

ROWS = kernel.STEP_ROWS


def outputs() -> list[np.ndarray]:
    shapes = ((view.N_STATE,), (view.FIELDS,), (ROWS,), (ROWS,), (ROWS,), (ROWS, view.FLAGS), (3,))
    return [np.zeros(shape, np.int64) for shape in shapes]


def signed(value: int) -> int:
    return value - (1 << 64 if value >> 63 else 0)


def test_both_kernels_show_a_random_walk_up_to_a_step(seed):
    rng = random.Random(f"{seed} walk view")
    m = empty_machine()
    for _ in range(400):
        m._mem.u64[:] = 0
        case = Case(m, rng)
        mode, virt = MODES[case.mode]
        found, pa, fault = walked(m, case.va, case.access, mode, virt)
        n = len(found)
        shown = rng.randrange(-1, 18)
        steps = np.zeros((ROWS, kernel.STEP_COLUMNS), np.int64)
        result, most = np.zeros(kernel.RESULT_VALUES, np.int64), np.zeros(1, np.int64)
        made = outputs()
        data, fetch = ((0, 0), (mode, virt)) if case.access == "fetch" else ((mode, virt), (0, 0))
        modes = np.array([*data, *fetch])
        arguments = m.harts, m._mem.u64, modes, signed(case.va), ACCESSES[case.access], shown
        view.machine_walk(*arguments, steps, result, *made, most)
        assert most[0] == n + 1
        again = outputs()
        view.recorded_walk(signed(case.va), steps, result, shown, *again)
        assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=True))
        state, fields, y, x, panel_state, flags, page = (array.tolist() for array in made)
        known = min(max(shown, 0), n + 1)
        assert state[view.KNOWN] == known and state[view.KNOWN_STEPS] == min(known, n)
        assert fields == [case.va >> at & 0x1FF for at in (30, 21, 12)] + [case.va & 0xFFF]
        for k, step in enumerate(found):
            assert (
                "".join(
                    letter if bit else "-" for letter, bit in zip("DAGUXWRV", flags[k], strict=True)
                )
                == step.flags
            )
            assert x[k] == 176 + 120 * (2 - step.level)
            assert panel_state[k] == (k < known) + (k == known - 1)
            assert y[k] + 82 == (y[k + 1] if k + 1 < n else state[view.BOTTOM])
        nested = any(step.stage != "S" for step in found)
        assert (state[view.NESTED], state[view.LINES]) == (nested, 0 if nested else n)
        ended = known == n + 1
        if not ended:
            assert state[view.ENDED] == view.ENDS_LATER
            assert state[view.SAYS] == (view.SAYS_STEP if known else view.SAYS_FIELDS)
        elif fault:
            assert state[view.ENDED] == view.ENDS_IN_FAULT
            assert state[view.SAYS] == (view.SAYS_FAULT if n else view.SAYS_NO_TABLE_FAULT)
        else:
            assert state[view.ENDED] == (view.ENDS_AT_PAGE if n else view.ENDS_AS_IT_IS)
        if n and not fault:
            size = 4096 << 9 * found[-1].level
            assert page == [found[-1].level, signed(pa // size * size), pa % size]
