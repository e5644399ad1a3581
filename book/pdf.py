"""How does the book become one PDF? All pages as one, printed by a browser that is installed.

Sphinx writes the whole book as a single page whose figures are still; Chromium, Chrome or Edge, run
without a window, prints it with the site's print style. Nothing is fetched or installed.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "microsoft-edge-stable", "msedge"),
)
# Where these browsers are when no folder on the path has them: macOS, then Windows.
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
WINDOWS_FOLDERS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
WINDOWS_PLACES = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
)
TIMEOUT_S = 300
FILE_LINK = re.compile(r"""(<a\b[^>]*?)\shref=(["'])(?!https?:|#).*?\2""")  # not for a PDF


class PdfError(Exception):
    """The book was not printed; the text is one sentence that says why."""


def browser() -> str:
    """The path of an installed browser that prints.

    Raises
    ------
    PdfError : there is none
    """
    windows = (
        str(Path(os.environ[folder], place))
        for folder in WINDOWS_FOLDERS
        if os.environ.get(folder)
        for place in WINDOWS_PLACES
    )
    found = (*map(shutil.which, PROGRAMS), *PLACES, *windows)
    chosen = next((path for path in found if path and Path(path).exists()), None)
    if not chosen:
        raise PdfError(
            "no browser was found to print with; Chromium, Google Chrome or Microsoft Edge will do"
        )
    return chosen


def print_page(page: Path, pdf: Path) -> None:
    """Print the file `page` to the file `pdf`, without its links to other files.

    Raises
    ------
    PdfError : no browser, or it printed nothing
    """
    program = browser()
    pdf.unlink(missing_ok=True)
    page.write_text(FILE_LINK.sub(r"\1", page.read_text("utf-8")), "utf-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [
            *("--headless=new", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"),
            *("--no-pdf-header-footer", "--generate-pdf-document-outline"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # which root cannot have
        command = [program, *options, f"--print-to-pdf={pdf}", page.resolve().as_uri()]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise PdfError(f"{program} did not print the book in {TIMEOUT_S} seconds") from None
    if not pdf.is_file():
        said = (result.stderr.strip().splitlines() or ["nothing"])[-1]
        raise PdfError(f"{program} printed nothing; it said: {said}")
