"""How good is the model? python -m virtlab.published [--json] [ID ...]."""

import argparse
import json
import sys

from virtlab.published.registry import reproduction, reproductions, scores
from virtlab.published.report import as_text
from virtlab.published.tables import DataError


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m virtlab.published",
        description="Print what the model predicts beside what papers have published.",
    )
    parser.add_argument("--json", action="store_true", help="print a list of all scored cells")
    parser.add_argument("id", nargs="*", help="only these reproductions, for example R0 R3")
    options = parser.parse_args(arguments)
    try:
        wanted = [reproduction(name) for name in options.id or reproductions()]
    except DataError as problem:
        print(f"virtlab.published: {problem}", file=sys.stderr)
        return 2
    if options.json:
        found = [score.as_dict() for one in wanted for score in scores(one.id)]
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(as_text([(one, scores(one.id)) for one in wanted]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
