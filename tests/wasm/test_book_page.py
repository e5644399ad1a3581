"""The example of the book's page on WebAssembly works as it is printed there."""

import os
import re
import shlex
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytestmark = pytest.mark.browser


class Quiet(SimpleHTTPRequestHandler):
    """Serves the example's folder, JavaScript under the type that a browser insists on."""

    extensions_map = {  # noqa: RUF012, the base class has it as a plain dict
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def log_message(self, *message):
        """What fails shows in the page."""


@pytest.fixture(scope="module")
def example(root, tmp_path_factory):
    """The folder that a reader has who follows the page; and what the command said."""
    text = (root / "book" / "wasm.md").read_text("utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    folder = tmp_path_factory.mktemp("example")
    (folder / "decay.py").write_text(next(code for kind, code in blocks if kind == "python"))
    (folder / "index.html").write_text(next(code for kind, code in blocks if kind == "html"))
    command = next(code for kind, code in blocks if code.startswith("python -m virtlab.wasm"))
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_files_are_those_and_as_small_as_it_says(example):
    names = {path.name for path in example.iterdir() if path.is_file()}
    assert names == {"decay.py", "index.html", "decay.wasm", "decay.json", "wasm.js"}
    assert 200 < (example / "decay.wasm").stat().st_size < 400


def test_a_key_pressed_on_the_slider_moves_the_curve(example, browser):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=example))
    Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.wait_for_function("document.querySelector('#half').value !== ''")
    assert page.locator("#half").inner_text() == "half is left after 0.693"
    before = page.locator("polyline").get_attribute("points")
    page.locator("#rate").press("ArrowRight")
    assert page.locator("#half").inner_text() == "half is left after 0.630"
    after = page.locator("polyline").get_attribute("points")
    assert after != before and len(after.split()) == 100
    assert not errors
    page.close()
    server.shutdown()
    server.server_close()
