"""Does a first hour work: lab.py's JupyterLab in a real browser, the chapters from top to end?

Each chapter is run once; then every control of its figures is moved, and its machines are driven,
by keyboard.

The chapters are copied first: what a browser does must not change those of the repository.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_MS = 60_000

# The controls of figures, as ipywidgets makes them; predictions have others.
CONTROL = ".widget-slider [role=slider], .widget-dropdown select, .widget-checkbox input"
MOVABLE = (
    "e => !e.disabled && !e.closest('[disabled]') && e.ariaValueMin !== (e.ariaValueMax ?? '')"
)
STANDS = "e => e.ariaValueNow ?? (e.type === 'checkbox' ? e.checked : e.value)"
KERNEL_STATUS = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
# What a figure shows beside its controls.
FIGURE = """figure => [...figure.querySelectorAll(
        ".widget-html-content, .js-plotly-plot svg, figure")]
    .map(part => part.innerHTML).join("")"""

pytestmark = pytest.mark.browser
chapters = pytest.mark.parametrize(
    "chapter",
    [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))],
    indirect=True,
    scope="module",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab as lab.py starts it, over a copy of the chapters; gives the address it prints."""
    folder = tmp_path_factory.mktemp("a reader's folder")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (folder / "virtlab" / "labs").mkdir(parents=True)
    for name in ("copies.py", "progress.py"):
        shutil.copy(ROOT / "virtlab" / "labs" / name, folder / "virtlab" / "labs")
    command = lab_command(folder)
    own = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    process = subprocess.Popen(
        [*command, "--LabApp.expose_app_in_browser=True"],
        cwd=folder,
        env={**os.environ, **own, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = []
    for line in process.stderr:
        said.append(line)
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+", line)
        if found:
            break
    else:
        pytest.fail("JupyterLab did not start:\n" + "".join(said))
    # The pipe has to be emptied, or a talkative server would wait for its reader.
    drain = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfor line in sys.stdin: pass"], stdin=process.stderr
    )
    yield found.group(0)
    process.terminate()
    process.wait(20)
    drain.wait(20)


def lab_command(folder: Path) -> list[str]:
    """What `lab.py --no-browser --port N` executes once everything is installed."""
    spec = importlib.util.spec_from_file_location("lab_for_the_browser", ROOT / "lab.py")
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    started = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "ROOT", str(folder))
        patch.setattr(lab, "STATE", str(folder / ".virtlab"))
        patch.setattr(lab, "PYTHON", sys.executable)
        patch.setattr(lab, "install", lambda extras: None)
        patch.setattr(lab, "warm", lambda: None)
        patch.setattr(lab, "WINDOWS", False)
        patch.setattr(lab, "os", SimpleNamespace(**{**vars(os), "chdir": lambda place: None}))
        patch.setattr(
            lab.os, "execve", lambda python, command, environment: started.append(command)
        )
        lab.main(["--no-browser", "--port", str(free_port())])
    return started[0]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def open_and_run(browser, address: str):
    """Open the notebook at `address`, run all its cells, and wait until the last has ended."""
    tab = browser.new_page(viewport={"width": 1400, "height": 1600})
    tab.set_default_timeout(PATIENCE_MS)
    tab.errors = []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda said: ours(said) and tab.errors.append(said.text))
    tab.goto(address)
    tab.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext")
    tab.evaluate(
        """async () => {
            const app = window.jupyterapp;
            await app.restored;
            const panel = app.shell.currentWidget;
            await panel.context.ready;
            await panel.sessionContext.ready;
            await panel.sessionContext.session.kernel.info;
            // Every output in the page, and not only those that are scrolled into view.
            panel.content.notebookConfig = {...panel.content.notebookConfig, windowingMode: "none"};
            await app.commands.execute("notebook:run-all-cells");
        }"""
    )
    return tab


def ours(said) -> bool:
    """Whether a message of the console is an error that is not JupyterLab's own."""
    return said.type == "error" and "vl-" in said.text + str(said.location)


def cells(tab) -> list[dict]:
    """What the notebook holds now: for each code cell its source, count and outputs."""
    return tab.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
            .filter(cell => cell.cell_type === "code" && String(cell.source).trim())"""
    )


@pytest.fixture(scope="module")
def chapter(browser, server, request):
    """A page with all the cells of a chapter run, for that chapter's tests one after another."""
    address = re.sub(r"[^/]+\.ipynb", f"{request.param}.ipynb", server)
    tab = open_and_run(browser, address + "&reset")  # with no layout of an earlier visit
    tab.name = request.param
    yield tab
    tab.close()


def test_the_address_lab_py_prints_leads_to_the_first_chapter(browser, server):
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(server)
    tab.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext")
    first = min(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert (
        tab.evaluate("window.jupyterapp.shell.currentWidget.context.path") == f"my_chapters/{first}"
    )
    tab.close()


@chapters
def test_every_cell_of_a_chapter_runs_without_an_error(chapter):
    tab = chapter
    ran = cells(tab)
    assert all(cell["execution_count"] for cell in ran)
    for cell in ran:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", output
            assert output.get("name") != "stderr", output
    assert (
        tab.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count()
        == 0
    )


@chapters
def test_every_control_moves_its_figure(chapter):
    tab, name = chapter, chapter.name
    n_controls = 0
    for figure in tab.locator(".jp-OutputArea-output", has=tab.locator(CONTROL)).all():
        waiting = figure.locator(CONTROL).all()
        while waiting:
            # A control may be out of use until another one has moved.
            ready = [control for control in waiting if control.evaluate(MOVABLE)]
            assert ready, f"{name}: these controls can never be moved: {waiting}"
            for control in ready:
                move(tab, figure, control)
                n_controls += 1
            waiting = [control for control in waiting if control not in ready]
    assert n_controls or name == "00_start"
    assert not tab.errors, tab.errors


def move(tab, figure, control) -> None:
    """Press keys until the figure changes; nothing over the whole range is a failure."""
    is_list = control.evaluate("e => e.tagName === 'SELECT'")
    is_switch = control.evaluate("e => e.type === 'checkbox'")
    slider_keys = ("ArrowRight", "ArrowLeft", "End", "Home")
    list_keys = ("ArrowDown", "ArrowUp", "End", "Home")
    before = figure.evaluate(FIGURE)
    for key in ("Space",) if is_switch else list_keys if is_list else slider_keys:
        give_focus(control)
        stood = control.evaluate(STANDS)
        tab.keyboard.press(key)
        if control.evaluate(STANDS) == stood:  # at its end
            continue
        try:
            wait_until(lambda: figure.evaluate(FIGURE) != before, seconds=5)
            return
        except AssertionError:
            continue
    pytest.fail(f"{control.evaluate('e => e.outerHTML')[:200]} changes nothing: {before[:200]}")


def give_focus(control) -> None:
    """Focus it until it stays there: a notebook gives its active cell the focus when it settles."""

    def stays() -> bool:
        control.focus()
        time.sleep(0.2)
        return control.evaluate("e => e === document.activeElement")

    wait_until(stays, seconds=10, seen=lambda: "it does not take the focus")


@chapters
def test_a_prediction_keeps_the_guess_and_shows_the_result(chapter):
    tab, name = chapter, chapter.name
    record = tab.get_by_role("button", name="Record my guess")
    for asked in tab.locator(".jp-OutputArea-output", has=record).all():
        entry = asked.locator("input").first
        give_focus(entry)
        if entry.get_attribute("type") == "radio":
            tab.keyboard.press("Space")
        else:
            tab.keyboard.type("7")
        give_focus(asked.get_by_role("button", name="Record my guess"))
        tab.keyboard.press("Enter")
        answer = asked.get_by_role("status").get_by_role("table", name="guess and result")
        answer.wait_for()
    assert record.count() or name == "00_start"


@chapters
def test_machines_are_driven_by_keyboard(chapter):
    """Forward and back again ends in the same registers; a typed line is answered."""
    tab, name = chapter, chapter.name
    players = tab.get_by_role("group", name="machine", exact=True)
    for player in players.all():
        player.scroll_into_view_if_needed()
        registers = player.get_by_role("table", name="registers")
        place = player.locator(".vl-where")

        def situation(player=player) -> str:
            focus = tab.evaluate("document.activeElement.outerHTML.slice(0, 200)")
            kernel = tab.evaluate(KERNEL_STATUS)
            return f"focus on {focus}; kernel {kernel}; {player.inner_text()}"

        wait_until(lambda: tab.evaluate(KERNEL_STATUS) == "idle", seen=situation)
        wait_until(lambda place=place: "instruction" in place.inner_text(), seen=situation)

        def press(name: str, times: int = 1, player=player, place=place) -> None:
            button = player.get_by_role("button", name=name, exact=True)
            give_focus(button)
            for _ in range(times):
                seen = place.inner_text()
                tab.keyboard.press("Enter")
                wait_until(lambda seen=seen: place.inner_text() != seen, seen=situation)

        press("Restart")
        before, start = registers.inner_text(), place.inner_text()
        press("Step", 5)
        assert registers.inner_text() != before
        press("Back", 5)
        assert (registers.inner_text(), place.inner_text()) == (before, start)
        press("Next event")
        walk = player.get_by_role("table", name="page walk")
        player.get_by_label("Address", exact=True).press("Enter")
        wait_until(lambda walk=walk: walk.count() == 1)
    text = (ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8")
    assert players.count() == text.count("explore.Player(")
    assert not tab.errors, tab.errors


@pytest.mark.parametrize("chapter", ["01_machine"], indirect=True)
def test_the_teaching_os_answers_what_is_typed(chapter):
    tab = chapter
    booted = 0
    for player in tab.get_by_role("group", name="machine", exact=True).all():
        console = player.locator(".vl-console")
        if "pith" not in console.inner_text():
            continue
        give_focus(player.get_by_role("button", name="Restart", exact=True))
        tab.keyboard.press("Enter")
        wait_until(lambda console=console: not console.inner_text())
        give_focus(player.get_by_role("button", name="Run", exact=True))
        tab.keyboard.press("Enter")
        wait_until(lambda console=console: console.text_content().endswith("$ "))
        seen = console.text_content()
        player.get_by_label("Type to the guest", exact=True).focus()
        tab.keyboard.type("ls")
        tab.keyboard.press("Enter")
        wait_until(
            lambda console=console, seen=seen: (
                console.text_content().endswith("$ ")
                and len(console.text_content()) > len(seen) + 20
            )
        )
        booted += 1
    assert booted


def wait_until(condition, seconds: float = 30.0, seen=lambda: "no change"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {seconds:.0f} s; seen: {seen()}"
        time.sleep(0.05)
