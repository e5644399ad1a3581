"""Do the links in a page's header lead to the chapter, wherever the book's addresses are set?"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from small_book import small_book
from sphinx.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
GITHUB = "https://github.com/someone/the-book"
CHAPTER = ("notebooks/01_machine", ".ipynb", "../_sources/notebooks/01_machine.ipynb", "../")


@pytest.fixture(scope="module")
def launch():
    path = ROOT / "book" / "_ext" / "launch.py"
    spec = importlib.util.spec_from_file_location("launch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def links(launch, page=CHAPTER, **environment) -> dict[str, str]:
    """The text and address of each link."""
    variables = {f"VIRTLAB_{name.upper()}": value for name, value in environment.items()}
    chosen = launch.settings(environment=variables)
    return {link["text"]: link["address"] for link in launch.page_links(chosen, *page)}


def test_with_no_address_set_a_page_can_only_be_saved(launch):
    assert links(launch) == {"Save the notebook (01_machine.ipynb)": CHAPTER[2]}


def test_binder_opens_the_chapter_of_the_branch(launch):
    address = links(launch, repository=GITHUB + ".git/", branch="next/one")["Run on Binder"]
    parts = urlsplit(address)
    assert parts.netloc == "mybinder.org"
    assert parts.path == "/v2/gh/someone/the-book/next%2Fone"
    assert parse_qs(parts.query) == {"urlpath": ["lab/tree/notebooks/01_machine.ipynb"]}


@pytest.mark.parametrize(
    ("repository", "path"),
    [
        ("https://gitlab.com/group/sub/book", "gl/group%2Fsub%2Fbook/main"),
        ("https://git.example.edu/book.git", "git/https%3A%2F%2Fgit.example.edu%2Fbook/main"),
    ],
)
def test_binder_knows_other_hosts_by_their_own_names(launch, repository, path):
    address = links(launch, repository=repository)["Run on Binder"]
    assert urlsplit(address).path == f"/v2/{path}"


def test_the_hub_fetches_the_repository_and_opens_the_chapter(launch):
    address = links(launch, repository=GITHUB, hub="https://hub.example.edu/")
    parts = urlsplit(address["Run on the JupyterHub"])
    assert (parts.netloc, parts.path) == ("hub.example.edu", "/hub/user-redirect/git-pull")
    assert parse_qs(parts.query) == {
        "repo": [GITHUB],
        "branch": ["main"],
        "urlpath": ["lab/tree/the-book/notebooks/01_machine.ipynb"],
    }


def test_a_hub_without_a_repository_has_nothing_to_fetch(launch):
    assert list(links(launch, hub="https://hub.example.edu")) == list(links(launch))


def test_binder_can_be_left_out(launch):
    assert "Run on Binder" not in links(launch, repository=GITHUB, binder="")


def test_a_page_of_text_is_saved_but_not_run(launch):
    page = ("book/glossary", ".md", "../_sources/book/glossary.md", "../")
    found = links(launch, page, repository=GITHUB, hub="https://hub.example.edu")
    assert list(found) == ["Save the source (glossary.md)"]


@pytest.mark.parametrize(
    ("pdf", "address"),
    [("virtlab.pdf", "../virtlab.pdf"), ("https://example.edu/b.pdf", "https://example.edu/b.pdf")],
)
def test_the_printed_book_is_a_file_of_the_site_or_elsewhere(launch, pdf, address):
    assert links(launch, pdf=pdf)["Save the whole book (PDF)"] == address


@pytest.mark.parametrize(
    ("name", "value"),
    [("repository", "github.com/x/y"), ("hub", "javascript:alert(1)"), ("binder", "https:// x")],
)
def test_what_is_no_address_is_refused_by_name(launch, name, value):
    with pytest.raises(ConfigError, match=re.escape(f"VIRTLAB_{name.upper()}: {value!r}")):
        launch.settings(environment={f"VIRTLAB_{name.upper()}": value})


def test_an_unknown_name_in_the_file_is_refused(launch, tmp_path):
    (tmp_path / "launch.yml").write_text("repo: https://github.com/x/y\n")
    with pytest.raises(ConfigError, match="unknown name repo; known are repository, branch"):
        launch.settings(tmp_path / "launch.yml", {})


def test_the_file_itself_names_every_variable(launch):
    text = (ROOT / "book" / "launch.yml").read_text("utf-8")
    for name in launch.NAMES:
        assert f"VIRTLAB_{name.upper()}" in text
        assert re.search(rf"^{name}:", text, re.MULTILINE)


def test_the_built_pages_carry_the_links(tmp_path):
    source = small_book(tmp_path, "# Page\n\nText.\n", notebook=True)
    environment = os.environ | {
        "VIRTLAB_REPOSITORY": GITHUB,
        "VIRTLAB_HUB": "https://hub.example.edu",
        "VIRTLAB_PDF": "virtlab.pdf",
    }
    result = subprocess.run(
        [sys.executable, str(source / "book" / "build.py"), "--output", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    folder = tmp_path / "out" / "_build" / "html" / "notebooks"
    text = (folder / "figure.html").read_text("utf-8")
    menu = text.partition('<details class="page-links">')[2].partition("</details>")[0]
    found = [unquote(address.replace("&amp;", "&")) for address in re.findall('href="(.+?)"', menu)]
    assert found == [
        "https://mybinder.org/v2/gh/someone/the-book/main?urlpath=lab/tree/notebooks/figure.ipynb",
        f"https://hub.example.edu/hub/user-redirect/git-pull?repo={GITHUB}&branch=main"
        "&urlpath=lab/tree/the-book/notebooks/figure.ipynb",
        "../_sources/notebooks/figure.ipynb",
        "../virtlab.pdf",
    ]
    assert (folder / found[2]).resolve().is_file()
