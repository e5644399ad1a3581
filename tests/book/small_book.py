"""A book of one page, and perhaps one notebook, with this book's configuration."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def build(output: Path, source: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the book's build script of `source`."""
    script = source / "book" / "build.py"
    return subprocess.run(
        [sys.executable, str(script), "--output", str(output), *options],
        capture_output=True,
        text=True,
        check=False,
    )


def small_book(folder: Path, text: str, notebook: bool = False) -> Path:
    """Write the book below `folder`; the notebook shows a plotly figure. Returns its top folder."""
    source = folder / "source"
    shutil.copytree(ROOT / "book", source / "book", ignore=shutil.ignore_patterns("*.md", "_build"))
    (source / "book" / "intro.md").write_text(text, "utf-8")
    toc = {"format": "jb-book", "root": "book/intro"}
    if notebook:
        import plotly.graph_objects as go

        figure = go.Figure(go.Bar(x=[1, 2], y=[3, 4]), {"title": {"text": "Two bars"}})
        output = nbformat.v4.new_output(
            "display_data", {"application/vnd.plotly.v1+json": figure.to_plotly_json()}
        )
        cells = [
            nbformat.v4.new_markdown_cell("# Figure"),
            nbformat.v4.new_code_cell("figure", outputs=[output], execution_count=1),
        ]
        (source / "notebooks").mkdir()
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}),
            source / "notebooks" / "figure.ipynb",
        )
        toc["chapters"] = [{"file": "notebooks/figure"}]
    (source / "book" / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
    return source
