"""Can everybody use every page: by keyboard, on a narrow screen, in the dark, on paper, at rest?"""

from pathlib import Path

import pytest
from visitor import HEIGHT, LIVE, NARROW, WIDE, Visit, pages, served

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def base(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's source."""
    import axe_playwright_python as package

    return Path(package.__file__).with_name("axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def visit(browser, base):
    """A tab for all tests of this module; each opens the page it is about."""
    visit = Visit(browser, base)
    yield visit
    visit.close()


def violations(tab, where: str) -> list[str]:
    """What axe finds on the page as it is now, one line each."""
    found = tab.evaluate(
        """(tags) => axe.run({runOnly: tags, resultTypes: ["violations"], preload: false})
            .then(({violations}) => violations.flatMap(({id, nodes}) =>
                nodes.map(({html}) => `${id}: ${html.replace(/\\s+/g, " ").slice(0, 160)}`)))""",
        WCAG,
    )
    return [f"{where}: {line}" for line in found]


def check(visit, axe: str, page: str, *ways: tuple[int, str]) -> list[str]:
    """What axe finds at these widths and themes, once the page is open."""
    visit.tab.evaluate(axe)
    found = []
    for width, theme in ways:
        visit.resize(width)
        visit.tab.evaluate("visitor.setTheme", theme)
        found += violations(visit.tab, f"{page}, {width} pixels, {theme}")
    visit.resize(WIDE)
    return found


def test_axe_finds_nothing_on_any_page(visit, site, axe):
    """WCAG 2.2 AA, with the figures alive."""
    found = []
    for page in pages(site):
        visit.open(page)
        found += check(visit, axe, page, (WIDE, "light"), (NARROW, "dark"))
    assert not found, "\n".join(found)


def test_axe_finds_nothing_where_no_figure_has_come_alive(browser, base, site, axe):
    """What is stored in the page, as it stands until scripts have run and wherever they do not."""
    visit = Visit(browser, base)
    visit.hold_back_figures()
    found = []
    for page in pages(site):
        visit.open(page, alive=False)
        if visit.tab.locator(LIVE).count():
            found += check(visit, axe, page, (WIDE, "light"), (NARROW, "dark"))
    visit.close()
    assert not found, "\n".join(found)


def test_tab_reaches_everything_and_the_focus_is_seen(visit, site):
    missed, unseen = [], []
    for page in pages(site):
        visit.open(page)
        stops = visit.tab.evaluate("visitor.watchFocus()")
        for _ in range(stops + 3):
            visit.tab.keyboard.press("Tab")
        report = visit.tab.evaluate("visitor.focusReport()")
        missed += [f"{page}: {line}" for line in report["missed"]]
        unseen += [f"{page}: {line}" for line in report["unseen"]]
    assert not missed, "not reached by Tab:\n" + "\n".join(missed)
    assert not unseen, "nothing shows that it has the focus:\n" + "\n".join(unseen)


def test_no_page_scrolls_sideways_at_320_pixels(browser, base, site):
    visit = Visit(browser, base, viewport={"width": NARROW, "height": HEIGHT})
    found = []
    for page in pages(site):
        visit.open(page)
        by = visit.tab.evaluate("visitor.sideways()")
        if by:
            found.append(f"{page}: by {by} pixels")
    visit.close()
    assert not found, found


def test_nothing_moves_for_who_asked_for_rest(browser, base, site):
    visit = Visit(browser, base, reduced_motion="reduce")
    found = {}
    for page in pages(site):
        visit.open(page)
        visit.tab.evaluate("document.documentElement.dataset.theme = 'dark'")
        for _ in range(8):
            visit.tab.keyboard.press("Tab")
            found |= dict.fromkeys(f"{page}: {e}" for e in visit.tab.evaluate("visitor.moving()"))
        smooth = visit.tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
        if smooth != "auto":
            found[f"{page}: the page scrolls smoothly"] = None
    visit.close()
    assert not found, "\n".join(found)


def test_on_paper_the_figures_stay_and_the_controls_go(visit, site):
    n_figures = 0
    for page in pages(site):
        visit.open(page)
        visit.tab.emulate_media(media="print")
        for figure in visit.tab.locator(LIVE).all():
            n_figures += 1
            shown = figure.evaluate(
                """(figure) => ({
                    controls: [...figure.querySelectorAll("input, select, button, textarea")]
                        .filter(visitor.shown).map(visitor.name),
                    pictures: [...figure.querySelectorAll("svg, table, pre")]
                        .filter(e => visitor.shown(e) && e.clientHeight > 20).length,
                    text: figure.innerText.trim().length,
                })"""
            )
            assert not shown["controls"], f"{page}: {shown['controls']}"
            assert shown["pictures"] and shown["text"], f"{page}: a figure is empty in print"
        visit.tab.emulate_media(media="screen")
    assert n_figures
