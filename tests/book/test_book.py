"""Does the site build without a warning, and does every page stand on its own?"""

import re
from contextlib import contextmanager, nullcontext
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from small_book import build, small_book

ROOT = Path(__file__).resolve().parents[2]
LOADS = {  # what a browser fetches without being asked: tag, attribute
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("object", "data"),
    ("embed", "src"),
}
NOT_FETCHED = {"next", "prev", "index", "search", "canonical", "author", "license"}  # rel of <link>


class References(HTMLParser):
    """What a page loads, what it links to, and the text of its styles and scripts."""

    def __init__(self, page: Path):
        super().__init__()
        self.loads, self.links, self.ids, self.code = [], [], set(), []
        self._inside = ""
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self._inside = tag
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        for loading_tag, attribute in LOADS:
            if tag == loading_tag and given.get(attribute):
                if tag == "link" and given.get("rel") in NOT_FETCHED:
                    continue
                self.loads.append(given[attribute])
        if given.get("style"):
            self.code.append(given["style"])

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside in ("style", "script"):
            self.code.append(data)


@pytest.fixture(scope="session")
def pages(site) -> dict[Path, References]:
    return {p: References(p) for p in sorted(site.rglob("*.html")) if "_static" not in p.parts}


def test_the_book_builds_with_warnings_as_errors(site):
    """The build itself is part of the fixture."""
    assert (site / "index.html").is_file()


def test_a_warning_fails_the_build(tmp_path):
    source = small_book(tmp_path, "# Page\n\nSee [nowhere](nowhere.md).\n")
    result = build(tmp_path / "out", source)
    assert result.returncode != 0
    assert "nowhere" in result.stdout + result.stderr


def test_every_chapter_and_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
    listed = {toc["root"]} | {
        chapter["file"] for part in toc["parts"] for chapter in part["chapters"]
    }
    there = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in (*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.ipynb"))
    }
    assert listed == there


def test_a_page_loads_nothing_from_elsewhere(site, pages):
    for page, found in pages.items():
        for address in found.loads:
            parts = urlsplit(address)
            assert not parts.scheme or parts.scheme == "data", f"{page.name} loads {address}"
            assert not parts.netloc, f"{page.name} loads {address}"
            if not parts.scheme:
                assert (page.parent / unquote(parts.path)).exists(), f"{page.name}: {address}"


def test_no_style_imports_from_elsewhere(site, pages):
    styles = {page: " ".join(found.code) for page, found in pages.items()}
    styles |= {path: path.read_text("utf-8") for path in site.rglob("*.css")}
    for path, text in styles.items():
        foreign = re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"]+", text)
        assert not foreign, f"{path.name}: {foreign}"


def test_links_within_the_site_lead_somewhere(site, pages):
    for page, found in pages.items():
        for address in found.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            assert target.exists(), f"{page.name} links to {address}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{page.name}: {address}"


@pytest.mark.browser
@pytest.mark.parametrize("way", ["from a server", "from the file system"])
def test_no_page_asks_the_network_for_anything(site, pages, browser, way):
    """Open every page in Chromium and look at each request and each error it makes."""
    with served(site) if way == "from a server" else nullcontext(site.as_uri()) as base:
        asked, errors = [], []
        tab = browser.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: errors.append(f"{tab.url}: {error}"))
        tab.goto(f"{base}/index.html")
        tab.wait_for_url("**/book/intro.html")  # where the front page leads by itself
        for page in pages.keys() - {site / "index.html"}:
            tab.goto(f"{base}/{page.relative_to(site).as_posix()}", wait_until="load")
    foreign = [url for url in asked if not url.startswith((base, "data:", "blob:"))]
    assert len(asked) > len(pages)
    assert not foreign
    assert not errors


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(site, pages, browser, width):
    tab = browser.new_page(viewport={"width": width, "height": 900})
    for page in pages.keys() - {site / "index.html"}:
        tab.goto(page.as_uri(), wait_until="load")
        wide = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{page.name} is {wide} pixels too wide"


@pytest.mark.browser
def test_formulas_and_plotly_figures_show_without_a_network(tmp_path, browser):
    source = small_book(
        tmp_path,
        "# Page\n\nInline $2^{39}$, and displayed:\n\n$$\\frac{a}{b} = nm + n + m$$\n",
        notebook=True,
    )
    result = build(tmp_path / "out", source)
    assert result.returncode == 0, result.stdout + result.stderr
    site = tmp_path / "out" / "_build" / "html"
    tab = browser.new_page()
    tab.goto((site / "book" / "intro.html").as_uri(), wait_until="load")
    assert tab.locator("math").count() == 2
    assert tab.locator("math mfrac").bounding_box()["height"] > 10
    assert "MathJax" not in tab.content()
    tab.goto((site / "notebooks" / "figure.html").as_uri(), wait_until="load")
    tab.locator(".js-plotly-plot .gtitle").wait_for(timeout=20_000)
    assert tab.locator(".js-plotly-plot .gtitle").text_content() == "Two bars"
    tab.goto((site / "book" / "intro.html").as_uri(), wait_until="load")
    assert "plotly" not in tab.content(), "only a page with a figure loads plotly.js"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *message):
        """Requests are looked at in the browser; a log would only be noise."""


@contextmanager
def served(folder: Path):
    """The site behind a server on a free port of this computer; gives its address."""
    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
