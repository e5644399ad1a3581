"""Run the chapters and store what they print: python3 lab.py notebooks [--check] [FILE ...].

The same sources give the same bytes: cells keep their ids or get them from their place, execution
counts begin at 1, and nothing of the moment is stored: no times, no widget state, no version of
Python. A chapter whose cell fails, or prints to stderr, is left as it was and named.

Without a FILE it also stores the page that the scores of the model make, model_against_paper.md.

What a widget shows is stored as the still figure that comes with it, for the site and for readers
who do not run the chapter.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from virtlab.published.page import page

ROOT = Path(__file__).resolve().parents[1]
SCORES = ROOT / "book" / "model_against_paper.md"
FOLDER = ROOT / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ChapterError(Exception):
    """A chapter that does not run as it should; the text says where."""


def execute(path: Path, timeout_s: int = 300) -> str:
    """Run the chapter at `path`; returns the text to store, ending in a newline.

    Raises
    ------
    ChapterError : a cell failed, or printed to stderr
    """
    notebook = nbformat.read(path, as_version=4)
    os.environ["VIRTLAB_RECORDED"] = "1"  # what depends on this machine is shown as recorded
    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute()
    except CellExecutionError as problem:
        raise ChapterError(f"{path.name}: {problem}") from None
    return normalized(notebook, path.name)


def normalized(notebook: nbformat.NotebookNode, name: str) -> str:
    """The notebook's text without anything that differs between two runs.

    Raises
    ------
    ChapterError : an output is on stderr, or is an error
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"file_extension": ".py", "name": "python"}}
    )
    seen, count = set(), 0
    for place, cell in enumerate(notebook.cells):
        if not CELL_ID.fullmatch(cell.get("id", "")) or cell.id in seen:
            cell.id = f"cell-{place:03d}"
        seen.add(cell.id)
        cell.metadata = nbformat.from_dict(
            {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
        )
        if cell.cell_type != "code":
            continue
        if cell.source.strip():
            count += 1
            cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                said = output.get("text") or output.get("evalue")
                raise ChapterError(f"{name}: cell {cell.id} printed an error: {said}")
            if output.output_type == "execute_result":
                output.execution_count = count
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
                output.metadata = nbformat.from_dict({})
        cell.outputs = [output for output in cell.outputs if output.get("data", output.get("text"))]
    return nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the chapters and store their output.")
    parser.add_argument("files", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--check", action="store_true", help="store nothing; fail if it differs")
    arguments = parser.parse_args()
    os.environ["VIRTLAB_PROGRESS"] = "off"  # what a chapter checks is nobody's progress
    status = 0
    for path in arguments.files or [*sorted(FOLDER.glob("*.ipynb")), SCORES]:
        try:
            text = page() if path.resolve() == SCORES else execute(path.resolve())
        except (ChapterError, OSError) as problem:
            print(problem, file=sys.stderr)
            status = 1
            continue
        if path.is_file() and text == path.read_text("utf-8"):
            print(f"{path.name}: as stored")
        elif arguments.check:
            print(f"{path.name}: its output is not what is stored", file=sys.stderr)
            status = 1
        else:
            path.write_text(text, "utf-8")
            print(f"{path.name}: stored")
    return status


if __name__ == "__main__":
    sys.exit(main())
