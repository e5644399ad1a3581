"""How does a Jupyter Book keep its live figures alive? By this Sphinx extension.

In the `_config.yml` of the book:

    sphinx:
      extra_extensions:
        - virtlab.explore.page.sphinx

or, in a Sphinx project, the name in `extensions` of its `conf.py`. Nothing is to be configured. The
chapters are stored with their output; a kernel that a figure calls is a compiled function in a
package that can be imported where the book is built. When the pages have been written, those with
live figures get the scripts that they need, and no others do. A page may then be opened from a
server, or from a file without any network. The single page of the builder `singlehtml` is for the
printer: there, figures stay still.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from virtlab.explore.page.assets import PageError, complete
from virtlab.explore.page.bundle import BundleError


def _complete_pages(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    single = app.builder.name == "singlehtml"
    if single:
        # Sphinx puts the page where the book's first one is, with addresses as if it were on top.
        page = Path(app.outdir, app.config.root_doc + app.builder.out_suffix)
        page.replace(Path(app.outdir, page.name))
    try:
        complete(Path(app.outdir), alive=not single)
    except (PageError, BundleError) as problem:
        raise ExtensionError(str(problem)) from problem


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("build-finished", _complete_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
