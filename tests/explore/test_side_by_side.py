"""Machines side by side: the Python half, and the columns on a page without Python."""

import json
import time

import pytest

from tests.explore.machine_page import PROMPT, pith, shared_assets, spec_of, write_page
from virtlab import guests
from virtlab.explore import SideBySide
from virtlab.hypervisors import TECHNIQUES, TrapAndEmulate
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

ALL_SECONDS = 10  # in which the teaching OS boots under every technique, one after another
STATE = {"id": "s", "method": "state", "argument": None, "column": 0}
TECHNIQUE_NAMES = list(TECHNIQUES)


def under(technique: str):
    name = "pith_pv" if technique == "paravirt" else "pith"
    given = {"ram": "16M", "firmware": "sbi", "disk": guests.disk(name)}
    return TECHNIQUES[technique](**given).load(guests.path(name))


def small() -> SideBySide:
    program = assemble("csrr a0, mhartid\nagain: addi a1, a1, 1\nj again")
    bare, trapped = Machine(ram="1M").load(program), TrapAndEmulate(ram="1M").load(program)
    return SideBySide({"bare": bare, "trapped": trapped}, slice_instructions=1_000)


def test_each_column_answers_for_its_own_machine():
    both = small()
    run = {"id": "a", "method": "run", "argument": None}
    bare, trapped = both.answer(run | {"column": 0}), both.answer(run | {"column": 1})
    assert (bare["column"], trapped["column"]) == (0, 1)
    assert bare["state"]["steps"] == trapped["state"]["steps"] == 1_000
    assert "technique" not in bare["state"]
    assert trapped["state"]["technique"] == "trap-and-emulate"
    assert trapped["state"]["n_exits"] == both.machines["trapped"].n_exits > 0
    assert both.answer(run | {"column": 7}) == {"error": "there is no column 7; there are 2."}
    assert json.loads(json.dumps(trapped)) == trapped


def test_a_cell_that_moves_a_machine_is_told_to_its_column(monkeypatch):
    both, sent = small(), []
    monkeypatch.setattr(both, "send", sent.append)
    both.moved()
    assert sent == []
    both.machines["trapped"].step(5)
    both.moved()
    both.moved()
    assert [(message["column"], message["moved"]["steps"]) for message in sent] == [(1, 5)]


def test_the_table_says_where_the_machines_are():
    both = small()
    both.machines["trapped"].step(100)
    drawing = both.drawing()
    n = both.machines["trapped"].n_exits
    assert drawing.rows == (("bare", 0, 0, "0.00"), ("trapped", 100, n, f"{10 * n:,.2f}"))
    assert repr(both).endswith(f"trapped 100 instructions, {n} exits.")
    html = both.html()
    assert [column["name"] for column in spec_of(html)["columns"]] == ["bare", "trapped"]
    assert "(nothing printed yet)" in html


def test_what_a_page_cannot_build_leaves_the_table():
    machines = small().machines
    machines["trapped"].handle(2, lambda vcpu, exit: None)
    assert spec_of(SideBySide(machines).html()) == {"kind": "columns", "columns": []}
    with pytest.raises(ValueError, match="at least 2 machines, not 1"):
        SideBySide({"one": machines["bare"]})


WIDGET = """
async ([text, names]) => {
  const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const heard = new Set();
  const model = {
    on: (name, receive) => heard.add(receive),
    off: (name, receive) => heard.delete(receive),
    get: () => names,
    send: async (message) => {
      const answer = { id: message.id, ...(await python(message)) };
      heard.forEach((receive) => receive(answer));
    },
  };
  globalThis.tell = (message) => heard.forEach((receive) => receive(message));
  globalThis.close = module.default.render({ model, el: document.body });
}
"""


@pytest.mark.browser
def test_the_widget_s_module_drives_the_machines_in_python(browser):
    program = assemble("csrr a0, mhartid\nli t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)")
    bare, trapped = Machine(ram="1M").load(program), TrapAndEmulate(ram="1M").load(program)
    both = SideBySide({"bare": bare, "trapped": trapped})
    page = browser.new_page()
    page.expose_function("python", both.answer)
    page.evaluate(WIDGET, [both._esm, both.names])
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("status").filter(has_text=f"{trapped.n_exits} exits").wait_for()
    assert (bare.exit_code, trapped.exit_code) == (0, 0)
    assert table(page)["trapped"][:2] == [str(trapped.steps), str(trapped.n_exits)]
    bare.reset()
    page.evaluate("message => tell(message)", {"moved": both.answer(STATE)["state"], "column": 0})
    assert table(page)["bare"][0] == "0"
    page.get_by_role("button", name="Restart", exact=True).click()
    page.get_by_role("status").filter(has_text="trapped: 0 instructions").wait_for()
    assert trapped.steps == 0
    page.evaluate("close()")
    page.close()


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    machines = {"bare": pith(ram="16M")} | {name: under(name) for name in TECHNIQUES}
    folder = tmp_path_factory.mktemp("columns")
    assets = shared_assets(virtual=True)
    address = write_page(folder, SideBySide(machines).html(), assets=assets)
    errors = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    page.close()
    assert errors == []


def table(page) -> dict[str, list[str]]:
    rows = page.locator("table[aria-label='comparison'] tbody tr").all()
    return {
        row.locator("th").inner_text(): [cell.inner_text() for cell in row.locator("td").all()]
        for row in rows
    }


@pytest.mark.browser
def test_the_teaching_os_boots_under_every_technique_on_a_page(page):
    began = time.monotonic()
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    status = page.get_by_role("status")
    status.filter(has_text="hardware-assisted: ").filter(has_text="bare: ").wait_for()
    assert time.monotonic() - began < ALL_SECONDS
    here = {"bare": pith(ram="16M")} | {name: under(name) for name in TECHNIQUES}
    shown = table(page)
    for name, machine in here.items():
        machine.run()
        steps, exits, rate, seconds = shown[name]
        assert steps == f"{machine.steps:,}"
        assert exits == f"{getattr(machine, 'n_exits', 0):,}"
        assert rate == f"{1000 * getattr(machine, 'n_exits', 0) / machine.steps:.2f}"
        assert float(seconds) < ALL_SECONDS
        console = page.get_by_role("group", name=f"console, {name}", exact=True)
        assert console.inner_text().endswith(PROMPT)


@pytest.mark.browser
def test_a_line_goes_to_the_chosen_guests_only(page):
    page.get_by_role("checkbox", name="bare", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("Type to the chosen guests").focus()
    page.keyboard.type("echo chosen")
    page.keyboard.press("Enter")
    last = page.get_by_role("group", name=f"console, {TECHNIQUE_NAMES[-1]}", exact=True)
    last.filter(has_text="chosen").wait_for()
    bare = page.get_by_role("group", name="console, bare", exact=True)
    assert "chosen" not in bare.inner_text()


@pytest.mark.browser
def test_restart_and_a_narrow_page(page):
    page.get_by_role("button", name="Restart", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator("table[aria-label='comparison'] tr", has_text="emulation").filter(
        has_text="0.00"
    ).first.wait_for()
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
