"""Do ES modules become one classic script that does the same, and is the rest refused by name?"""

import re
from pathlib import Path

import pytest

from virtlab.explore.page.assets import FOLDERS
from virtlab.explore.page.bundle import BundleError, bundle, compact, masked, modules_of, read

STATIC = Path(__file__).resolve().parents[2] / "virtlab" / "explore" / "static"


@pytest.fixture
def write(tmp_path):
    """Writes modules into one folder; returns the path of the first."""

    def write(first: str, **others: str) -> Path:
        for name, text in {"main": first, **others}.items():
            (tmp_path / f"{name}.js").write_text(text, "utf-8")
        return tmp_path / "main.js"

    return write


@pytest.fixture(scope="module")
def run(browser, tmp_path_factory):
    """Runs a script in a page opened from a file; returns the value of an expression."""
    folder = tmp_path_factory.mktemp("page")

    def run(script: str, expression: str):
        (folder / "script.js").write_text(script, "utf-8")
        page = folder / "page.html"
        page.write_text("<!DOCTYPE html><script src=script.js></script>", "utf-8")
        errors = []
        tab = browser.new_page()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(page.as_uri())
        value = tab.evaluate(expression)
        tab.close()
        assert not errors
        return value

    return run


MAIN = """
import { a, b as c, twice } from "./one.js";
import * as everything from "./one.js";
import shout, { quiet } from "./two.js";
import Thing from "./three.js"; // a class

const hidden = 1;
export const sum = a + c + hidden;
export function all() { return Object.keys(everything).sort().join(); }
export async function later() { return (await Promise.resolve(twice(21))) + quiet; }
export class Box { constructor() { this.thing = new Thing(); } }
export function* count() { yield 1; yield 2; }
const inner = "listed";
export { inner as outer, hidden };
export default shout(`import { ${sum} } from "./x.js"`);
"""
ONE = """
export const a = 1;
export const b = 2; const hidden = 40;
export function twice(n) { return 2 * n + hidden - 40; }
"""
TWO = 'const quiet = "!";\nexport { quiet };\nexport default (text) => text.toUpperCase();\n'
THREE = "export default class Thing { get name() { return 'thing'; } }\n"


@pytest.mark.browser
def test_a_bundle_does_what_the_modules_do(write, run):
    script = bundle("test", [write(MAIN, one=ONE, two=TWO, three=THREE)])
    found = run(
        script,
        """async () => {
            const { sum, all, later, Box, count, outer, hidden, default: shouted } = virtlab.main;
            return [sum, all(), await later(), new Box().thing.name, [...count()].join(), outer,
                hidden, shouted, Object.keys(virtlab).sort().join()];
        }""",
    )
    assert found == [
        *(4, "a,b,twice", "42!", "thing", "1,2", "listed", 1),
        'IMPORT { 4 } FROM "./X.JS"',
        "assets,bundles,main",
    ]


@pytest.mark.browser
def test_a_worker_can_be_made_from_the_bundle_s_own_text(write, run):
    script = bundle("test", [write("export const answer = () => 42;\n")])
    answer = run(
        script,
        """() => new Promise((done, failed) => {
            const begin = `(${virtlab.bundles.test})(self);`;
            const text = [begin, "postMessage(self.virtlab.main.answer());"];
            const worker = new Worker(URL.createObjectURL(new Blob(text)));
            worker.onmessage = ({ data }) => done(data);
            worker.onerror = (event) => failed(new Error(event.message));
        })""",
    )
    assert answer == 42


@pytest.mark.browser
@pytest.mark.parametrize("entry", ["figure.js", "page_player.js", "player.js"])
def test_the_book_s_own_modules_run_from_a_file(run, entry):
    script = bundle("test", [STATIC / entry], FOLDERS)
    names = run(script, f"Object.keys(virtlab.{Path(entry).stem})")
    exported = re.findall(
        r"^export (?:const|class|(?:async )?function) (\w+)", (STATIC / entry).read_text(), re.M
    )
    assert exported and set(exported) <= set(names)


def test_each_module_is_in_the_bundle_once_after_those_it_imports(write):
    entry = write(
        'import { b } from "./b.js";\nimport { c } from "./c.js";\nexport const a = b + c;\n',
        b='import { c } from "./c.js";\nexport const b = c + 1;\n',
        c="export const c = 1;\n",
    )
    assert [path.stem for path in modules_of([entry])] == ["c", "b", "main"]
    assert bundle("x", [entry]).count("const c = 1;") == 1


def test_an_import_is_also_looked_for_in_the_given_folders(write, tmp_path):
    entry = write('import { far } from "./far.js";\nexport const near = far;\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.js").write_text("export const far = 7;\n")
    assert "const far = 7;" in bundle("x", [entry], [elsewhere])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('import { a } from "./gone.js";', "there is no gone.js"),
        ('import { a } from "other";', "'other' is not a relative path"),
        ('import "./one.js";', "an import is understood as"),
        ('import { a-b } from "./one.js";', "'a-b' is not a name"),
        ('import { nothing } from "./one.js";', "imports nothing from one.js, which exports a"),
        ('const x = import("./one.js");', "understood at the beginning of a line"),
        ('  import { a } from "./one.js";', "understood at the beginning of a line"),
        ("const here = import.meta.url;", "understood at the beginning of a line"),
        ('export * from "./one.js";', "an export is understood before const"),
        ('export { a } from "./one.js";', "an export is understood before const"),
        ("export let count = 0;", "an export is understood before const"),
        ("export const { a, b } = {};", "an export is understood before const"),
        ("export const a = 1, b = 2;", "one name in each exported const"),
        ("const data = await fetch('x');", "await outside a function"),
        ('import { a } from "./main.js";', "modules in a circle"),
        ("const text = `never ends;", "a template begins here and does not end"),
        ("const text = 'never ends;\n", "a string begins here and does not end"),
        ("/* never ends", "a comment begins here and does not end"),
    ],
)
def test_what_is_not_understood_gets_one_sentence_with_the_place(write, text, sentence):
    entry = write(f"// first line\n{text}\n", one="export const a = 1;\n")
    with pytest.raises(BundleError, match=re.escape(sentence)) as caught:
        bundle("x", [entry])
    assert "main.js" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_line_is_named(write):
    with pytest.raises(BundleError, match=r"^main\.js, line 3: "):
        read(write("\n\nexport let x = 1;\n"))


def test_two_modules_of_one_name_are_refused(write, tmp_path):
    entry = write('import { b } from "./deep/main.js";\nexport const a = b;\n')
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "main.js").write_text("export const b = 1;\n")
    with pytest.raises(BundleError, match=r"two modules are called main\.js"):
        bundle("x", [entry])


@pytest.mark.parametrize("name", ["assets", "bundles"])
def test_an_entry_cannot_have_the_name_of_what_the_page_keeps(write, tmp_path, name):
    write("", **{name: "export const a = 1;\n"})
    with pytest.raises(BundleError, match=f"{name}.js"):
        bundle("x", [tmp_path / f"{name}.js"])


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("a // export\nb", "a          \nb"),
        ("a /* import\n */ b", "a          \n    b"),
        ("f('export')", 'f("______")'),
        ('f("it\'s")', 'f("____")'),
        ("x = `a ${b + `c ${d}`} e`;", "x =      b +      d      ;"),
        ("x = /[/'\"]export/g; y", "x =               ; y"),
        ("a / b / c", "a / b / c"),
        ("(a) / 2 // '", "(a) / 2     "),
        ("return /'/", "return    "),
        ("x = y[0] / 2 / `z`", "x = y[0] / 2 /    "),
        ("`\\`import` + a", "           + a"),
    ],
)
def test_only_code_is_left_of_a_masked_source(source, code):
    assert masked(source) == code


def test_a_compact_source_has_no_comments_and_its_templates_as_they_were():
    source = "// why\nconst a = `\n  kept // too\n`; // gone\n\n/* more\n */\n  const b = 1;\n"
    assert compact(source) == "const a = `\n  kept // too\n`;\nconst b = 1;"


def test_a_line_end_inside_a_comment_still_ends_the_statement():
    assert compact("a /* x\n */ b") == "a\nb"
