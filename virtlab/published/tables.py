"""What did the papers print? Published tables, each number with where it comes from.

A table is a TOML file in data/tables, named by its key:

    source = "Adams2006"                # key in book/references.bib
    title = "Nanobenchmarks"
    edition = "ASPLOS XII, 2006"
    place = "Figure 4 and section 6.3"
    provenance = "P"                    # see PROVENANCE
    unit = "cycles"                     # or a table: unit.columns.NAME, unit.rows.NAME
    columns = ["native", "BT", "VT"]
    note = "anything a reader should know"

    [rows]
    syscall = [242, 2308, 246]

A cell that the source leaves blank, or prints as not applicable, is the text "n/a" and is no cell.
A table holds numbers of one source and one provenance; what differs goes into another file.
"""

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files

PROVENANCE = {
    "P": "read in the paper's own text",
    "B": "read in Bugnion, Nieh and Tsafrir's book of 2017, which names its sources",
    "A": "read in the paper's abstract or the vendor's announcement alone",
    "S": "a secondary source",
    "D": "primary documentation or source code",
    "M-hi": "from memory, sure",
    "M-med": "from memory, fairly sure",
    "M-lo": "from memory, unsure",
}
SCORED_PROVENANCE = ("P", "B", "A", "D")  # what may be scored
SEPARATOR = ":"
BLANK = "n/a"
TEXTS = ("source", "title", "edition", "place", "provenance")
FIELDS = {*TEXTS, "unit", "columns", "rows", "note"}


class DataError(ValueError):
    """A data file is not as it has to be; the text names file and place."""


@dataclass(frozen=True)
class Cell:
    """One published number."""

    key: str  # "table:row:column"
    value: float
    unit: str
    provenance: str
    source: str  # "Adams2006, Figure 4"

    @property
    def table(self) -> str:
        return self.key.split(SEPARATOR)[0]

    @property
    def row(self) -> str:
        return self.key.split(SEPARATOR)[1]

    @property
    def column(self) -> str:
        return self.key.split(SEPARATOR)[2]


@dataclass(frozen=True)
class Table:
    """One published table; `cells` are in its order, row by row, blank ones left out."""

    key: str
    source: str
    title: str
    edition: str
    place: str
    provenance: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[Cell, ...]
    note: str = ""

    def value(self, row: str, column: str) -> float:
        """The number in `row` and `column`.

        Raises
        ------
        KeyError : there is no such cell, or it is blank
        """
        key = SEPARATOR.join((self.key, row, column))
        for one in self.cells:
            if one.key == key:
                return one.value
        raise KeyError(key)


def parse_table(key: str, text: str) -> Table:
    """The table of a data file.

    Raises
    ------
    DataError : the text is not TOML, or not such a table; says what is accepted
    """
    data = read_toml(key, text)
    unknown = set(data) - FIELDS
    if unknown:
        raise DataError(f"{key}: unknown field {min(unknown)}; accepted are {sorted(FIELDS)}.")
    for name in TEXTS:
        if not isinstance(data.get(name), str) or not data[name].strip():
            raise DataError(f"{key}: {name} has to be a text that is not empty.")
    if data["provenance"] not in PROVENANCE:
        marks = ", ".join(PROVENANCE)
        raise DataError(f"{key}: provenance {data['provenance']!r}; accepted are {marks}.")
    columns, rows = data.get("columns"), data.get("rows")
    if not isinstance(columns, list) or not columns or not isinstance(rows, dict) or not rows:
        raise DataError(f"{key}: columns has to be a list of names and rows a table of lists.")
    for name in (key, *columns, *rows):
        if not name or set(name) & set(SEPARATOR + "*?[]"):
            raise DataError(f"{key}: the name {name!r} is empty or has one of : * ? [ ] in it.")
    if len(set(columns)) < len(columns):
        raise DataError(f"{key}: two columns have one name.")
    source = f"{data['source']}, {data['place']}"
    cells = []
    for row, values in rows.items():
        if not isinstance(values, list) or len(values) != len(columns):
            raise DataError(f"{key}: row {row} has to be a list of {len(columns)} numbers.")
        for column, value in zip(columns, values, strict=True):
            if value == BLANK:
                continue
            if type(value) not in (int, float) or value != value:
                raise DataError(f"{key}: {row}, {column} is {value!r}: neither number nor n/a.")
            unit = _unit(key, data.get("unit"), row, column)
            name = SEPARATOR.join((key, row, column))
            cells.append(Cell(name, value, unit, data["provenance"], source))
    texts = {name: data[name] for name in TEXTS}
    return Table(
        key,
        columns=tuple(columns),
        rows=tuple(rows),
        cells=tuple(cells),
        note=data.get("note", ""),
        **texts,
    )


def _unit(key: str, unit, row: str, column: str) -> str:
    """The unit of a cell: the table's one unit, or that of its row or its column."""
    if isinstance(unit, dict):
        unit = unit.get("rows", {}).get(row) or unit.get("columns", {}).get(column)
    if not isinstance(unit, str) or not unit:
        raise DataError(f"{key}: {row}, {column} has no unit.")
    return unit


def read_toml(key: str, text: str) -> dict:
    """The TOML of `text`.

    Raises
    ------
    DataError : it is not TOML
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise DataError(f"{key}: not TOML: {problem}.") from None


def data_files(folder: str) -> dict[str, str]:
    """The texts of data/`folder`, by file name without its ending, in order of name."""
    found = (files("virtlab.published") / "data" / folder).iterdir()
    paths = sorted((path for path in found if path.name.endswith(".toml")), key=lambda p: p.name)
    return {path.name.removesuffix(".toml"): path.read_text("utf-8") for path in paths}


@functools.cache
def tables() -> dict[str, Table]:
    """All published tables by key."""
    return {key: parse_table(key, text) for key, text in data_files("tables").items()}


def table(key: str) -> Table:
    """The published table named `key`.

    Raises
    ------
    DataError : there is none
    """
    if key not in tables():
        raise DataError(f"no published table {key!r}; there are {', '.join(tables())}.")
    return tables()[key]


@functools.cache
def all_cells() -> dict[str, Cell]:
    """Every cell of every table by key, in the tables' order."""
    return {one.key: one for table in tables().values() for one in table.cells}


def cell(key: str) -> Cell:
    """The published cell "table:row:column".

    Raises
    ------
    DataError : there is none
    """
    if key not in all_cells():
        raise DataError(f"no published cell {key!r}; a cell is table:row:column.")
    return all_cells()[key]
