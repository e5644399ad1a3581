"""How do the exercises on a book's pages come to judge? By this Sphinx extension.

In the `_config.yml` of the book, after virtlab.explore.page.sphinx:

    sphinx:
      extra_extensions:
        - virtlab.labs.page.sphinx

When the pages have been written, each that shows exercises gets a style sheet, the variants of
these exercises and the script that judges; other pages get nothing. Files are named by a hash of
their content, and a page may be opened from a server or from a file. The single page of the builder
`singlehtml` is for the printer: there the questions stand as they are.
"""

import json
import os
import re
from pathlib import Path

from sphinx.application import Sphinx

SHOWN = re.compile(r"<div class='vl vl-exercise' data-exercise='([\w.]+)'")
ADDED = re.compile(r"<(?:script|link)[^>]* data-exercises(?:></script>| />)\n?")
STATIC = Path(__file__).resolve().parents[1] / "static"
FOLDER = "_static/exercises"


def complete(site: Path, seeds: int = 16) -> None:
    """Give every page below `site` that shows exercises what they need to judge.

    Parameters
    ----------
    site : folder of the pages; scripts, data and style go to its FOLDER
    seeds : how many variants of each exercise are looked at; those that ask the same count once
    """
    from virtlab.explore.page.assets import FOLDERS, Shelf, data_script, deflated
    from virtlab.explore.page.bundle import bundle
    from virtlab.labs.page.variants import for_page, numbers, on_a_page

    shelf = Shelf(site / FOLDER)
    code, look = "", ""
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.relative_to(site).parts:
            continue
        html = path.read_text("utf-8")
        ids = [id for id in dict.fromkeys(SHOWN.findall(html)) if on_a_page(id)]
        tags = ""
        if ids:
            if not code:
                text = bundle("exercises", [STATIC / "exercise.js"], (STATIC, FOLDERS[2]))
                start = "virtlab.exercise.mountAll(document, virtlab.assets.exercises);\n"
                code = shelf.put("exercises", ".js", text + start)
                look = shelf.put("exercises", ".css", (STATIC / "exercise.css").read_text("utf-8"))
            known = {"numbers": numbers(), "exercises": [for_page(id, seeds) for id in ids]}
            text = json.dumps(known, separators=(",", ":"), ensure_ascii=False)
            data = data_script("exercises", deflated(text.encode()))
            names = [shelf.put(f"variants-{path.stem}", ".js", data), code]
            there = Path(os.path.relpath(shelf.folder, path.parent)).as_posix()
            tags = f'<link rel="stylesheet" href="{there}/{look}" data-exercises />\n'
            tags += "".join(
                f'<script defer src="{there}/{name}" data-exercises></script>\n' for name in names
            )
        before, end, after = ADDED.sub("", html).partition("</head>")
        new = before + tags + end + after
        if new != html:
            path.write_text(new, "utf-8")
    shelf.clear_others()


def _complete_pages(app: Sphinx, exception: Exception | None) -> None:
    if not exception and app.builder.format == "html" and app.builder.name != "singlehtml":
        complete(Path(app.outdir))


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("build-finished", _complete_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
