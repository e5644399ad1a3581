"""Does every page stand on its own, and does everything on it that can be pressed do something?

Each page is opened with the network refused: whatever it asks for has to lie beside it.
"""

import re
from contextlib import nullcontext

import pytest
from visitor import NARROW, WIDE, Visit, pages, served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def base(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def visit(browser, base):
    """A tab for all tests of this module; each opens the page it is about."""
    visit = Visit(browser, base)
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield visit
    assert not visit.errors
    visit.close()


@pytest.mark.parametrize("way", ["from a server", "from the file system"])
def test_every_figure_comes_alive_without_a_network(site, browser, way):
    with served(site) if way == "from a server" else nullcontext(site.as_uri()) as base:
        visit = Visit(browser, base)
        for page in pages(site):
            visit.open(page)
        visit.close()
    assert len(visit.asked) > len(pages(site))
    assert not visit.outside()
    assert not visit.errors, "\n".join(visit.errors)


def test_there_is_something_alive(site, visit):
    kinds = set()
    for page in pages(site):
        visit.open(page)
        kinds |= set(
            visit.tab.evaluate(
                "[...document.querySelectorAll('.vl-live')].map(e => e.dataset.kind)"
            )
        )
    assert kinds == {"columns", "explorable", "player"}


def test_what_is_folded_opens_and_closes_by_keyboard(site, visit):
    tab, n_found = visit.tab, 0
    for page in pages(site):
        visit.open(page)
        for summary in tab.locator("summary:visible").all():
            details = summary.locator("xpath=..")
            was_open = details.evaluate("e => e.open")
            summary.focus()
            tab.keyboard.press("Enter")
            assert details.evaluate("e => e.open") != was_open, f"{page}: {summary.inner_text()}"
            tab.keyboard.press("Space")
            assert details.evaluate("e => e.open") == was_open, f"{page}: {summary.inner_text()}"
            n_found += 1
    assert n_found > 10


def test_a_prediction_asks_and_folds_its_answer(site, visit):
    n_asked = 0
    for page in pages(site):
        visit.open(page, alive=False)
        asked = visit.tab.get_by_text("Predict.", exact=True).count()
        answers = visit.tab.locator("details", has=visit.tab.get_by_text("Show the result"))
        assert answers.count() == asked, page
        for answer in answers.all():
            assert not answer.evaluate("e => e.open")
            assert not answer.locator("table").is_visible()
            answer.locator("summary").press("Enter")
            assert answer.locator("table").is_visible()
            assert re.search(r"\w", answer.locator("td").last.inner_text())
        n_asked += asked
    assert n_asked >= 3


def test_copy_buttons_copy_what_the_cell_holds(site, visit):
    tab, n_found = visit.tab, 0
    for page in pages(site):
        visit.open(page, alive=False)
        for button in tab.locator("button.copybtn:visible").all():
            source = tab.locator(button.get_attribute("data-clipboard-target")).inner_text()
            button.press("Enter")
            copied = tab.evaluate("navigator.clipboard.readText()")
            assert copied.split() == source.split(), page
            n_found += 1
    assert n_found > 10


def test_the_theme_changes_by_keyboard_and_is_kept(site, visit):
    theme = "document.documentElement.dataset.theme"
    ground = "getComputedStyle(document.body).backgroundColor"
    for page in pages(site):
        visit.open(page, alive=False)
        switch = visit.tab.locator("button.theme-switch-button:visible")
        assert switch.count() >= 1, f"{page}: there is no switch between light and dark"
        seen = {visit.tab.evaluate(f"{theme} + {ground}")}
        for _ in range(3):
            switch.first.press("Enter")
            seen.add(visit.tab.evaluate(f"{theme} + {ground}"))
        assert len(seen) == 2, f"{page}: light and dark, not {seen}"
    while visit.tab.evaluate(theme) != "dark":
        visit.tab.locator("button.theme-switch-button:visible").first.press("Enter")
    visit.open(pages(site)[0], alive=False)
    assert visit.tab.evaluate(theme) == "dark"
    visit.tab.evaluate("localStorage.clear()")


@pytest.mark.parametrize("way", ["from a server", "from the file system"])
def test_the_search_finds_by_keyboard(site, browser, way):
    with served(site) if way == "from a server" else nullcontext(site.as_uri()) as base:
        visit = Visit(browser, base)
        visit.open("book/glossary.html")
        for _ in range(12):
            visit.tab.keyboard.press("Tab")
            if visit.tab.evaluate("document.activeElement.matches('.search-button-field')"):
                visit.tab.keyboard.press("Enter")
                break
        visit.tab.locator("input[type=search]:visible").first.wait_for()
        visit.tab.keyboard.type("hypervisor")
        visit.tab.keyboard.press("Enter")
        visit.tab.wait_for_url("**/search.html?q=hypervisor*")
        results = visit.tab.locator("#search-results li a")
        results.first.wait_for()
        results.first.press("Enter")
        visit.tab.wait_for_url("**/book/*.html*")
        visit.close()
    assert not visit.outside()
    assert not visit.errors


@pytest.mark.parametrize(
    ("width", "side"), [(WIDE, "primary"), (NARROW, "primary"), (NARROW, "secondary")]
)
def test_the_sidebars_open_and_close_by_keyboard(visit, width, side):
    tab = visit.tab
    visit.resize(width)
    visit.open("notebooks/01_machine.html", alive=False)
    link = tab.locator(f".bd-sidebar-{side} a, dialog a").filter(visible=True)
    toggle = tab.locator(f".{side}-toggle:visible").first
    before = link.count()
    toggle.press("Enter")
    tab.wait_for_timeout(500)
    after = link.count()
    assert bool(before) != bool(after), f"{before} links of the sidebar are shown, then {after}"
    if after:  # opened above the page: it is left with Escape
        tab.keyboard.press("Escape")
        tab.wait_for_timeout(500)
        assert not link.count()
    visit.resize(WIDE)
