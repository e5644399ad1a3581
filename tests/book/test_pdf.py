"""Does the book become one PDF where a browser is installed, and one sentence where none is?"""

import importlib.util
import re
from pathlib import Path

import pytest
from small_book import build, small_book

ROOT = Path(__file__).resolve().parents[2]
TEXT = """# First page

Text, a formula $2^{39}$, a [page](https://example.edu/) and <a href='../book/intro.html'>this</a>.

<details><summary>Solution</summary>
folded
</details>
"""


@pytest.fixture
def pdf(monkeypatch):
    """book/pdf.py, on a computer that has no browser unless a test adds one."""
    spec = importlib.util.spec_from_file_location("book_pdf", ROOT / "book" / "pdf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PLACES", ())
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    for folder in module.WINDOWS_FOLDERS:
        monkeypatch.delenv(folder, raising=False)
    return module


@pytest.mark.browser
def test_all_pages_are_printed_to_one_pdf(tmp_path):
    source = small_book(tmp_path, TEXT, notebook=True)
    result = build(tmp_path / "out", source, "--pdf")
    assert result.returncode == 0, result.stdout + result.stderr
    printed = tmp_path / "out" / "_build" / "virtlab.pdf"
    assert str(printed) in result.stdout
    data = printed.read_bytes()
    assert data.startswith(b"%PDF-") and len(data) > 10_000
    assert len(re.findall(rb"/Type\s*/Page\b", data)) >= 2, "a chapter begins on a page of its own"
    addresses = re.findall(rb"/URI \((.*?)\)", data)
    assert addresses == [b"https://example.edu/"], "links to files lead nowhere from a PDF"


def test_without_a_browser_one_sentence_says_which_will_do(pdf, tmp_path):
    with pytest.raises(pdf.PdfError, match="no browser was found") as caught:
        pdf.print_page(tmp_path / "page.html", tmp_path / "book.pdf")
    assert "Chromium" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["Google/Chrome/Application/chrome.exe"])
def test_a_browser_of_windows_is_found_in_its_folder(pdf, tmp_path, monkeypatch, place):
    program = tmp_path / place
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path))
    assert Path(pdf.browser()) == program


def test_a_browser_that_prints_nothing_is_told_with_its_last_words(pdf, tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "browser", lambda: "a browser")
    monkeypatch.setattr(
        pdf.subprocess,
        "run",
        lambda *command, **options: type("Result", (), {"stderr": "one\nno display\n"}),
    )
    (tmp_path / "page.html").write_text("<p>text</p>", "utf-8")
    with pytest.raises(pdf.PdfError, match="a browser printed nothing; it said: no display"):
        pdf.print_page(tmp_path / "page.html", tmp_path / "book.pdf")


def test_only_links_to_files_are_taken_out(pdf):
    text = '<a class="x" href="../a.html">a</a><a href=\'b.py#L1\'>b</a><a href="#c">c</a>'
    text += '<a href="https://example.edu/">d</a><link href="x.css">'
    assert pdf.FILE_LINK.sub(r"\1", text) == (
        '<a class="x">a</a><a>b</a><a href="#c">c</a><a href="https://example.edu/">d</a>'
        '<link href="x.css">'
    )
