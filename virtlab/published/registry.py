"""Which published results does the book reproduce? One name of a module each, in reading order."""

import functools
from importlib import import_module

from virtlab.published.reproduction import Reproduction
from virtlab.published.scoring import Scored
from virtlab.published.tables import DataError

MODULES = ("popek_goldberg", "exits_by_generation", "walk_references")


@functools.cache
def reproductions() -> dict[str, Reproduction]:
    """All reproductions by id."""
    found = [import_module(f"virtlab.published.{name}").REPRODUCTION for name in MODULES]
    return {one.id: one for one in found}


def reproduction(name: str) -> Reproduction:
    """The reproduction with id `name`.

    Raises
    ------
    DataError : there is none
    """
    if name not in reproductions():
        raise DataError(f"no reproduction {name!r}; there are {', '.join(reproductions())}.")
    return reproductions()[name]


def scores(*names: str) -> list[Scored]:
    """The scored cells of the reproductions `names`, or of all."""
    wanted = [reproduction(name) for name in names] or list(reproductions().values())
    return [cell for one in wanted for cell in one.scores()]
