"""Does every machine on a page do what the same machine does in Python, driven by keyboard?

The twin is the machine in Python, built from what the page holds. Each key that the visitor presses
is done to the twin too, and afterwards both have to show the same instruction count, mode, pc,
registers, disassembly, console and traps.
"""

import time

import pytest
import twin
from visitor import Visit, description, pages

from virtlab.explore import view
from virtlab.isa.assembler import AssemblyError, assemble

pytestmark = pytest.mark.browser

PLAYER = ".vl-live[data-kind=player]"
BOOT_SECONDS = 3.0
SHORT_RUN = 500_000  # steps after which a run that does not end by itself is paused
LONG_RUN = 200_000_000
DISTANCES = [1, 10, 100, 1000, 10000, 100000, 1000000]
PROGRAM = """    li   a0, 10
    li   a1, 0
again:
    add  a1, a1, a0
    addi a0, a0, -1
    bnez a0, again
    ecall
"""
LONG = "compute 1000000 128"  # 33 million instructions of the teaching OS
MISTAKEN = "    li   a0, 10\n    addd a0, a0, a0\n"


class Player:
    """A player on a page and its twin; each method is what a reader does, on both."""

    def __init__(self, visit: Visit, figure, where: str):
        self.tab, self.figure, self.where = visit.tab, figure, where
        self.spec = description(figure)
        self.machine = twin.machine(self.spec)
        self.paused = False

    def button(self, name: str):
        return self.figure.get_by_role("button", name=name, exact=True)

    def field(self, label: str):
        return self.figure.get_by_label(label, exact=True)

    def press(self, name: str) -> None:
        """Press a button by keyboard."""
        self.button(name).focus()
        self.tab.keyboard.press("Enter")

    def choose(self, field, value: str) -> None:
        """Pick an option of a list by the arrow keys."""
        options = field.locator("option").evaluate_all("all => all.map(option => option.value)")
        field.focus()
        self.tab.keyboard.press("Home")
        for _ in range(options.index(value)):
            self.tab.keyboard.press("ArrowDown")
        assert field.input_value() == value, self.where

    def shown(self) -> dict:
        return self.figure.evaluate("visitor.player")

    def agree(self, stop=None, doing: str = "") -> None:
        """Wait until the page shows what the twin has come to."""
        state = view.state_of(self.machine, stop)
        expected = {
            key: state[key] for key in ("steps", "mode", "pc", "registers", "code", "console")
        }
        for name in ("events", "exits"):
            expected[name] = [f"{at:,}: {what}" for at, what in state.get(name, [])]
        deadline = time.monotonic() + 15
        while (shown := self.shown()) != expected or self.running():
            if time.monotonic() > deadline:
                different = {
                    key: (shown[key], expected[key])
                    for key in expected
                    if shown[key] != expected[key]
                }
                raise AssertionError(
                    f"{self.where}, {doing}: page and Python differ (page, Python): {different}; "
                    f"status: {self.figure.get_by_role('status').inner_text()!r}"
                )
            time.sleep(0.01)
        if stop:
            assert state["sentence"] in self.figure.get_by_role("status").inner_text(), self.where

    def running(self) -> bool:
        return self.button("Pause").count() > 0

    def wait_running(self) -> None:
        self.button("Pause").wait_for()

    def step(self, n: int) -> None:
        self.choose(self.field("by instructions"), str(n))
        self.press("Step")
        self.machine.step(n)
        self.agree(doing=f"{n} steps")

    def back(self, n: int) -> None:
        self.choose(self.field("by instructions"), str(n))
        self.press("Back")
        self.machine.back(min(n, self.machine.steps))
        self.agree(doing=f"{n} steps back")

    def restart(self) -> None:
        self.press("Restart")
        self.machine.reset()
        self.agree(doing="Restart")

    def run(self, until: str | None = None, most: int = SHORT_RUN) -> None:
        """Run, to an event if asked.

        The first run that takes more than `most` steps is paused; the like are then left out.
        """
        before = self.machine.steps
        if until is not None:
            self.choose(self.field("event"), until)
        stop = twin.run(self.machine, until, most)
        if stop is None and self.paused:
            self.machine.goto(before)
            return
        self.press("Run" if until is None else "Next event")
        if stop is None:
            self.paused = True
            self.wait_running()
            self.pause(before)
        else:
            self.agree(stop, doing=f"run until {until}")

    def go_to_an_exit(self) -> None:
        """To the oldest exit that is listed, if there is one."""
        listed = view.state_of(self.machine).get("exits")
        if not listed:
            return
        steps, what = listed[-1]
        self.press(f"Go to {what.partition(':')[0]}")
        self.machine.goto(steps)
        self.agree(doing=f"at {what}")

    def pause(self, before: int) -> None:
        """Pause a run, wherever it is; the twin goes there."""
        while self.shown()["steps"] == before:
            time.sleep(0.01)
        self.press("Pause")
        self.button("Run").wait_for()
        self.machine.goto(self.shown()["steps"])
        self.agree(doing="paused")

    def walk(self, address: str, access: str) -> None:
        self.field("Address").fill(address)
        self.choose(self.field("Access"), access)
        self.field("Address").press("Enter")
        expected = view.walk_of(self.machine, address, access)
        sentence = self.figure.get_by_text(expected["sentence"], exact=True)
        sentence.first.wait_for()
        rows = self.figure.locator("table[aria-label='page walk'] tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )
        assert rows == [[str(cell) for cell in row] for row in expected["rows"]], self.where

    def type(self, text: str) -> None:
        line = self.field("Type to the guest")
        line.focus()
        self.tab.keyboard.type(text)


def players(visit, site):
    """Every player of the site, its page just opened."""
    for page in pages(site):
        visit.open(page)
        for n, figure in enumerate(visit.tab.locator(PLAYER).all(), 1):
            yield Player(visit, figure, f"{page}, player {n}")


def test_every_machine_goes_forward_and_back_as_in_python(visit, site):
    n_players = 0
    for player in players(visit, site):
        player.agree(doing="just opened")
        assert (
            player.field("by instructions")
            .locator("option")
            .evaluate_all("all => all.map(option => Number(option.value))")
            == DISTANCES
        )
        player.step(1)
        player.step(10)
        player.back(1)
        player.run("trap")
        player.back(100)
        player.restart()
        for event in view.until_of(player.machine):
            player.run(event)
        player.go_to_an_exit()
        player.walk("pc", "fetch")
        player.walk("sp", "store")
        player.walk("0x8000_0000", "load")
        player.walk("0xffff_ffff_ffff_f000", "load")
        n_players += 1
    assert n_players


def test_the_teaching_os_boots_within_three_seconds_and_ls_answers(visit, site):
    n_booted = 0
    for player in players(visit, site):
        if player.spec["recipe"]["guest"] != "pith":
            continue
        player.restart()
        stop = twin.run(player.machine)
        began = time.perf_counter()
        player.press("Run")
        player.figure.locator(".vl-console").filter(has_text="$").wait_for()
        seconds = time.perf_counter() - began
        assert seconds < BOOT_SECONDS, f"{player.where}: the prompt came after {seconds:.2f} s"
        player.agree(stop, doing="boot")
        player.type("ls")
        player.tab.keyboard.press("Enter")
        player.machine.type("ls\n")
        before = player.machine.console
        player.agree(twin.run(player.machine), doing="ls")
        assert len(player.machine.console) > len(before) + 20
        n_booted += 1
    assert n_booted


def test_a_queued_line_waits_until_the_machine_runs(visit, site):
    for player in players(visit, site):
        if player.spec["recipe"]["guest"] != "pith":
            continue
        player.restart()
        player.run()
        player.type("echo twice")
        player.tab.keyboard.press("Tab")
        player.tab.keyboard.press("Tab")
        assert player.tab.evaluate("document.activeElement.textContent") == "Queue"
        player.tab.keyboard.press("Enter")
        player.machine.type("echo twice\n")
        player.agree(doing="queued")
        assert player.field("Type to the guest").input_value() == ""
        player.run()
        assert player.machine.console.count("twice") == 2
        return
    raise AssertionError("no page has a machine with the teaching OS")


def test_a_pause_stops_a_run_wherever_it_is(visit, site):
    for player in players(visit, site):
        if player.spec["recipe"]["guest"] != "pith":
            continue
        player.restart()
        player.run()
        began = player.machine.steps
        for _ in range(4):
            player.type(LONG)
            player.machine.type(f"{LONG}\n")
            player.press("Queue")
            player.agree(doing="a line is queued")
        player.press("Run")
        player.wait_running()
        player.pause(began)
        player.step(1000)
        player.back(100_000)
        player.run(most=LONG_RUN)
        return
    raise AssertionError("no page has a machine with the teaching OS")


def test_a_program_written_in_the_page_runs_as_in_python(visit, site):
    n_editors = 0
    for player in players(visit, site):
        if player.spec["source"] is None:
            continue
        n_editors += 1
        editor = player.figure.locator("textarea")
        assert editor.input_value() == player.spec["source"]
        rewrite(player, editor, PROGRAM)
        player.machine.load(assemble(PROGRAM))
        player.agree(doing="assembled")
        player.step(10)
        player.run("exception")
        assert player.machine.registers["a1"] == 55
        rewrite(player, editor, MISTAKEN)
        with pytest.raises(AssemblyError) as mistake:
            assemble(MISTAKEN)
        player.figure.locator(".vl-error").filter(has_text=str(mistake.value)).first.wait_for()
        player.agree(doing="a mistake leaves the machine as it was")
        assert editor.get_attribute("aria-invalid") == "true"
    assert n_editors


def rewrite(player: Player, editor, text: str) -> None:
    """Replace the program by keyboard, and press the button that follows."""
    editor.focus()
    player.tab.keyboard.press("Control+A")
    player.tab.keyboard.insert_text(text)
    player.press("Assemble and load")
