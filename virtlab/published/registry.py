"""Which published results does the book reproduce? One name of a module each, in reading order.

Modules that predict with the models of a platform stand with the platform, above this package, and
are named in full.
"""

import functools
from importlib import import_module

from virtlab.published.reproduction import Reproduction
from virtlab.published.scoring import Scored
from virtlab.published.tables import DataError

MODULES = (
    "popek_goldberg",
    "adams_agesen",
    "exits_by_generation",
    "forkwait",
    "walk_references",
    "walk_caches",
    "walk_caches_by_stay",
    "paging_crossover",
    "virtlab.platforms.xen.published.lmbench",
    "virtlab.platforms.xen.published.live_migration",
    "virtlab.platforms.kvm.published.transitions",
    "virtlab.platforms.kvm.published.cards",
    "virtlab.platforms.kvm.published.cards_by_frame",
    "containers",
    "virtlab.platforms.vsphere.published.page_sharing",
    "virtlab.platforms.vsphere.published.slots",
    "virtlab.platforms.vsphere.published.hosted_send",
)


@functools.cache
def reproductions() -> dict[str, Reproduction]:
    """All reproductions by id."""
    paths = [name if "." in name else f"virtlab.published.{name}" for name in MODULES]
    found = [import_module(path).REPRODUCTION for path in paths]
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


@functools.cache
def _scores(name: str) -> tuple[Scored, ...]:
    """A reproduction's scores, computed once: the same inputs give the same predictions."""
    return tuple(reproduction(name).scores())


def scores(*names: str) -> list[Scored]:
    """The scored cells of the reproductions `names`, or of all.

    Raises
    ------
    DataError : there is no such reproduction
    """
    return [score for name in names or reproductions() for score in _scores(name)]
