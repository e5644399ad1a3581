"""What does a page with live figures have to load? Found in its HTML, made, and put beside it.

A live output carries its description in the page (`<div class='vl vl-live' data-kind=...>` around a
JSON script). `complete` reads the descriptions on all pages of a site and gives each page what they
call for, and nothing else, as classic scripts that set `virtlab.assets[NAME]`:

kernels.wasm   the kernels of the page's explorables, {"manifest", "data"}; a module a page is
               lighter than one for the book: most figures call one small function
machine.wasm   the machine, where a page has a player, {"manifest", "data"}
hypervisors.wasm  the machine and every technique of virtlab.hypervisors, in its place where a page
               has a virtual machine
tables         the instruction set's tables (see tables.py)
machine.tables the machine's constants (see recipe.py)
machine-...    a machine after power-on, one for each recipe (see recipe.py)

then the scripts that draw (figures, machine or virtual; see bundle.py), which load plotly.js once
there is a chart to draw (start.js). `data` is base64 of raw-deflated bytes, which assets.js
inflates. All are deferred, and named by a hash of their content, so that a browser may keep them
for ever.
Figures' style sheets, which a notebook repeats in each output, become one file.

Machine code for the page is kept in the folder of virtlab's other machine code: the second build of
a site compiles nothing.
"""

import base64
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from virtlab._cache import cache_base
from virtlab._jit import source_hash
from virtlab.explore.page.bundle import bundle

PACKAGE = Path(__file__).parents[2]
FOLDERS = (PACKAGE / "explore" / "static", PACKAGE / "wasm", PACKAGE / "explore" / "page")

HART = "virtlab.machine.state:HART"
ARRAYS = (
    "uint8[:], uint16[:], uint32[:], int64[:], uint8[:], int64[:], uint8[:], uint8[:], int64[:, :]"
)
MEMORY = f"virtlab.machine.state:Memory({ARRAYS})"
WALK = f"{HART}[:], int64[:], int64, int64, int64, int64, int64[:, :], int64[:]"

# What the machine's module exports: name, function, types of its arguments.
MACHINE = (
    ("run", "virtlab.machine.cpu:run", f"{HART}[:], {ARRAYS}, int64"),
    ("uart_update", "virtlab.machine.devices.uart:uart_update", HART),
    ("forget_all_code", "virtlab.machine.ram:forget_all_code", MEMORY),
    ("unguard_all", "virtlab.machine.tlb:unguard_all", HART),
    ("mark_writable_dirty", "virtlab.machine.tlb:mark_writable_dirty", f"{HART}, {MEMORY}"),
    ("decode", "virtlab.isa.decode:decode", "int64"),
    ("walk_steps", "virtlab.kernels.walk:walk_steps", WALK),
)

VM = "virtlab.hypervisors.exits:VM"
RESUME = (
    f"{HART}[:], {HART}[:], {VM}[:], int64[:], int64[:, :], int64[:, :], {ARRAYS}, int64, int64"
)

STYLE = re.compile(r"<style>((?:(?!</style>).)*)</style>\s*(?=<div class=['\"]vl[ '\"])", re.DOTALL)
ADDED = re.compile(r"<script[^>]* data-virtlab></script>\n?")
STYLED = re.compile(r'<link[^>]*href="[^"]*/([\w.-]+\.css)"[^>]* data-virtlab ?/?>')
PLOTLY_FIGURE = 'class="plotly-figure"'

Export = tuple[str, str, str]


def hypervisors() -> tuple[Export, ...]:
    """What hypervisors.wasm exports: the machine, and "resume NAME" of every technique."""
    from virtlab.hypervisors import TECHNIQUES

    functions = {name: kind._resume for name, kind in TECHNIQUES.items()}
    return MACHINE + tuple(
        (f"resume {name}", f"{resume.__module__}:{resume.__name__}", RESUME)
        for name, resume in functions.items()
    )


class PageError(ValueError):
    """A page whose live figures cannot be served; the text says which page and why."""


class _LiveOutputs(HTMLParser):
    """Collects (kind, text of the description) of every live output."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._kind: str | None = None
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "vl-live" in (given.get("class") or "").split():
            self._kind = given.get("data-kind") or ""
        elif tag == "script" and self._kind and given.get("type") == "application/json":
            self.found.append((self._kind, ""))
            self._inside, self._kind = True, None

    def handle_data(self, data):
        if self._inside:
            kind, text = self.found[-1]
            self.found[-1] = (kind, text + data)

    def handle_endtag(self, tag):
        self._inside = False


@dataclass
class Page:
    """A built page and what its live figures call for."""

    path: Path
    html: str
    explorables: list[dict] = field(default_factory=list)
    players: list[dict] = field(default_factory=list)
    comparisons: list[dict] = field(default_factory=list)

    @property
    def machines(self) -> list[dict]:
        """The machines that a page can build: of players, and of each column side by side."""
        columns = [column for spec in self.comparisons for column in spec["columns"]]
        return [spec for spec in [*self.players, *columns] if spec["recipe"]]

    @property
    def virtual(self) -> bool:
        """Whether one of the machines is a virtual one."""
        return any(spec["recipe"].get("technique") for spec in self.machines)

    @property
    def charts(self) -> bool:
        """Whether a live figure is drawn by plotly.js."""
        figures = (spec["figure"] for spec in self.explorables)
        return any(figure and figure["kind"] == "chart" for figure in figures)


def read_page(path: Path) -> Page:
    """The page at `path`, with the descriptions of its live figures.

    Raises
    ------
    PageError : a description is no JSON, or of a kind that is not known
    """
    page = Page(path, path.read_text("utf-8"))
    if "vl-live" not in page.html:
        return page
    for kind, text in _LiveOutputs(page.html).found:
        lists = {
            "explorable": page.explorables,
            "player": page.players,
            "columns": page.comparisons,
        }
        if kind not in lists:
            raise PageError(
                f"{path}: a live output is of kind {kind!r}; known are {', '.join(lists)}"
            )
        try:
            lists[kind].append(json.loads(text))
        except ValueError as error:
            raise PageError(
                f"{path}: the description of a live {kind} is no JSON: {error}"
            ) from None
    return page


def complete(site: Path, place: str = "_static/virtlab", alive: bool = True) -> None:
    """Give every page below `site` what its live figures need; files go to `site`/`place`.

    Pages that were completed before are completed anew. Without `alive` the figures stay as they
    are stored.

    Raises
    ------
    PageError : see `read_page`
    """
    pages = [
        read_page(path)
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.relative_to(site).parts
    ]
    shelf = Shelf(site / place)
    images = {spec["asset"]: spec["recipe"] for page in pages for spec in page.machines}
    if alive and any(page.charts for page in pages):
        shelf.script("plotly", (), images)
    for page in pages:
        html = _with_shared_styles(page.html, page.path, shelf)
        kernels = kernels_of(page.explorables)
        scripts = [shelf.script(name, kernels, images) for name in needed(page, alive)]
        _write_if_changed(page.path, _with_scripts(html, page.path, scripts, shelf))
    shelf.clear_others()


def needed(page: Page, alive: bool = True) -> list[str]:
    """The names of the scripts a page loads, in order."""
    if not alive:
        return ["plotly"] if PLOTLY_FIGURE in page.html else []
    names = []
    if PLOTLY_FIGURE in page.html:
        names.append("plotly")
    if page.explorables:
        names += ["kernels.wasm", "figures"]
    if page.players or page.comparisons:
        names += ["tables", "machine.tables"]
        names.append("hypervisors.wasm" if page.virtual else "machine.wasm")
        names += sorted({spec["asset"] for spec in page.machines})
        names.append("virtual" if page.virtual else "machine")
    return names


def kernels_of(specs: Iterable[dict]) -> tuple[Export, ...]:
    """What kernels.wasm exports for these explorables: name, function, types of its arguments.

    Raises
    ------
    PageError : two figures call one kernel with different types
    """
    types: dict[str, str] = {}
    for spec in specs:
        name = spec["kernel"]
        if types.setdefault(name, spec["types"]) != spec["types"]:
            raise PageError(
                f"two figures call {name} with different types, {types[name]} and {spec['types']}"
            )
    return tuple((name, name, types[name]) for name in sorted(types))


class Shelf:
    """The folder of what pages load, each file named by a hash of its content."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._names: dict[tuple, str] = {}
        self._written: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, stem: str, suffix: str, text: str) -> str:
        """Write a file if it is not there; returns its name."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        name = f"{re.sub(r'[^A-Za-z0-9-]', '-', stem)}.{digest}{suffix}"
        self._written.add(name)
        _write_if_changed(self.folder / name, text)
        return name

    def keep(self, name: str) -> None:
        """A file of an earlier build that a page still uses."""
        self._written.add(name)

    def script(self, name: str, kernels: tuple[Export, ...], images: dict[str, dict]) -> str:
        """The file of the script that pages know by `name`; made when first asked for."""
        key = (name, kernels if name == "kernels.wasm" else ())
        if key not in self._names:
            text = script_text(name, kernels, images)
            if name == "figures":
                plotly = json.dumps(self._names.get(("plotly", ()), ""))
                text += f"virtlab.start.start(virtlab.assets, {plotly});\n"
            self._names[key] = self.put(name, ".js", text)
        return self._names[key]

    def clear_others(self) -> None:
        """Remove the files that no page uses any more."""
        for path in self.folder.iterdir():
            if path.name not in self._written:
                path.unlink()


def script_text(name: str, kernels: tuple[Export, ...], images: dict[str, dict]) -> str:
    """The text of one script: a bundle, plotly.js, or data.

    Parameters
    ----------
    name : one of the names in the module's description
    kernels : the exports of kernels.wasm
    images : name of a machine after power-on to its recipe
    """
    if name == "plotly":
        return plotly_script()
    if name == "figures":
        return bundle("figures", [FOLDERS[0] / "figure.js", FOLDERS[2] / "start.js"], FOLDERS)
    if name in ("machine", "virtual"):
        return player_script(virtual=name == "virtual")
    return data_script(name, _data(name, kernels, images))


def player_script(virtual: bool) -> str:
    """What brings a page's players to life, with what runs virtual machines or without it."""
    names = ["page_player.js", *(["virtual_machine.js"] if virtual else [])]
    start = "virtlab.page_player.mountPlayers(document, virtlab.assets);\n"
    return bundle("machine", [FOLDERS[0] / name for name in names], FOLDERS) + start


def _data(name: str, kernels: tuple[Export, ...], images: dict[str, dict]):
    """The JSON value that pages find as `virtlab.assets[name]`."""
    if name == "kernels.wasm":
        return wasm_asset(kernels)
    if name == "machine.wasm":
        return wasm_asset(MACHINE)
    if name == "hypervisors.wasm":
        return wasm_asset(hypervisors())
    if name == "tables":
        from virtlab.explore.page.tables import tables_json

        return json.loads(tables_json())
    from virtlab.explore import recipe

    if name == "machine.tables":
        return recipe.machine_tables()
    return recipe.bake(images[name])


def data_script(name: str, value) -> str:
    """A classic script that sets `virtlab.assets[name]`.

    JSON.parse of a text is read faster than the same value written in JavaScript.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    quoted = json.dumps(text, ensure_ascii=False).replace("</", "<\\/")
    quoted = quoted.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return (
        f"(((self.virtlab ??= {{}}).assets ??= {{}}))[{json.dumps(name)}] = JSON.parse({quoted});\n"
    )


def plotly_script() -> str:
    """plotly.js of the installed plotly package, out of sight of a module loader on the page.

    Where the page has a `define` of such a loader, plotly.js would register there and not become
    visible as `Plotly`.
    """
    import plotly

    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    text = path.read_text("utf-8")
    return f"(function (define, module, exports) {{\n{text}\n}}).call(self);\n"


def deflated(data: bytes) -> str:
    """Base64 of `data` compressed as raw deflate, which assets.js undoes."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(compressor.compress(data) + compressor.flush()).decode()


def wasm_asset(exports: tuple[Export, ...]) -> dict:
    """{"manifest", "data"} of the module with `exports`; built once for each state of the sources.

    Parameters
    ----------
    exports : name, function and argument types of each

    Raises
    ------
    PageError : a function cannot be compiled for a page; virtlab.wasm says why
    """
    from virtlab.wasm import CannotBuild, build

    try:
        module = build(exports, cache=cache_base() / "wasm", key=source_hash())
    except CannotBuild as refusal:
        raise PageError(str(refusal)) from refusal
    return {"manifest": module.manifest, "data": deflated(module.data)}


# ---- into the page ------------------------------------------------------------------------------


def _with_shared_styles(html: str, page: Path, shelf: Shelf) -> str:
    """`html` without its figures' own style sheets, which become one file that it links to."""
    for name in STYLED.findall(html):
        shelf.keep(name)
    found = dict.fromkeys(match[1] for match in STYLE.finditer(html))
    if not found:
        return html
    styles = [style for style in found if not any(style in o for o in found if o != style)]
    name = shelf.put("figures", ".css", "\n".join(styles))
    link = f'<link rel="stylesheet" href="{_address(page, shelf, name)}" data-virtlab />'
    return _before_head_ends(STYLE.sub("", html), [link])


def _with_scripts(html: str, page: Path, names: list[str], shelf: Shelf) -> str:
    tags = [
        f'<script defer src="{_address(page, shelf, name)}" data-virtlab></script>'
        for name in names
    ]
    return _before_head_ends(ADDED.sub("", html), tags)


def _before_head_ends(html: str, tags: list[str]) -> str:
    before, end, after = html.partition("</head>")
    return before + "".join(tag + "\n" for tag in tags) + end + after if tags else html


def _address(page: Path, shelf: Shelf, name: str) -> str:
    return Path(os.path.relpath(shelf.folder / name, page.parent)).as_posix()


def _write_if_changed(path: Path, text: str) -> None:
    data = text.encode()
    if not path.is_file() or path.read_bytes() != data:
        path.write_bytes(data)
