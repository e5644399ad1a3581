"""How is a WebAssembly module made? By a child process, or taken from a folder of earlier ones."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import llvmlite
import numba

from virtlab.wasm.refusal import CannotBuild

# Numba must neither optimize for this processor nor use what only this processor has.
SETTINGS = {
    "NUMBA_DISABLE_JIT": "0",
    "NUMBA_OPT": "0",
    "NUMBA_LOOP_VECTORIZE": "0",
    "NUMBA_SLP_VECTORIZE": "0",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_DISABLE_INTEL_SVML": "1",
    "NUMBA_COLOR_SCHEME": "no_color",
    "NUMBA_CAPTURED_ERRORS": "new_style",
}


@dataclass(frozen=True)
class Module:
    """A WebAssembly module.

    data : bytes, the module
    manifest : dict, plain data: how its functions are called (see manifest.py) and where its
        memory is free
    """

    data: bytes
    manifest: dict

    @property
    def json(self) -> str:
        """The manifest as a text that is always the same for the same module."""
        return json.dumps(self.manifest, separators=(",", ":"))


def build(exports, *, cache=None, key: str = "") -> Module:
    """Compile functions to one WebAssembly module.

    Parameters
    ----------
    exports : iterable of (name, path, types)
        name: what a page calls the function; path: where it is, as "package.module:function",
        decorated with Numba's `njit` or not at all; types: of its arguments, as one text such as
        "float64, int64[:]" or a list of such texts (see signature.py)
    cache : path of a folder in which modules are kept, or None
    key : text that changes when a source that is compiled changes; needed with a cache

    Raises
    ------
    CannotBuild
        a function needs what a page does not have, or cannot be found or compiled; the message is
        one sentence with the function's name and the reason

    Examples
    --------
    >>> module = build([("isleap", "calendar:isleap", "int64")])
    >>> module.manifest["functions"]["isleap"]["result_dtype"]
    'bool'
    """
    job = [
        [name, path, types if isinstance(types, str) else ", ".join(types)]
        for name, path, types in exports
    ]
    if not job:
        raise ValueError("build takes at least one export: (name, package.module:function, types).")
    names = [name for name, _, _ in job]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two exports are called {name!r}; accepted are different names.")
    if cache is None:
        return _compiled(job)
    if not key:
        raise ValueError("a cache needs a key that changes with the sources.")
    kept = Path(cache) / f"{_digest(job, key)}.wasm"
    if kept.exists():
        return _unpacked(kept.read_bytes())
    module = _compiled(job)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
        file.write(module.json.encode() + b"\n" + module.data)
    Path(file.name).replace(kept)  # at once, for others may be reading
    return module


def _digest(job: list, key: str) -> str:
    """A name for what `job` gives with these sources and this compiler."""
    digest = hashlib.sha256()
    for part in (json.dumps(job), key, numba.__version__, llvmlite.__version__):
        digest.update(part.encode() + b"\0")
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _unpacked(answer: bytes) -> Module:
    header, _, data = answer.partition(b"\n")
    return Module(data, json.loads(header))


def _compiled(job: list) -> Module:
    paths = [entry or str(Path.cwd()) for entry in sys.path]
    settings = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        done = subprocess.run(
            [sys.executable, "-m", "virtlab.wasm.child", str(answer)],
            input=json.dumps(job),
            env={**settings, "NUMBA_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise CannotBuild(f"the process that compiles has failed: {last}")
        module = _unpacked(answer.read_bytes())
    if "refused" in module.manifest:
        raise CannotBuild(module.manifest["refused"])
    return module
