"""Compile everything once for a whole class: python prepare_cache.py FOLDER [--chapters 00 01]

What the machine and the chapters compile is put below FOLDER, for VIRTLAB_SHARED_CACHE; after that
nobody in the class waits for a compiler. Run it as root, or whoever installs the book: a folder
that students could write to is refused by their kernels. Run it again after an update; it then
compiles what has changed. The hub's processors have to be of the kind it runs on (or set
NUMBA_CPU_NAME=generic here and in the hub).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BOOK = Path(__file__).resolve().parents[2]
RUN_CHAPTER = """
import sys
import nbformat
from nbclient import NotebookClient
chapter = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(chapter, timeout=600, kernel_name="python3").execute(cwd=sys.argv[2])
"""


def chapters(wanted: list[str]) -> list[Path]:
    """The chapters whose numbers are wanted; all without a wish."""
    there = sorted((BOOK / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [path for path in there if not wanted or path.name[:2] in wanted]


def prepare(folder: Path, wanted: list[str], say=print) -> None:
    """Fill the folder.

    Raises
    ------
    subprocess.CalledProcessError
        something does not run
    """
    os.umask(0o022)
    folder.mkdir(parents=True, exist_ok=True)
    known = {k: v for k, v in os.environ.items() if k != "VIRTLAB_SHARED_CACHE"}
    known |= {"VIRTLAB_CACHE": str(folder.resolve()), "VIRTLAB_PROGRESS": "off"}
    known["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BOOK), known.get("PYTHONPATH")]))
    say("compiling the machine")
    subprocess.run([sys.executable, "-m", "virtlab.warm"], env=known, check=True, stdout=2)
    for path in chapters(wanted):
        say(f"running {path.name}")
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-c", RUN_CHAPTER, str(path), place]
            subprocess.run(command, env=known, check=True, stdout=2)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile everything once for a whole class.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chapters", nargs="*", default=[], metavar="NN", help="default: all")
    options = parser.parse_args()
    try:
        prepare(options.folder, options.chapters)
    except subprocess.CalledProcessError as error:
        print(f"prepare_cache.py: {error.cmd[-2:]} failed; see above.", file=sys.stderr)
        return 1
    print(f"VIRTLAB_SHARED_CACHE={options.folder.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
