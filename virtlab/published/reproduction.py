"""What is put in, and what is scored? A reproduction's frozen inputs and targets.

data/reproductions/ID.toml is written, and committed, before its predictions are looked at:

    id = "R1"
    title = "Nanobenchmarks of Adams and Agesen"
    question = "Which operations does hardware support make slower than binary translation?"

    [[input]]                                   # handed to `predict` as inputs["native"]
    name = "native"
    cells = "adams2006-figure4:*:native"        # a dict by row, since * stands for the row
    [[input]]
    name = "entry"
    cells = "adams2006-table1:entry:P4"         # a number
    [[input]]
    name = "handler_instructions"               # an input of no table says why it has its value
    value = 1000
    unit = "instructions"
    provenance = "assumed"                      # or "measured" by the model, or a mark
    why = "a sentence: where it comes from, by which command it is measured"

    [[target]]
    cells = "adams2006-figure4:*:VT"            # or a list; inputs may not be among them
    tolerance = "within 2x"                     # see virtlab.published.scoring
    [[target]]
    cells = ["adams2006-figure4:*:BT", "adams2006-figure4:*:VT"]
    rank = "row"                                # score each one's rank among its row, or "column"
    among = ["native", "BT", "VT"]              # the columns (rows) ranked; default: all
    tolerance = "order only"

A pattern with one * gives a dict by what the * stands for, one with two a dict by (row, column).
A rank needs a prediction or an input for every cell it is taken among.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from virtlab.published.scoring import TOLERANCES, Scored, rank_of, score
from virtlab.published.tables import (
    PROVENANCE,
    SCORED_PROVENANCE,
    SEPARATOR,
    DataError,
    all_cells,
    cell,
    data_files,
    read_toml,
    table,
)

INPUT_PROVENANCE = ("assumed", "measured", *PROVENANCE)


@dataclass(frozen=True)
class Input:
    """A frozen input: read from published cells, or stated with a reason."""

    name: str
    value: object  # a number, or a dict of numbers
    cells: tuple[str, ...] = ()
    unit: str = ""
    provenance: str = ""
    why: str = ""


@dataclass(frozen=True)
class Target:
    """One cell to be scored, by its value or by its rank among others."""

    cell: str
    tolerance: str
    among: tuple[str, ...] = ()  # cells it is ranked among, itself included; empty: its value

    @property
    def key(self) -> str:
        return self.cell + (SEPARATOR + "rank" if self.among else "")


@dataclass(frozen=True)
class Reproduction:
    """A published result and the model's way to it.

    `predict` takes the inputs' values by name and returns predicted values by cell key. `misses`
    explains misses: a pattern of target ids to a sentence, the first that fits counts.
    """

    id: str
    title: str
    question: str
    inputs: tuple[Input, ...]
    targets: tuple[Target, ...]
    predict: Callable[[Mapping], dict[str, float]]
    misses: Mapping[str, str]

    def scores(self) -> list[Scored]:
        """Predict, and score every target.

        Raises
        ------
        DataError : a target, or a cell it is ranked among, is neither predicted nor an input
        """
        known = {key: cell(key).value for one in self.inputs for key in one.cells}
        values = MappingProxyType({one.name: one.value for one in self.inputs})
        predicted = dict(self.predict(values))
        unwanted = set(predicted) & set(known)
        if unwanted:
            raise DataError(f"{self.id}: {min(unwanted)} is predicted but is an input.")
        known |= predicted
        return [self._score(target, known) for target in self.targets]

    def _score(self, target: Target, known: dict[str, float]) -> Scored:
        for key in target.among or (target.cell,):
            if key not in known:
                raise DataError(f"{self.id}: {key} is neither predicted nor an input.")
        published = cell(target.cell)
        name = SEPARATOR.join((self.id, target.key))
        if target.among:
            is_now = rank_of(target.cell, {key: known[key] for key in target.among})
            was = rank_of(target.cell, {key: cell(key).value for key in target.among})
            unit = "rank"
        else:
            is_now, was, unit = known[target.cell], published.value, published.unit
        return score(
            name,
            published,
            unit,
            is_now,
            was,
            target.tolerance,
            lambda: next((t for p, t in self.misses.items() if fnmatchcase(name, p)), ""),
        )


def read_reproduction(name: str, predict, misses=None) -> Reproduction:
    """The reproduction of data/reproductions/`name`.toml with its function and explanations.

    Raises
    ------
    DataError : the file is missing or not acceptable; says what is
    """
    texts = data_files("reproductions")
    if name not in texts:
        raise DataError(f"no file data/reproductions/{name}.toml; there are {', '.join(texts)}.")
    return parse_reproduction(name, texts[name], predict, misses)


def parse_reproduction(name: str, text: str, predict, misses=None) -> Reproduction:
    """The reproduction that `text` describes; see `read_reproduction`."""
    data = read_toml(name, text)
    _fields(name, data, {"id", "title", "question"}, {"input", "target"})
    if data["id"] != name:
        raise DataError(f"{name}: its id is {data['id']!r}; accepted is its file's name.")
    inputs = tuple(_input(name, one) for one in data.get("input", []))
    names = [one.name for one in inputs]
    if len(set(names)) < len(names):
        raise DataError(f"{name}: two inputs have one name.")
    targets = tuple(target for one in data.get("target", []) for target in _targets(name, one))
    made = Reproduction(
        name, data["title"], data["question"], inputs, targets, predict, dict(misses or {})
    )
    check(made)
    return made


def check(one: Reproduction) -> None:
    """Prove that no scored cell is an input, that none is scored twice, and that all may be scored.

    Raises
    ------
    DataError : names the cell
    """
    used = {key for source in one.inputs for key in source.cells}
    seen = set()
    if not one.targets:
        raise DataError(f"{one.id}: no target; accepted is at least one.")
    for target in one.targets:
        if target.cell in used:
            raise DataError(f"{one.id}: {target.cell} is an input and a target.")
        if target.key in seen:
            raise DataError(f"{one.id}: {target.key} is a target twice.")
        seen.add(target.key)
        mark = cell(target.cell).provenance
        if mark not in SCORED_PROVENANCE:
            marks = ", ".join(SCORED_PROVENANCE)
            raise DataError(f"{one.id}: {target.cell} has mark {mark}; scored are only {marks}.")


def matching(pattern: str) -> tuple[str, ...]:
    """The keys of the published cells that `pattern` names, in the tables' order.

    Raises
    ------
    DataError : there is none
    """
    found = tuple(key for key in all_cells() if fnmatchcase(key, pattern))
    if not found or pattern.count(SEPARATOR) != 2:
        raise DataError(f"no published cell fits {pattern!r}; a cell is table:row:column.")
    return found


def _fields(name: str, data: dict, needed: set, optional: set) -> None:
    lacking, unknown = needed - set(data), set(data) - needed - optional
    if lacking or unknown:
        accepted = f"needed are {sorted(needed)}, accepted also {sorted(optional)}"
        raise DataError(f"{name}: {min(lacking or unknown)} is missing or unknown; {accepted}.")
    for key in needed:
        if data[key] == "":
            raise DataError(f"{name}: {key} is empty; accepted is a text.")


def _input(name: str, data: dict) -> Input:
    if "cells" in data:
        _fields(name, data, {"name", "cells"}, {"why"})
        pattern = data["cells"]
        keys = matching(pattern)
        stars = pattern.count("*")
        parts = [part for part, p in enumerate(pattern.split(SEPARATOR)) if "*" in p]
        if stars == 0:
            value = cell(keys[0]).value
        elif stars == 1:
            value = {key.split(SEPARATOR)[parts[0]]: cell(key).value for key in keys}
        else:
            value = {tuple(key.split(SEPARATOR)[p] for p in parts): cell(key).value for key in keys}
        marks = "/".join(dict.fromkeys(cell(key).provenance for key in keys))
        units = ", ".join(dict.fromkeys(cell(key).unit for key in keys))
        return Input(data["name"], value, keys, units, marks, data.get("why", ""))
    _fields(name, data, {"name", "value", "unit", "provenance", "why"}, set())
    if data["provenance"] not in INPUT_PROVENANCE:
        marks = ", ".join(INPUT_PROVENANCE)
        raise DataError(f"{name}: provenance {data['provenance']!r}; accepted are {marks}.")
    return Input(
        data["name"],
        data["value"],
        unit=data["unit"],
        provenance=data["provenance"],
        why=data["why"],
    )


def _targets(name: str, data: dict) -> list[Target]:
    _fields(name, data, {"cells", "tolerance"}, {"rank", "among"})
    tolerance = data["tolerance"]
    if tolerance not in TOLERANCES:
        raise DataError(f"{name}: tolerance {tolerance!r}; accepted are {', '.join(TOLERANCES)}.")
    patterns = [data["cells"]] if isinstance(data["cells"], str) else data["cells"]
    keys = [key for pattern in patterns for key in matching(pattern)]
    rank = data.get("rank")
    if rank is None:
        return [Target(key, tolerance) for key in keys]
    if rank not in ("row", "column"):
        raise DataError(f"{name}: rank {rank!r}; accepted are row and column.")
    return [Target(key, tolerance, _among(key, rank, data.get("among"))) for key in keys]


def _among(key: str, rank: str, among: list | None) -> tuple[str, ...]:
    """The cells of `key`'s row or column, those named in `among` or all."""
    one = cell(key)
    found = table(one.table)
    if rank == "row":
        names = [(one.row, column) for column in among or found.columns]
    else:
        names = [(row, one.column) for row in among or found.rows]
    keys = tuple(SEPARATOR.join((found.key, *name)) for name in names)
    keys = tuple(k for k in keys if k in all_cells())
    if key not in keys or len(keys) < 2:
        raise DataError(f"{key} is not among the two or more cells it is to be ranked among.")
    return keys
