"""What is in a module: sizes, its manifest, imports, memory, the cache, and the command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_functions
from wasmtime_runner import Runner

from virtlab.wasm import __main__, build

SHARED = [
    (name, f"small_functions:{name}", "float64, float64[:]")
    for name in ("of_math", "of_math_of_double")
]
MOST_BYTES = 2_000


def test_the_manifest_says_how_to_call():
    module = build([("weigh", "small_functions:weigh", small_functions.ACCEPTED["weigh"])])
    number = {"type": "f64", "dtype": "float64"}
    assert module.manifest["functions"] == {
        "weigh": {
            "params": [
                {
                    "name": "pair",
                    "type": "tuple",
                    "fields": [
                        {"name": "numbers", "type": "array", "dtype": "int32", "ndim": 1},
                        {"name": "weights", "type": "array", "dtype": "float64", "ndim": 1},
                    ],
                },
                {
                    "name": "scale",
                    "type": "tuple",
                    "fields": [{"name": "0", **number}, {"name": "1", **number}],
                },
            ],
            "result": "f64",
            "result_dtype": "float64",
        }
    }
    assert module.manifest["imports"] == []
    assert json.loads(module.json) == module.manifest
    assert len(module.data) < MOST_BYTES


def test_a_layout_is_where_numpy_has_the_fields():
    module = build([("change_all", "small_functions:change_all", "small_functions:STATE[:]")])
    (layout,) = module.manifest["layouts"].values()
    state = small_functions.STATE
    assert module.manifest["layouts"].keys() == {"STATE"}
    assert layout["bytes"] == state.itemsize
    fields = layout["fields"]
    assert fields["count"] == {"offset": state.fields["count"][1], "dtype": "int64", "shape": []}
    assert fields["table"]["shape"] == [2, 3]
    assert fields["place.y"] == {
        "offset": state.fields["place"][1] + small_functions.POINT.fields["y"][1],
        "dtype": "float32",
        "shape": [],
    }


def test_a_callee_of_two_exports_is_there_once():
    both = build(SHARED)
    alone = [build([export]) for export in SHARED]
    assert len(both.data) < 0.7 * sum(len(each.data) for each in alone)


def test_nothing_is_imported_but_memory_and_mathematics():
    module = build([("f", "small_functions:of_math", "float64, float64[:]")])
    assert set(module.manifest["imports"]) <= set(
        "acos acosh asin asinh atan atan2 atanh cbrt cos cosh exp expm1 hypot log log10 log1p log2"
        " pow sin sinh tan tanh".split()
    )


def test_constants_lie_behind_the_stack_and_memory_is_free_behind_them():
    module = build([("prime", "small_functions:prime", "int64")])
    manifest = module.manifest
    n_bytes = small_functions.PRIMES.nbytes
    assert manifest["stack_bytes"] + n_bytes <= manifest["data_end"]
    assert manifest["data_end"] < manifest["stack_bytes"] + n_bytes + 64
    runner = Runner(module)
    assert [runner.call("prime", k) for k in range(8)] == list(small_functions.PRIMES)


def test_a_stack_that_is_too_deep_traps_and_overwrites_nothing():
    module = build([("dive", "small_functions:dive", "int64, int64[:]")])
    runner = Runner(module)
    place = runner.array(np.zeros(64, np.int64))
    assert runner.call("dive", 3, place) == small_functions.dive(3, np.zeros(64, np.int64))
    before = runner.view(place).copy()
    with pytest.raises(Exception, match=r"out of bounds|exhausted|unreachable"):
        runner.call("dive", 10_000_000, place)
    assert (runner.view(place)[1:] == before[1:]).all()


def test_the_same_sources_give_the_same_bytes():
    exports = [("sums", "small_functions:sums", small_functions.ACCEPTED["sums"])]
    assert build(exports) == build(exports)


def test_a_kept_module_is_taken_while_its_key_stays(tmp_path):
    exports = [("erf", "small_functions:erf", "float64")]
    first = build(exports, cache=tmp_path, key="one")
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    assert build(exports, cache=tmp_path, key="one") == first
    assert kept.stat().st_mtime_ns == written
    build(exports, cache=tmp_path, key="two")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_numba_kept_for_this_processor_is_not_used(tmp_path, monkeypatch):
    """A function with cache=True, called here before, is compiled anew for the page."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    (tmp_path / "kept_function.py").write_text(
        "from numba import njit\n@njit(cache=True)\ndef f(x):\n    return x * 3\nf(2)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    module = build([("f", "kept_function:f", "int64")])
    assert Runner(module).call("f", 5) == 15


def test_the_command_writes_module_and_manifest(tmp_path, root):
    output = tmp_path / "prime.wasm"
    done = run_command("small_functions:prime", "int64", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{output}: ") and done.stdout.count("\n") == 1
    manifest = json.loads(output.with_suffix(".json").read_text("utf-8"))
    assert list(manifest["functions"]) == ["prime"]
    assert output.read_bytes().startswith(b"\0asm")


def test_the_command_says_in_one_sentence_why_not(tmp_path):
    done = run_command("refused_functions:raises", "int64", "-o", str(tmp_path / "f.wasm"))
    assert done.returncode == 1
    assert done.stderr == (
        "refused_functions.raises: raises ValueError (too large), line 39; "
        "return a value instead.\n"
    )
    assert not list(tmp_path.iterdir())


def run_command(*arguments):
    here = str(Path(__file__).parent)
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from virtlab.wasm.__main__ import main; sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", program, here, *arguments],
        cwd=Path(__main__.__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
