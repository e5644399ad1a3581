"""Who answers the front end of a player? The machine in Python, one message at a time.

The page's machine answers the same messages (static/worker.js).
"""

from virtlab.explore import view

METHODS = ("state", "step", "back", "goto", "run", "type", "reset", "walk", "assemble")
SLICE = 5_000_000  # instructions, about a hundredth of a second


class Driver:
    """A machine that is driven by messages.

    Attributes
    ----------
    machine : a `virtlab.machine.Machine`, or a virtual machine
    slice_instructions : int, how far one message runs the machine at most
    source : the program in the player's editor, None for a player without one
    """

    machine = None
    slice_instructions = SLICE
    source = None
    _shown_steps = 0

    def handle(self, message: dict) -> dict:
        """Answer one message of the front end.

        Parameters
        ----------
        message : {"method": one of METHODS, "argument": what the method takes, or None}

        Returns
        -------
        {"state": ...} as `view.state_of` describes; {"walk": ...} as `view.walk_of` does; or
        {"error": one sentence}, of a mistake in assembly text with its "line" and "column"
        """
        method, argument = message.get("method"), message.get("argument")
        if method not in METHODS:
            return {"error": f"the player has no method {method!r}; it has {', '.join(METHODS)}"}
        try:
            if method == "walk":
                return {"walk": view.walk_of(self.machine, argument["va"], argument["access"])}
            stop = getattr(self, f"_{method}")(argument)
            return {"state": self.state(stop)}
        except (ValueError, TypeError, RuntimeError) as error:
            place = {
                name: getattr(error, name) for name in ("line", "column") if hasattr(error, name)
            }
            return {"error": str(error)} | place

    def _state(self, argument) -> None:
        return None

    def _step(self, n: int) -> None:
        self.machine.step(n)

    def _back(self, n: int) -> None:
        self.machine.back(min(n, self.machine.steps))

    def _goto(self, steps: int) -> None:
        self.machine.goto(steps)

    def _run(self, until: str | None):
        if until is None:
            return self.machine.run(self.slice_instructions)
        known = view.until_of(self.machine)
        if until not in known:
            raise ValueError(f"{until} is no event; accepted are {', '.join(known)}.")
        return self.machine.run(self.slice_instructions, until=known[until])

    def _type(self, text: str) -> None:
        self.machine.type(text)

    def _reset(self, argument) -> None:
        self.machine.reset()

    def _assemble(self, text: str) -> None:
        if self.source is None:
            raise ValueError("this player has no editor; Player(source=...) makes one with it.")
        self.machine.load(assembled(text))
        self.source = self.draft = text

    @property
    def has_moved(self) -> bool:
        """Whether somebody else has moved the machine since the front end was told where it is."""
        return self.machine.steps != self._shown_steps

    def state(self, stop=None) -> dict:
        """What the front end draws; `view.state_of` says what that is."""
        self._shown_steps = self.machine.steps
        return view.state_of(self.machine, stop)


def assembled(source: str):
    """The program of an assembly text."""
    from virtlab.isa.assembler import assemble

    return assemble(source)
