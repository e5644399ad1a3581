"""wasm.js in Chromium: the same results as here, memory that grows, mistakes that are explained."""

import base64
import copy
import json
from pathlib import Path

import numpy as np
import pytest
import small_functions
from drawing import argument, assert_same
from small_functions import ACCEPTED, ARRAY_LENGTH, STATE

import virtlab.wasm
from virtlab.wasm import build

pytestmark = pytest.mark.browser

SINGLE = {"single", "single_math"}
DRAWS = 10
SCRIPT = Path(virtlab.wasm.__file__).with_name("wasm.js")

# Calls an export, each time in a new instance. Arrays come as {dtype, shape, bytes in base64} and
# numbers as {type, text}, so that nothing is rounded on the way; arrays go back in base64.
HARNESS = """
const packed = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const unpacked = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const float = (text) => ({ inf: Infinity, "-inf": -Infinity, nan: NaN })[text] ?? Number(text);
function taken(instance, value) {
  const { dtype, shape, bytes, fields, type, text } = value;
  if (bytes !== undefined) return instance.array(dtype, shape, unpacked(bytes));
  if (fields) return fields.map((field) => taken(instance, field));
  return type === "i64" ? BigInt(text) : type === "i32" ? Number(text) : float(text);
}
const given = (value) => value.bytes instanceof Uint8Array ? packed(value.bytes)
  : Array.isArray(value) ? value.map(given) : null;
window.callAll = (name, calls) => calls.map((values) => {
  const instance = wasm.openNow(module, manifest);
  const args = values.map((value) => taken(instance, value));
  const result = instance.call(name, ...args);
  return { result: result === undefined ? null : String(result), after: args.map(given) };
});
"""


@pytest.fixture(scope="module")
def module():
    return build([(name, f"small_functions:{name}", types) for name, types in ACCEPTED.items()])


@pytest.fixture(scope="module")
def page(browser, module):
    tab = browser.new_page()
    tab.goto("about:blank")
    source = base64.b64encode(SCRIPT.read_bytes()).decode()
    data = base64.b64encode(module.data).decode()
    tab.evaluate(
        "async ([source, data, manifest]) => {"
        "  window.wasm = await import('data:text/javascript;base64,' + source);"
        "  window.module = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));"
        "  window.manifest = JSON.parse(manifest); }",
        [source, data, module.json],
    )
    tab.add_script_tag(content=HARNESS)
    yield tab
    tab.close()


def as_json(value, parameter):
    """A value in the harness's form."""
    if parameter["type"] == "tuple":
        fields = zip(value, parameter["fields"], strict=True)
        return {"fields": [as_json(*each) for each in fields]}
    if parameter["type"] in ("array", "record"):
        array = np.array(value)
        dtype = parameter.get("layout") or parameter["dtype"]
        shape = list(array.shape) or [1]
        return {
            "dtype": dtype,
            "shape": shape,
            "bytes": base64.b64encode(array.tobytes()).decode(),
        }
    return {
        "type": parameter["type"],
        "text": str(int(value) if isinstance(value, np.bool_) else value),
    }


def assert_memory(after, expected, tolerance):
    if isinstance(expected, tuple):
        for one, other in zip(after, expected, strict=True):
            assert_memory(one, other, tolerance)
    elif isinstance(expected, np.ndarray | np.record):
        array = np.array(expected)
        actual = np.frombuffer(base64.b64decode(after), array.dtype).reshape(array.shape)
        assert_same(actual, array, tolerance)


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_same_result_and_the_same_memory(name, page, module, rng):
    function = getattr(small_functions, name)
    parameters = module.manifest["functions"][name]["params"]
    draws, expected = [], []
    for _ in range(DRAWS):
        given = [argument(rng, each, {"STATE": STATE}, ARRAY_LENGTH) for each in parameters]
        if name == "weigh":
            given[0] = small_functions.Pair(*given[0])
        draws.append([as_json(*each) for each in zip(given, parameters, strict=True)])
        after = copy.deepcopy(given)
        with np.errstate(all="ignore"):
            expected.append((function(*after), after))
    tolerance = 1e-6 if name in SINGLE else 1e-12
    answers = page.evaluate("([name, calls]) => callAll(name, calls)", [name, draws])
    for answer, (result, after) in zip(answers, expected, strict=True):
        if result is not None:
            assert_same(type(result)(number(answer["result"])), result, tolerance)
        for one, other in zip(answer["after"], after, strict=True):
            assert_memory(one, other, tolerance)


def number(text: str):
    """A number as JavaScript writes it."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return float(text)


def test_an_array_of_128_mib_and_one_more_after_it(page):
    answer = page.evaluate(
        """() => {
          const instance = wasm.openNow(module, manifest);
          const first = instance.array("float64", [8], [3, 1, 4, 1, 5, 9, 2, 6]);
          const before = first.view;
          const large = instance.array("uint8", [128 << 20]);
          const words = large.as("int64");
          words.view[words.length - 1] = -5n;
          const after = instance.array("float64", 2);
          return {
            detached: before.length,
            kept: Array.from(first.view),
            aligned: large.pointer % 4096,
            last: large.bytes[large.length - 1],
            behind: after.pointer >= large.pointer + large.length,
            low: first.pointer >= manifest.data_end,
          };
        }"""
    )
    assert answer == {
        "detached": 0,
        "kept": [3, 1, 4, 1, 5, 9, 2, 6],
        "aligned": 0,
        "last": 255,
        "behind": True,
        "low": True,
    }


def test_fields_of_a_record_are_read_and_written_by_name(page):
    state = np.zeros(2, STATE)
    state["count"], state["small"][1], state["place"]["y"] = (7, -(2**62)), [1, -2, 3, 4, 5], 1.5
    answer = page.evaluate(
        """([bytes]) => {
          const instance = wasm.openNow(module, manifest);
          const states = instance.array("STATE", [2], unpacked(bytes));
          const [first, second] = [instance.record(states), instance.record(states, 1)];
          first.set("count", 2n ** 63n - 1n);
          first.set("small", -9, 4);
          first.set("flag", true);
          second.set("level", NaN);
          const refused = [];
          const wrong = [
            () => first.get("colour"),
            () => first.get("small", 5),
            () => instance.record(states, 2),
          ];
          for (const each of wrong) try { each(); } catch (error) { refused.push(error.message); }
          return {
            read: ["count", "place.y", "flag"].map((name) => String(second.get(name))),
            small: second.get("small", 1),
            bytes: btoa(String.fromCharCode(...states.bytes)),
            table: second.bytes("table").length,
            refused,
          };
        }""",
        [base64.b64encode(state.tobytes()).decode()],
    )
    state["count"][0], state["small"][0][4], state["flag"][0] = 2**63 - 1, -9, True
    state["level"][1] = np.nan
    assert answer["read"] == [str(-(2**62)), "1.5", "false"] and answer["small"] == -2
    assert base64.b64decode(answer["bytes"]) == state.tobytes()
    assert answer["table"] == 24
    assert answer["refused"] == [
        "the record has no field colour.",
        "small has no element 5; it has 5.",
        "there is no record 2; the array has 2.",
    ]


MISTAKES = {
    "instance.call('nothing')": "this module has no function nothing.",
    "instance.call('erf')": "erf takes 1 arguments (x), not 0.",
    "instance.call('erf', '3')": "x of erf is a number, not string 3.",
    "instance.call('prime', 1.5)": "k of prime is a whole number, not number 1.5.",
    "instance.call('prime', NaN)": "k of prime is a whole number, not number NaN.",
    "instance.call('backwards', floats([2, 2]))": "a of backwards is an array of float64 with 1 "
    "axis, not an array of float64 with shape [2,2].",
    "instance.call('change_state', floats([2]), 1)": "state of change_state is an array of STATE, "
    "not an array of float64 with shape [2].",
    "instance.call('weigh', 1, [1, 2])": "pair of weigh is an array of 2 fields, not number 1.",
    "instance.array('float65', [2])": "float65 is neither a number's type nor a record of this "
    "module.",
    "instance.array('float64', [-1])": "[-1] is not a shape.",
    "instance.array('float64', [2], [1, 2, 3])": "the source has 3 elements, not 2.",
    "instance.array('uint8', [2 ** 32])": "there is no room for 4294967296 bytes more.",
    "floats([3]).as('STATE')": "3 elements of float64 are no whole number of STATE.",
    "other.call('backwards', floats([2]))": "a of backwards is an array in this module's memory, "
    "not an array of float64 with shape [2].",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_sentence(mistake, page):
    message = page.evaluate(
        f"""() => {{
          const [instance, other] = [0, 1].map(() => wasm.openNow(module, manifest));
          const floats = (shape) => instance.array("float64", shape);
          try {{ {mistake}; }} catch (error) {{ return error.message; }}
        }}"""
    )
    assert message == MISTAKES[mistake]


def test_a_worker_opens_it_too(page, module):
    source = SCRIPT.read_text("utf-8").replace("export ", "")
    worker = (
        source
        + """
        onmessage = async ({ data: [bytes, manifest] }) => {
          const [now, later] = [openNow(bytes, manifest), await open(bytes, manifest)];
          postMessage([now.call("fibonacci", 12), later.call("fibonacci", 13)].map(String));
        };"""
    )
    answer = page.evaluate(
        """(text) => new Promise((resolve, reject) => {
          const worker = new Worker(URL.createObjectURL(new Blob([text])));
          worker.onmessage = (event) => resolve(event.data);
          worker.onerror = (event) => reject(event.message);
          worker.postMessage([module, manifest]);
        })""",
        worker,
    )
    assert answer == ["144", "233"]


def test_memory_that_is_given_back_is_used_again_and_zero(page):
    answer = page.evaluate(
        """() => {
          const instance = wasm.openNow(module, manifest);
          const mark = instance.end;
          const first = instance.array("uint8", [100]);
          first.view.fill(7);
          instance.release(mark);
          const second = instance.array("uint8", [100]);
          return [second.pointer === first.pointer, second.view.every((byte) => byte === 0)];
        }"""
    )
    assert json.dumps(answer) == "[true, true]"
