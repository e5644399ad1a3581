"""What a page cannot run is refused in one sentence that names the function and the reason."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from virtlab.wasm import CannotBuild, build
from virtlab.wasm.build import SETTINGS
from virtlab.wasm.origins import Origins

REFUSED = [
    (
        "allocates",
        "int64",
        "allocates memory in line 15 (`values = np.zeros(n)`); take the array as an argument.",
    ),
    (
        "makes_a_list",
        "int64",
        "allocates memory in line 21 (`values = [n, n + 1]`); take the array as an argument.",
    ),
    ("joins", "float64[:], float64[:]", "allocates memory in line 33 (`a[:] = a + b`); .*"),
    ("raises", "int64", "raises ValueError (too large), line 39; return a value instead."),
    ("asserts", "int64", "raises AssertionError, line 50; return a value instead."),
    ("raises_with_value", "int64", "raises ValueError, line 57; return a value instead."),
    (
        "divides",
        "float64, float64",
        'raises ZeroDivisionError (division by zero); compile with error_model="numpy", which '
        "divides by zero without raising.",
    ),
    (
        "steps",
        "int64, int64",
        "raises ValueError (range() arg 3 must not be zero); return a value instead.",
    ),
    ("checks_bounds", "int64[:], int64", "raises IndexError .*; return a value instead."),
    (
        "draws",
        "float64",
        "draws random numbers in line 81 (`return x + random.random()`); take them from an "
        "argument.",
    ),
    (
        "draws_with_numpy",
        "float64",
        "draws random numbers in line 86 (`return x + np.random.normal()`); take them from an "
        "argument.",
    ),
    (
        "prints",
        "float64",
        'prints in line 91 (`print("x is", x)`); write into an array argument instead.',
    ),
    (
        "leaves_compiled_code",
        "float64",
        "runs Python code in object mode; a page has no Python.",
    ),
    ("uses_gamma", "float64", "calls lgamma in line 104 (`return math.lgamma(x)`), which .*"),
    ("reads_large", "int64", "uses an object at an address of this process, .*"),
    ("in_parallel", "float64[:]", "is compiled with parallel=True; a page has one thread."),
    ("returns_two", "float64", "returns UniTuple(float64 x 2); accepted is one number, or .*"),
    (
        "mistyped",
        "float64",
        "cannot be compiled for (float64): Unknown attribute 'nothing' of type float64, line 127.",
    ),
    ("many", "float64", "takes *, ** or keyword-only parameters; accepted are plain ones."),
    ("divides", "float64", "takes 2 arguments (a, b), but 1 types are given."),
    ("divides", "complex128, float64", "'complex128' is not a type a page can pass; accepted .*"),
    ("raises", "int128", "'int128' is not a type a page can pass; accepted .*"),
    ("raises", "unicode_type", "'unicode_type' is not a type a page can pass; accepted .*"),
    ("joins", "float64[::1, :], float64", "'float64[::1, :]' is an array in Fortran's order; .*"),
    ("joins", "float64[:, float64", "the brackets of 'float64[:, float64' do not match."),
    (
        "raises",
        "refused_functions:COMPLEX",
        "refused_functions:COMPLEX is a dtype of complex128; .*",
    ),
    (
        "raises",
        "refused_functions:ORDERED_BACKWARDS",
        "refused_functions:ORDERED_BACKWARDS: Numba has no type for this dtype (.*",
    ),
    (
        "raises",
        "refused_functions:WITH_OBJECT",
        "refused_functions:WITH_OBJECT.*",
    ),
    ("raises", "refused_functions:WITH_TEXT", "the field b is of type .*"),
    ("raises", "refused_functions:NAMED_NUMBER", "raises ValueError (too large), line 39; .*"),
    ("joins", "small_functions:Pair, float64", "small_functions:Pair is not a NumPy dtype."),
    ("joins", "small_functions:Pair(int64), int64", "small_functions:Pair is not a namedtuple .*"),
    ("joins", "small_functions:NONE, int64", "small_functions:NONE: module small_functions has .*"),
]


NOT_FOUND = [
    ("refused_functions:nothing", "refused_functions:nothing: module refused_functions has no .*"),
    (
        "no_such_module:f",
        "no_such_module:f: the module cannot be imported (ModuleNotFoundError: .*",
    ),
    (
        "refused_functions",
        "'refused_functions' names no function or dtype; accepted is package.module:name.",
    ),
    (
        "refused_functions:not_a_function",
        "refused_functions.not_a_function: this is not a function.",
    ),
    ("builtins:len", "builtins.len: takes *, ** or keyword-only parameters; .*"),
    ("builtins:dict", "builtins.dict: this is not a function."),
]

ALL = """
import json, os, sys
sys.path.insert(0, os.environ["FUNCTIONS"])
from virtlab.wasm import CannotBuild, child
for path, types in json.load(sys.stdin):
    try:
        child.answer([["f", path, types]])
        print(json.dumps(None))
    except CannotBuild as refused:
        print(json.dumps(str(refused)))
"""


@pytest.fixture(scope="module")
def sentences(root):
    """Every refusal, from a process as it compiles: Numba takes a second to be loaded."""
    wanted = [(f"refused_functions:{name}", types) for name, types, _ in REFUSED]
    wanted += [(path, "") for path, _ in NOT_FOUND]
    wanted += [(f"refused_functions:callee_{what}", "int64") for what in ("allocates", "raises")]
    done = subprocess.run(
        [sys.executable, "-c", ALL],
        cwd=root,
        env={**os.environ, **SETTINGS, "FUNCTIONS": str(Path(__file__).parent)},
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines())
    return dict(zip(wanted, answers, strict=True))


def matches(sentence, expected: str) -> bool:
    """Whether a sentence is the expected text, in which `.*` stands for anything."""
    pattern = re.escape(expected).replace(r"\.\*", ".*")
    return sentence is not None and bool(re.fullmatch(pattern, sentence))


@pytest.mark.parametrize(
    "name, types, expected", REFUSED, ids=[f"{name}({types})" for name, types, _ in REFUSED]
)
def test_the_sentence_names_function_and_reason(name, types, expected, sentences):
    sentence = sentences[f"refused_functions:{name}", types]
    assert matches(sentence, f"refused_functions.{name}: {expected}"), sentence


@pytest.mark.parametrize("path, expected", NOT_FOUND)
def test_what_cannot_be_found_is_refused(path, expected, sentences):
    assert matches(sentences[path, ""], expected), sentences[path, ""]


def test_the_callee_that_is_at_fault_is_named(sentences):
    assert sentences["refused_functions:callee_allocates", "int64"].startswith(
        "refused_functions.allocates: allocates memory in line 15"
    )
    assert sentences["refused_functions:callee_raises", "int64"].startswith(
        "refused_functions.raises: raises ValueError"
    )


def test_a_build_raises_the_sentence():
    with pytest.raises(CannotBuild, match=r"^refused_functions\.raises: raises ValueError"):
        build([("f", "refused_functions:raises", "int64")])


def test_a_build_needs_something_to_do():
    with pytest.raises(ValueError, match="at least one export"):
        build([])
    with pytest.raises(ValueError, match="two exports are called 'f'"):
        build([("f", "small_functions:erf", "float64"), ("f", "small_functions:prime", "int64")])
    with pytest.raises(ValueError, match="a cache needs a key"):
        build([("f", "small_functions:erf", "float64")], cache="somewhere")


@pytest.mark.parametrize("number", ["", ".4"])  # LLVM numbers the second of a name
def test_the_hash_beside_a_pickle_is_not_read_as_one(number):
    """Its bytes may say anything: here, a string of 2 to the power of 63 bytes."""
    data = r"\8E" + r"\FF" * 8 + "abcdefghijk"
    code = f'@.const.pickledata.ab.sha1{number} = internal constant [20 x i8] c"{data}"'
    assert Origins(code, {}).exceptions == {}
