"""What a page needs beside its own files, when nothing may be fetched from elsewhere?

A plotly figure in a notebook's output is put into the page as data; virtlab.explore.page sees it
and adds plotly.js. Formulas become MathML, which browsers draw by themselves, in place of MathJax
from a content delivery network. The library's files that a chapter links to are copied to where the
link leads.
"""

import json
import re
import shutil
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from myst_nb.core.render import load_mime_renders
from sphinx.util import logging

PLOTLY = "application/vnd.plotly.v1+json"

# A chapter's link to the library's own source: one folder up, as in the repository.
SOURCE_LINK = re.compile(r'href=["\']\.\./(virtlab/[\w./-]+)')

logger = logging.getLogger(__name__)


class PlotlyFigure:
    """Puts a plotly figure into the page as data, for plotly_figure.js to draw."""

    mime_priority_overrides = (("*", PLOTLY, 1),)

    @staticmethod
    def handle_mime(renderer, data, inline):
        if inline or data.mime_type != PLOTLY:
            return None
        renderer.add_js_file("plotly_figure", "plotly_figure.js", {})
        figure = json.dumps(data.content, ensure_ascii=False).replace("</", "<\\/")
        return [
            nodes.raw(
                text='<div class="plotly-figure">'
                f'<script type="application/json">{figure}</script></div>',
                format="html",
            )
        ]


def mathml(node, display: str) -> str:
    """The formula as MathML; one that cannot be read is a warning, which fails the build."""
    try:
        return convert(node.astext(), display=display)
    except Exception as problem:  # the parser raises plain ones of many kinds
        logger.warning("formula %r: %s", node.astext(), problem, location=node)
        return ""


def visit_math(translator, node):
    translator.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def visit_displayed_math(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(mathml(node, "block"))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def visit_citation(translator, node):
    """A reference without the role that docutils gives it, which ARIA has withdrawn."""
    translator.body.append(translator.starttag(node, "div", CLASS="citation"))


def depart_citation(translator, node):
    translator.body.append("</div>\n")


def complete(app, exception):
    """Take along the library's files that pages link to."""
    if exception or app.builder.format != "html":
        return
    out, source = Path(app.outdir), Path(app.srcdir)
    pages = [page.read_text("utf-8") for page in out.rglob("*.html")]
    for name in {name for page in pages for name in SOURCE_LINK.findall(page)}:
        if (source / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, out / name)


def setup(app):
    renderers = load_mime_renders()
    if PlotlyFigure not in renderers:
        renderers.append(PlotlyFigure)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displayed_math, None))
    app.add_css_file("book.css")
    app.add_js_file("book.js", loading_method="defer")
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.connect("build-finished", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
