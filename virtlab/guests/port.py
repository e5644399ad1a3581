"""How much of a kernel must change to be paravirtual? python -m virtlab.guests.port

    --json    a list of files and the totals, for programs

The port of the teaching OS is a folder of files that take the place of those of the same name, or
join them (pith/paravirt). Each is compared with what it replaces, line by line; blank lines and
lines that are only comment do not count. A stretch of m lines in the place of n others counts as
the smaller number of changed lines, and the rest as added or removed.

What the port leaves alone is not all by chance: the kernel asks for whatever only a kernel may do
through the functions of a few files, which both builds share, and the port replaces those files.

For comparison: Linux 2.4.21 on Xen, 2,995 lines changed or added, 1.36 % of its x86 code (P. Barham
et al., "Xen and the Art of Virtualization", SOSP 2003, Table 2; provenance P).
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from dataclasses import asdict, dataclass

from virtlab.guests import catalogue

COMMENTS = {".c": ("//",), ".h": ("//",), ".S": ("# ", "#\n"), ".ld": ("/*",)}


@dataclass(frozen=True)
class Change:
    """One file of the port against the file it replaces; numbers are lines of code.

    before : lines of the file it replaces, 0 if there is none
    after : lines of the port's file
    """

    file: str
    before: int
    after: int
    added: int
    removed: int
    changed: int


@dataclass(frozen=True)
class Port:
    """The whole port; `kernel` is the lines of the unmodified kernel."""

    files: list[Change]
    kernel: int

    def total(self, what: str) -> int:
        """The sum over all files: of "added", "removed" or "changed" lines."""
        return sum(getattr(change, what) for change in self.files)

    @property
    def touched(self) -> int:
        """Lines changed or added, which is what Barham et al. count."""
        return self.total("changed") + self.total("added")

    @property
    def share(self) -> float:
        """`touched` as a part of the unmodified kernel."""
        return self.touched / self.kernel


def code_lines(name: str) -> list[str]:
    """The lines of a source file of the kernel that are neither blank nor only comment."""
    text = (catalogue.HERE / "pith" / name).read_text(encoding="utf-8")
    marks = COMMENTS["." + name.rpartition(".")[2]]
    stripped = [line.strip() for line in text.splitlines()]
    return [line for line in stripped if line and not (line + "\n").startswith(marks)]


def compare(before: list[str], after: list[str]) -> tuple[int, int, int]:
    """Lines (added, removed, changed) on the way from one text to the other."""
    added = removed = changed = 0
    for _, a, b, c, d in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        same = before[a:b] == after[c:d]
        common = 0 if same else min(b - a, d - c)
        changed += common
        removed += 0 if same else b - a - common
        added += 0 if same else d - c - common
    return added, removed, changed


def count() -> Port:
    """Compare every file of the port with what it replaces.

    Examples
    --------
    >>> port = count()
    >>> [change.file for change in port.files if change.before == 0]
    ['paravirt.h', 'updates.c']
    """
    files = []
    for name in catalogue.PITH_PARAVIRT:
        replaced = name.replace("paravirt/", "kernel/")
        before = code_lines(replaced) if replaced in catalogue.PITH_KERNEL else []
        after = code_lines(name)
        file = name.removeprefix("paravirt/")
        files.append(Change(file, len(before), len(after), *compare(before, after)))
    return Port(files, sum(len(code_lines(name)) for name in catalogue.PITH_KERNEL))


def table(port: Port) -> str:
    """The count as text, a line for each file."""
    columns = ("before", "after", "added", "removed", "changed")
    lines = [f"{'file':15}" + "".join(f"{column:>9}" for column in columns)]
    for change in port.files:
        numbers = (getattr(change, column) for column in columns)
        lines.append(f"{change.file:15}" + "".join(f"{number:9,}" for number in numbers))
    totals = (port.total(column) for column in columns)
    lines.append(f"{'all':15}" + "".join(f"{number:9,}" for number in totals))
    lines.append(
        f"{port.touched:,} lines changed or added, {port.share:.1%} of a kernel of "
        f"{port.kernel:,} lines."
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m virtlab.guests.port",
        description="Counts the lines that the paravirtual port of the teaching OS changes.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    port = count()
    if options.json:
        totals = {what: port.total(what) for what in ("added", "removed", "changed")}
        totals |= {"touched": port.touched, "kernel": port.kernel, "share": round(port.share, 4)}
        print(json.dumps({"files": [asdict(change) for change in port.files], "total": totals}))
    else:
        print(table(port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
