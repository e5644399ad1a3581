"""Does a first hour work: lab.py's JupyterLab in a real browser, chapter 01 from top to end?

The chapters are copied first: what a browser does must not change those of the repository.
"""

import functools
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

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab as lab.py starts it, over a copy of the chapters; gives the address it prints."""
    folder = tmp_path_factory.mktemp("a reader's folder")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
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


def cells(tab) -> list[dict]:
    """What the notebook holds now: for each code cell its source, count and outputs."""
    return tab.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
            .filter(cell => cell.cell_type === "code" && String(cell.source).trim())"""
    )


@pytest.fixture(scope="module")
def chapter(browser, server):
    """A function from a chapter's name to a page with all its cells run; run once for all tests."""

    @functools.cache
    def page(name: str):
        address = re.sub(r"[^/]+\.ipynb", f"{name}.ipynb", server)
        return open_and_run(browser, address + "&reset")  # with no layout of an earlier visit

    return page


def test_the_address_lab_py_prints_leads_to_the_first_chapter(browser, server):
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(server)
    tab.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext")
    first = min(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert (
        tab.evaluate("window.jupyterapp.shell.currentWidget.context.path") == f"notebooks/{first}"
    )


@pytest.mark.parametrize("name", [p.stem for p in sorted((ROOT / "notebooks").glob("*.ipynb"))])
def test_every_cell_of_a_chapter_runs_without_an_error(chapter, name):
    tab = chapter(name)
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


def test_step_and_back_move_the_machine_in_chapter_01(chapter):
    tab = chapter("01_machine")
    player = tab.get_by_role("group", name="machine").first
    player.scroll_into_view_if_needed()
    registers = player.get_by_role("table", name="registers")
    step, back = (player.get_by_role("button", name=name, exact=True) for name in ("Step", "Back"))
    place = player.locator(".vl-where")
    wait_until(lambda: "instruction" in place.inner_text(), seen=player.inner_text)
    before, start = registers.inner_text(), place.inner_text()
    step.focus()
    for _ in range(12):  # by keyboard, as everything must be
        seen = place.inner_text()
        tab.keyboard.press("Enter")
        wait_until(lambda seen=seen: place.inner_text() != seen)
    assert registers.inner_text() != before
    back.focus()
    for _ in range(12):
        seen = place.inner_text()
        tab.keyboard.press("Enter")
        wait_until(lambda seen=seen: place.inner_text() != seen)
    assert registers.inner_text() == before
    assert place.inner_text() == start


def test_a_slider_changes_its_figure_in_chapter_01(chapter):
    tab = chapter("01_machine")
    sliders = tab.locator("[role=slider], input[type=range]")
    figure = tab.locator(".jp-OutputArea-output", has=sliders).first
    slider = figure.locator("[role=slider], input[type=range]").first
    slider.scroll_into_view_if_needed()
    before = figure.text_content()
    slider.focus()
    moved = slider.get_attribute("aria-valuenow")
    tab.keyboard.press("ArrowRight")
    if slider.get_attribute("aria-valuenow") == moved:  # it stood at its end
        tab.keyboard.press("ArrowLeft")
    wait_until(lambda: figure.text_content() != before)


def wait_until(condition, seconds: float = 30.0, seen=lambda: "no change"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {seconds:.0f} s; seen: {seen()}"
        time.sleep(0.05)
