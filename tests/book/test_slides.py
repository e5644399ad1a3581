"""Do chapters become slides that need a browser and nothing else, and sessions sheets of paper?"""

import json
import re
from pathlib import Path

import pytest
import sheets
import slides

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
OUTSIDE = re.compile(r"""(?:src|href|srcset)\s*=|url\(|@import|https?://(?!www\.w3\.org/)""")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_deck_has_every_section_and_fetches_nothing(path):
    chapter = json.loads(path.read_text("utf-8"))
    page = slides.page(chapter)
    made = slides.slides_of(chapter)
    headings = [slide.heading for slide in made]
    for cell in chapter["cells"]:
        if cell["cell_type"] == "markdown":
            for heading in re.findall(r"^##? (.+)$", "".join(cell["source"]), re.MULTILINE):
                assert heading in headings or heading.lower() in slides.LEFT_OUT, heading
    assert made[0].is_title and page.count("<section") == len(made) > 5
    beside_code = re.sub(r"<pre.*?</pre>|<p>.*?</p>|<li>.*?</li>|<td.*?</td>", "", page, flags=re.S)
    assert not OUTSIDE.search(beside_code), OUTSIDE.search(beside_code)
    assert not re.search(r"<(?:img|iframe|link|script)\b[^>]*(?:src|href)", page)


def test_a_slide_does_not_tell_the_answer_before_it_is_asked_for():
    chapter = {
        "cells": [
            {"cell_type": "markdown", "source": ["# T\n\nOne claim, e.g. `a. B`. And more of it."]},
            {
                "cell_type": "code",
                "source": ["run()\n", "explore.reveal('x', 3, 'because')"],
                "outputs": [{"output_type": "stream", "text": ["said"]}],
            },
            {"cell_type": "markdown", "source": ["## Sources\n\nA book."]},
        ]
    }
    made = slides.slides_of(chapter)
    assert len(made) == 1
    body, notes = "".join(made[0].body), "".join(made[0].notes)
    assert "One claim, e.g. <code>a. B</code>." in body and "And more" not in body
    assert "And more of it." in notes
    assert "run()" in body and "because" not in body and "said" in body


@pytest.mark.browser
def test_a_deck_is_driven_by_keyboard(browser, tmp_path):
    path = tmp_path / "deck.html"
    path.write_text(slides.page(json.loads(CHAPTERS[1].read_text("utf-8"))), "utf-8")
    tab = browser.new_page()
    wrong = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda r: r.url.startswith(("file:", "data:")) or wrong.append(r.url))
    tab.goto(path.as_uri())
    count = tab.locator("section").count()
    place = tab.locator("nav output")
    assert place.inner_text() == f"1 of {count}"
    assert tab.locator("section:visible").count() == 1
    for key, at in (("ArrowRight", 2), ("End", count), ("PageDown", count), ("Home", 1)):
        tab.keyboard.press(key)
        assert place.inner_text() == f"{at} of {count}"
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".notes:visible").count() == 0
    tab.keyboard.press("n")
    assert tab.locator("html.noted").count() == 1
    tab.emulate_media(media="print")
    assert tab.locator("section:visible").count() == count
    assert not wrong, wrong
    tab.close()


@pytest.mark.parametrize("n", sheets.PLANS)
def test_every_unit_is_taught_once_in_each_schedule(n):
    plan = sheets.plan(n)
    assert len(plan) == n
    taught = [unit.title for session in plan for unit in session]
    assert taught == [unit.title for unit in sheets.UNITS]
    for unit in sheets.UNITS:
        assert (ROOT / unit.page).is_file()
    assert {sheets.chapter(unit) for unit in sheets.UNITS} == {f"{k:02}" for k in range(10)}


def test_the_guide_has_the_schedules_of_the_sheets():
    guide = (ROOT / "book" / "teaching.md").read_text("utf-8")
    for n in sheets.PLANS:
        assert sheets.table(n) in guide, f"python book/sheets.py --sessions {n} --table"


@pytest.mark.parametrize("n", sheets.PLANS)
def test_a_sheet_has_its_exercises_and_room_to_write(n):
    for number, session in enumerate(sheets.plan(n), 1):
        page = sheets.sheet(n, number, session)
        for unit in session:
            assert unit.title in page
            for id in unit.exercises:
                assert f"Exercise {id}: " in page
        assert "class='room'" in page and not OUTSIDE.search(page)
