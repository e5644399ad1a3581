"""Boxes on Linux from the command line.

python -m virtlab.containers.linux COMMAND ...   run a command in a box
python -m virtlab.containers.linux --probe       what this machine allows
python -m virtlab.containers.linux --record      record every demonstration anew
"""

import argparse
import sys

from virtlab.containers.linux.boxes import RefusedError, box
from virtlab.containers.linux.records import record
from virtlab.containers.linux.trials import probe


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; returns the exit code: the command's, or 125 if the box was refused."""
    parser = argparse.ArgumentParser(prog="python -m virtlab.containers.linux")
    parser.add_argument("--probe", action="store_true", help="say what this machine allows")
    parser.add_argument("--record", action="store_true", help="record every demonstration anew")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command to run in a box")
    options = parser.parse_args(arguments)
    try:
        if options.probe:
            print(probe())
        elif options.record:
            record()
        elif options.command:
            result = box(options.command)
            sys.stdout.write(result.stdout)
            sys.stderr.write(result.stderr)
            return result.status if result.status >= 0 else 128 - result.status
        else:
            parser.print_usage()
            return 2
    except RefusedError as error:
        print(error.strerror or error, file=sys.stderr)
        return 125
    return 0


if __name__ == "__main__":
    sys.exit(main())
