"""Does each page load what it needs and no more, in the colours the reader's system asks for?"""

import re

import pytest

HASHED = re.compile(r"[\w-]+\.[0-9a-f]{12}\.(?:js|css)")
HEAVY = ("fontawesome", "bootstrap.js", "searchindex", "thebe", "MathJax", "require")


@pytest.fixture(scope="module")
def pages(site) -> dict[str, str]:
    """The text of every page by its address in the site."""
    return {
        path.relative_to(site).as_posix(): path.read_text("utf-8")
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def own_files(text: str) -> list[str]:
    """What a page loads from virtlab's folder, scripts and styles."""
    return re.findall(r'(?:src|href)="[./]*_static/virtlab/([^"]+)"', text)


def kinds(text: str) -> set[str]:
    return set(re.findall(r"<div class='vl vl-live' data-kind='(\w+)'", text))


def test_there_are_pages_of_each_kind(pages):
    found = [kinds(text) for text in pages.values()]
    assert set() in found and any("explorable" in kind for kind in found)
    assert any("player" in kind for kind in found)


def test_only_pages_with_live_figures_load_their_scripts(pages):
    for page, text in pages.items():
        names = {name.partition(".")[0] for name in own_files(text) if name.endswith(".js")}
        wanted = set()
        if "explorable" in kinds(text):
            wanted |= {"figures", "kernels-wasm"}
        if kinds(text) & {"player", "columns"}:
            virtual = '"technique":{' in text
            wanted |= {"virtual", "hypervisors-wasm"} if virtual else {"machine", "machine-wasm"}
            wanted |= {"machine-tables", "tables"}
        images = {name for name in names if re.match("machine-(?!wasm$|tables$)", name)}
        assert names - images == wanted, page
        assert not images or kinds(text) & {"player", "columns"}, page


def test_every_file_is_named_by_its_content_and_loaded_once(site, pages):
    used = set()
    for page, text in pages.items():
        names = own_files(text)
        assert len(names) == len(set(names)), page
        assert all(HASHED.fullmatch(name) for name in names), page
        used |= set(names)
    there = {path.name for path in (site / "_static" / "virtlab").iterdir()}
    assert used <= there
    assert {name.partition(".")[0] for name in there - used} <= {"plotly"}  # sent for later


def test_no_page_waits_for_its_own_scripts_before_it_shows(pages):
    for page, text in pages.items():
        scripts = re.findall(r"<script[^>]*_static/virtlab/[^>]*>", text)
        assert all(" defer " in script for script in scripts), page


def test_no_page_repeats_the_figures_style(pages):
    for page, text in pages.items():
        assert "--vl-paper" not in text, page


def test_pages_leave_out_what_is_heavy_and_not_used(pages):
    for page, text in pages.items():
        loads = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', text)
        if page == "search.html":
            loads = [address for address in loads if "searchindex" not in address]
        assert not [address for address in loads if any(name in address for name in HEAVY)], page


def test_a_page_says_how_it_is_alive(pages):
    assert "WebAssembly" in pages["book/intro.html"]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_figures_are_as_dark_as_the_readers_system(site, browser, scheme):
    context = browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    tab.goto((site / "notebooks" / "00_start.html").as_uri())
    assert tab.evaluate("document.documentElement.dataset.theme") == scheme
    for place in ("document.body", "document.querySelector('.vl')"):
        colour = tab.evaluate(f"getComputedStyle({place}).backgroundColor")
        light = sum(int(n) for n in re.findall(r"\d+", colour)[:3]) > 3 * 128
        assert light is (scheme == "light"), place
    context.close()


@pytest.mark.browser
def test_the_menu_of_links_opens_and_closes_by_keyboard(site, browser):
    tab = browser.new_page()
    tab.goto((site / "notebooks" / "00_start.html").as_uri())
    menu = tab.locator(".page-links")
    menu.locator("summary").press("Enter")
    assert menu.get_by_role("link", name="Save the notebook").is_visible()
    menu.get_by_role("link", name="Save the notebook").press("Escape")
    assert menu.get_by_role("link", name="Save the notebook").is_hidden()
    assert tab.evaluate("document.activeElement.tagName") == "SUMMARY"
    tab.close()
