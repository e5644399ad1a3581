"""One random guest again: `python -m tests.hypervisors.replay SEED [VARIANT]`.

Prints how it ends on bare metal and under each variant (all, or those whose name begins so), and
where they part.
"""

import sys

from tests.hypervisors import comparison
from tests.hypervisors.random_guests import Guest


def main(arguments: list[str]) -> int:
    """Replay; returns 1 if anything differs."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    wanted = arguments[1] if len(arguments) > 1 else ""
    guest = Guest(int(arguments[0], 0))
    m = comparison.bare(guest.setting)
    print(f"profile {guest.profile}, {guest.setting}: {comparison.run(m, guest).stop} at {m!r}")
    variants = [each for each in comparison.VARIANTS if str(each).startswith(wanted)]
    different = comparison.compare(guest, variants)
    for variant in variants:
        print(different.get(variant, f"{variant}: the same"))
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
