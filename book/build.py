"""Build the site: python3 lab.py book, or this file with the Python of .venv.

Warnings are errors, and all of them are shown. The site is book/_build/html, or below --output.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command(output: Path, source: Path = ROOT) -> list[str]:
    """The jupyter-book command that builds the book under `source` into `output`/_build/html."""
    build = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    return [
        *(sys.executable, "-c", build, "build", str(source)),
        *("--config", str(source / "book" / "_config.yml")),
        *("--toc", str(source / "book" / "_toc.yml")),
        *("--path-output", str(output)),
        *("-W", "-n", "--keep-going", "--quiet"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the site of the book.")
    parser.add_argument("--output", type=Path, default=ROOT / "book", help="default: book/")
    arguments = parser.parse_args()
    return subprocess.call(command(arguments.output), cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
