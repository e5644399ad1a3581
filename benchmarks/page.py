"""How soon do the book's pages answer, and how fast is the machine in them?

`python benchmarks/page.py --json` builds the site (or takes `--site FOLDER`), opens every page in
Chromium from a server on this computer, with the network refused, and reports

    pages          a list, one object a page:
      path             below the site's top
      bytes            first visit with nothing cached, uncompressed
      gzip_bytes       the same as a server that compresses sends it
      first_figure_s   from the start of navigation to the first live figure's answer; median
      slider_ms        from the input event of a control's step to the drawn figure; median
      dead_controls    controls that changed nothing over their whole range
      outside_requests requests that left the site
      errors           what the console and uncaught exceptions said
    machine_ratio  the machine's speed in the page / native, in turn; median of the rounds
    boot_s         from pressing Run after Restart to the teaching OS's prompt; median

A page without live figures has null for the two times.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

import visitor  # noqa: E402

LOADS = 3
STEPS_PER_CONTROL = 8
BOOTS = 5
QUIET_MS = 60  # a figure that has not changed for so long is drawn
WORKLOAD = "compute 1000000 128"  # a program of the teaching OS, 33 M instructions
WORKLOADS = 18  # of them, one after the other, in each of
ROUNDS = 5
PLAYER = f"{visitor.LIVE}[data-kind=player]"
EXPLORABLE = f"{visitor.LIVE}[data-kind=explorable]"
PLAYER_MARK = "data-kind='player'"  # in a page's HTML
RUN_BUTTONS = ("Step", "Back", "Next event", "Run", "Restart")


def say(text: str) -> None:
    """Notes go to standard error, so that standard output stays JSON."""
    print(text, file=sys.stderr, flush=True)


class Bad(SystemExit):
    """A mistake of the caller: one sentence, and exit code 2."""

    def __init__(self, sentence: str):
        say(f"page.py: {sentence}")
        super().__init__(2)


@contextmanager
def built(site: Path | None):
    """The folder of the site: the given one, or one built for the occasion."""
    if site is not None:
        if not (site / "index.html").is_file():
            raise Bad(f"--site {site} is no built site: it holds no index.html.")
        yield site.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        say("building the site")
        command = [sys.executable, ROOT / "book" / "build.py", "--output", folder]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise Bad("the site cannot be built: " + last_line(result.stdout + result.stderr))
        yield Path(folder) / "_build" / "html"


def last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")


class Weights:
    """What the files of the site weigh on their way to a reader."""

    def __init__(self, site: Path, base: str):
        self.site, self.base = site, base

    @cache  # noqa: B019 - one object for the whole run
    def file(self, address: str) -> tuple[int, int]:
        """(bytes, bytes compressed) of what is served at an address."""
        path = self.site / unquote(urlsplit(address).path).lstrip("/")
        data = path.read_bytes() if path.is_file() else b""
        return len(data), len(gzip.compress(data, 6))

    def all(self, asked: list[str]) -> tuple[int, int]:
        own = {url.partition("#")[0] for url in asked if url.startswith(self.base)}
        sizes = [self.file(url) for url in own]
        return sum(plain for plain, _ in sizes), sum(packed for _, packed in sizes)


def measure_page(browser, site: Path, base: str, page: str, weights: Weights) -> dict:
    """One entry of `pages`."""
    firsts, errors, outside, dead, answers = [], [], [], [], []
    for n in range(LOADS):
        visit = visitor.Visit(browser, base)
        visit.open(page, alive=False)
        try:
            visit.wait_alive()
        except AssertionError as dead_figure:
            errors.append(str(dead_figure).splitlines()[0])
        first = visit.tab.evaluate("visitor.firstAlive()")
        if first is not None:
            firsts.append(first / 1000)
        if n == 0:
            plain, packed = weights.all(visit.asked)
            for figure in visit.tab.locator(EXPLORABLE).all():
                found, slow = measure_explorable(visit, figure)
                dead += found
                answers += slow
            for figure in visit.tab.locator(PLAYER).all():
                dead += dead_buttons(visit, figure)
        errors += visit.errors
        outside += visit.outside()
        visit.close()
    return {
        "path": page,
        "bytes": plain,
        "gzip_bytes": packed,
        "first_figure_s": round(statistics.median(firsts), 3) if firsts else None,
        "slider_ms": round(statistics.median(answers), 1) if answers else None,
        "dead_controls": dead,
        "outside_requests": sorted(set(outside)),
        "errors": sorted(set(errors)),
    }


def measure_explorable(visit, figure) -> tuple[list[str], list[float]]:
    """(controls that change nothing, milliseconds of each answer) of one figure."""
    dead, answers = [], []
    waiting = figure.locator(visitor.CONTROLS).all()
    while True:  # a control may be out of use until another one has moved
        now = [control for control in waiting if visitor.movable(control)]
        if not now:
            break
        for control in now:
            before = figure.evaluate("visitor.figure")
            changed = False
            for key in visitor.keys(control, STEPS_PER_CONTROL):
                figure.evaluate("visitor.watchAnswer")
                control.focus()
                visit.tab.keyboard.press(key)
                took = figure.evaluate("visitor.answer", QUIET_MS)
                if took is not None:
                    answers.append(took)
                changed = changed or figure.evaluate("visitor.figure") != before
            if not changed:
                dead.append(visitor.label(control))
        waiting = [control for control in waiting if control not in now]
    return dead + [visitor.label(control) for control in waiting], answers


def dead_buttons(visit, figure) -> list[str]:
    """The player's buttons that leave the machine where it is."""
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    dead = []
    for name in RUN_BUTTONS:
        button = figure.get_by_role("button", name=name, exact=True)
        before = figure.evaluate("visitor.player")
        button.focus()
        visit.tab.keyboard.press("Enter")
        try:
            visit.tab.wait_for_function(
                "([f, before]) => JSON.stringify(visitor.player(f)) !== JSON.stringify(before)",
                arg=[figure.element_handle(), before],
                timeout=3000,
            )
        except PlaywrightTimeout:
            dead.append(name)
        pause = figure.get_by_role("button", name="Pause", exact=True)
        if pause.count():
            pause.press("Enter")
            figure.get_by_role("button", name="Run", exact=True).wait_for()
    return dead


def teaching_os(visit, site: Path):
    """The first player of the site with the teaching OS, its page opened; None if there is none."""
    for page in visitor.pages(site):
        if PLAYER_MARK not in (site / page).read_text("utf-8"):
            continue
        visit.open(page)
        for figure in visit.tab.locator(PLAYER).all():
            if visitor.description(figure)["recipe"]["guest"] == "pith":
                return figure
    return None


def restart(visit, figure) -> None:
    figure.get_by_role("button", name="Restart", exact=True).press("Enter")
    visit.tab.wait_for_function("f => visitor.player(f).steps === 0", arg=figure.element_handle())


def timed(visit, figure, press, what: str) -> float:
    """Seconds from a key press to the prompt or to the end of the run."""
    figure.evaluate("visitor.watchRun")
    press()
    visit.tab.wait_for_function(f"visitor.times().{what} !== null")
    seconds = visit.tab.evaluate(f"visitor.times().{what}") / 1000
    figure.get_by_role("button", name="Run", exact=True).wait_for()
    return seconds


def boot_seconds(visit, figure) -> float:
    """From Run, after Restart, to the prompt."""
    restart(visit, figure)
    run = figure.get_by_role("button", name="Run", exact=True)
    return timed(visit, figure, lambda: run.press("Enter"), "prompt")


def machine_ratio(visit, figure) -> float:
    """The workload in the page and natively, in turn: the median of the rounds' ratios."""
    import twin

    spec = visitor.description(figure) | {"actions": [], "steps": 0}
    line = figure.get_by_label("Type to the guest", exact=True)
    queue = figure.get_by_role("button", name="Queue", exact=True)
    inside, native = [], []
    for n in range(ROUNDS):
        boot_seconds(visit, figure)
        began = figure.evaluate("visitor.player")["steps"]
        for _ in range(WORKLOADS - 1):
            line.fill(WORKLOAD)
            queue.press("Enter")
            visit.tab.wait_for_function("f => f.value === ''", arg=line.element_handle())
        line.fill(WORKLOAD)
        seconds = timed(visit, figure, lambda: line.press("Enter"), "end")
        steps = figure.evaluate("visitor.player")["steps"] - began
        machine = twin.machine(spec)
        twin.run(machine)
        began = machine.steps
        machine.type(f"{WORKLOAD}\n" * WORKLOADS)
        start = time.perf_counter()
        twin.run(machine)
        own_seconds = time.perf_counter() - start
        if machine.steps - began != steps:
            raise SystemExit(
                f"the page ran {steps:,} instructions, Python {machine.steps - began:,}"
            )
        inside.append(steps / seconds / 1e6)
        native.append(steps / own_seconds / 1e6)
        say(
            f"round {n + 1} of {ROUNDS}: {inside[-1]:.0f} MIPS in the page, {native[-1]:.0f} native"
        )
    return statistics.median(a / b for a, b in zip(inside, native, strict=True))


def measure(site: Path) -> dict:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, visitor.served(site) as base:
        browser = visitor.launch(playwright)
        weights = Weights(site, base)
        results: dict = {"pages": []}
        for page in visitor.pages(site):
            results["pages"].append(measure_page(browser, site, base, page, weights))
            say(json.dumps(results["pages"][-1]))
        visit = visitor.Visit(browser, base)
        figure = teaching_os(visit, site)
        if figure is None:
            say("no page has a machine with the teaching OS: machine_ratio and boot_s are null.")
            results |= {"machine_ratio": None, "boot_s": None}
        else:
            results["machine_ratio"] = round(machine_ratio(visit, figure), 3)
            boots = [boot_seconds(visit, figure) for _ in range(BOOTS)]
            results["boot_s"] = round(statistics.median(boots), 3)
        browser.close()
    return results


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="How soon the book's pages answer.")
    parser.error = lambda message: (_ for _ in ()).throw(Bad(f"{message}."))
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--site", type=Path, help="a built site (default: build one)")
    options = parser.parse_args()
    if visitor.chromium() is None:
        raise Bad("Chromium is not installed (Debian: chromium).")
    with built(options.site) as site:
        results = measure(site)
    if options.json:
        print(json.dumps(results))
        return
    for page in results["pages"]:
        print(page["path"])
        for name, value in page.items():
            if name != "path":
                print(f"    {name:18} {value}")
    for name in ("machine_ratio", "boot_s"):
        print(f"{name:22} {results[name]}")


if __name__ == "__main__":
    main()
