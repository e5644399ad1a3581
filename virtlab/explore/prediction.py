"""What do you expect? A question before a run, and the guess beside the result after it.

`predict` asks; `reveal`, in a cell after the run, answers. A guess is remembered by its key for as
long as the kernel lives, and running the question again keeps it. Where nobody can answer (a page,
a run without a reader) the question stands with its choices, and the result is folded away until
asked for.
"""

import dataclasses
from collections.abc import Sequence
from html import escape

from virtlab.explore.live import view_of
from virtlab.explore.palette import style

Answer = str | int | float

guesses: dict[str, Answer] = {}
_asked: dict[str, "Prediction"] = {}


class Prediction:
    """A question with room for an answer.

    Parameters
    ----------
    question : str
    choices : the possible answers; without them a whole number is asked for
    key : str, the name `reveal` uses
    unit : str, of a number
    """

    def __init__(self, question: str, choices: Sequence[Answer], key: str, unit: str):
        import ipywidgets

        self.question, self.choices, self.key, self.unit = question, tuple(choices), key, unit
        self.outcome: Outcome | None = None
        if self.choices:
            options = [(written(choice), choice) for choice in self.choices]
            self.entry = ipywidgets.RadioButtons(options=options, value=guesses.get(key))
            self.entry.layout.width = "100%"
        else:
            self.entry = ipywidgets.Text(
                value=str(guesses.get(key, "")), placeholder="a whole number", description=unit
            )
        self.button = ipywidgets.Button(description="Record my guess")
        self.remark = ipywidgets.HTML()
        asked = ipywidgets.HTML(f"<p><strong>Predict.</strong> {escape(question)}</p>")
        rules = ipywidgets.HTML(f"<style>{style()}</style>")
        self.widget = ipywidgets.VBox([rules, asked, self.entry, self.button, self.remark])
        self.widget.add_class("vl")
        self.button.on_click(self.record)
        self._say()

    def record(self, button=None) -> None:
        """Keep what the reader has entered; say what is accepted if it cannot be used."""
        value = self.entry.value
        if not self.choices:
            try:
                value = int(str(value).replace(",", "").replace("_", "").strip(), 0)
            except ValueError:
                self.remark.value = (
                    f"<p role='status'>{escape(repr(value))} is no whole number.</p>"
                )
                return
        if value is None:
            self.remark.value = "<p role='status'>Choose one of the answers first.</p>"
            return
        guesses[self.key] = value
        self._say()

    def _say(self) -> None:
        if self.key not in guesses:
            self.remark.value = ""
        elif self.outcome is None:
            guess = escape(written(guesses[self.key]))
            self.remark.value = f"<p role='status'>Your guess: {guess}. Now run the next cells.</p>"
        else:
            outcome = dataclasses.replace(self.outcome, guess=guesses[self.key])
            self.remark.value = f"<div role='status'>{outcome.table()}</div>"

    def settle(self, outcome: "Outcome") -> None:
        """The result is known: show it beside a guess, now or when one is made."""
        self.outcome = outcome
        self._say()

    def __repr__(self) -> str:
        lines = [f"Predict. {self.question}"]
        lines += [f"  ( ) {written(choice)}" for choice in self.choices]
        return "\n".join(lines if self.choices else [*lines, f"  ____ {self.unit}".rstrip()])

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/plain": repr(self), "text/html": self.html()} | view_of(self.widget)

    def html(self) -> str:
        """The question as a page shows it."""
        items = "".join(f"<li>{escape(written(choice))}</li>" for choice in self.choices)
        room = (
            f"<ul>{items}</ul>"
            if items
            else f"<p>A number{' of ' + self.unit if self.unit else ''}.</p>"
        )
        return (
            f"<style>{style()}</style>\n<div class='vl'>"
            f"<p><strong>Predict.</strong> {escape(self.question)}</p>{room}</div>"
        )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Guess and result side by side; `guess` is None where no reader has answered."""

    question: str
    result: Answer
    because: str
    guess: Answer | None = None

    def __repr__(self) -> str:
        guess = "no guess" if self.guess is None else f"guess {written(self.guess)}"
        return f"{guess}, result {written(self.result)}. {self.because}".strip()

    def table(self) -> str:
        """Guess, result and the reason, as HTML."""
        guess = "none yet" if self.guess is None else written(self.guess)
        right = self.guess == self.result
        verdict = "" if self.guess is None else " Right." if right else " They differ."
        return (
            "<table aria-label='guess and result'><thead><tr><th scope='col'>your guess</th>"
            "<th scope='col'>result</th></tr></thead><tbody><tr>"
            f"<td>{escape(guess)}</td><td>{escape(written(self.result))}</td></tr></tbody></table>"
            f"<p>{escape(self.because)}{verdict}</p>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        body = self.table()
        if self.guess is None:
            body = f"<details><summary>Show the result</summary>{body}</details>"
        html = f"<style>{style()}</style>\n<div class='vl'>{body}</div>"
        return {"text/plain": repr(self), "text/html": html}


def written(value: Answer) -> str:
    """A number with thousands separated, anything else as it is."""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def predict(
    question: str, choices: Sequence[Answer] = (), *, key: str, unit: str = ""
) -> Prediction:
    """Ask before a run. With `choices` one of them is picked, without them a whole number is typed.

    Raises
    ------
    ValueError if there is exactly one choice.
    """
    if len(choices) == 1:
        raise ValueError(
            f"a prediction with one choice, {choices[0]!r}, asks nothing; give two or more"
        )
    if guesses.get(key) not in (None, *choices) and choices:
        del guesses[key]
    _asked[key] = Prediction(question, choices, key, unit)
    return _asked[key]


def reveal(key: str, result: Answer, because: str = "") -> Outcome:
    """Show the guess recorded under `key` beside the result of the run.

    Raises
    ------
    KeyError if no question with that key has been asked.
    """
    if key not in _asked:
        known = ", ".join(map(repr, _asked)) or "none"
        raise KeyError(f"no question has the key {key!r}; asked so far: {known}")
    asked = _asked[key]
    outcome = Outcome(asked.question, result, because, guesses.get(key))
    asked.settle(outcome)
    return outcome
