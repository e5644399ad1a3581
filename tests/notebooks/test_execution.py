"""Does running a chapter anew store the same bytes, and refuse what should not be stored?"""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "book" / "execute_notebooks.py"
    spec = importlib.util.spec_from_file_location("execute_notebooks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, *sources: str) -> Path:
    cells = [new_markdown_cell("# A page"), *(new_code_cell(source) for source in sources)]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_two_runs_give_the_same_bytes_and_the_second_stores_nothing(script, tmp_path, monkeypatch):
    widget = (
        "import ipywidgets\nfrom IPython.display import display\ndisplay(ipywidgets.IntSlider(3))"
    )
    path = write(tmp_path / "page.ipynb", "print(1)\nprint(2)", widget, "6 * 7")
    first = script.execute(path)
    path.write_text(first, "utf-8")
    assert script.execute(path) == first
    notebook = nbformat.reads(first, as_version=4)
    assert [c.get("execution_count") for c in notebook.cells] == [None, 1, 2, 3]
    assert notebook.cells[1].outputs[0].text == "1\n2\n"
    assert "IntSlider" in notebook.cells[2].outputs[0].data["text/plain"]
    assert "widget-view" not in first
    assert "widgets" not in notebook.metadata


def test_cells_without_an_id_get_one_from_their_place(script):
    notebook = new_notebook(cells=[new_markdown_cell("# A"), new_markdown_cell("b")])
    for cell in notebook.cells:
        cell.id = "twice"
    text = script.normalized(notebook, "page.ipynb")
    assert [c.id for c in nbformat.reads(text, as_version=4).cells] == ["twice", "cell-001"]


@pytest.mark.parametrize(
    ("source", "said"),
    [("1 / 0", "ZeroDivisionError"), ("import sys\nprint('careful', file=sys.stderr)", "careful")],
)
def test_a_chapter_that_fails_is_named_and_left_as_it_was(
    script, tmp_path, monkeypatch, capfd, source, said
):
    path = write(tmp_path / "page.ipynb", source)
    before = path.read_bytes()
    monkeypatch.setattr("sys.argv", ["execute_notebooks.py", str(path)])
    assert script.main() == 1
    assert path.read_bytes() == before
    assert said in capfd.readouterr().err


def test_check_stores_nothing_and_tells_what_differs(script, tmp_path, monkeypatch, capfd):
    path = write(tmp_path / "page.ipynb", "6 * 7")
    before = path.read_bytes()
    monkeypatch.setattr("sys.argv", ["execute_notebooks.py", "--check", str(path)])
    assert script.main() == 1
    assert path.read_bytes() == before
    assert "page.ipynb" in capfd.readouterr().err
    path.write_text(script.execute(path), "utf-8")
    assert script.main() == 0
