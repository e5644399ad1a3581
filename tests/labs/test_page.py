"""Does a page judge numbers and choices as labs.check does? Its JavaScript beside Python."""

import dataclasses
import functools
import hashlib
import json
import math
import random
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.explore.javascript import page_of_modules
from virtlab.labs import display, progress
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.exercise import Choice, UnansweredError
from virtlab.labs.page import sealed
from virtlab.labs.page.sphinx import STATIC, complete
from virtlab.labs.page.variants import for_page, numbers, on_a_page
from virtlab.labs.quantity import FAMILIES, UnreadableError, quantity

pytestmark = pytest.mark.browser
SHOWN = [id for id in EXERCISES if on_a_page(id)]
N_SEEDS = 2  # variants of each exercise that these tests compute
UNITS = ["exits", "cycles", "", "%", "ns", "s", "B", "KiB", "bytes", "ms"]
ODD = [
    *("", " ", "\t", "0", "-0", "+7", "007", "5.", ".5", "1e3", "1E-3", "1e999", "-1e999", "nan"),
    *(
        "inf",
        "0x",
        "0x_",
        "0xg",
        "0X1f",
        "-0x10",
        "+0xFf",
        "1,234",
        "1,2,3",
        "1_000",
        "1__0",
        "12%",
    ),
    *("12 %", "1.5 us", "1.5 µs", "4 KiB", "4KiB", "2 GiB", "1e300 GiB", "3 exit", "3 exits", "3s"),
    *("3 ss", "1 e3", "--3", "3-", "1.2.3", "١٢", "٣ exits", "½", "9" * 61, "9" * 60, "x" * 99),
    *("12\nexits", "12\u2028exits", "12\xa0exits", "1 byte", "7 percent", "1e5 B", "-4 KiB", "0 s"),
    *("340282366920938463463374607431768211456", "9007199254740993 KiB", "0.1 KiB", "1e-5 ms"),
]


@pytest.fixture(scope="module")
def run(browser):
    with page_of_modules(browser, STATIC) as run:
        yield run


@functools.cache
def variant(id: str, seed: int):
    """The numbers of a variant, and its kind with the right answer computed once."""
    draw, kind = EXERCISES[id].numbers(seed), EXERCISES[id].kind
    right = kind.value(draw)
    return draw, dataclasses.replace(kind, value=lambda draw: right)


@pytest.fixture(scope="module")
def known() -> dict[str, dict]:
    """What a page knows of each exercise, of a few variants."""
    return {id: for_page(id, N_SEEDS) for id in SHOWN}


def random_text(rng) -> str:
    """What somebody might type: digits, signs, separators, exponents, units, and slips."""
    digits = "".join(rng.choice("0123456789,_.") for _ in range(rng.randrange(1, 9)))
    if rng.random() < 0.3:
        digits = f"0x{rng.getrandbits(rng.choice((8, 40, 64, 90))):x}"
    number = rng.choice(("", "", "-", "+")) + digits + rng.choice(("", "", "", "e3", "E-4", "e40"))
    names = [name for family in FAMILIES for name in family] + ["exits", "exit", "cycles", "Kib"]
    return number + rng.choice(("", " ", "  ")) + rng.choice(("", rng.choice(names)))


def by_python(text: str, unit: str):
    """A number as its one text, or None if it is unreadable."""
    try:
        return sealed.canonical(quantity(text, unit))
    except UnreadableError:
        return None


READ = """
const { quantity } = await import("/quantity.js");
const { canonical } = await import("/sealed.js");
return given.pairs.map(([text, unit]) => {
  try {
    return canonical(quantity(text, unit, given.numbers));
  } catch (error) {
    if (error.constructor.name === "UnreadableError") return null;
    throw error;
  }
});
"""


def test_a_page_reads_numbers_as_python_does(run, seed):
    rng = random.Random(seed)
    pairs = [(text, unit) for text in ODD for unit in UNITS]
    pairs += [(random_text(rng), rng.choice(UNITS)) for _ in range(4000)]
    read = run(READ, {"pairs": pairs, "numbers": numbers()})
    for (text, unit), value in zip(pairs, read, strict=True):
        assert value == by_python(text, unit), (text, unit)
    assert sum(value is None for value in read) > 500 < sum(value is not None for value in read)


def test_a_page_hashes_and_unseals_as_python_does(run, seed):
    rng = random.Random(seed)
    texts = ["a" * n for n in range(130)]
    texts += ["".join(chr(rng.randrange(32, 0x2FFF)) for _ in range(40)) for _ in range(50)]
    body = """
    const { sha256, hex, unseal } = await import("/sealed.js");
    return given.map(([text, key, locked]) => [hex(sha256(text)), unseal(locked, key)]);
    """
    keys = [sealed.key_of("salt", text) for text in texts]
    given = [(t, key, sealed.seal(t, key)) for t, key in zip(texts, keys, strict=True)]
    for text, (digest, opened) in zip(texts, run(body, given), strict=True):
        assert digest == hashlib.sha256(text.encode()).hexdigest()
        assert opened == text


JUDGE = """
const { judge } = await import("/judge.js");
return given.asked.map(([id, at, entered]) => {
  const exercise = given.known[id];
  return judge(exercise, exercise.variants[at], entered, given.numbers);
});
"""


def answers_to(kind, draw, rng) -> list:
    """Right, wrong in each known way, near the border of the tolerance, far off, and unreadable."""
    if isinstance(kind, Choice):
        return [None, *range(len(kind.options(draw)))]
    right = kind.value(draw)
    right = right.item() if hasattr(right, "item") else right
    values = [right, right + 1, -right, 0, right * 100 + 99, right / 100, right / 2]
    values += [wrong(right, draw) for wrong, _ in kind.mistakes]
    values += [right * (1 + kind.tolerance * k) for k in (0.99, -0.99, 1.01, -1.01, 2.5)]
    values += [rng.uniform(-2, 3) * right for _ in range(5)]
    texts = [f"{value!r}" for value in values if math.isfinite(value)]
    return [*texts, f"{values[0]!r} {kind.unit}", "", "many", "3 furlongs"]


def test_a_page_judges_as_python_does(run, known, seed):
    """The same verdict, and the same hint wherever a mistake is known by name."""
    rng, asked, expected = random.Random(seed), [], []
    for id in SHOWN:
        one = EXERCISES[id]
        for at, stored in enumerate(known[id]["variants"]):
            draw, kind = variant(id, stored["seed"])
            for entered in answers_to(kind, draw, rng):
                asked.append((id, at, entered))
                answer = entered + 1 if isinstance(entered, int) else entered
                try:
                    expected.append(kind.judge(answer, draw, one.because(draw)))
                except (UnreadableError, UnansweredError):
                    expected.append(None)
    found = run(JUDGE, {"asked": asked, "known": known, "numbers": numbers()})
    for (id, at, entered), wanted, said in zip(asked, expected, found, strict=True):
        where = (id, at, entered, wanted, said)
        outcome = "unreadable" if wanted is None else "right" if wanted.right else "wrong"
        assert said["outcome"] == outcome, where
        if outcome == "right":
            assert said["words"] == wanted.words, where
        elif outcome == "wrong":
            hints = getattr(EXERCISES[id].kind, "mistakes", None)
            named = hints is None or wanted.hint in [text for _, text in hints]
            assert said["hint"] == wanted.hint if named else said["hint"], where
    assert {said["outcome"] for said in found} == {"right", "wrong", "unreadable"}


@pytest.mark.parametrize("id", SHOWN)
def test_no_answer_stands_in_what_a_page_knows(id, known):
    """Neither the right number nor the words that go with it, in any variant."""
    because = EXERCISES[id].because
    for stored in known[id]["variants"]:
        draw, kind = variant(id, stored["seed"])
        found = kind.judge(kind.value(draw), draw, because(draw))
        assert found.right and found.words not in json.dumps(stored["doors"])
        assert all(re.fullmatch("[0-9a-f]{12}", tag) for tag in stored["doors"])
        assert because(draw) not in known[id]["texts"]


def test_variants_of_a_page_differ_and_are_those_of_the_notebook(known):
    for id, exercise in known.items():
        asked = [
            (exercise["texts"][v["text"]], *v.get("options", ())) for v in exercise["variants"]
        ]
        assert len(asked) == len(set(asked)) >= 1, id
        for stored, question in zip(exercise["variants"], asked, strict=True):
            shown = display.variant(id, stored["seed"])
            assert (shown.text, *shown.options) == question


def test_code_is_not_for_a_page():
    assert not on_a_page("02.5") and not on_a_page("02.3") and not on_a_page("99.9")
    with pytest.raises(ValueError, match="in a notebook alone"):
        for_page("02.5", 1)


def test_what_was_computed_is_kept_and_what_is_damaged_computed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTLAB_CACHE", str(tmp_path))
    first = for_page("01.4", 2)
    (kept,) = tmp_path.rglob("01.4-2.json")
    assert json.loads(kept.read_text()) == first
    kept.write_text("{")
    assert for_page("01.4", 2) == first


# A page of its own, without Sphinx

NOTHING = "<html><head></head><body></body></html>"


@pytest.fixture(scope="module")
def page(tmp_path_factory, browser):
    """All exercises of numbers and choices, one of code and one of words, on a page from a file."""
    site = tmp_path_factory.mktemp("site")
    sheet = display.show(*SHOWN, "02.5", "02.3")
    head = "<meta charset='utf-8'><title>All</title>"
    text = f"<html lang='en'><head>{head}</head><body>{sheet.html()}</body></html>"
    (site / "all.html").write_text(text, "utf-8")
    (site / "none.html").write_text(NOTHING, "utf-8")
    complete(site, N_SEEDS)
    complete(site, N_SEEDS)  # as a second build does
    context = browser.new_context(accept_downloads=True)
    tab = context.new_page()
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto((site / "all.html").as_uri())
    tab.wait_for_selector(".vl-progress")
    yield tab
    assert not errors
    context.close()


def block(tab, id):
    return tab.locator(f".vl-exercise[data-exercise='{id}']")


def give(tab, id, answer) -> str:
    """Answer by keyboard; returns what is said."""
    form = block(tab, id).locator("form")
    if isinstance(EXERCISES[id].kind, Choice):
        form.locator("input").nth(answer).press("Space")
        form.locator("input").nth(answer).press("Enter")
    else:
        form.locator("input").fill(answer)
        form.locator("input").press("Enter")
    return form.locator("[role=status]").inner_text()


def test_a_page_loads_what_it_needs_and_others_nothing(page):
    site = Path(urlsplit(page.url).path).parent
    assert (site / "none.html").read_text("utf-8") == NOTHING
    assert (site / "all.html").read_text("utf-8").count("data-exercises") == 3
    assert len(list((site / "_static" / "exercises").iterdir())) == 3


@pytest.mark.parametrize("id", SHOWN)
def test_every_exercise_on_a_page_is_answered_wrong_and_right(page, id):
    draw, kind = variant(id, 0)
    right = kind.value(draw)
    if isinstance(kind, Choice):
        options = list(kind.options(draw))
        wrong = next(k for k, option in enumerate(options) if option != right)
        good = options.index(right)
    else:
        wrong, good = "987654321", f"{right} {kind.unit}"
    said = give(page, id, wrong)
    assert said.startswith(f"{id}: not yet.") and "Hint." in said
    assert give(page, id, good).startswith(f"{id}: right.")


def test_code_and_words_stay_questions_on_a_page(page):
    for id in ("02.5", "02.3"):
        assert not block(page, id).locator("form").count()
        assert "Answer:" in block(page, id).inner_text()


def test_the_third_wrong_answer_brings_a_worked_step_and_other_numbers_begin_anew(page):
    page.reload()
    page.wait_for_selector(".vl-progress")
    first = block(page, "02.1").locator(".vl-asked").inner_text()
    assert "A worked step." not in give(page, "02.1", "1") + give(page, "02.1", " 1 ")
    assert "A worked step." not in give(page, "02.1", "2")
    assert "A worked step." in give(page, "02.1", "3")
    assert "no verdict" in give(page, "02.1", "many")
    another = block(page, "02.1").get_by_role("button", name="Other numbers")
    another.press("Enter")
    assert another.evaluate("e => e === document.activeElement")
    second = block(page, "02.1").locator(".vl-asked").inner_text()
    assert second != first and "variant 1" in second
    assert "A worked step." not in give(page, "02.1", "1")
    draw, kind = variant("02.1", 1)
    assert "variant 1: right." in give(page, "02.1", str(kind.value(draw)))


def test_progress_is_kept_in_the_browser_and_saved_as_a_file(page, tmp_path):
    page.evaluate("localStorage.clear()")
    page.reload()
    page.wait_for_selector(".vl-progress")
    words = page.locator(".vl-progress p")
    assert words.inner_text().startswith(f"0 of {len(SHOWN)} ")
    give(page, "02.1", "5")
    give(page, "02.1", "172")
    give(page, "02.1", "nothing")
    page.reload()
    page.wait_for_selector(".vl-progress")
    assert words.inner_text().startswith(f"1 of {len(SHOWN)} ")
    assert page.evaluate("Object.keys(localStorage)") == ["virtlab.progress"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save my progress").press("Enter")
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    entry = progress.read_progress(file)["exercises"]["02.1"]
    assert entry["right"] and entry["tries"] == 2 and entry["seeds_right"] == [0]
    assert [answer["answer"] for answer in entry["answers"]] == ["5", "172"]
    page.get_by_role("button", name="Forget my progress").press("Enter")
    assert words.inner_text().startswith("0 of ") and not page.evaluate("localStorage.length")


@pytest.mark.parametrize(
    "held", ["{", "[]", '{"format": 9}', '{"format": 1, "exercises": {"02.1": 3}}']
)
def test_something_else_under_the_key_is_no_progress(page, held):
    page.evaluate("held => localStorage.setItem('virtlab.progress', held)", held)
    page.reload()
    page.wait_for_selector(".vl-progress")
    assert page.locator(".vl-progress p").inner_text().startswith("0 of ")
    assert "right." in give(page, "02.1", "172")
    page.evaluate("localStorage.clear()")
