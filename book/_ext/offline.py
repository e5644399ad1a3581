"""What a page needs beside its own files, when nothing may be fetched from elsewhere?

Plotly figures in a notebook's output are drawn by the plotly.js of the installed plotly package,
copied into the site when a page has such a figure. Formulas become MathML, which browsers draw by
themselves, in place of MathJax from a content delivery network.
"""

import json
import shutil
from pathlib import Path

import plotly
from docutils import nodes
from latex2mathml.converter import convert
from myst_nb.core.render import load_mime_renders
from sphinx.util import logging

PLOTLY = "application/vnd.plotly.v1+json"

logger = logging.getLogger(__name__)


class PlotlyFigure:
    """Puts a plotly figure into the page as data, for plotly_figure.js to draw."""

    mime_priority_overrides = (("*", PLOTLY, 1),)

    @staticmethod
    def handle_mime(renderer, data, inline):
        if inline or data.mime_type != PLOTLY:
            return None
        renderer.add_js_file("plotly", "plotly.min.js", {})
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


def copy_plotly(app, exception):
    """Take plotly.js along only if a page uses it: it weighs 5 MB."""
    out = Path(app.outdir)
    if exception or app.builder.format != "html":
        return
    if any('class="plotly-figure"' in page.read_text("utf-8") for page in out.rglob("*.html")):
        shutil.copy(
            Path(plotly.__file__).parent / "package_data" / "plotly.min.js", out / "_static"
        )


def setup(app):
    renderers = load_mime_renders()
    if PlotlyFigure not in renderers:
        renderers.append(PlotlyFigure)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displayed_math, None))
    app.add_css_file("book.css")
    app.connect("build-finished", copy_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
