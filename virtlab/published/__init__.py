"""How well does the model predict what papers have measured?

A *reproduction* takes a few published numbers as inputs, lets the model compute, and is scored on
other published numbers. Everything that decides what is compared with what is data:

| file | holds |
|---|---|
| data/tables/KEY.toml | one published table, with source, edition, place, provenance and units |
| data/reproductions/ID.toml | one reproduction's frozen inputs and its targets with tolerances |
| NAME.py | how the targets are predicted from the inputs: the one function `predict` |

A cell of a table has a key, "table:row:column". An input names the cells it is read from, a target
the cell it is scored on. Since both are data, it can be proved without running the model that no
input is scored (`virtlab.published.reproduction.check`); and since `predict` is handed the inputs
and nothing else, it never sees a number that it is scored on.

To add a reproduction:

1. Type the published table into data/tables (see `virtlab.published.tables`). What is quoted from
   a secondary source or from memory (provenance S, M-...) may be shown and is never scored.
2. Write data/reproductions/ID.toml (see `virtlab.published.reproduction`): inputs, targets, and
   for each target the tolerance that will decide. Commit it before looking at a prediction.
3. Write NAME.py with `predict(inputs) -> {cell key: value}` and
   `REPRODUCTION = read_reproduction("ID", predict, misses={...})`; name it in registry.py.
4. Run `python -m virtlab.published`. Explain every miss with one sentence in `misses`; change no
   input and no tolerance because of what you see.
5. Run `python3 lab.py notebooks`, which writes the page book/model_against_paper.md anew.

`scores()` gives all scored cells; `python -m virtlab.published --json` prints them.
"""

from virtlab.published.registry import reproduction, reproductions, scores
from virtlab.published.reproduction import Reproduction
from virtlab.published.scoring import Scored
from virtlab.published.tables import Cell, DataError, Table, cell, table, tables

__all__ = [
    "Cell",
    "DataError",
    "Reproduction",
    "Scored",
    "Table",
    "cell",
    "reproduction",
    "reproductions",
    "scores",
    "table",
    "tables",
]
