"""What does the book's page "Model against paper" say? Its text, made from the scores.

`python3 lab.py notebooks` stores it as book/model_against_paper.md.
"""

from virtlab import cost
from virtlab.published import containers, forkwait, ia32, riscv, third_generation
from virtlab.published.paging_crossover import PagingPrices, crossover
from virtlab.published.registry import reproduction, reproductions, scores
from virtlab.published.report import correlations, misses, number, signed_percent
from virtlab.published.reproduction import Input, Reproduction
from virtlab.published.scoring import Scored
from virtlab.published.sensitive import Classification, classify
from virtlab.published.tables import PROVENANCE, SEPARATOR, cell, table
from virtlab.published.walk_caches_by_stay import ratio_by_size

INTRODUCTION = """\
# Model against paper

The book's model counts events; prices and machines come from papers. How far can it be trusted?
Here it predicts what others have measured, and every prediction is printed beside the published
number, whether it is met or missed. This page is made by a program. `python -m virtlab.published`
prints the same, and `--json` gives it to a program of yours.

The rules:

- A *reproduction* takes a few published numbers as inputs and is scored on others. Inputs and
  scored cells are data files, so a test proves that no scored cell is an input; the function that
  predicts is handed the inputs and nothing else.
- Inputs and tolerances are written down before the first prediction is looked at. No input is
  changed because of what comes out; what is tried afterwards is a reproduction of its own, and says
  so.
- A miss is shown, with a sentence that explains it.
- What was quoted from a secondary source or from memory is never scored.
"""
TOLERANCES = """\
| tolerance | met if |
|---|---|
| exact | predicted and published are equal |
| within 10 % | the error is at most a tenth of the published number |
| within 2x | predicted is at least half and at most twice the published number |
| order only | the rank is the published one; or, of a gain or a ratio, the direction is |

The error is signed and relative to the published number. A rank counts from the smallest, 1.
"""
SHOWN = ("P", "B", "A", "D")
LONG = 8  # cells of one column that are all exact and equal are told in one sentence from here on
SIZES_MIB = (4, 8, 16, 32, 64, 128, 256, 512, 1024)


def page() -> str:
    """The whole page in Markdown, ending in a newline."""
    found = {name: scores(name) for name in reproductions()}
    parts = [INTRODUCTION, _marks(), TOLERANCES, _summary(found)]
    for name, some in found.items():
        parts.append(section(reproduction(name), some))
        if name in BESIDE:
            parts.append(BESIDE[name]())
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def section(one: Reproduction, found: list[Scored]) -> str:
    """A reproduction's part of the page."""
    lines = [f"## {one.id}: {one.title}", "", one.question, ""]
    if one.inputs:
        lines += ["Inputs:", "", *_rows("name", "value", "unit", "from", "why")]
        lines += [_input_row(source) for source in one.inputs]
        lines.append("")
    else:
        lines += ["There are no inputs.", ""]
    for key in dict.fromkeys(cell(score.cell).table for score in found):
        lines += [*_table(key, [score for score in found if cell(score.cell).table == key]), ""]
    lines += _correlations(found)
    explained = misses(found)
    if explained:
        lines += ["What is missed, and why:", ""]
        lines += [f"- {_named(ids, found)}: {why}" for why, ids in explained]
        lines.append("")
    return "\n".join(lines)


def _marks() -> str:
    lines = ["Where a number was read is its provenance:", "", *_rows("mark", "means")]
    return "\n".join([*lines, *(f"| {mark} | {PROVENANCE[mark]} |" for mark in SHOWN), ""])


def _summary(found: dict[str, list[Scored]]) -> str:
    lines = ["## In one table", "", *_rows("reproduction", "cells", "met")]
    for name, some in found.items():
        met = sum(score.met for score in some)
        lines.append(f"| {name}: {reproduction(name).title} | {len(some)} | {met} |")
    n = sum(map(len, found.values()))
    met = sum(score.met for some in found.values() for score in some)
    return "\n".join([*lines, f"| all | {n} | {met} |", ""])


def _rows(*heads: str) -> list[str]:
    """The first two lines of a table."""
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _input_row(source: Input) -> str:
    if source.cells:
        first = cell(source.cells[0])
        value = f"{len(source.cells)} cells" if len(source.cells) > 1 else number(first.value)
        origin = f"{first.source} [{source.provenance}]"
        unit = "as printed" if ", " in source.unit else source.unit
    elif isinstance(source.value, dict | list):
        value, unit, origin = f"{len(source.value)} values", source.unit, source.provenance
    else:
        is_number = isinstance(source.value, int | float)
        value = number(source.value) if is_number else str(source.value)
        unit, origin = source.unit, source.provenance
    return f"| {source.name} | {value} | {unit} | {origin} | {source.why} |"


def _table(key: str, found: list[Scored]) -> list[str]:
    """The scored cells of one published table."""
    one = table(key)
    place = f"{{cite}}`{one.source}`, {one.place} [{one.provenance}]"
    lines = [f"**{one.title}** ({place})"]
    if one.note:
        lines += ["", one.note]
    lines.append("")
    exact = all(score.predicted == score.published == 1 for score in found)
    if exact and len(found) >= LONG:
        names = ", ".join(cell(score.cell).row for score in found)
        unit = found[0].unit.removeprefix("1 = ")
        return [*lines, f"{unit[0].upper()}{unit[1:]}, {len(found)} of {len(found)}: {names}."]
    lines += _rows("cell", "predicted", "published", "error", "tolerance", "met")
    for score in found:
        lines.append(
            f"| {_label(score)} | {number(score.predicted)} | {number(score.published)} | "
            f"{'' if score.unit == 'rank' else signed_percent(score.error)} | {score.tolerance} | "
            f"{'yes' if score.met else 'no'} |"
        )
    return lines


def _label(score: Scored) -> str:
    """Row, column and unit of a scored cell, in words."""
    at = cell(score.cell)
    names = [at.row] if at.row == at.column else [at.row, at.column]
    unit = "rank" if score.unit == "rank" else score.unit.removeprefix("1 = ")
    if unit not in names:
        names.append(unit)
    return ", ".join(names)


def _named(ids: list[str], found: list[Scored]) -> str:
    """Cells of a miss, in words."""
    by_id = {score.id: score for score in found}
    return "; ".join(_label(by_id[name]) for name in ids)


def _correlations(found: list[Scored]) -> list[str]:
    values = correlations(found)
    if not values:
        return []
    texts = []
    for name, value in values.items():
        key, column = name.split(SEPARATOR)
        texts.append(f"{value:+.2f} ({table(key).title}: {column})")
    return ["Rank correlation of predicted with published numbers: " + "; ".join(texts) + ".", ""]


def _verdict(one: Classification) -> str:
    names = ", ".join(f"`{name}`" for name in one.critical)
    holds = ["holds" if yes else "fails" for yes in (one.theorem_1, one.theorem_3)]
    critical = f"{len(one.critical)}: {names}" if names else "none"
    return f"| {one.processor} | {len(one.verdicts)} | {critical} | {holds[0]} | {holds[1]} |"


def _other_processors() -> str:
    """Classifications that no paper prints: shown, not scored."""
    heads = (
        "processor",
        "instructions tried",
        "sensitive, not privileged",
        "theorem 1",
        "theorem 3",
    )
    claimed = table("robin2000-entries").value("claimed", "entries")
    printed = table("robin2000-entries").value("mnemonics printed", "entries")
    processors = (
        third_generation.MODEL_MACHINE,
        third_generation.PDP_10,
        ia32.VTX,
        riscv.processor(),
        riscv.processor(silent_privileged=True),
    )
    silent = classify(processors[-1])
    csrs = sorted({name.split()[1] for name in silent.critical if " " in name})
    lines = [
        f"How many are they? Robin and Irvine's paper speaks of {claimed} instructions; the list "
        f"as it is reproduced has {printed} mnemonics [S]; with iret, as the book of 2017 groups "
        f"them, there are {len(classify(ia32.IA32).critical)}.",
        "",
        "The model says of each IA-32 instruction what it reads and writes, and was written with "
        "the list at hand; that an instruction is sensitive follows from running it in both modes.",
        "",
        "The same enumeration of other processors, shown and not scored. VT-x is seen from the "
        "host: its guests run in non-root operation, kernel and all. The last two rows are this "
        "book's own machine, run.",
        "",
        *_rows(*heads),
        *(_verdict(classify(one)) for one in processors[:-1]),
        f"| {silent.processor} | {len(silent.verdicts)} | {len(silent.critical)}: `wfi`, "
        f"`sfence.vma`, and every CSR instruction on {', '.join(f'`{c}`' for c in csrs)} | "
        f"{'holds' if silent.theorem_1 else 'fails'} | "
        f"{'holds' if silent.theorem_3 else 'fails'} |",
        "",
        "Theorem 2, recursive virtualization, asks for theorem 1 and for a monitor without a "
        "dependence on timing; no enumeration of instructions can show that.",
        "",
    ]
    return "\n".join(lines)


def _ratio_by_size() -> str:
    """The 2D/native ratio between R3b and R3c."""
    inputs = {one.name: one.value for one in reproduction("R3c").inputs}
    rate = inputs["misses"]["MiscServer"]
    found = ratio_by_size(inputs, rate, SIZES_MIB)
    published = [table("bhargava2008-table1").value(row, "ratio") for row in inputs["misses"]]
    low = max(mib for mib, ratio in found.items() if ratio > max(published))
    high = min(mib for mib, ratio in found.items() if ratio < min(published))
    lines = [
        f"Between R3b and R3c, at MiscServer's {rate} misses: how the ratio falls from that of the "
        "counts as a program outgrows the cache that holds its page tables. The published ratios, "
        f"{min(published)} to {max(published)}, are those of working sets between {low} and {high} "
        "MiB. This is no prediction: the paper as cited says nothing of the size of its suites.",
        "",
        *_rows("working set, MiB", *map(str, found)),
        "| 2D / native | " + " | ".join(f"{ratio:.1f}" for ratio in found.values()) + " |",
        "",
    ]
    return "\n".join(lines)


def _crossover() -> str:
    """Cycles of both kinds of paging by rate of updates."""
    prices = PagingPrices.of(cost.load("westmere", stand_in=["opteron-simulated"]))
    misses_per_1000 = table("bhargava2008-table1").value("WebServer", "misses") / 100
    rates = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10)
    found = crossover(rates, misses_per_1000, prices)
    lines = [
        f"Cycles that paging costs in 1,000 instructions, with {misses_per_1000} TLB misses in "
        f"them. The lines cross at {found.at:.2f} updates. Only sign and order are compared: the "
        'published figures are "up to", and the two rates of updates are round numbers, so that '
        "sizes that agree agree by accident.",
        "",
        *_rows("updates in 1,000 instructions", *(f"{rate:g}" for rate in rates)),
        "| shadow | " + " | ".join(f"{cycles:.0f}" for cycles in found.shadow) + " |",
        "| nested | " + " | ".join(f"{cycles:.0f}" for cycles in found.nested) + " |",
        "",
    ]
    return "\n".join(lines)


def _events(name: str, unit: str) -> list[str]:
    """A table of the events that reproduction `name` has as its measured inputs."""
    events = next(one.value for one in reproduction(name).inputs if one.name == "events")
    lines = [f"What causes {unit}, counted on our own monitors:", ""]
    lines += _rows("monitor", "events")
    for monitor, counted in events.items():
        by_row = counted if all(isinstance(n, dict) for n in counted.values()) else {"": counted}
        for row, found in by_row.items():
            texts = [f"{n:g} {event.removeprefix('exit:')}" for event, n in found.items()]
            lines.append(f"| {f'{monitor} {row}'.strip()} | {', '.join(texts) or 'none'} |")
    return lines


def _operations() -> str:
    return "\n".join(_events("R1", "one operation"))


def _forkwait() -> str:
    inputs = {one.name: one.value for one in reproduction("R2").inputs}
    scales = [f"{forkwait.scale(inputs, name):.1f} ({name})" for name in ("BT", "VT")]
    return "\n".join(
        [
            *_events("R2", "one process of the teaching OS, from fork to wait"),
            "",
            "By the P4's times one of the paper's processes causes as many events as "
            f"{' or '.join(scales)} of these. This is no prediction; the paper prints no counts.",
        ]
    )


def _exits(counts: dict[str, float]) -> float:
    return sum(n for event, n in counts.items() if event.startswith("exit:"))


def _containers() -> str:
    inputs = {one.name: one.value for one in reproduction("R8").inputs}
    where = (containers.NATIVE, containers.BOX, containers.VM)
    lines = [
        "Cycles of one round relative to native, as the model prices it; what software does about "
        "an exit is not in it. Only the order is scored above, so that sizes that agree agree by "
        "accident.",
        "",
        *_rows("workload", "box", "VM", "exits, VM", *(f"walk references, {w}" for w in where)),
    ]
    for workload, places in inputs["counts"].items():
        times = [f"{containers.slowdown(inputs, workload, one):.3f}" for one in where[1:]]
        found = [sum(counts.get(n, 0) for n in containers.REFERENCES) for counts in places.values()]
        exits = _exits(places[containers.VM])
        lines.append(_row(workload, *times, f"{exits:.3g}", *(f"{n:,.0f}" for n in found)))
    lines += ["", *_rows("start", "instructions", "exits", "cycles")]
    for name, counts in inputs["start"].items():
        numbers = (counts["instructions"], _exits(counts), containers.cycles(inputs, counts))
        lines.append(_row(name, *(f"{n:,.0f}" for n in numbers)))
    box, vm = (inputs["memory"][name] >> 10 for name in ("box", "vm"))
    lines += [
        "",
        f"A box takes {box:,} KiB of the kernel's memory, and a virtual machine {vm:,} KiB of the "
        "host's, in which the same kernel and the same program find room.",
        "",
    ]
    return "\n".join(lines)


BESIDE = {
    "R1": _operations,
    "R2": _forkwait,
    "R0": _other_processors,
    "R3c": _ratio_by_size,
    "R3d": _crossover,
    "R8": _containers,
}
