"""Is the house built as drawn: who imports whom, how large a file is, what things are called?"""

import ast
import html
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "virtlab"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 700  # lines of code, beside docstrings and comments
LONGEST_TEXT = 400  # lines of JavaScript or CSS
FORBIDDEN_WORDS = {"jit", "fast", "impl", "utils", "util", "manager", "helper", "helpers", "misc"}
ALLOWED_NAMES = {"_jit", "njit"}  # the module and the decorator all of it goes through


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_import_contracts_are_kept():
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_library_runs_without_the_packages_that_draw(tmp_path):
    """Import everything below explore in a Python that has no widgets, plotly or IPython."""
    names = [
        "virtlab." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in MODULES
        if path.name not in ("__init__.py", "__main__.py")
        and path.relative_to(PACKAGE).parts[0] not in ("explore", "labs")
    ]
    program = tmp_path / "bare.py"
    program.write_text(
        "import sys\n"
        "for name in ('ipywidgets', 'anywidget', 'plotly', 'IPython'):\n"
        "    sys.modules[name] = None\n"
        "import importlib\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
    )
    result = subprocess.run(
        [sys.executable, str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_a_module_can_be_read_in_a_sitting(path):
    n_lines = code_lines(path.read_text("utf-8"))
    assert n_lines <= LONGEST_MODULE


def code_lines(text: str) -> int:
    """How many lines hold code: not blank, no comment, no docstring."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    docstrings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in (*silent, tokenize.ENDMARKER)
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docstrings)


def test_only_lines_with_code_are_counted():
    text = (
        '"""Doc.\n\nMore.\n"""\n\n# why\nx = (\n    1,\n)\n\n\ndef f():\n    "Doc."\n    return 2\n'
    )
    assert code_lines(text) == 5


@pytest.mark.parametrize(
    "path",
    sorted(
        [*PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.css"), *(ROOT / "book" / "_static").glob("*")]
    ),
    ids=short,
)
def test_what_runs_in_the_page_is_short_too(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_TEXT


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_no_name_says_how_instead_of_what(path):
    names = {path.stem} | {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    bad = [name for name in names - ALLOWED_NAMES if FORBIDDEN_WORDS & words_of(name)]
    assert not bad, f"{short(path)}: {bad}"


def words_of(name: str) -> set[str]:
    """The words of a name in snake_case or CamelCase."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def test_words_of_a_name_are_found_in_both_styles():
    assert words_of("run_fast") == {"run", "fast"}
    assert words_of("PageManager") == {"page", "manager"}
    assert words_of("breakfast") == {"breakfast"}


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_a_module_says_what_it_is_for(path):
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), short(path)


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_nothing_is_left_for_later(path):
    left = re.findall(r"#.*\b(?:TODO|FIXME|XXX)\b.*|NotImplementedError", path.read_text("utf-8"))
    assert not left, f"{short(path)}: {left}"


def test_compiled_code_goes_through_one_decorator():
    users = [
        short(path)
        for path in MODULES
        if path.name != "_jit.py"
        and re.search(
            r"numba\.(?:n?jit|vectorize|guvectorize|cfunc)|jitclass", path.read_text("utf-8")
        )
    ]
    assert not users


def departures(path: Path) -> list[str]:
    """The first line of every `# Model:` remark of a source file."""
    marked = re.findall(r"# Model: *(.+)", path.read_text("utf-8"))
    return [" ".join(remark.split()) for remark in marked]


def test_the_chapter_on_the_machine_lists_every_departure_from_hardware():
    chapter = ROOT / "notebooks" / "01_machine.ipynb"
    notebook = json.loads(chapter.read_text("utf-8"))
    printed = " ".join(
        "".join(part)
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        for part in (output.get("text", []), *output.get("data", {}).values())
    )
    printed = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", printed)).split())
    stated = [
        (short(path), text)
        for folder in ("isa", "machine")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for text in departures(path)
    ]
    assert stated, "the machine departs from hardware nowhere?"
    missing = [f"{path}: {text}" for path, text in stated if text not in printed]
    assert not missing, "run `python3 lab.py notebooks`:\n" + "\n".join(missing)
