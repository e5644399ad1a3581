"""Does every control of every live figure, moved by keyboard, show what Python's kernel says?

The twin is the same explorable in Python, built from what the page holds. After each key the page's
title, words, table and picture have to be the twin's for the values that the controls then have.
"""

import time

import pytest
import twin
from visitor import CONTROLS, Visit, description, keys, label, movable, pages

pytestmark = pytest.mark.browser

EXPLORABLE = ".vl-live[data-kind=explorable]"
STEPS = 3


class Figure:
    """An explorable on a page and its twin."""

    def __init__(self, visit: Visit, figure, where: str):
        self.tab, self.figure, self.where = visit.tab, figure, where
        self.spec = description(figure)
        self.twin = twin.explorable(self.spec)
        self.controls = dict(zip(self.twin.controls, figure.locator(CONTROLS).all(), strict=True))

    def values(self) -> dict:
        """What the controls stand at, as the kernel takes it."""
        found = {}
        stands = self.figure.evaluate("visitor.controls")
        for spec, at in zip(self.spec["controls"], stands, strict=True):
            name = spec["name"]
            if spec["type"] == "choice":
                found[name] = list(self.twin.controls[name].options.values())[int(at)]
            else:
                found[name] = int(at) if self.twin.controls[name].whole else float(at)
        return found

    def expected(self) -> dict:
        scope = self.twin.evaluate(**self.values())
        drawing = self.twin.draw(scope)
        has_plot = self.spec["figure"] and self.spec["figure"]["kind"] == "chart"
        plot = self.twin.figure.figure(scope, self.twin.labels)["data"] if has_plot else None
        return {
            "title": drawing.title,
            "text": drawing.text,
            "table": drawing.table(),
            "svg": drawing.svg,
            "plot": plot and [[trace["x"], trace["y"]] for trace in plot],
        }

    def agree(self, doing: str) -> dict:
        """Wait until the page shows what the twin says; returns that."""
        expected = self.expected()
        deadline = time.monotonic() + 10
        while different := self.figure.evaluate("visitor.differs", expected):
            assert time.monotonic() < deadline, (
                f"{self.where}, {doing}: page and Python differ (page, Python): {different}"
            )
            time.sleep(0.01)
        return expected

    def move(self, name: str) -> None:
        """Take one control through its range; it has to change the figure at least once."""
        control = self.controls[name]
        begins = self.agree(f"before {name}")
        changes = 0
        control.focus()
        for key in keys(control, STEPS):
            self.tab.keyboard.press(key)
            changes += self.agree(f"{name}, {key}") != begins
        assert changes, f"{self.where}: {label(control)!r} changes nothing over its whole range"

    def tells(self) -> None:
        """A screen reader says the figure's words, once the controls rest."""
        told = self.figure.locator("[aria-live=polite]")
        told.filter(has_text=self.expected()["text"]).wait_for(state="attached")


def test_every_control_of_every_figure_shows_and_tells_what_the_kernel_says(visit, site):
    n_controls = 0
    for page in pages(site):
        visit.open(page)
        living = enumerate(visit.tab.locator(EXPLORABLE).all(), 1)
        figures = [Figure(visit, live, f"{page}, figure {n}") for n, live in living]
        for figure in figures:
            figure.agree("just opened")
            waiting = list(figure.controls)
            while waiting:
                # A control may be out of use until another one has moved.
                ready = [name for name in waiting if movable(figure.controls[name])]
                assert ready, f"{figure.where}: {waiting} can never be moved"
                for name in ready:
                    figure.move(name)
                    waiting.remove(name)
                    n_controls += 1
        for figure in figures:
            figure.tells()
    assert n_controls


def test_each_control_has_a_name_and_is_reached_with_tab(visit, site):
    for page in pages(site):
        visit.open(page)
        for live in visit.tab.locator(EXPLORABLE).all():
            controls = live.locator(CONTROLS)
            handles = [c.element_handle() for c in controls.all() if c.is_enabled()]
            handles[0].focus()
            for before, after in zip(handles, handles[1:], strict=False):
                assert before.evaluate("e => e === document.activeElement")
                visit.tab.keyboard.press("Tab")
                assert after.evaluate("e => e === document.activeElement"), page
            for control in controls.all():
                assert control.evaluate(
                    "e => e.labels.length === 1 && e.labels[0].textContent.trim()"
                )
