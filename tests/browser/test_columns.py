"""Do machines side by side on a page do what the same machines do in Python?"""

import pytest
import twin
from visitor import Visit, description, pages

pytestmark = pytest.mark.browser

COLUMNS = ".vl-live[data-kind=columns]"
RUN_MS = 60_000


def comparisons(visit: Visit, site):
    """Every comparison of the site, its page just opened, with what it describes."""
    for page in pages(site):
        visit.open(page)
        for figure in visit.tab.locator(COLUMNS).all():
            columns = description(figure)["columns"]
            if columns:
                yield figure, columns


def shown(figure) -> dict[str, list[str]]:
    """The rows of the comparison's table, by machine."""
    rows = figure.locator("table[aria-label='comparison'] tbody tr").all()
    return {
        row.locator("th").inner_text(): [cell.inner_text() for cell in row.locator("td").all()]
        for row in rows
    }


def test_every_machine_of_a_comparison_ends_as_in_python(visit, site):
    for figure, columns in comparisons(visit, site):
        figure.get_by_role("button", name="Restart", exact=True).focus()
        visit.tab.keyboard.press("Enter")
        zero = "; ".join(f"{column['name']}: 0 instructions, 0 exits" for column in columns)
        figure.get_by_role("status").filter(has_text=zero).wait_for()
        figure.get_by_role("button", name="Run", exact=True).focus()
        visit.tab.keyboard.press("Enter")
        figure.get_by_role("button", name="Pause", exact=True).wait_for()
        figure.get_by_role("button", name="Run", exact=True).wait_for(timeout=RUN_MS)
        rows = shown(figure)
        for column in columns:
            machine = twin.machine(column)
            machine.reset()
            twin.run(machine)
            name, n_exits = column["name"], getattr(machine, "n_exits", 0)
            assert rows[name][:2] == [f"{machine.steps:,}", f"{n_exits:,}"], name
            console = figure.get_by_role("group", name=f"console, {name}", exact=True)
            assert console.inner_text().strip() == machine.console.strip(), name
