"""What is an exercise? A text, a grade, and a way to judge an answer; variants come from a seed.

An exercise is declared once, in `chapters`. It holds no answer: for a variant, given by a seed, it
draws numbers, and when an answer is checked the right one is computed from them on the model.

    Number        a quantity with a unit and a tolerance
    Choice        one of some options
    Code          a handler, a guest program or a policy, judged by what it does
    Explanation   words, compared with key points by the learner
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from virtlab.labs.quantity import quantity, written

GRADES = {1: "change a parameter", 2: "explain or compute", 3: "write code", 4: "find out"}
N_TRIALS = 4  # hidden variants by which code is judged


class Draw(dict):
    """The numbers of a variant, by name and as attributes."""

    __getattr__ = dict.__getitem__


@dataclass(frozen=True)
class Finding:
    """What a kind of exercise has found out about an answer."""

    right: bool
    words: str = ""
    hint: str = ""
    printed: str = ""


@dataclass(frozen=True)
class Number:
    """A quantity.

    value : from the variant's numbers to the right answer, on the model
    unit : str
    tolerance : float, relative; 0 asks for the number itself
    mistakes : pairs (wrong value from the right one and the numbers, hint)
    base : 16 if the number is an address or an entry
    """

    value: Callable[[Draw], int | float]
    unit: str = ""
    tolerance: float = 0.0
    mistakes: Sequence[tuple[Callable, str]] = ()
    base: int = 10

    def ask(self, draw: Draw) -> str:
        """What kind of answer is wanted, in words."""
        number = f"a number of {self.unit}" if self.unit else "a number"
        if self.unit == "%":
            number = "a percentage"
        return number + (f", within {self.tolerance:.0%}" if self.tolerance else "")

    def judge(self, answer, draw: Draw, because: str) -> Finding:
        given = quantity(answer, self.unit)
        right = self.value(draw)
        if self._near(given, right):
            return Finding(True, f"{written(right, self.unit, self.base)}. {because}".strip())
        hint = next(
            (text for wrong, text in self.mistakes if self._near(given, wrong(right, draw))), ""
        )
        if not hint:
            hint = _size(given, right)
        return Finding(False, f"It is not {written(given, self.unit, self.base)}.", hint)

    def _near(self, given, right) -> bool:
        return abs(given - right) <= self.tolerance * abs(right)


def _size(given, right) -> str:
    """A hint from the size alone."""
    if right and given * right < 0:
        return "The sign is the other one."
    if abs(given) > 8 * abs(right):
        return "That is far too many: is something counted once for each instruction?"
    if 8 * abs(given) < abs(right):
        return "That is far too few: what happens in each round?"
    return f"It is a little {'less' if given > right else 'more'}; run it and count the log."


@dataclass(frozen=True)
class Choice:
    """One of some options.

    options : from the variant's numbers to the options
    value : from the numbers to the right one, on the model
    hints : hint for each option that is wrong
    """

    options: Callable[[Draw], Sequence[str]]
    value: Callable[[Draw], str]
    hints: Callable[[Draw], dict[str, str]] | None = None

    def ask(self, draw: Draw) -> str:
        """What kind of answer is wanted, in words."""
        return "one of: " + "; ".join(self.options(draw))

    def judge(self, answer, draw: Draw, because: str) -> Finding:
        options = list(self.options(draw))
        given = chosen_option(answer, options)
        right = self.value(draw)
        if given == right:
            return Finding(True, f"{right}. {because}".strip())
        hints = self.hints(draw) if self.hints else {}
        hint = hints.get(given, "Run it on the model and look at the counts.")
        return Finding(False, f"It is not {given!r}.", hint)


def chosen_option(answer, options: list[str]) -> str:
    """The option that an answer names, in full or by its number from 1 on."""
    accepted = "accepted are " + ", ".join(map(repr, options)) + f", or 1 to {len(options)}."
    if answer is None or (type(answer) is str and not answer.strip()):
        raise UnansweredError(f"There is no answer yet; {accepted}")
    if type(answer) is str:
        wanted = answer.strip().casefold()
        for option in options:
            if option.casefold() == wanted:
                return option
        answer = int(wanted) if wanted.isdecimal() and len(wanted) < 4 else answer
    if type(answer) is int and 1 <= answer <= len(options):
        return options[answer - 1]
    text = repr(answer)[:60] if type(answer) in (str, int, float) else type(answer).__name__
    raise UnansweredError(f"{text} is none of the options; {accepted}")


class UnansweredError(ValueError):
    """There is nothing that could be judged."""


@dataclass(frozen=True)
class Code:
    """A program, judged on hidden variants.

    form : "handler", "policy" (Python), "assembly" or "C"
    trial : runs an answer on one variant's numbers and returns a hint, or None if all is right;
        for Python the answer is a `Candidate`, for assembly its text, for C the compiled image
    start : str, what the learner begins with
    wants : str, what kind of answer is wanted
    draw : the numbers of a hidden variant
    empty : names in which the answer collects; each trial begins with them empty
    rest : of C, what is compiled behind the answer
    """

    form: str
    trial: Callable
    start: str
    wants: str
    draw: Callable[[random.Random], dict]
    n_trials: int = N_TRIALS
    empty: tuple[str, ...] = ()
    rest: str = ""

    @property
    def python(self) -> bool:
        """Whether the answer is a function in Python; else it is the text of a guest program."""
        return self.form in ("handler", "policy")

    def ask(self, draw: Draw) -> str:
        """What kind of answer is wanted, in words."""
        return self.wants


@dataclass(frozen=True)
class Explanation:
    """Words of the learner's own; nobody but the learner judges them.

    points : what a good explanation mentions
    """

    points: tuple[str, ...]

    def ask(self, draw: Draw) -> str:
        """What kind of answer is wanted, in words."""
        return "your own words; then compare them with the key points"


Kind = Number | Choice | Code | Explanation


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    id : chapter and number, such as "02.1"
    grade : 1 change a parameter, 2 explain or compute, 3 write code, 4 find out
    title : str, a few words
    text : from the variant's numbers to the question
    kind : Number, Choice, Code or Explanation
    draw : from a random generator to the variant's numbers
    because : why the answer is what it is, from the numbers
    step : a worked step, shown after the third wrong answer, from the numbers
    """

    id: str
    grade: int
    title: str
    text: Callable[[Draw], str]
    kind: Kind
    step: Callable[[Draw], str]
    draw: Callable[[random.Random], dict] = field(default=lambda rng: {})
    because: Callable[[Draw], str] = field(default=lambda draw: "")

    def numbers(self, seed: int) -> Draw:
        """The numbers of a variant; the same for the same seed."""
        return Draw(self.draw(generator(self.id, "variant", seed)))

    def trials(self, secret: str = "") -> list[Draw]:
        """The numbers of the hidden variants by which code is judged.

        secret : str, for variants that nobody without it can know
        """
        kind, more = self.kind, (secret,) if secret else ()
        draws = (kind.draw(generator(self.id, "trial", k, *more)) for k in range(kind.n_trials))
        return [Draw(draw) for draw in draws]


def generator(*names) -> random.Random:
    """Random numbers that depend on the names alone, in every version of Python."""
    digest = hashlib.sha256(repr(names).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "little"))
