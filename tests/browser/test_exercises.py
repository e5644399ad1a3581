"""Do the chapters' exercises judge on their pages, for everybody who meets them there?

tests/labs/test_page.py looks at every exercise; here they stand in the book's own pages.
"""

from pathlib import Path

import pytest
from visitor import NARROW, WIDE, pages

pytestmark = pytest.mark.browser

FORM = ".vl-exercise form"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def chapters(site) -> list[str]:
    """The pages that show exercises."""
    found = [page for page in pages(site) if "vl-exercise" in (site / page).read_text("utf-8")]
    assert len(found) >= 5
    return found


def answer_all(tab) -> int:
    """Enter something into every form by keyboard; how many there were."""
    forms = tab.locator(FORM)
    for k in range(forms.count()):
        field = forms.nth(k).locator("input").first
        if field.get_attribute("type") == "radio":
            field.press("Space")
        else:
            field.fill("123456789")
        field.press("Enter")
    return forms.count()


def test_every_chapter_that_asks_judges_by_keyboard(visit, chapters):
    for page in chapters:
        visit.open(page)
        n_forms = answer_all(visit.tab)
        said = visit.tab.locator(f"{FORM} [role=status]").all_inner_texts()
        assert n_forms == len(said) >= 2, page
        for text in said:
            assert "right." in text or ("not yet." in text and "Hint." in text), (page, text)
        assert any("not yet." in text for text in said), page
        assert visit.tab.locator(".vl-progress").count() == 1


def test_axe_finds_nothing_in_what_is_said(visit, chapters):
    import axe_playwright_python as package

    axe = Path(package.__file__).with_name("axe.min.js").read_text("utf-8")
    found = []
    for page in chapters:
        visit.open(page)
        answer_all(visit.tab)
        visit.tab.evaluate(axe)
        for width, theme in ((WIDE, "light"), (NARROW, "dark")):
            visit.resize(width)
            visit.tab.evaluate("visitor.setTheme", theme)
            found += visit.tab.evaluate(
                """(tags) => axe.run(".vl-exercise, .vl-progress", {runOnly: tags, preload: false})
                    .then(({violations}) => violations.flatMap(({id, nodes}) =>
                        nodes.map(({html}) => `${id}: ${html.slice(0, 160)}`)))""",
                WCAG,
            )
            assert not visit.tab.evaluate("visitor.sideways()"), (page, width)
        visit.resize(WIDE)
    assert not found, "\n".join(found)


def test_on_paper_the_questions_stay_and_the_forms_go(visit, chapters):
    for page in chapters:
        visit.open(page)
        visit.tab.emulate_media(media="print")
        for question in visit.tab.locator(".vl-exercise:has(form)").all():
            assert not question.locator("form").is_visible(), page
            assert question.locator(".vl-answer").is_visible(), page
        assert not visit.tab.locator(".vl-progress").is_visible(), page
        visit.tab.emulate_media(media="screen")
