"""Slides from the chapters: python book/slides.py [notebooks/NAME.ipynb ...] --output FOLDER

A chapter becomes one HTML file that holds all it needs: open it from the disk, in any browser,
without a network. A paragraph of the book begins with what it claims; that sentence is on the
slide, and the rest is in the notes (press N). Code, its output and the figures are those stored in
the chapter. Printed, or saved as a PDF by the browser, each slide is a page.
"""

import argparse
import html
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from latex2mathml.converter import convert as mathml
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).resolve().parents[1]
DECK = Path(__file__).parent / "deck"
LEFT_OUT = ("sources", "further reading")  # sections that nobody reads out
MOST_LINES = 18  # of code or of its printed output on a slide; the rest is counted
# A sentence ends at a full stop before a blank and a capital, a quote or code.
SENTENCE_END = re.compile(r"(?<=[.!?:])(?:\*\*|\*|\))?\s+(?=[A-Z`*_\"(\[])")
NOT_ENDS = re.compile(r"(?:\b(?:e\.g|i\.e|vs|cf|Fig|Sec|[A-Z])\.)$")
ASKED = re.compile(r"^explore\.(?:predict|reveal)\(", re.MULTILINE)  # what follows has the answer
LINK = re.compile(r"</?a\b[^>]*>")  # in a figure: it leads to another file
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<main>
{slides}
</main>
<nav aria-label="slides">
<button type="button" data-do="back" aria-label="back">&larr;</button>
<output aria-live="polite"></output>
<button type="button" data-do="on" aria-label="on">&rarr;</button>
<button type="button" data-do="notes">Notes</button>
</nav>
<script>
{script}</script>
</body>
</html>
"""


@dataclass
class Slide:
    """What is on a slide: HTML of the body, and of the notes."""

    heading: str
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    has_output: bool = False
    is_title: bool = False


def reader() -> MarkdownIt:
    """Markdown as the chapters use it, formulas as MathML, links as text."""
    made = MarkdownIt("commonmark").enable("table")

    def formula(text: str, options: dict) -> str:
        return mathml(text, display="block" if options.get("display_mode") else "inline")

    made.use(dollarmath_plugin, renderer=formula, double_inline=True)
    for name in ("link_open", "link_close"):  # they lead to other pages of the site
        made.add_render_rule(name, lambda *_: "")
    return made


MARKDOWN = reader()


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence of a paragraph, and the rest."""
    for end in SENTENCE_END.finditer(text):
        head = text[: end.start()]
        if not NOT_ENDS.search(head) and head.count("`") % 2 == 0 and head.count("$") % 2 == 0:
            return text[: end.end()].strip(), text[end.end() :].strip()
    return text.strip(), ""


def blocks(text: str) -> list[tuple[str, str]]:
    """A cell's text as (kind, text): heading, paragraph, or anything else that stays whole."""
    found = []
    lines = text.split("\n")
    for token in MARKDOWN.parse(text):
        if token.level or token.map is None or token.nesting < 0:
            continue
        source = "\n".join(lines[token.map[0] : token.map[1]]).strip()
        kind = {"heading_open": "heading", "paragraph_open": "paragraph"}.get(token.type, "whole")
        found.append((kind, source))
    return found


def slides_of(chapter: dict) -> list[Slide]:
    """The slides of a chapter, in its order."""
    made: list[Slide] = []
    for cell in chapter["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            _add_text(made, source)
        elif cell["cell_type"] == "code":
            _add_code(made, source, cell["outputs"])
    return [s for s in made if s.heading.lower() not in LEFT_OUT and (s.body or s.is_title)]


def _add_text(made: list[Slide], source: str) -> None:
    new = True  # a cell of text begins a slide, unless nothing has been said on the last one
    for kind, text in blocks(source):
        if kind == "heading":
            level, _, words = text.partition(" ")
            made.append(Slide(words.strip(), is_title=len(level) == 1))
            new = False
            continue
        if not made or (new and made[-1].has_output):
            made.append(Slide(made[-1].heading if made else ""))
        new = False
        if kind == "paragraph":
            said, rest = first_sentence(text)
            made[-1].body.append(MARKDOWN.render(said))
            if rest:
                made[-1].notes.append(MARKDOWN.render(rest))
        elif text.startswith("<details"):
            made[-1].notes.append(MARKDOWN.render(text))
        else:
            made[-1].body.append(MARKDOWN.render(text))


def _add_code(made: list[Slide], source: str, outputs: list[dict]) -> None:
    shown = [text for text in map(output_html, outputs) if text]
    if not made or (made[-1].has_output and shown):
        made.append(Slide(made[-1].heading if made else ""))
    told = ASKED.split(source)[0].strip()
    if told:
        made[-1].body.append(f"<pre><code>{html.escape(cut(told))}</code></pre>\n")
    made[-1].body += shown
    made[-1].has_output |= bool(shown)


def output_html(output: dict) -> str:
    """One output as it is shown: the still figure, or text."""
    data = output.get("data", {})
    if "text/html" in data:
        return f"<div class='figure'>{LINK.sub('', ''.join(data['text/html']))}</div>\n"
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"<pre class='out'>{html.escape(cut(text.rstrip()))}</pre>\n" if text.strip() else ""


def cut(text: str) -> str:
    """At most MOST_LINES lines, and how many more there are."""
    lines = text.splitlines()
    more = len(lines) - MOST_LINES
    return text if more <= 1 else "\n".join([*lines[:MOST_LINES], f"... {more} more lines"])


def page(chapter: dict) -> str:
    """The whole deck as one HTML page."""
    made = slides_of(chapter)
    parts = []
    for slide in made:
        level = "h1" if slide.is_title else "h2"
        head = (
            f"<{level}>{MARKDOWN.renderInline(slide.heading)}</{level}>\n" if slide.heading else ""
        )
        notes = f"<div class='notes'>{''.join(slide.notes)}</div>\n" if slide.notes else ""
        parts.append(f"<section tabindex='-1'>\n{head}{''.join(slide.body)}{notes}</section>")
    return PAGE.format(
        title=html.escape(made[0].heading if made else "virtlab"),
        css=(DECK / "deck.css").read_text("utf-8"),
        script=(DECK / "deck.js").read_text("utf-8"),
        slides="\n".join(parts),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Slides from the chapters.")
    parser.add_argument("chapters", nargs="*", type=Path, help="default: all")
    parser.add_argument("--output", type=Path, default=ROOT / "book" / "_build" / "slides")
    options = parser.parse_args()
    wanted = options.chapters or sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    options.output.mkdir(parents=True, exist_ok=True)
    for path in wanted:
        try:
            chapter = json.loads(path.read_text("utf-8"))
            text = page(chapter)
        except (OSError, ValueError, KeyError) as error:
            print(f"slides.py: {path} is no chapter ({error}).", file=sys.stderr)
            return 2
        target = options.output / f"{path.stem}.html"
        target.write_text(text, "utf-8")
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
