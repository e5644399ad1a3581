"""Is every chapter stored as it should be: run, in order, without leftovers, of a readable size?

That a chapter still prints what is stored is checked by nbval, which pytest runs over notebooks/.
nbval passes over cells without an execution count, so that is looked at here.
"""

import ast
import json
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_WORDS, MOST_CELLS, LONGEST_CELL, LONGEST_LISTING, LONGEST_MEDIAN = 3500, 40, 15, 25, 5
FEWEST_WORDS = 2000  # of a full chapter; 00_start is one screen
MOST_BYTES = 2_000_000
MOST_OUTPUT_BYTES = 60_000
WASM = "AGFzbQ"  # how a WebAssembly module begins, in base64

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list:
    return [c for c in read(path).cells if c.cell_type == "code" and c.source.strip()]


def python(source: str) -> ast.Module:
    """A cell's source as Python, its magics included."""
    return ast.parse(TransformerManager().transform_cell(source))


def test_there_are_chapters_to_look_at():
    assert "01_machine" in [path.stem for path in CHAPTERS]


@chapters
def test_it_is_a_valid_notebook_with_ids(path):
    notebook = read(path)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))


@chapters
def test_every_cell_was_run_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@chapters
def test_no_output_is_an_error_or_a_warning(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source


@chapters
def test_nothing_of_the_moment_is_stored(path):
    notebook = read(path)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        for output in cell.get("outputs", []):
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
    assert "widgets" not in notebook.metadata
    assert path.stat().st_size <= MOST_BYTES


@chapters
def test_outputs_are_small_and_hold_no_machine_code(path):
    """A notebook stores a declaration and a still figure; pages bring the compiled functions."""
    for cell in code_cells(path):
        for output in cell.outputs:
            stored = json.dumps(output, ensure_ascii=False)
            assert len(stored.encode()) <= MOST_OUTPUT_BYTES, cell.source
            assert WASM not in stored, cell.source


@chapters
def test_a_cell_whose_output_is_not_compared_says_why(path):
    """nbval compares every output, except where the cell carries a tag or mark of its own."""
    for cell in code_cells(path):
        spared = [tag for tag in cell.metadata.get("tags", []) if "nbval" in tag.lower()]
        spared += re.findall(r"#\s*(?:NBVAL_\w+|PYTEST_VALIDATE_\w+)", cell.source)
        reason = re.search(r"#\s*not compared: \w+", cell.source)
        assert not spared or reason, f"{spared}, and no '# not compared: ...'\n{cell.source}"


@chapters
def test_what_is_shown_has_words_for_it(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if "data" in output:
                text = output.data.get("text/plain", "")
                assert text.strip(), cell.source
                assert not re.search(r"\bat 0x[0-9a-f]{6,}>", text), f"an object's address: {text}"


@chapters
def test_every_prediction_is_answered(path):
    html = [o.data.get("text/html", "") for c in code_cells(path) for o in c.outputs if "data" in o]
    asked = sum("<strong>Predict.</strong>" in text for text in html)
    assert asked == sum("<summary>Show the result</summary>" in text for text in html)


@chapters
def test_the_answer_is_among_the_choices(path):
    choices: list[str] = []
    for cell in code_cells(path):
        for output in cell.outputs:
            text = output.get("data", {}).get("text/plain", "")
            if text.startswith("Predict."):
                choices = re.findall(r"^  \( \) (.+)$", text, re.MULTILINE)
            elif text.startswith("no guess, result ") and choices:
                told = text.removeprefix("no guess, result ")
                assert any(told.startswith(f"{choice}.") for choice in choices), text


@chapters
def test_its_cells_are_short(path):
    lengths = []
    for cell in code_cells(path):
        n_lines = len(cell.source.strip().splitlines())
        listing = '"""' in cell.source or "'''" in cell.source or cell.source.startswith("%%")
        assert n_lines <= (LONGEST_LISTING if listing else LONGEST_CELL), cell.source
        lengths.append(n_lines)
    assert len(lengths) <= MOST_CELLS
    assert statistics.median(lengths) <= LONGEST_MEDIAN


@chapters
def test_it_takes_an_hour_at_most_to_read(path):
    text = " ".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    n_words = len(re.sub(r"```.*?```|<[^>]+>|\(https?://[^)]*\)", " ", text, flags=re.S).split())
    assert n_words <= MOST_WORDS
    if path.stem != "00_start":
        assert n_words >= FEWEST_WORDS


@chapters
def test_what_belongs_in_the_library_is_there(path):
    for cell in code_cells(path):
        names = set()
        for node in ast.walk(python(cell.source)):
            assert not isinstance(node, ast.ClassDef), cell.source
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
        assert not names & {"njit", "jit", "plotly", "go", "sys"}, cell.source


@chapters
def test_it_reads_well_in_plain_jupyterlab(path):
    """CommonMark alone: JupyterLab shows the site's directives and roles as they are written."""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(
                r"`[^`\n]+`", "", re.sub(r"```[a-z]*\n.*?```", "", cell.source, flags=re.S)
            )
            assert "```{" not in cell.source and ":::" not in prose, cell.source
            assert not re.search(r"\{[a-z:-]+\}`", cell.source), cell.source


@chapters
def test_it_begins_with_one_title(path):
    notebook = read(path)
    prose = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    assert prose[0].startswith("# ")
    text = re.sub(r"```.*?```", "", "\n".join(prose), flags=re.S)
    assert len(re.findall(r"^# ", text, flags=re.M)) == 1
