"""What is shown where boxes cannot be made? A run recorded on Linux, with its date and machine.

The recording is `recorded.json` beside this file, made by

    python -m virtlab.containers.linux --record
"""

import json
import os
import platform
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

from virtlab.containers.linux.boxes import RefusedError, box
from virtlab.containers.linux.demonstrations import DEMONSTRATIONS, Table

FILE = Path(__file__).with_name("recorded.json")


def recorded(name: str) -> Table:
    """A demonstration as it went when it was recorded.

    Parameters
    ----------
    name : one of DEMONSTRATIONS

    Raises
    ------
    ValueError : there is none of that name
    """
    checked(name)
    recording = json.loads(FILE.read_text("utf-8"))
    table = recording["tables"][name]
    source = (
        f"RECORDED on {recording['date']}, {recording['kernel']}, {recording['machine']}; "
        "not run here"
    )
    rows = tuple(tuple(row) for row in table["rows"])
    return Table(table["title"], tuple(table["columns"]), rows, source, recorded=True)


def run_or_recorded(name: str) -> Table:
    """Run a demonstration; where no box can be made, show the recorded one, marked as such.

    With VIRTLAB_RECORDED in the environment it is always the recorded one: the pages of the book
    are made so, lest they tell of whichever machine they were made on.

    Raises
    ------
    ValueError : there is none of that name
    """
    run = DEMONSTRATIONS[checked(name)]
    if os.environ.get("VIRTLAB_RECORDED"):
        return recorded(name)
    try:
        box(["true"])  # what is refused later than this is news, and is raised
    except RefusedError as error:
        table = recorded(name)
        return replace(table, source=f"{table.source}: {error.strerror or error}")
    return run()


def checked(name: str) -> str:
    if name not in DEMONSTRATIONS:
        raise ValueError(f"demonstration {name!r}: accepted are {', '.join(DEMONSTRATIONS)}")
    return name


def record(file: Path = FILE) -> None:
    """Run every demonstration and write the recording."""
    tables = {}
    for name, run in DEMONSTRATIONS.items():
        table = run()
        tables[name] = {"title": table.title, "columns": table.columns, "rows": table.rows}
        print(table, end="\n\n", file=sys.stderr)
    recording = {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": "Linux " + re.match(r"[\d.]*\d", platform.release())[0],
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "tables": tables,
    }
    file.write_text(json.dumps(recording, indent=1, ensure_ascii=False) + "\n", "utf-8")
