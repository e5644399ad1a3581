"""Which price does each counted event pay?

A run is described by its counts (`vm.counts`). This module turns them into charges: how many times
each price is due. An exit costs what the technique makes of it:

| technique | an exit pays |
|---|---|
| bare | nothing: there are none |
| emulation | nothing: the interpreter calls another of its functions |
| trap-and-emulate | trap |
| binary-translation | callout if translated code asks, else trap |
| paravirt | hypercall if the guest asks, else bounce |
| hardware-assisted | the vmexit_ price of its reason, vm_entry, handler |

Everything else costs the same under every technique that has it: instructions executed by the hart,
references of page walks, instructions interpreted and translated, look-ups, shadow entries.

Some counts are parts or causes of others, and paid with them (`PAID_WITH`). For timer, interrupt,
WFI and halt exits no source prints a price: they pay that of a hypercall, the cheapest exit.

Left out: a guest's own traps on the bare machine, which cost time there too; a disk's own time.
"""

import math
from collections.abc import Mapping
from numbers import Real

REASONS = (
    *("none", "ecall", "privileged", "shadow_page_fault", "guest_page_fault", "true_page_fault"),
    *("trace", "mmio", "exception", "hypercall", "timer", "interrupt", "wfi", "callout"),
    *("halt", "internal_error"),
)
BARE, EMULATION, TRAP_AND_EMULATE, TRANSLATION, PARAVIRT, HARDWARE = TECHNIQUES = (
    "bare",
    "emulation",
    "trap-and-emulate",
    "binary-translation",
    "paravirt",
    "hardware-assisted",
)
VMEXITS = dict.fromkeys(REASONS, "vmexit_vmcall") | {
    "privileged": "vmexit_cpuid",
    "shadow_page_fault": "vmexit_page_fault",
    "true_page_fault": "vmexit_page_fault",
    "trace": "vmexit_page_fault",
    "exception": "vmexit_page_fault",
    "guest_page_fault": "vmexit_ept",
    "mmio": "vmexit_io",
}
TRANSITIONS = "exits and entries"
# What every exit by hardware pays, whatever its reason: the event and the share of the bill.
EVERY_EXIT = {"vm_entry": ("entry", TRANSITIONS), "handler": ("handling", "handlers")}
# Counts that pay by themselves: (count, price, share of the bill they belong to).
DIRECT = (
    ("hart_instructions", "instruction", "instructions"),
    ("walk_references", "walk_reference", "page walks"),
    ("gstage_references", "nested_reference", "page walks"),
    ("interpreted", "dispatch", "interpretation"),
    ("memory_checks", "memory_check", "interpretation"),
    ("translated_instructions", "translation", "translation"),
    ("lookups", "lookup", "translation"),
    ("shadow_fills", "shadow_fill", "shadow page tables"),
    ("vmcs_accesses", "vmread", "control structure"),
    ("batched_updates", "batched_update", "paravirtual requests"),
    ("ring_requests", "ring_request", "paravirtual requests"),
)
# What a hypervisor checks while it emulates an instruction is paid with the exit.
ONLY_UNDER = {"memory_checks": EMULATION}
PAID_WITH = {
    "instructions": "hart_instructions, or on the bare machine themselves",
    "exits": "the exits by reason",
    "emulated": "the exit that led to it",
    "walks": "walk_references",
    "tlb_misses": "walk_references",
    "shadow_invalidations": "the exit that asked for it",
    "shadow_flushes": "the exit that asked for it",
    "traced_writes": "exit:trace",
    "world_switches": "the exits by reason",
    "injections": "the exit that led to it",
    "mmio": "exit:mmio",
    "disk_requests": "the exit that asked for it",
    "hypercalls": "exit:hypercall",
    "translated_blocks": "translated_instructions",
    "chained": "nothing: a chained block is entered by an ordinary jump",
    "dispatches": "interpreted",
    "refused": "the exit that asked for it",
    "adapted": "translated_instructions",
    "gstage_fills": "exit:guest_page_fault",
    "memory_accesses": "hart_instructions, or in an emulator memory_checks",
    "software_walks": "the exit that led to it, or in an emulator memory_checks",
}
EXIT = "exit:"
COUNTS = (*PAID_WITH, *(name for name, _, _ in DIRECT), *(EXIT + reason for reason in REASONS))


def counts_of(machine) -> dict[str, int]:
    """The counts of any machine: `vm.counts`, or the bare Machine's counters under those names."""
    if hasattr(machine, "counts"):
        return machine.counts
    counted = machine.counters
    return {
        "instructions": counted["steps"],
        "walks": counted["page_walks"],
        "walk_references": counted["walk_references"],
        "gstage_references": counted["gstage_references"],
        "tlb_misses": counted["tlb_misses"],
    }


def checked(counts: Mapping) -> dict[str, float]:
    """The counts, if they are counts.

    Raises
    ------
    TypeError : it is no mapping
    ValueError : a name no count has, a number below 0, or exits that do not add up
    """
    if not isinstance(counts, Mapping):
        raise TypeError(f"counts are a dict of numbers by name, not {type(counts).__name__}.")
    for name, n in counts.items():
        if name not in COUNTS:
            raise ValueError(f"no count is named {name!r}; there are {', '.join(COUNTS)}.")
        if not isinstance(n, Real) or isinstance(n, bool) or not 0 <= n < math.inf:
            raise ValueError(f"the count {name} is {n!r}; accepted are numbers from 0 on.")
    by_reason = sum(n for name, n in counts.items() if name.startswith(EXIT))
    if "exits" in counts and not math.isclose(counts["exits"], by_reason, rel_tol=1e-9):
        raise ValueError(
            f"exits is {counts['exits']:,}, but the exits by reason add up to {by_reason:,}."
        )
    return {name: n for name, n in counts.items() if n}


def technique_of(counts: Mapping) -> str:
    """Which technique can have counted this: the one whose own events are there."""
    told_by = (
        ("translated_blocks", TRANSLATION),
        ("vmcs_accesses", HARDWARE),
        ("gstage_references", HARDWARE),
        ("hypercalls", PARAVIRT),
    )
    if counts.get("interpreted") and not counts.get("hart_instructions"):
        return EMULATION
    for name, technique in told_by:
        if counts.get(name):
            return technique
    exits = any(n for name, n in counts.items() if name.startswith(EXIT))
    return TRAP_AND_EMULATE if exits else BARE


def exit_prices(technique: str, reason: str) -> tuple[str, ...]:
    """The prices that one exit pays under a technique.

    Raises
    ------
    ValueError : there is no such technique or reason
    """
    if reason not in REASONS:
        raise ValueError(f"no exit reason is named {reason!r}; there are {', '.join(REASONS)}.")
    if technique == TRAP_AND_EMULATE:
        return ("trap",)
    if technique == TRANSLATION:
        return ("callout" if reason == "callout" else "trap",)
    if technique == PARAVIRT:
        return ("hypercall" if reason == "hypercall" else "bounce",)
    if technique == HARDWARE:
        return (VMEXITS[reason], "vm_entry", "handler")
    if technique in (BARE, EMULATION):
        return ()
    raise ValueError(f"no technique {technique!r}; there are {', '.join(TECHNIQUES)}.")


def charges(counts: Mapping, under: str | None = None) -> list[tuple[str, str, str, float]]:
    """What is due: (event, share, price, how often), in the order of a bill.

    Parameters
    ----------
    counts : see `COUNTS`; what is not named has not happened
    under : the technique, one of TECHNIQUES; told by the counts if not given

    Raises
    ------
    ValueError, TypeError : the counts or the technique are not acceptable
    """
    counts = checked(counts)
    technique = technique_of(counts) if under is None else under
    exit_prices(technique, REASONS[0])
    if technique == BARE and "hart_instructions" not in counts:
        counts["hart_instructions"] = counts.get("instructions", 0)
    due = [
        (name, share, price, counts[name])
        for name, price, share in DIRECT
        if counts.get(name) and technique == ONLY_UNDER.get(name, technique)
    ]
    exits, entries = [], {}
    for reason in REASONS:
        n = counts.get(EXIT + reason, 0)
        for name in exit_prices(technique, reason) if n else ():
            if name in EVERY_EXIT:
                entries[name] = entries.get(name, 0) + n
            else:
                exits.append((EXIT + reason, TRANSITIONS, name, n))
    return due + exits + [(*EVERY_EXIT[name], name, n) for name, n in entries.items()]
