"""Build the site: python3 lab.py book [--pdf], or this file with the Python of .venv.

Warnings are errors, and all of them are shown. The site is book/_build/html, or below --output;
--pdf prints the whole book to book/_build/virtlab.pdf instead.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from pdf import PdfError, print_page

ROOT = Path(__file__).resolve().parents[1]


def command(output: Path, source: Path = ROOT, builder: str = "html") -> list[str]:
    """The command that builds the book under `source` into `output`/_build/`builder`."""
    build = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    return [
        *(sys.executable, "-c", build, "build", str(source)),
        *("--config", str(source / "book" / "_config.yml")),
        *("--toc", str(source / "book" / "_toc.yml")),
        *("--path-output", str(output)),
        *("--builder", builder),
        *("-W", "-n", "--keep-going", "--quiet"),
    ]


def build_pdf(output: Path) -> int:
    """Print the book to `output`/_build/virtlab.pdf."""
    failed = subprocess.call(command(output, builder="singlehtml"), cwd=ROOT)
    if failed:
        return failed
    pdf = output.resolve() / "_build" / "virtlab.pdf"
    try:
        print_page(output / "_build" / "singlehtml" / "intro.html", pdf)
    except PdfError as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        return 1
    print(f"The book is printed: {pdf}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the site of the book.")
    parser.add_argument("--output", type=Path, default=ROOT / "book", help="default: book/")
    parser.add_argument("--pdf", action="store_true", help="print the whole book to one PDF")
    arguments = parser.parse_args()
    if arguments.pdf:
        return build_pdf(arguments.output)
    return subprocess.call(command(arguments.output), cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
