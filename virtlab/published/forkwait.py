"""Does a model made on one processor hold on the next? forkwait, from a Pentium 4 to a Core 2.

forkwait makes 40,000 processes, each of which ends at once. With shadow page tables it is the worst
case: nearly all it does is to write page tables and to fault.

    events    of one process of our teaching OS, counted on real runs (forkwait_events)
    P4        given. What a process costs there more than natively, divided by what our guest's
              events cost there, is how many of our processes are worth one of theirs: `scale`
    Core      the same events, as often. Entry, exit and access to the VMCB have the Core's own
              prices; what is software takes fewer cycles, in the ratio of the native runs

Nothing is fitted on the Core. The model misses both of its times, VT's by much: see `MISSES`.

Source: Adams & Agesen, ASPLOS XII, 2006.
"""

from collections.abc import Mapping

from virtlab.cost.tariff import HARDWARE, TRANSLATION
from virtlab.published.adams_agesen import cycles_of_events, fitted_handler, hardware_prices
from virtlab.published.reproduction import read_reproduction

TABLE = "adams2006-forkwait"
TECHNIQUES = {"BT": TRANSLATION, "VT": HARDWARE}
MISSES = {
    "R2:*:BT": "The monitor's software is taken to need fewer cycles as the native run does, by "
    "3.3; by the published times it was 2.8, and no source has its cycles on the Core.",
    "R2:*:VT": "The published overhead fell to a quarter of the P4's cycles, while entry and exit "
    "fell to a half, a VMCB read to 0.29 and native code to 0.30. No mix of these explains it: "
    "something that is not counted got better by more, perhaps the cold caches and TLBs that each "
    "exit leaves behind.",
}


def cycles_per_process(inputs: Mapping, processor: str, seconds: float) -> float:
    """What one process takes in a run of so many seconds."""
    hosts = inputs["hosts"]
    return seconds * hosts["clock", processor] * 1e9 / hosts["processes", processor]


def native_ratio(inputs: Mapping) -> float:
    """Cycles of the Core for one cycle of the P4, from the native runs."""
    core = cycles_per_process(inputs, "Core", inputs["native"])
    return core / cycles_per_process(inputs, "P4", inputs["P4"]["native"])


def prices_on(inputs: Mapping, monitor: str, processor: str) -> dict[str, float]:
    """What an event costs; software's cycles shrink on the Core as those of the native run do."""
    software = native_ratio(inputs) if processor == "Core" else 1.0
    if monitor == "BT":
        penalty = inputs["translated_call"] - inputs["native_call"]
        p4 = {"trap": inputs["trap"], "callout": inputs["callout"], "lookup": penalty}
        return {name: software * cycles for name, cycles in p4.items()}
    names = ("VM entry", "page fault VM exit", "VMCB read")
    hardware = {
        name: hardware_prices(*(inputs["hardware"][row, name] for row in names))
        for name in ("P4", "Core")
    }
    store = {
        "published": inputs["traced_store"],
        "native": inputs["native_store"],
        "events": inputs["store_events"],
    }
    return hardware[processor] | {"handler": software * fitted_handler(store, hardware["P4"])}


def events_cost(inputs: Mapping, monitor: str, processor: str) -> float:
    """Cycles of the events of one process of our guest."""
    prices = prices_on(inputs, monitor, processor)
    return cycles_of_events(inputs["events"][monitor], prices, TECHNIQUES[monitor])


def scale(inputs: Mapping, monitor: str) -> float:
    """How many of our processes are worth one of theirs, on the P4."""
    more = inputs["P4"][monitor] - inputs["P4"]["native"]
    return cycles_per_process(inputs, "P4", more) / events_cost(inputs, monitor, "P4")


def predict(inputs) -> dict[str, float]:
    """Seconds of forkwait on the Core under both monitors."""
    processes, hertz = inputs["hosts"]["processes", "Core"], inputs["hosts"]["clock", "Core"] * 1e9
    found = {}
    for monitor in TECHNIQUES:
        cycles = scale(inputs, monitor) * events_cost(inputs, monitor, "Core")
        found[f"{TABLE}:Core:{monitor}"] = inputs["native"] + cycles * processes / hertz
    return found


REPRODUCTION = read_reproduction("R2", predict, misses=MISSES)
