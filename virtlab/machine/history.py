"""How the machine came to be where it is: what was done to it from outside, and snapshots.

A guest repeats itself exactly. To reach an earlier step it is therefore enough to restore the
nearest snapshot before it, to run on, and to do again at the same steps what was done from outside.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from virtlab.machine.loader import Image
from virtlab.machine.snapshot import Snapshot

SNAPSHOTS_KEPT = 64


@dataclass(frozen=True)
class Action:
    """Something from outside that changed the machine at one step.

    kind : "type", "memory", "register" or "pc"
    where : int, the physical address or the register's number
    data : bytes, what was typed, or the new contents
    """

    steps: int
    kind: str
    where: int
    data: bytes


class History:
    """What was loaded, what was done from outside, and snapshots in order of their steps.

    Of the actions the first `done` have been done. The others belong to a future from which the
    machine was taken back.
    """

    def __init__(
        self,
        image: Image | None,
        symbols: dict[str, int],
        snapshots: list[Snapshot],
        actions: Sequence[Action] = (),
    ):
        self.image = image
        self.symbols = symbols
        self.snapshots = snapshots
        self.actions = list(actions)
        self.done = len(self.actions)

    def add(self, action: Action) -> None:
        """A new action starts a new future; the one that was known is forgotten."""
        del self.actions[self.done :]
        self.snapshots = [s for s in self.snapshots if s.steps <= action.steps]
        self.actions.append(action)

    @property
    def next_steps(self) -> int | None:
        """The step of the next action to be done, None if all have been."""
        return self.actions[self.done].steps if self.done < len(self.actions) else None

    def take_due(self, steps: int) -> Action | None:
        """The next action if it belongs to this step; it counts as done."""
        if self.next_steps != steps:
            return None
        self.done += 1
        return self.actions[self.done - 1]

    def keep(self, taken: Snapshot) -> None:
        """Add a snapshot. When there are many, the older ones are thinned out."""
        if self.snapshots[-1].steps < taken.steps:
            self.snapshots.append(taken)
        if len(self.snapshots) > SNAPSHOTS_KEPT:
            half = SNAPSHOTS_KEPT // 2
            self.snapshots = self.snapshots[:half:2] + self.snapshots[half:]

    def nearest(self, steps: int) -> Snapshot:
        """The last snapshot at or before a step.

        Raises
        ------
        ValueError
            nothing is known about that time
        """
        k = bisect_right(self.snapshots, steps, key=lambda s: s.steps) - 1
        if k < 0:
            first = self.snapshots[0].steps
            raise ValueError(
                f"cannot go to step {steps:,}: what is known begins at step {first:,}."
            )
        return self.snapshots[k]

    def up_to(self, steps: int) -> "History":
        """A copy without any future."""
        kept = [s for s in self.snapshots if s.steps <= steps]
        return History(self.image, self.symbols, kept, self.actions[: self.done])
