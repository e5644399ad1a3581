"""Are the published data sound, is no input scored, and does a score say what it should?"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from virtlab.published import DataError, cell, reproductions, scores, tables
from virtlab.published.__main__ import main
from virtlab.published.reproduction import check, parse_reproduction
from virtlab.published.scoring import (
    KEYS,
    TOLERANCES,
    is_met,
    rank_correlation,
    rank_of,
    signed_error,
)
from virtlab.published.tables import PROVENANCE, SCORED_PROVENANCE, parse_table

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
source = "Adams2006"
title = "t"
edition = "e"
place = "Table 1"
provenance = "P"
unit = "cycles"
columns = ["a", "b"]
[rows]
x = [1, 2.5]
y = ["n/a", 4]
"""


def test_a_table_holds_its_cells_with_source_and_unit():
    table = parse_table("k", GOOD)
    assert [one.key for one in table.cells] == ["k:x:a", "k:x:b", "k:y:b"]
    assert table.value("x", "b") == 2.5
    assert table.cells[0].source == "Adams2006, Table 1"
    with pytest.raises(KeyError):
        table.value("y", "a")


@pytest.mark.parametrize(
    "old, new",
    [
        ('"P"', '"X"'),
        ('"Table 1"', '""'),
        ('unit = "cycles"', ""),
        ("[1, 2.5]", "[1]"),
        ("[1, 2.5]", '[1, "2"]'),
        ("[1, 2.5]", "[1, nan]"),
        ("[1, 2.5]", "[1, true]"),
        ('"a", "b"', '"a", "a"'),
        ('"a", "b"', '"a", "b:c"'),
        ('"a", "b"', '"a", "*"'),
        ("source", "sauce"),
        ("x =", "x"),
    ],
)
def test_a_table_that_is_not_as_it_should_be_is_refused_in_one_sentence(old, new):
    assert old in GOOD
    with pytest.raises(DataError, match=r"^k: [^\n]+\.$"):
        parse_table("k", GOOD.replace(old, new, 1))


def test_every_table_cites_the_books_list_of_sources():
    keys = set(re.findall(r"@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text("utf-8")))
    assert tables()
    for table in tables().values():
        assert table.source in keys, table.key
        assert table.provenance in PROVENANCE


def test_no_scored_cell_is_an_input_of_its_reproduction():
    for one in reproductions().values():
        check(one)
        inputs = {key for source in one.inputs for key in source.cells}
        scored = {target.cell for target in one.targets}
        assert scored
        assert not inputs & scored, one.id


def test_no_input_of_any_reproduction_is_scored_by_another():
    inputs = {
        key: one.id for one in reproductions().values() for s in one.inputs for key in s.cells
    }
    scored = {target.cell: one.id for one in reproductions().values() for target in one.targets}
    assert not {(key, inputs[key], scored[key]) for key in set(inputs) & set(scored)}


def test_what_is_secondary_or_remembered_is_never_scored():
    assert not {"S", "M-hi", "M-med", "M-lo"} & set(SCORED_PROVENANCE)
    for score in scores():
        assert cell(score.cell).provenance in SCORED_PROVENANCE
        assert score.provenance in SCORED_PROVENANCE


REPRODUCTION = """
id = "T"
title = "t"
question = "q"
[[input]]
name = "four"
cells = "bugnion2017-references:4 by 0:references"
[[target]]
cells = ["bugnion2017-references:4 by 4:references", "bugnion2017-references:3 by 3:references"]
tolerance = "within 10 %"
[[target]]
cells = "bugnion2017-references:4 by 4:references"
rank = "column"
tolerance = "order only"
"""
FOUR, THREE, FOURS = (
    f"bugnion2017-references:{r}:references" for r in ("4 by 0", "3 by 3", "4 by 4")
)
OTHERS = {f"bugnion2017-references:{r}:references": 30 for r in ("4 by 3", "5 by 4", "5 by 5")}


def test_a_prediction_is_scored_by_value_and_by_rank():
    seen = {}

    def predict(inputs):
        seen.update(inputs)
        return {FOURS: 25, THREE: 20, **OTHERS}

    one = parse_reproduction("T", REPRODUCTION, predict, {"*3 by 3*": "Because."})
    near, far, rank = one.scores()
    assert seen == {"four": 4}
    assert (near.predicted, near.published, near.met, near.why) == (25, 24, True, "")
    assert near.error == pytest.approx(1 / 24)
    assert (far.met, far.why) == (False, "Because.")
    assert (rank.id, rank.unit, rank.predicted, rank.published, rank.met) == (
        f"T:{FOURS}:rank",
        "rank",
        3,
        4,
        False,
    )


def test_predict_sees_no_number_that_is_scored():
    names = []
    one = parse_reproduction("T", REPRODUCTION, lambda inputs: names.append(dict(inputs)) or {})
    with pytest.raises(DataError, match="neither predicted nor an input"):
        one.scores()
    assert names == [{"four": 4}]


@pytest.mark.parametrize(
    "old, new, says",
    [
        (FOUR, FOURS, "is an input and a target"),
        (f'"{THREE}"', f'"{FOURS}"', "is a target twice"),
        ("within 10 %", "within 3x", "accepted are exact"),
        ('"column"', '"table"', "accepted are row and column"),
        ('"column"', '"row"', "two or more cells"),
        ("4 by 0", "9 by 9", "no published cell"),
        ('id = "T"', 'id = "U"', "accepted is its file's name"),
        ('name = "four"', "", "name is missing or unknown"),
        ('question = "q"', 'question = ""', "is empty"),
    ],
)
def test_a_reproduction_that_is_not_as_it_should_be_is_refused(old, new, says):
    assert old in REPRODUCTION
    with pytest.raises(DataError, match=says):
        parse_reproduction("T", REPRODUCTION.replace(old, new, 1), dict)


def test_an_input_may_not_be_predicted():
    one = parse_reproduction("T", REPRODUCTION, lambda inputs: {FOUR: 4})
    with pytest.raises(DataError, match="is predicted but is an input"):
        one.scores()


def test_a_stated_input_says_why():
    stated = '[[input]]\nname = "n"\nvalue = 3\nunit = "pages"\nprovenance = "assumed"\nwhy = "w"\n'
    one = parse_reproduction("T", REPRODUCTION + stated, dict)
    assert [source.value for source in one.inputs] == [4, 3]
    for old, new in (('"w"', '""'), ("assumed", "guessed")):
        with pytest.raises(DataError):
            parse_reproduction("T", REPRODUCTION + stated.replace(old, new), dict)


@pytest.mark.parametrize(
    "tolerance, unit, predicted, published, met",
    [
        ("exact", "references", 24, 24, True),
        ("exact", "references", 24.001, 24, False),
        ("within 10 %", "s", 110, 100, True),
        ("within 10 %", "s", 90, 100, True),
        ("within 10 %", "s", 111, 100, False),
        ("within 2x", "s", 50, 100, True),
        ("within 2x", "s", 49, 100, False),
        ("within 2x", "s", 200, 100, True),
        ("within 2x", "s", 201, 100, False),
        ("order only", "rank", 2, 2, True),
        ("order only", "rank", 2.5, 2, False),
        ("order only", "ratio", 1.01, 6, True),
        ("order only", "ratio", 0.99, 6, False),
        ("order only", "ratio", 1, 1, True),
        ("order only", "% faster", 3, 48, True),
        ("order only", "% faster", -3, 48, False),
    ],
)
def test_each_tolerance_means_what_its_table_says(tolerance, unit, predicted, published, met):
    assert is_met(tolerance, unit, predicted, published) is met


def test_an_error_is_signed_and_relative():
    assert signed_error(80, 100) == pytest.approx(-0.2)
    assert signed_error(120, 100) == pytest.approx(0.2)
    assert signed_error(-1, -2) == pytest.approx(0.5)
    assert signed_error(3, 0) == 3


def test_equal_values_share_their_ranks():
    values = {"a": 1, "b": 5, "c": 5, "d": 9}
    assert [rank_of(key, values) for key in values] == [1, 2.5, 2.5, 4]
    assert rank_correlation([1, 2, 3], [10, 20, 90]) == pytest.approx(1)
    assert rank_correlation([3, 2, 1], [10, 20, 90]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [10, 20, 90]) == 0


def test_every_miss_is_explained_and_no_explanation_is_stale():
    for one in reproductions().values():
        found = scores(one.id)
        unexplained = [score.id for score in found if not score.met and not score.why]
        assert not unexplained
        used = {score.why for score in found if not score.met}
        assert set(one.misses.values()) <= used, one.id


def test_the_command_prints_exactly_the_agreed_keys():
    command = [sys.executable, "-m", "virtlab.published", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(answer.stdout)
    assert len({one["id"] for one in found}) == len(found) > 0
    for one in found:
        assert tuple(one) == KEYS
        assert one["tolerance"] in TOLERANCES
        assert type(one["met"]) is bool
        assert all(type(one[k]) in (int, float) for k in ("predicted", "published", "error"))


def test_the_command_prints_a_table_with_its_misses(capsys):
    assert main(["R3"]) == 0
    text = capsys.readouterr().out
    assert "R3:bugnion2017-references:4 by 4:references" in text
    assert text.rstrip().endswith("scored cells met.")


def test_an_unknown_reproduction_is_refused_in_one_sentence(capsys):
    assert main(["R99"]) == 2
    assert re.fullmatch(r"[^\n]+R99[^\n]+\.\n", capsys.readouterr().err)
