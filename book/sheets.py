"""The course in sessions: a sheet of paper for each, and the schedules of the teacher's guide.

    python book/sheets.py --sessions 8 --output FOLDER    a page for each session, to be printed
    python book/sheets.py --sessions 8 --table            the schedule, as the guide has it

The course has 14 units of 90 minutes. A schedule of 8 or 4 sessions puts units together, and leaves
reading to the students. A sheet has what the session is about, what to predict before anything is
run, the exercises with the numbers of their first variant, and room to write.
"""

import argparse
import html
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Unit:
    """Ninety minutes.

    title : str
    page : path of the chapter in the repository
    sections : headings in it
    ask : the question to put before anything is run
    exercises : numbers of exercises, to begin in class and to hand in
    """

    title: str
    page: str
    sections: str
    ask: str
    exercises: tuple[str, ...]


UNITS = (
    Unit(
        "A machine that runs backwards",
        "notebooks/00_start.ipynb",
        "the whole chapter; of 01, A machine that boots to Modes and traps",
        "How many instructions does a shell need to say hello?",
        ("00.1", "00.2", "01.5"),
    ),
    Unit(
        "Addresses",
        "notebooks/01_machine.ipynb",
        "Driving by hand to Count",
        "How many memory accesses hide behind one load?",
        ("01.4", "01.9", "01.10"),
    ),
    Unit(
        "Trap and emulate",
        "notebooks/02_full_virtualization.ipynb",
        "up to and with the handlers",
        "Ten instructions of a guest kernel: how many exits?",
        ("02.1", "02.5", "02.12"),
    ),
    Unit(
        "Shadow page tables",
        "notebooks/02_full_virtualization.ipynb",
        "memory, and the policies of the shadow",
        "Who notices that a guest has changed its page table?",
        ("02.6", "02.14", "02.13"),
    ),
    Unit(
        "What keeps quiet",
        "notebooks/02_full_virtualization.ipynb",
        "binary translation, price, what the model leaves out",
        "What if an instruction neither works nor traps?",
        ("02.2", "02.10", "02.11"),
    ),
    Unit(
        "A kernel that asks",
        "notebooks/03_paravirtualization.ipynb",
        "the whole chapter",
        "How many lines of a kernel have to change?",
        ("03.3", "03.5", "03.9", "03.10"),
    ),
    Unit(
        "A mode for guests",
        "notebooks/04_hardware_assisted.ipynb",
        "up to The first generation",
        "Why was the first generation slower than software?",
        ("04.1", "04.2", "04.5"),
    ),
    Unit(
        "Two page tables",
        "notebooks/04_hardware_assisted.ipynb",
        "The second generation to Model against paper",
        "How many references has a walk through two tables?",
        ("04.3", "04.9", "04.12"),
    ),
    Unit(
        "One kernel, many boxes",
        "notebooks/05_os_level.ipynb",
        "the whole chapter",
        "What does a box have that a process has not?",
        ("05.1", "05.8", "05.10"),
    ),
    Unit(
        "Case study Xen: a guest that serves the others",
        "notebooks/06_xen.ipynb",
        "the whole chapter",
        "Two guests of equal weight: who gets how much?",
        ("03.11", "06.10", "06.11", "06.12"),
    ),
    Unit(
        "Case study KVM: the run loop",
        "notebooks/07_kvm.ipynb",
        "up to Memory slots and the dirty log",
        "How much of a hypervisor is left, when the hardware does the rest?",
        ("07.1", "07.8"),
    ),
    Unit(
        "Case study KVM: devices and price",
        "notebooks/07_kvm.ipynb",
        "Three modes to Model against paper",
        "How often does a packet cross a boundary?",
        ("07.2", "07.3"),
    ),
    Unit(
        "A data centre",
        "notebooks/08_vsphere.ipynb",
        "the whole chapter",
        "What does a machine miss while it moves?",
        ("08.10", "08.12", "08.13"),
    ),
    Unit(
        "Which one, and is any of this true?",
        "notebooks/09_which_one.ipynb",
        "the whole chapter; then the page Model against paper",
        "Which of the model's numbers would you not believe, and why?",
        ("09.4", "09.6", "09.11"),
    ),
)
PLANS = {  # sessions: how many units each takes
    14: (1,) * 14,
    8: (2, 1, 2, 1, 2, 2, 2, 2),
    4: (2, 3, 4, 5),
}
CODE = re.compile(r"`([^`]+)`")
STYLE = """
@page { size: A4; margin: 16mm; }
body { font: 11pt/1.4 system-ui, sans-serif; color: #111; background: #fff; }
main { max-width: 46rem; margin: 1rem auto; padding: 0 1rem; }
h1 { font-size: 17pt; margin: 0; } h2 { font-size: 13pt; margin: 1.1em 0 0.2em; }
p { margin: 0.3em 0; } pre { font-size: 9pt; white-space: pre-wrap; }
article { break-inside: avoid; } .name { float: right; }
.room { border-bottom: 1px solid #767676; height: 1.7em; }
"""


def plan(n_sessions: int) -> list[tuple[Unit, ...]]:
    """The units of each session.

    Raises
    ------
    ValueError
        there is no schedule of so many sessions
    """
    if n_sessions not in PLANS:
        raise ValueError(f"--sessions {n_sessions}: accepted are {', '.join(map(str, PLANS))}.")
    rest = iter(UNITS)
    return [tuple(next(rest) for _ in range(n)) for n in PLANS[n_sessions]]


def chapter(unit: Unit) -> str:
    """The number of the unit's chapter."""
    return Path(unit.page).stem[:2]


def table(n_sessions: int) -> str:
    """The schedule as a Markdown table."""
    rows = ["| session | units | chapters | exercises |", "|---|---|---|---|"]
    for number, units in enumerate(plan(n_sessions), 1):
        titles = "; ".join(unit.title for unit in units)
        chapters = ", ".join(dict.fromkeys(map(chapter, units)))
        exercises = ", ".join(id for unit in units for id in unit.exercises)
        rows.append(f"| {number} | {titles} | {chapters} | {exercises} |")
    return "\n".join(rows)


def sheet(n_sessions: int, number: int, units: tuple[Unit, ...]) -> str:
    """The sheet of a session as an HTML page without anything from elsewhere."""
    from virtlab import labs

    parts = []
    for unit in units:
        parts.append(
            f"<h2>{html.escape(unit.title)}</h2>\n"
            f"<p>Chapter {chapter(unit)}: {html.escape(unit.sections)}.</p>\n"
            f"<p><strong>Before anything is run:</strong> {html.escape(unit.ask)}</p>\n{room(2)}"
        )
        for id in unit.exercises:
            question = labs.show(id)
            options = "".join(f"<li>{html.escape(text)}</li>" for text in question.options)
            listing = f"<ol>{options}</ol>" if options else ""
            parts.append(
                f"<article><p><strong>{html.escape(question.title)}</strong></p>\n"
                f"{paragraphs(question.text)}{listing}{room(2)}</article>"
            )
    title = f"virtlab, session {number} of {n_sessions}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body><main>\n<p class='name'>Name:"
        f" ______________________</p>\n<h1>{title}</h1>\n" + "\n".join(parts) + "\n"
        "<h2>What surprised me</h2>\n" + room(3) + "</main></body></html>\n"
    )


def paragraphs(text: str) -> str:
    """A question as HTML; what follows its first line is a listing."""
    first, _, rest = text.partition("\n")
    listing = f"<pre>{html.escape(rest.strip(chr(10)))}</pre>" if rest.strip() else ""
    said = CODE.sub(r"<code>\1</code>", html.escape(first))
    return f"<p>{said}</p>{listing}"


def room(n_lines: int) -> str:
    """Lines to write on."""
    return "<div class='room'></div>" * n_lines + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Sheets and schedules of the course.")
    parser.add_argument("--sessions", type=int, default=8, help="4, 8 or 14 (default: 8)")
    parser.add_argument("--table", action="store_true", help="print the schedule instead")
    parser.add_argument("--output", type=Path, default=ROOT / "book" / "_build" / "sheets")
    options = parser.parse_args()
    try:
        if options.table:
            print(table(options.sessions))
            return 0
        sessions = plan(options.sessions)
    except ValueError as error:
        print(f"sheets.py: {error}", file=sys.stderr)
        return 2
    options.output.mkdir(parents=True, exist_ok=True)
    for number, units in enumerate(sessions, 1):
        target = options.output / f"session-{number:02}-of-{options.sessions}.html"
        target.write_text(sheet(options.sessions, number, units), "utf-8")
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
