"""The figure of the last chapter says what the bills of the library say."""

import numpy as np

from virtlab.explore import choosing
from virtlab.platforms.choosing import CANDIDATES, bills, measured_instructions


def test_the_figure_adds_up_as_the_bills_do():
    drawing = choosing().drawing(compute=3, calls=200, processes=5, blocks=40)
    rounds = 3e6 / measured_instructions("compute")
    told = bills({"compute": rounds, "nullsys": 200, "forkwait": 5, "diskread": 40})
    for one, row in zip(CANDIDATES, drawing.rows, strict=True):
        assert row[0] == one.name
        assert row[2] == f"{told[one.name] / told['process']:,.2f}"


def test_the_kernel_is_the_same_without_the_jit():
    figure = choosing()
    scope = figure.evaluate(compute=7, need=1)
    plain = {name: np.zeros_like(scope[name]) for name in figure.outputs}
    kernel = getattr(figure.kernel, "py_func", figure.kernel)
    kernel(*(np.asarray((scope | plain)[name]) for name in figure.parameters))
    assert all(np.array_equal(plain[name], scope[name]) for name in plain)


def test_a_need_rules_candidates_out():
    figure = choosing()
    kept = [
        sum(row[4] == "yes" for row in figure.drawing(need=need).rows) for need in range(4)
    ]  # fmt: skip
    assert kept == [11, 9, 8, 3]
    assert "of 3 that will do" in figure.drawing(need=3).title
    assert "KVM 1.17, " in figure.drawing().text and figure.drawing(need=0).title.endswith("is box")
