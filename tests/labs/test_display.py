"""Does a question stand as text, as a page and as a widget, and does the widget judge?"""

import pytest

from tests.labs import answers
from virtlab import labs
from virtlab.labs.chapters import EXERCISES


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTLAB_PROGRESS", str(tmp_path / "progress.json"))


def controls(question):
    asked, field, buttons, remark = question.widget.children
    return asked, field, buttons.children, remark


@pytest.mark.parametrize("id", EXERCISES)
def test_every_exercise_has_text_page_and_widget(id):
    question = labs.show(id)
    bundle = question._repr_mimebundle_()
    assert bundle["text/plain"] == repr(question) and f'labs.check("{id}", answer)' in repr(
        question
    )
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert "<script" not in bundle["text/html"]


def test_a_number_is_entered_and_judged():
    question = labs.show("02.1")
    _, field, (check, another), remark = controls(question)
    field.value = "5"
    check.click()
    assert "not yet" in remark.value and "role='status'" in remark.value
    field.value = "172 exits"
    check.click()
    assert "right." in remark.value
    another.click()
    assert remark.value == "" and field.value == "" and "variant 1" in controls(question)[0].value
    field.value = "134"
    check.click()
    assert "right." in remark.value


def test_a_choice_is_chosen_and_judged():
    question = labs.show("03.10")
    _, field, (check, another), remark = controls(question)
    check.click()
    assert "no verdict" in remark.value
    field.value = question.options[0]
    check.click()
    assert "not yet" in remark.value
    another.click()
    assert field.value is None


def test_code_is_written_and_judged():
    question = labs.show("02.5")
    _, field, (check,), remark = controls(question)
    assert field.value == question.start
    check.click()
    assert "not yet" in remark.value
    field.value = answers.HART
    check.click()
    assert "right." in remark.value


def test_what_is_asked_is_escaped():
    verdict = labs.check("02.1", "<b>7</b>")
    assert "<b>" not in verdict.html() and "&lt;b&gt;" in verdict.html()
