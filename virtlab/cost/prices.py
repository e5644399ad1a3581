"""What does one event cost, on which processor, and who has measured it?

Each file data/NAME.toml is the price list of one processor:

    processor = "Intel Haswell"
    position = 8                     # place in time among the lists; neighbours stand in first
    [sources.table43]
    reference = "Bugnion2017"        # a key of book/references.bib
    place = "Table 4.3"
    mark = "B"                       # provenance, see MARKS
    [prices]
    vm_entry = { cycles = 318, source = "table43", place = "row VMRESUME" }

Optional are `place` of a price (the row), `derived` (how it follows from what is printed) and
`note` of a list. A list holds what has been published for its processor and nothing else: Ivy
Bridge has no `vmexit_ept`, because the table's cell is blank. Whoever needs a price that a list
does not have says whose shall stand in for it (`load(name, stand_in=...)`, `complete`), and the
bill shows it.
"""

import functools
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

MARKS = {
    "P": "read in the paper's own text",
    "B": "read in Bugnion, Nieh and Tsafrir's book of 2017, which names its sources",
    "A": "read in the paper's abstract or the vendor's announcement alone",
    "D": "primary documentation or source code",
    "fitted": "set so that one published number comes out, which is therefore not predicted",
    "assumed": "no source prints it; not used in any scored prediction",
}
# Every price there can be, and the one event it is the price of.
PRICES = {
    "instruction": "instruction that the hart executes",
    "walk_reference": "memory reference of a page walk",
    "nested_reference": "memory reference of a page walk to the hypervisor's own table (G-stage)",
    "dispatch": "instruction that is interpreted",
    "memory_check": "memory access checked and translated in software",
    "trap": "trap of deprivileged code into the hypervisor, emulation and return included",
    "callout": "call out of translated code into the hypervisor, emulation and return included",
    "in_cache_emulation": "privileged instruction emulated by translated code itself",
    "lookup": "target of an indirect jump looked up by translated code",
    "translation": "instruction translated",
    "hypercall": "hypercall of a paravirtual guest, the hypervisor's work included",
    "bounce": "trap that the hypervisor only sends on to a paravirtual guest's kernel",
    "batched_update": "page-table update that a hypercall brings with others",
    "ring_request": "request read from a shared ring",
    "shadow_fill": "entry of a shadow page table made from the guest's",
    "vm_entry": "entry into the guest by hardware",
    "vmexit_vmcall": "exit by hardware: a hypercall",
    "vmexit_cpuid": "exit by hardware: a privileged instruction",
    "vmexit_page_fault": "exit by hardware: a page fault",
    "vmexit_io": "exit by hardware: access to a device",
    "vmexit_ept": "exit by hardware: no entry in the nested page table",
    "vmread": "access to the control structure (VMCS, VMCB)",
    "vmwrite": "store to the control structure",
    "handler": "exit handled by the hypervisor's software, beside exit, entry and vmread",
    "round_trip": "exit by hardware with a null handler and resumption",
    "vmlaunch": "first entry into a guest",
    "vmxon": "VMXON instruction",
    "vmxoff": "VMXOFF instruction",
    "vmclear": "VMCLEAR instruction",
    "vmptrld": "VMPTRLD instruction",
    "vmptrst": "VMPTRST instruction",
}
ASSUMED = "assumed"


class MissingPriceError(ValueError, KeyError):
    """A price list does not have this price, or there is no price of this name."""

    __str__ = Exception.__str__  # KeyError's own would put the sentence in quotes


@dataclass(frozen=True)
class Price:
    """What one event costs.

    name : a key of PRICES
    cycles : float, at least 0
    unit : "cycles per ..."
    source : paper or book with the table or section
    mark : provenance, a key of MARKS
    origin : the list it was published in, "haswell"
    derived : how it follows from what is printed; empty if it is printed
    """

    name: str
    cycles: float
    unit: str
    source: str
    mark: str
    origin: str
    derived: str = ""

    def __str__(self) -> str:
        how = f", {self.derived}" if self.derived else ""
        return f"{self.name}: {self.cycles:g} {self.unit} [{self.mark}] {self.source}{how}"


class PriceList(Mapping):
    """The prices of one processor by name; `list["vm_entry"].cycles`.

    name, processor, note : of the list itself

    Raises
    ------
    MissingPriceError, a ValueError : the list does not have the price that is asked for
    """

    def __init__(self, name: str, processor: str, prices: Mapping[str, Price], note: str = ""):
        self.name, self.processor, self.note = name, processor, note
        self._prices = {key: prices[key] for key in PRICES if key in prices}

    def __getitem__(self, name: str) -> Price:
        if name in self._prices:
            return self._prices[name]
        if name not in PRICES:
            raise MissingPriceError(f"no price is named {name!r}; there are {', '.join(PRICES)}.")
        raise MissingPriceError(
            f"{self.name} has no price {name!r}; "
            "name the lists that may stand in, as in load(name, stand_in=[...]), or use complete."
        )

    def __contains__(self, name) -> bool:
        return name in self._prices

    def __iter__(self):
        return iter(self._prices)

    def __len__(self) -> int:
        return len(self._prices)

    @property
    def stand_ins(self) -> dict[str, str]:
        """Prices that were not published for this processor, and the list they come from."""
        return {key: one.origin for key, one in self._prices.items() if one.origin != self.name}

    def replace(self, **cycles: float) -> "PriceList":
        """The same list with other cycles for some prices: `list.replace(vm_entry=100)`.

        Their mark becomes "assumed".

        Raises
        ------
        ValueError : no such price, or its cycles are negative or no number
        """
        prices = dict(self._prices)
        for name, value in cycles.items():
            _check_cycles(f"price {name}", value)
            if name not in PRICES:
                self[name]  # says which names there are
            prices[name] = Price(
                name, float(value), f"cycles per {PRICES[name]}", "the reader", ASSUMED, self.name
            )
        return PriceList(self.name, self.processor, prices, self.note)

    def __repr__(self) -> str:
        return f"PriceList({self.name}, {len(self)} prices)"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.processor}", *map(str, self.values())]
        return "\n".join([*lines, self.note] if self.note else lines)


def _check_cycles(what: str, value) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} is {value!r}; accepted are numbers of cycles from 0 on.")


def parse(name: str, text: str) -> tuple[int, PriceList]:
    """The place in time and the price list that a data file holds.

    Raises
    ------
    ValueError : the file is not as the module's text says; names what is wrong
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"prices {name}: not TOML: {problem}.") from None
    _fields(f"prices {name}", data, {"processor", "position", "prices"}, {"note", "sources"})
    for key, source in data.get("sources", {}).items():
        _fields(f"prices {name}: source {key}", source, {"reference", "place", "mark"}, set())
        if source["mark"] not in MARKS:
            raise ValueError(
                f"prices {name}: mark {source['mark']!r}; accepted are {', '.join(MARKS)}."
            )
    prices = {
        key: _price(name, key, entry, data.get("sources", {}))
        for key, entry in data["prices"].items()
    }
    return data["position"], PriceList(name, data["processor"], prices, data.get("note", ""))


def _price(list_name: str, name: str, entry: dict, sources: dict) -> Price:
    what = f"prices {list_name}: {name}"
    if name not in PRICES:
        raise ValueError(f"{what}: no such price; there are {', '.join(PRICES)}.")
    _fields(what, entry, {"cycles", "source"}, {"place", "derived"})
    _check_cycles(what, entry["cycles"])
    if entry["source"] not in sources:
        raise ValueError(f"{what}: source {entry['source']!r} is not among the list's sources.")
    source = sources[entry["source"]]
    text = ", ".join(filter(None, (source["reference"], source["place"], entry.get("place"))))
    return Price(
        name,
        float(entry["cycles"]),
        f"cycles per {PRICES[name]}",
        text,
        source["mark"],
        list_name,
        entry.get("derived", ""),
    )


def _fields(what: str, data, needed: set, optional: set) -> None:
    if not isinstance(data, dict):
        raise ValueError(f"{what} has to be a table with {', '.join(sorted(needed))}.")
    wrong = (needed - set(data)) | (set(data) - needed - optional)
    if wrong:
        accepted = f"needed are {', '.join(sorted(needed))}"
        raise ValueError(f"{what}: {min(wrong)} is missing or unknown; {accepted}.")


@functools.cache
def _lists() -> dict[str, tuple[int, PriceList]]:
    found = (files("virtlab.cost") / "data").iterdir()
    parsed = {
        name: parse(name, path.read_text("utf-8"))
        for path in found
        if (name := path.name.removesuffix(".toml")) != path.name
    }
    return dict(sorted(parsed.items(), key=lambda item: (item[1][0], item[0])))


def names() -> list[str]:
    """The price lists there are, the oldest processor first; "assumed" is one of them."""
    return list(_lists())


def load(name: str, stand_in: Iterable[str] = ()) -> PriceList:
    """The price list `name`, with what it lacks from the first list of `stand_in` that has it.

    Raises
    ------
    ValueError : there is no list of that name

    Examples
    --------
    >>> load("haswell")["vm_entry"].cycles
    318.0
    >>> load("ivy-bridge", stand_in=["haswell"])["vmexit_ept"].origin
    'haswell'
    """
    wanted = [name, *stand_in]
    for one in wanted:
        if one not in _lists():
            raise ValueError(f"no price list {one!r}; there are {', '.join(names())}.")
    first = _lists()[name][1]
    prices = {}
    for one in reversed(wanted):
        prices |= _lists()[one][1]
    return PriceList(name, first.processor, prices, first.note)


def complete(name: str) -> PriceList:
    """The price list `name`, with what it lacks from the list nearest to it in time that has it.

    Of two lists that are equally near the older one stands in. What no processor's list has is
    taken from "assumed". `stand_ins` of the result says what came from where.

    Raises
    ------
    ValueError : there is no list of that name
    """
    if name not in _lists():
        load(name)  # says which lists there are
    here = _lists()[name][0]

    def distance(other: str) -> tuple[int, int]:
        position = _lists()[other][0]
        return abs(position - here), position

    others = sorted((one for one in names() if one not in (name, ASSUMED)), key=distance)
    return load(name, stand_in=[*others, ASSUMED])
