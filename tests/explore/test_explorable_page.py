"""A page without Python: figures say there what Python's say, character by character."""

import json
import random
from contextlib import contextmanager

import pytest
import recorded
from recorded_boxes import FITS, OBJECTS, SERVERS, fake_recording
from recorded_exits import FakeVm
from recorded_kvm import REQUESTS, RUNS, watched
from recorded_vsphere import journal

from virtlab.explore import (
    Axis,
    Bars,
    Chart,
    Choice,
    Explorable,
    Line,
    Mark,
    Range,
    Repeat,
    Sketch,
    Switch,
    Table,
    access,
    architecture,
    boxes,
    boxes_architecture,
    choosing,
    cluster_day,
    compare_cycles,
    compare_exits,
    compare_instances,
    cpu_shares,
    density,
    entitlement,
    exits,
    failover_slots,
    halt_polling,
    host_memory,
    hosted_io,
    idle_tax,
    io_paths,
    kvm_architecture,
    migration_rounds,
    mode_times,
    namespaces,
    nested_walk,
    paging_crossover,
    price_sensitivity,
    shadow_table,
    sweep,
    timeline,
    tlb_sweep,
    vsphere_architecture,
    walk,
    walks,
)
from virtlab.explore.figures.cluster_day import crowded
from virtlab.explore.page.assets import FOLDERS, kernels_of, script_text
from virtlab.explore.page.bundle import bundle
from virtlab.explore.palette import DARK, LIGHT
from virtlab.hypervisors import TrapAndEmulate
from virtlab.isa.assembler import assemble
from virtlab.machine import Machine

pytestmark = pytest.mark.browser

# A page table that maps the first gigabyte of RAM onto itself, and a page of 4 KiB.
PAGED = """
        la    t0, root
        srli  t1, t0, 12
        li    t2, 8 << 60
        or    t1, t1, t2
        csrw  satp, t1
        li    t1, 0x200000cf
        sd    t1, 16(t0)
        la    t1, middle
        srli  t1, t1, 2
        addi  t1, t1, 1
        sd    t1, 0(t0)
        la    t0, middle
        la    t1, last
        srli  t1, t1, 2
        addi  t1, t1, 1
        sd    t1, 0(t0)
        la    t0, last
        li    t1, 0x200000c7
        sd    t1, 8(t0)
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 1 << 11
        csrw  mstatus, t0
        la    t0, done
        csrw  mepc, t0
        mret
done:   j     done
        .balign 4096
root:   .zero 4096
middle: .zero 4096
last:   .zero 4096
"""


def waves(scale, count, kind, xs, many, tiny, names, total):
    """A kernel in plain Python, for charts with all that they can have."""
    for k in range(6):
        xs[k] = k * scale
        many[k] = (k * 7919 * (kind + 1)) % 1000
        tiny[k] = k * k * scale / 7
        names[k] = (k + kind) % 3
    total[0] = count


def chart_of(figure: Chart) -> Explorable:
    return Explorable(
        waves,
        [
            Range("scale", "scale", 0.0, 10.0, 0.125, 1.0),
            Range("count", "points", 0, 6, 1, 6),
            Choice("kind", "kind", {"a": 0, "b & <c>": 1, "d": 2}),
        ],
        outputs={
            "xs": ("float64", (6,)),
            "many": ("int32", (6,)),
            "tiny": ("float64", (6,)),
            "names": ("uint8", (6,)),
            "total": ("int64", ()),
        },
        title="{kind:kind} at {scale:.3f}",
        text="{total} points.",
        table=Table(("x", "n"), Repeat("total", 4, ("{xs[i]:,.2f}", "{names[i]:word}"))),
        figure=figure,
        labels={"word": ["zero", "0x1", "'two'"]},
    )


def machine() -> Machine:
    made = Machine(ram="1M").load(assemble(PAGED))
    made.run(until=made.symbols["done"])
    return made


def trapped() -> TrapAndEmulate:
    """A virtual machine after some hidden faults."""
    vm = TrapAndEmulate(ram="1M").load(assemble(PAGED))
    vm.run(until=vm.symbols["done"])
    return vm


PLACES = {"code": 0x8000_0000, "a page": 0x1010, "nothing": 0x5000, "top": 0xFFFF_FFFF_FFFF_F000}
CATEGORIES = ("one", "two", "three", "four", "five", "<six>")
COMPILED = {
    "timeline": lambda: timeline(recorded.EVENTS, 100_000),
    "walk": lambda: walk(recorded.MAPPED),
    "walk in two stages": lambda: walk(recorded.NESTED),
    "walks": lambda: walks(machine().translate, PLACES),
    "access": lambda: access(),
    "sweep": lambda: sweep(lambda n: n * n, [1, 20, 300], "pages", "misses & <more>", "Misses"),
    "tlb": lambda: tlb_sweep(measured={32: 0, 256: 0, 640: 640}),
    "architecture": lambda: architecture(FakeVm(lost=1_000)),
    "architecture, with reasons": lambda: architecture(
        (vm := FakeVm("hardware-assisted", 3)), vm.exits, ["because", "<b>", "{why}"]
    ),
    "exits": lambda: exits(FakeVm(lost=10)),
    "no exits": lambda: exits(FakeVm(n=0)),
    "exits compared": lambda: compare_exits({"a": FakeVm(), "b": FakeVm(seed=2), "c": machine()}),
    "nested walk": lambda: nested_walk(),
    "cycles compared": lambda: compare_cycles({"a": machine(), "b": FakeVm(), "c": FakeVm(n=20)}),
    "paging": lambda: paging_crossover(),
    "shadow": lambda: shadow_table(vm := trapped(), vm.exits[-1]),
    "boxes over one kernel": lambda: boxes_architecture(fake_recording(900, 4)),
    "turns of boxes": lambda: boxes(fake_recording(900, 9)),
    "shares of the hart": lambda: cpu_shares(),
    "namespaces": lambda: namespaces(OBJECTS),
    "one more server": lambda: compare_instances(SERVERS),
    "how many fit": lambda: density(FITS),
    "modes under KVM": lambda: kvm_architecture(watched()),
    "time by mode": lambda: mode_times(RUNS),
    "exits by path": lambda: io_paths(REQUESTS),
    "polling": lambda: halt_polling(),
    "parts of vSphere": lambda: vsphere_architecture(journal()),
    "a day of a cluster": lambda: cluster_day(crowded(5, 25)),
    "entitlement": lambda: entitlement(),
    "idle tax": lambda: idle_tax(),
    "memory of a host": lambda: host_memory(),
    "rounds": lambda: migration_rounds(),
    "slots": lambda: failover_slots(),
    "hosted card": lambda: hosted_io(),
    "which one": lambda: choosing(),
    "price": lambda: price_sensitivity({"a": FakeVm(), "b": FakeVm(n=20, seed=3)}),
}
CHARTS = {
    "lines": Chart(
        Axis("scale {scale:.1f}"),
        Axis("tiny", zero=False),
        Line("xs", "tiny", "one", count="total", area=True),
        Line("xs", "xs", "two", points=False, steps=True),
        Mark("scale", "tiny[1]", "here"),
    ),
    "logarithms": Chart(Axis("x", log=True), Axis("y", log=True), Line("many", "tiny")),
    "bars": Chart(
        Axis("kind", categories=CATEGORIES), Axis("n"), Bars("many", "many"), Bars("tiny", "tiny")
    ),
    "stack": Chart(
        Axis("kind", categories=CATEGORIES),
        Axis("n"),
        Bars("many", "many"),
        Bars("names", "names", count="total"),
        stacked=True,
    ),
    "bars of powers": Chart(
        Axis("kind", categories=CATEGORIES), Axis("n", log=True), Bars("many"), Line("", "tiny")
    ),
    "sketch": Sketch(
        100, "{total}", Repeat("total", 6, "<b a='{names[i]:word}'>{tiny[i]:.9f}</b>")
    ),
}
FIGURES = COMPILED | {name: lambda one=one: chart_of(one) for name, one in CHARTS.items()}


def chosen(rng: random.Random, figure: Explorable) -> dict:
    """A random value for every control."""
    values = {}
    for name, control in figure.controls.items():
        if isinstance(control, Range):
            steps = round((control.high - control.low) / control.step)
            values[name] = control.low + control.step * rng.randrange(steps + 1)
        elif isinstance(control, Switch):
            values[name] = rng.randrange(2)
        else:
            values[name] = rng.choice(list(control.options.values()))
    return values


def said(figure: Explorable, values: dict) -> dict:
    drawing = figure.drawing(**values)
    return {
        "title": drawing.title,
        "text": drawing.text,
        "table": drawing.table(),
        "svg": drawing.svg,
    }


# What the page says for each of many values: through its own kernel, or for Python's outputs.
SAY = """
async ([text, cases]) => {
  const spec = JSON.parse(text);
  const whole = Object.fromEntries(spec.controls.map(({ name, whole }) => [name, whole !== false]));
  const { prepare, render, wake } = virtlab.figure;
  const own = cases.every(({ outputs }) => outputs === null);
  const { prepared, evaluate } = own
    ? await wake(spec, virtlab.assets)
    : { prepared: await prepare(spec) };
  return cases.map(({ values, outputs }) => {
    const given = Object.fromEntries(Object.entries(values).map(([name, value]) =>
      [name, whole[name] ? BigInt(value) : Number(value)]));
    return render(prepared, given, outputs ?? evaluate(given));
  });
}
"""
CASES = 60


def figure_script() -> str:
    """The script that brings figures to life."""
    modules = [FOLDERS[0] / "figure.js", FOLDERS[0] / "chart.js"]
    return (
        bundle("figures", modules, FOLDERS) + "virtlab.figure.mountAll(document, virtlab.assets);"
    )


def page_script(figures: list[Explorable]) -> str:
    """The scripts of a page with these figures, as a site has them."""
    exports = kernels_of(figure.spec() for figure in figures)
    return script_text("kernels.wasm", exports, {}) + figure_script()


@pytest.fixture(scope="module")
def compiled() -> dict[str, Explorable]:
    return {name: make() for name, make in COMPILED.items()}


@pytest.fixture(scope="module")
def address(compiled, tmp_path_factory) -> str:
    """Where a page with every compiled figure is, in a file."""
    path = tmp_path_factory.mktemp("figures") / "page.html"
    outputs = "\n".join(figure.html() for figure in compiled.values())
    path.write_text(
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Figures</title></head>"
        f"<body>{outputs}<script>{page_script(list(compiled.values()))}</script></body></html>",
        encoding="utf-8",
    )
    return path.as_uri()


@contextmanager
def opened(browser, address: str):
    """The page with every figure alive; an error in it ends the test."""
    tab = browser.new_page()
    problems = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text))
    tab.goto(address)
    tab.wait_for_function(
        f"document.querySelectorAll('[data-live=yes], .vl-note').length === {len(COMPILED)}"
    )
    assert tab.locator(".vl-note").all_inner_texts() == []
    yield tab
    tab.close()
    assert not problems


@pytest.fixture
def page(browser, address):
    """A page of one's own, to move and to print."""
    with opened(browser, address) as tab:
        yield tab


@pytest.fixture(scope="module")
def shared(browser, address):
    """One page for the tests that only compute in it."""
    with opened(browser, address) as tab:
        yield tab


def compare(tab, figure: Explorable, rng: random.Random, own_kernel: bool) -> set[str]:
    """Hold the page against Python at random values; returns the titles that were seen."""
    cases, told = [], []
    for _ in range(CASES):
        values = chosen(rng, figure)
        outputs = None
        if not own_kernel:
            scope = figure.evaluate(**values)
            outputs = {name: scope[name].reshape(-1).tolist() for name in figure.outputs}
        cases.append({"values": {name: str(v) for name, v in values.items()}, "outputs": outputs})
        told.append(said(figure, values))
    found = tab.evaluate(SAY, [json.dumps(figure.spec()), cases])
    for case, python, page in zip(cases, told, found, strict=True):
        assert page == python, case["values"]
    return {drawing["title"] for drawing in told}


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_kernel_says_the_same_in_the_page(shared, compiled, name, seed):
    rng = random.Random(f"{seed} {name}")
    said = compare(shared, compiled[name], rng, own_kernel=True)
    assert len(said) > 2 or (name, len(said)) == ("shadow", 2)  # which has two moments


@pytest.mark.parametrize("name", CHARTS)
def test_every_kind_of_chart_is_drawn_the_same_in_the_page(shared, name, seed):
    rng = random.Random(f"{seed} {name}")
    assert len(compare(shared, chart_of(CHARTS[name]), rng, own_kernel=False)) > 20


PLOTLY = """
async ([text, outputs]) => {
  const { prepare, scopeOf } = virtlab.figure;
  const { figureOf } = virtlab.chart;
  const prepared = await prepare(JSON.parse(text));
  const values = { scale: outputs.xs[1], count: BigInt(outputs.total[0]), kind: 0n };
  return figureOf(prepared.figure, scopeOf(prepared, values, outputs), prepared.labels, COLOURS);
}
"""


@pytest.mark.parametrize("name", [name for name in CHARTS if name != "sketch"])
def test_plotly_is_given_the_same_in_the_page(shared, name, seed):
    figure = chart_of(CHARTS[name])
    rng = random.Random(f"{seed} plotly {name}")
    values = chosen(rng, figure) | {"kind": 0}
    scope = figure.evaluate(**values)
    outputs = {name: scope[name].tolist() for name in figure.outputs} | {"total": [values["count"]]}
    program = PLOTLY.replace("COLOURS", json.dumps(LIGHT))
    found = shared.evaluate(program, [json.dumps(figure.spec()), outputs])
    assert found == json.loads(json.dumps(figure.figure.figure(scope, figure.labels)))


def words_of(tab, place: int) -> dict:
    """What a reader sees of the figure at this place of the page, and hears of its picture."""
    figure = tab.locator(".vl-live").nth(place)
    return {
        "title": figure.locator("figcaption").text_content(),
        "text": figure.locator("figure > p").first.text_content(),
        "labels": [svg.get_attribute("aria-label") for svg in figure.locator("svg").all()],
    }


def a_step(control, scope) -> tuple[str, int]:
    """A key that moves a control from the value it opens with, and the value after it."""
    if isinstance(control, Switch):
        return "Space", 1 - control.value
    if isinstance(control, Range):
        most = min(control.high, int(scope[control.limit][0]) if control.limit else control.high)
        start = min(control.value, most)
        if start < most:
            return "ArrowRight", start + control.step
        return "ArrowLeft", start - control.step
    values = list(control.options.values())
    at = values.index(control.value)
    return ("ArrowRight", values[at + 1]) if values[at + 1 :] else ("ArrowLeft", values[at - 1])


@pytest.mark.parametrize("name", COMPILED)
def test_every_control_moves_its_figure_by_keyboard(page, compiled, name):
    figure, place = compiled[name], list(compiled).index(name)
    values = {name: control.value for name, control in figure.controls.items()}
    element = page.locator(".vl-live").nth(place)
    assert element.locator("input, select").count() == len(values)
    for at, (control_name, control) in enumerate(figure.controls.items()):
        native = element.locator("input, select").nth(at)
        label = element.locator("label").nth(at)
        assert label.inner_text() == control.label
        assert label.get_attribute("for") == native.get_attribute("id")
        native.focus()
        before = words_of(page, place)
        key, values[control_name] = a_step(control, figure.evaluate(**values))
        page.keyboard.press(key)
        drawing = figure.drawing(**values)
        after = words_of(page, place)
        assert (after["title"], after["text"]) == (drawing.title, drawing.text)
        assert after != before, control_name
        if drawing.svg:
            assert after["labels"] == [f"{drawing.title}. {drawing.text}"]
        back = {"ArrowLeft": "ArrowRight", "ArrowRight": "ArrowLeft"}
        page.keyboard.press(back.get(key, key))
        values[control_name] = control.value
        assert words_of(page, place) == before


def test_changes_are_read_aloud_when_the_controls_rest(page):
    figure = page.locator(".vl-live").first
    heard = figure.locator("[aria-live=polite]")
    assert heard.text_content() == ""
    figure.locator("input").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        assert heard.text_content() == ""
    words = words_of(page, 0)
    page.wait_for_function(
        "(text) => document.querySelector('.vl-heard').textContent === text",
        arg=f"{words['title']}. {words['text']}",
    )


def test_a_step_of_a_slider_takes_at_most_a_tenth_of_a_second(page):
    took = page.evaluate("""() => [...document.querySelectorAll("[type=range]")].map((input) => {
      const start = performance.now();
      for (let k = 0; k < 5; k += 1) {
        input.value = k % 2 ? input.min : input.max;
        input.dispatchEvent(new Event("input"));
        document.body.offsetHeight;
      }
      return (performance.now() - start) / 5;
    })""")
    assert len(took) >= 6 and max(took) < 100, took


def test_nothing_overflows_a_narrow_page(page):
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_print_shows_the_picture_of_the_moment_without_controls(page):
    page.emulate_media(media="print")
    assert not page.locator(".vl-controls").first.is_visible()
    assert page.locator("svg").first.is_visible()


def test_where_a_kernel_is_missing_the_still_figure_stays_and_says_why(browser, compiled, tmp_path):
    figure = compiled["tlb"]
    path = tmp_path / "still.html"
    path.write_text(
        f"<meta charset='utf-8'>{figure.html()}<script>{figure_script()}</script>",
        encoding="utf-8",
    )
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_selector(".vl-note")
    assert tab.locator(".vl-note").inner_text() == (
        "This figure stands still here: the page did not bring the compiled function "
        "virtlab.kernels.tlb:miss_curve."
    )
    assert tab.locator("figcaption").inner_text() == figure.drawing().title
    assert tab.locator("input").count() == 0
    tab.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_with_plotly_the_chart_is_plotlys_in_the_colours_of_the_theme(
    browser, compiled, tmp_path, theme
):
    figure = compiled["tlb"]
    plotly = tmp_path / "plotly.js"
    plotly.write_text(script_text("plotly", (), {}), encoding="utf-8")
    path = tmp_path / "plotly.html"
    path.write_text(
        f"<!DOCTYPE html><html data-theme='{theme}'><meta charset='utf-8'><body>{figure.html()}"
        "<script src='plotly.js'></script>"
        f"<script>{page_script([figure])}</script></body></html>",
        encoding="utf-8",
    )
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_selector(".js-plotly-plot .js-line")
    palette = {"light": LIGHT, "dark": DARK}
    stroke = "document.querySelector('.js-plotly-plot .js-line').style.stroke"
    as_rgb = "(colour) => Object.assign(new Option().style, { color: colour }).color"
    assert tab.evaluate(stroke) == tab.evaluate(as_rgb, palette[theme]["S"])
    label = tab.locator(".vl-plot").get_attribute("aria-label")
    assert label.startswith("A TLB of 256 slots: 288 pages")
    tab.locator("input").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.querySelector('.vl-plot').data[2].x[0] === 320")
    assert not tab.locator("figure svg[role=img]").is_visible()
    other = "dark" if theme == "light" else "light"
    tab.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", other)
    wanted = tab.evaluate(as_rgb, palette[other]["S"])
    tab.wait_for_function(f"(wanted) => {stroke} === wanted", arg=wanted)
    tab.set_viewport_size({"width": 320, "height": 640})
    tab.wait_for_function("document.documentElement.scrollWidth <= 320")
    tab.emulate_media(media="print")
    assert tab.locator("figure svg[role=img]").is_visible()
    tab.close()
