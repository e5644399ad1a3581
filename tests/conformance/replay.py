"""Runs one random program again, or many: python -m tests.conformance.replay SEED [N]

    SEED      the number that a failing test printed; hexadecimal with 0x
    N         the programs of SEED, SEED + 1, ... instead of only one
    --save F  also writes the ELF file

Prints where the machine parts from Spike. The exit code is the number of programs that differ.
"""

import argparse
import sys
from pathlib import Path

from tests.conformance.harness import compare, describe, disagreements, programs


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("seed", type=lambda text: int(text, 0))
    parser.add_argument("n", type=int, nargs="?", default=1)
    parser.add_argument("--save", type=Path)
    given = parser.parse_args(arguments)
    if given.n == 1:
        image, (program,) = programs([given.seed])
        if given.save:
            given.save.write_bytes(image.data)
        result = compare(image)
        print(f"profile {program.profile}, {len(result.trace)} instructions on Spike")
        print("The same on both." if result.same else result.report())
        return 0 if result.same else 1
    found = disagreements(given.seed, given.n)
    print(describe(found) if found else "The same on both.")
    return min(len(found), 100)


if __name__ == "__main__":
    sys.exit(main())
