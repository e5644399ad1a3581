"""A player on a page without Python, as a visitor uses it: from a file, by keyboard."""

import time

import pytest

from tests.explore.machine_page import PROMPT, pith, shared_assets, write_page
from virtlab.explore import view
from virtlab.explore.player import Player
from virtlab.explore.snippet import run_asm
from virtlab.isa.assembler import AssemblyError, assemble
from virtlab.machine import Machine

pytestmark = pytest.mark.browser

BOOT_SECONDS = 3
NARROW = {"width": 320, "height": 800}
LOOP = "again: addi a0, a0, 1\n j again"
WORKERS = """
globalThis.workers = 0;
const Plain = Worker;
globalThis.Worker = class extends Plain {
  constructor(...given) { super(...given); workers += 1; }
};
"""


@pytest.fixture(scope="module")
def assets() -> str:
    return shared_assets()


@pytest.fixture
def open_page(browser, assets, tmp_path):
    """Opens a page with some outputs; it fails the test if the page's console shows an error."""
    opened, errors = [], []

    def open_(*outputs, **options):
        address = write_page(tmp_path, *outputs, **({"assets": assets} | options))
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: line.type == "error" and errors.append(line.text))
        page.goto(address)
        opened.append(page)
        return page

    yield open_
    for page in opened:
        page.close()
    assert errors == []


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).focus()
    page.keyboard.press("Enter")


def steps(page) -> int:
    return int(page.locator(".vl-instruction").inner_text().replace(",", ""))


def wait_for(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_the_notebook_showed_is_there_at_once_and_the_machine_follows_when_seen(open_page):
    machine = pith()
    machine.run(until=PROMPT)
    page = open_page("<div style='height: 4000px'></div>" + Player(machine).html(), before=WORKERS)
    assert steps(page) == machine.steps
    assert page.locator(".vl-console").inner_text().endswith(PROMPT)
    assert page.evaluate("workers") == 0
    page.locator(".vl-player").scroll_into_view_if_needed()
    expected = view.walk_of(machine, "pc", "fetch")["sentence"]
    page.get_by_text(expected).wait_for()
    assert page.evaluate("workers") == 1


def test_the_teaching_os_boots_after_a_restart_and_ls_typed_by_keyboard_answers(open_page):
    machine = pith()
    machine.run(until=PROMPT)
    page = open_page(Player(machine).html())
    press(page, "Restart")
    wait_for(lambda: steps(page) == 0)
    began = time.monotonic()
    press(page, "Run")
    page.locator(".vl-console").filter(has_text="$").wait_for()
    assert time.monotonic() - began < BOOT_SECONDS
    page.get_by_label("Type to the guest").focus()
    page.keyboard.type("ls")
    page.keyboard.press("Enter")
    page.locator(".vl-console").filter(has_text="readme").wait_for()
    page.get_by_role("status").filter(has_text="The guest waits for input").wait_for()


def test_pause_stops_a_run_that_would_not_end(open_page):
    page = open_page(Player(source=LOOP).html())
    press(page, "Run")
    wait_for(lambda: steps(page) > 1_000_000)
    press(page, "Pause")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    stopped = steps(page)
    time.sleep(0.2)
    assert steps(page) == stopped
    press(page, "Step")
    wait_for(lambda: steps(page) == stopped + 1)


def test_a_step_ends_a_run_first(open_page):
    page = open_page(Player(source=LOOP).html())
    press(page, "Run")
    wait_for(lambda: steps(page) > 1_000_000)
    press(page, "Step")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    page.get_by_role("status").filter(has_text="1 instruction forward.").wait_for()


def test_an_edited_program_is_assembled_in_the_page_and_a_mistake_is_told_as_in_python(open_page):
    page = open_page(run_asm("li a0, 6").html())
    assert page.get_by_text("Your program, 1 instruction executed").is_visible()
    editor = page.get_by_label("RISC-V assembly")
    wrong = "li a0, 5\n  add a0, a0\n"
    editor.fill(wrong)
    press(page, "Assemble and load")
    with pytest.raises(AssemblyError) as caught:
        assemble(wrong)
    page.locator(".vl-error").filter(has_text=str(caught.value)).wait_for()
    assert editor.input_value() == wrong
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    editor.fill("li a0, 5\nli a1, 9\n")
    press(page, "Assemble and load")
    wait_for(lambda: steps(page) == 0)
    page.get_by_label("by instructions", exact=True).select_option("10")
    press(page, "Step")
    a1 = page.locator("table[aria-label='registers'] th").get_by_text("a1", exact=True)
    wait_for(lambda: a1.locator("xpath=following-sibling::td[1]").inner_text() == "0x0009")


def test_a_machine_that_a_page_cannot_build_stays_a_still_picture_with_a_sentence(open_page):
    machine = Machine(disk=b"a disk of its own").load(assemble("nop"))
    page = open_page(Player(machine).html())
    assert page.get_by_text("A page cannot build this machine").is_visible()
    assert page.get_by_text("The machine after 0 instructions").is_visible()
    assert page.locator("button").count() == 0


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("delete virtlab.assets['machine.wasm'];", "the page did not load machine.wasm"),
        (
            "virtlab.assets['machine.wasm'].data = btoa('nothing');",
            "The machine cannot run in this page",
        ),
        (
            "globalThis.Worker = class { constructor() { throw new Error('no workers'); } };",
            "no workers",
        ),
    ],
    ids=["no module", "damaged module", "no worker"],
)
def test_where_the_machine_cannot_run_the_still_picture_stays_and_says_so(
    open_page, before, sentence
):
    page = open_page(Player(source=LOOP).html(), before=before)
    page.locator(".vl-note").filter(has_text=sentence).wait_for()
    assert page.get_by_text("The machine after 0 instructions").is_visible()
    press(page, "Step")
    page.get_by_role("status").filter(has_text="The machine does not run").wait_for()
    page.get_by_label("Type to the guest").fill("kept")
    page.keyboard.press("Enter")
    page.get_by_label("Type to the guest").wait_for()
    time.sleep(0.1)
    assert page.get_by_label("Type to the guest").input_value() == "kept"


def test_in_print_the_still_picture_takes_the_player_s_place(open_page):
    page = open_page(Player(source=LOOP).html())
    still, player = page.locator("figure"), page.locator(".vl-player")
    assert (still.is_visible(), player.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (still.is_visible(), player.is_visible()) == (True, False)


def test_a_narrow_screen_scrolls_parts_of_the_player_and_never_the_page(open_page):
    page = open_page(Player(pith()).html(), run_asm("li a0, 6").html())
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_who_wants_less_motion_sees_registers_change_when_the_machine_has_stopped(open_page):
    page = open_page(Player(source=LOOP).html())
    page.emulate_media(reduced_motion="reduce")
    registers = page.locator("table[aria-label='registers']")
    before = registers.inner_text()
    press(page, "Run")
    wait_for(lambda: steps(page) > 1_000_000)
    assert registers.inner_text() == before
    press(page, "Pause")
    wait_for(lambda: registers.inner_text() != before)
