"""Does a page get what its live figures need, once, under names that change with the content?"""

import base64
import json
import re
import zlib

import pytest

from virtlab.explore.page.assets import (
    FOLDERS,
    PageError,
    complete,
    data_script,
    deflated,
    kernels_of,
    read_page,
    wasm_asset,
)
from virtlab.explore.page.bundle import bundle

STYLE = "<style>.vl { color: red; }</style>"
DECODE = {"kernel": "virtlab.isa.decode:decode", "types": "int64", "figure": None}
MULTIPLY = {
    "kernel": "virtlab.machine.arithmetic:multiply_high",
    "types": "int64, int64",
    "figure": None,
}


def live(kind: str, spec) -> str:
    """A live output as a notebook stores it."""
    text = json.dumps(spec).replace("</", "<\\/")
    return (
        f"{STYLE}\n<div class='vl vl-live' data-kind='{kind}'>"
        f"<script type='application/json'>{text}</script><figure>still</figure></div>"
    )


@pytest.fixture
def site(tmp_path):
    """Writes a page below the site's folder; returns its path."""

    def write(name: str, *outputs: str):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        body = "".join(outputs)
        path.write_text(f"<html><head><title>x</title></head><body>{body}</body></html>", "utf-8")
        return path

    write.folder = tmp_path
    return write


def scripts(path) -> list[str]:
    """The names of the files a page loads, in order, without the hash."""
    names = re.findall(r'<script defer src="([^"]+)" data-virtlab>', path.read_text("utf-8"))
    assert all((path.parent / name).is_file() for name in names)
    return [re.sub(r"\.[0-9a-f]{12}\.js$", "", name).rpartition("/")[2] for name in names]


def loaded(path):
    """The value that the script at `path` gives the page."""
    text = re.search(r"= JSON\.parse\((.*)\);\n$", path.read_text("utf-8"), re.DOTALL)[1]
    return json.loads(json.loads(text))


def test_a_page_without_a_live_figure_loads_nothing(site):
    plain = site("plain.html", "<p>text</p>")
    before = plain.read_bytes()
    site("chapters/one.html", live("explorable", DECODE))
    complete(site.folder)
    assert plain.read_bytes() == before


def test_a_page_with_an_explorable_loads_kernels_and_figures_but_no_machine(site):
    page = site("chapters/one.html", live("explorable", DECODE), live("explorable", DECODE))
    complete(site.folder)
    assert scripts(page) == ["kernels-wasm", "figures"]


def test_a_page_s_module_exports_its_own_kernels_once(site):
    site("one.html", live("explorable", DECODE), live("explorable", DECODE))
    two = site("two.html", live("explorable", MULTIPLY), live("explorable", DECODE))
    three = site("three.html", live("explorable", DECODE), live("explorable", MULTIPLY))
    complete(site.folder)
    folder = site.folder / "_static" / "virtlab"
    found = [loaded(folder / name) for name in sorted(p.name for p in folder.glob("kernels*"))]
    exports = sorted(sorted(asset["manifest"]["functions"]) for asset in found)
    assert exports == [[DECODE["kernel"]], [DECODE["kernel"], MULTIPLY["kernel"]]]
    assert all(zlib.decompress(base64.b64decode(a["data"]), -15)[:4] == b"\0asm" for a in found)
    assert (
        two.read_text("utf-8").partition("<body>")[0]
        == (three.read_text("utf-8").partition("<body>")[0])
    ), "pages with the same kernels share one module"


def test_a_player_loads_the_machine_its_image_and_the_tables(site, player_spec):
    page = site("one.html", live("player", player_spec))
    complete(site.folder)
    image = player_spec["asset"]
    assert scripts(page) == ["tables", "machine-tables", "machine-wasm", image, "machine"]
    folder = site.folder / "_static" / "virtlab"
    (module,), (baked,) = folder.glob("machine-wasm.*"), folder.glob(f"{image}.*")
    exports = loaded(module)["manifest"]["functions"]
    assert {"run", "uart_update", "decode", "walk_steps"} <= set(exports)
    assert loaded(baked)["ram_bytes"] == player_spec["recipe"]["ram"]


@pytest.fixture(scope="module")
def player_spec() -> dict:
    """What a player of a small bare machine says of itself."""
    from virtlab.explore import recipe
    from virtlab.isa.assembler import assemble
    from virtlab.machine import Machine

    found = recipe.recipe(Machine(ram="1M").load(assemble("li a0, 1\necall\n")))
    return {"recipe": found, "asset": recipe.asset_name(found)}


def test_a_player_whose_machine_no_page_can_build_asks_for_no_image(site):
    page = site("one.html", live("player", {"recipe": None}))
    complete(site.folder)
    assert scripts(page) == ["tables", "machine-tables", "machine-wasm", "machine"]


def test_plotly_is_there_for_a_chart_and_not_loaded_at_once(site):
    chart = DECODE | {"figure": {"kind": "chart"}}
    page = site("one.html", live("explorable", chart))
    complete(site.folder)
    assert scripts(page) == ["kernels-wasm", "figures"]
    (plotly,) = (site.folder / "_static" / "virtlab").glob("plotly.*.js")
    (figures,) = (site.folder / "_static" / "virtlab").glob("figures.*.js")
    assert json.dumps(plotly.name) in figures.read_text("utf-8")


def test_a_page_for_the_printer_stays_still(site):
    page = site("one.html", live("explorable", DECODE))
    complete(site.folder, alive=False)
    assert scripts(page) == []


def test_the_figures_styles_become_one_file(site):
    wider = "<style>.vl { color: red; }.wide { width: 1px; }</style>\n<div class='vl wide'>x</div>"
    page = site("one.html", live("explorable", DECODE), wider, live("explorable", DECODE))
    complete(site.folder)
    text = page.read_text("utf-8")
    assert "<style>" not in text
    (name,) = re.findall(r'href="(_static/virtlab/figures\.[0-9a-f]{12}\.css)"', text)
    assert (site.folder / name).read_text("utf-8") == ".vl { color: red; }.wide { width: 1px; }"


def test_a_style_that_is_no_figures_stays(site):
    page = site("one.html", "<style>p { margin: 0 }</style><p>text</p>")
    complete(site.folder)
    assert "<style>p { margin: 0 }</style>" in page.read_text("utf-8")


def test_completing_twice_changes_nothing(site):
    page = site("one.html", live("explorable", DECODE))
    complete(site.folder)
    before = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    complete(site.folder)
    assert {p: p.read_bytes() for p in site.folder.rglob("*") if p.is_file()} == before
    assert len(scripts(page)) == 2


def test_a_file_that_no_page_needs_any_more_is_removed(site):
    page = site("one.html", live("explorable", DECODE))
    complete(site.folder)
    first = set((site.folder / "_static" / "virtlab").iterdir())
    page = site("one.html", live("explorable", MULTIPLY))
    complete(site.folder)
    second = set((site.folder / "_static" / "virtlab").iterdir())
    assert len(first) == len(second)
    assert {path.name.partition(".")[0] for path in first - second} == {"kernels-wasm"}
    assert len(scripts(page)) == 2


def test_a_module_is_compiled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTLAB_CACHE", str(tmp_path))
    exports = kernels_of([DECODE])
    asset = wasm_asset(exports)
    monkeypatch.setattr("subprocess.run", None)  # a second compilation would need it
    assert wasm_asset(exports) == asset


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("film", "{}", "kind 'film'; known are explorable, player, columns"),
        ("player", "{nonsense", "the description of a live player is no JSON"),
    ],
)
def test_a_description_that_is_not_understood_names_the_page(site, kind, text, sentence):
    output = f"<div class='vl vl-live' data-kind='{kind}'><script type='application/json'>{text}"
    page = site("odd.html", output + "</script></div>")
    with pytest.raises(PageError, match=sentence) as caught:
        read_page(page)
    assert "odd.html" in str(caught.value)


def test_one_kernel_with_two_types_is_refused(site):
    with pytest.raises(PageError, match="int64 and float64"):
        kernels_of([DECODE, DECODE | {"types": "float64"}])


def test_a_kernel_that_no_page_can_run_is_refused_in_its_own_words(site):
    site("one.html", live("explorable", DECODE | {"kernel": "virtlab.isa.decode:nothing"}))
    with pytest.raises(PageError, match="nothing"):
        complete(site.folder)


def test_data_cannot_end_the_script_that_carries_it():
    value = {"a": "</script>", "b": "\u2028 ü", "c": 'quote " and \\'}
    script = data_script("x", value)
    assert "</" not in script and "\u2028" not in script
    text = re.search(r"JSON\.parse\((.*)\);\n$", script)[1]
    assert json.loads(json.loads(text)) == value


@pytest.mark.browser
def test_the_page_reads_what_was_packed(browser, tmp_path):
    data = bytes(range(256)) * 40
    entry = tmp_path / "reader.js"
    entry.write_text('import { wasmModule } from "./assets.js";\nexport const read = wasmModule;\n')
    script = data_script("x", {"data": deflated(data), "manifest": {"n": 1}})
    (tmp_path / "script.js").write_text(script + bundle("test", [entry], FOLDERS), "utf-8")
    (tmp_path / "page.html").write_text("<script src=script.js></script>", "utf-8")
    tab = browser.new_page()
    tab.goto((tmp_path / "page.html").as_uri())
    found = tab.evaluate(
        """async () => {
            const { bytes, manifest } = await virtlab.reader.read(virtlab.assets, "x");
            return [[...bytes], manifest.n];
        }"""
    )
    missing = tab.evaluate(
        "() => virtlab.reader.read(virtlab.assets, 'y').catch((error) => error.message)"
    )
    tab.close()
    assert found == [list(data), 1]
    assert missing == "the page did not load y"
