"""Does the book's page say what the model predicts now, and does it hide nothing?"""

from pathlib import Path

import pytest

from virtlab.published import reproductions, scores
from virtlab.published.page import page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_the_stored_page_is_the_one_that_the_scores_make(text):
    stored = (ROOT / "book" / "model_against_paper.md").read_text("utf-8")
    assert stored == text, "python3 lab.py notebooks book/model_against_paper.md"


def test_every_reproduction_has_its_section_and_every_miss_its_explanation(text):
    for name, one in reproductions().items():
        assert f"## {name}: {one.title}\n" in text
        for score in scores(name):
            assert score.met or score.why in text


def test_the_page_counts_what_it_shows(text):
    found = scores()
    assert f"| all | {len(found)} | {sum(score.met for score in found)} |" in text


def test_the_page_shows_which_counts_of_the_ia32_list_there_are(text):
    assert "speaks of 17 instructions" in text
    assert "has 18 mnemonics [S]" in text
    assert "there are 19." in text
