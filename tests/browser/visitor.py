"""What does a reader with only a keyboard meet on a page, and what does a page ask the network for?

A `Visit` is one tab on the built site. It notes every request and every error, waits until the
figures answer, moves their controls by keyboard, and reads what they show. The tests compare that
with Python; benchmarks/page.py measures it.
"""

import json
import os
import shutil
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (  # no request of the browser's own, and none to anywhere but this computer
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

PATIENCE_MS = 20_000
LIVE = ".vl-live"
NARROW, WIDE, HEIGHT = 320, 1280, 900  # pixels
CONTROLS = ".vl-controls input, .vl-controls select"
OWN_SCRIPTS = "**/_static/virtlab/*.js"
EYES = Path(__file__).with_name("visitor.js")
WITHIN = ("data:", "blob:", "about:")  # addresses that name no server


def chromium() -> str | None:
    """The path of an installed Chromium."""
    return next((path for path in map(shutil.which, CHROMIUM) if path), None)


def launch(playwright):
    """A headless Chromium that may open pages of this computer and files, and nothing else."""
    arguments = list(ARGUMENTS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return playwright.chromium.launch(executable_path=chromium(), args=arguments)


def description(figure) -> dict:
    """The JSON that a live output, a playwright locator, carries."""
    return json.loads(figure.locator("script[type='application/json']").first.text_content())


def label(control) -> str:
    """What a reader calls a control."""
    return control.evaluate("control => control.labels[0]?.textContent.trim() ?? control.outerHTML")


def movable(control) -> bool:
    """Whether a control has room to move just now; another one may have to be moved first."""
    return control.evaluate("e => !e.disabled && !(e.type === 'range' && e.min === e.max)")


def keys(control, steps: int) -> list[str]:
    """Keys that take a control through its range: some steps, to both ends, by pages."""
    kind = control.evaluate("control => control.type")
    if kind == "checkbox":
        return ["Space", "Space"]
    if kind == "range":
        return [
            *["ArrowRight"] * steps,
            *["ArrowLeft"] * steps,
            *("PageUp", "PageUp", "PageDown", "End", "ArrowLeft", "PageDown", "Home", "ArrowRight"),
        ]
    n_options = control.locator("option").count()
    first = control.evaluate("control => control.options[0].text[0]")
    return ["Home", *["ArrowDown"] * (n_options - 1), "ArrowUp", "End", "Home", first]


def pages(site: Path) -> list[str]:
    """The addresses of the site's pages below its top; the front page only leads to another."""
    found = [
        path.relative_to(site).as_posix()
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    ]
    return [page for page in found if page != "index.html"]


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *message):
        """Requests are looked at in the browser; a log would only be noise."""


@contextmanager
def served(folder: Path):
    """The site behind a server on a free port of this computer; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Visit:
    """One tab on the site at `base`, which is a file: or http: address.

    Attributes
    ----------
    tab : the playwright page
    asked : the addresses of all requests
    errors : what the console and uncaught exceptions said, with the page's address
    """

    def __init__(self, browser, base: str, **options):
        self.base = base.rstrip("/")
        self.context = browser.new_context(
            **({"viewport": {"width": WIDE, "height": HEIGHT}} | options)
        )
        self.context.add_init_script(path=EYES)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(PATIENCE_MS)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.context.on("weberror", lambda error: self._note(error.error))
        self.context.on("console", lambda said: said.type == "error" and self._note(said.text))

    def _note(self, what) -> None:
        self.errors.append(f"{self.tab.url.rpartition('/')[2]}: {what}")

    def open(self, page: str, alive: bool = True) -> None:
        """Open a page of the site and wait until its figures answer."""
        self.tab.goto(f"{self.base}/{page}", wait_until="load")
        if alive:
            self.wait_alive()

    def hold_back_figures(self) -> None:
        """From now on no figure comes alive: the pages' own scripts are refused."""
        self.context.route(OWN_SCRIPTS, lambda route: route.abort())

    def wait_alive(self) -> None:
        try:
            self.tab.wait_for_function("visitor.alive()")
        except Exception as error:
            dead = self.tab.evaluate(
                f"[...document.querySelectorAll('{LIVE}')].map(e => e.dataset.live ?? 'dead')"
            )
            raise AssertionError(
                f"{self.tab.url}: the figures are {dead} after {PATIENCE_MS / 1000:.0f} s; "
                f"errors: {self.errors}"
            ) from error

    def resize(self, width: int) -> None:
        """Another width of the window; waits until the page has adapted."""
        if self.tab.viewport_size["width"] != width:
            self.tab.evaluate("visitor.expectResize()")
            self.tab.set_viewport_size({"width": width, "height": HEIGHT})
            self.tab.evaluate("visitor.resized()")

    def outside(self) -> list[str]:
        """Requests that left the site."""
        return [url for url in self.asked if not url.startswith((self.base, *WITHIN))]

    def close(self) -> None:
        self.context.close()
