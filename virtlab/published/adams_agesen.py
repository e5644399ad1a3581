"""When is hardware support slower than binary translation? The nanobenchmarks of 2006, predicted.

    events     what one operation causes, counted on our own monitors (adams_agesen_operations)
    prices     Table 1 of the paper for the hardware, its ways to emulate rdtsc for software
    handler    what a monitor's software does about one exit: not in Table 1, so it is fitted on one
               row, the store to a page-table entry that changes nothing, and used for all others

    cycles = what the operation costs natively, unless the monitor does it instead of the processor
             + events times prices

A monitor does `in` instead of the processor, and a translator does cr8wr; other operations run as
they are, and what comes on top is delivering the event to the guest's kernel.

Sources: Adams & Agesen, ASPLOS XII, 2006, sections 6.3 and 7.1.
"""

from collections.abc import Mapping

from virtlab.cost import charges
from virtlab.cost.tariff import EXIT, HARDWARE, TRANSLATION, VMEXITS
from virtlab.published.reproduction import read_reproduction

TABLE = "adams2006-figure4"
FITTED = "ptemod unchanged"
INSTEAD = {"BT": ("in", "cr8wr"), "VT": ("in",)}  # operations that the monitor carries out itself


def cycles_of_events(events: Mapping, prices: Mapping, technique: str) -> float:
    """Events times prices, by the tariff of `virtlab.cost`."""
    return sum(n * prices[name] for _, _, name, n in charges(events, technique))


def hardware_prices(entry: float, exit_: float, access: float) -> dict[str, float]:
    """The prices of hardware support but the handler's; Table 1 has one price for all exits."""
    return dict.fromkeys(VMEXITS.values(), exit_) | {"vm_entry": entry, "vmread": access}


def fitted_handler(store: Mapping, prices: Mapping) -> float:
    """Cycles of the monitor's software at one exit, from the row that is given up for it.

    Parameters
    ----------
    store : "published" and "native" cycles of the store to a page-table entry, and its "events"
    prices : those of the hardware, where "handler" is not looked at
    """
    n_exits = sum(n for name, n in store["events"].items() if name.startswith(EXIT))
    hardware = cycles_of_events(store["events"], {**prices, "handler": 0}, HARDWARE)
    return (store["published"] - store["native"] - hardware) / n_exits


def predict(inputs) -> dict[str, float]:
    """Cycles of every operation under both monitors, but for the two cells that are inputs."""
    hardware = hardware_prices(inputs["entry"], inputs["exit"], inputs["read"])
    store = {
        "published": inputs["traced_store"],
        "native": inputs["native"][FITTED],
        "events": inputs["events"]["VT"][FITTED],
    }
    penalty = inputs["translated_call"] - inputs["native"]["call/ret"]
    prices = {
        "VT": {**hardware, "handler": fitted_handler(store, hardware)},
        "BT": {"trap": inputs["trap"], "callout": inputs["callout"], "lookup": penalty},
    }
    techniques = {"VT": HARDWARE, "BT": TRANSLATION}
    given = {("call/ret", "BT"), (FITTED, "VT")}
    found = {}
    for row, native in inputs["native"].items():
        for monitor, technique in techniques.items():
            if (row, monitor) in given:
                continue
            events = inputs["events"][monitor].get(row, {})
            total = cycles_of_events(events, prices[monitor], technique)
            replaced = row in INSTEAD[monitor]
            found[f"{TABLE}:{row}:{monitor}"] = total + (0 if replaced else native)
    return found


MISSES = {
    "R1:*:cr8wr:VT": "No exit happens and none is counted. The 27 cycles that were measured above "
    "native belong to no event that the model has.",
    "R1:*:divzero:VT": "No exit happens and none is counted. Delivering an exception in guest mode "
    "took 125 cycles longer than natively, which no count of exits can show.",
    "R1:*:cr8wr:*:rank": "Our translator calls out for a write to the mask of interrupts, since an "
    "interrupt may become due with it, and a callout is priced at 1254 cycles; the paper's took "
    "35, less than any of its published prices for software.",
}
REPRODUCTION = read_reproduction("R1", predict, misses=MISSES)
