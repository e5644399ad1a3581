"""How does a reader meet an exercise? As text, and with a place for the answer.

On a page of the book that is a form, which static/exercise.js makes of the stored text. In
JupyterLab it is a widget made of the native controls of ipywidgets: a text field, a list of
options, or an area for code, a button for the verdict and one for another variant. All are reached
with the Tab key, and a verdict is announced to screen readers. Where nobody can answer, the
question stands as text.
"""

from html import escape
from pathlib import Path

from virtlab.explore import Drawing
from virtlab.explore.live import view_of
from virtlab.explore.palette import style
from virtlab.labs import desk
from virtlab.labs import progress as kept
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.exercise import Choice, Code, Explanation
from virtlab.labs.verdict import Verdict, marked


class Question:
    """An exercise in one of its variants.

    id : str; seed : int
    text : str, the question
    start : str, for code what to begin with
    """

    def __init__(self, id: str, seed: int = 0):
        self._exercise = desk.exercise(id)
        self.id, self.seed = id, desk.seed_of(seed)
        self._draw = self._exercise.numbers(self.seed)
        self.text = self._exercise.text(self._draw)
        kind = self._exercise.kind
        self.start = kind.start if isinstance(kind, Code) else ""
        self._entry = None

    @property
    def options(self) -> list[str]:
        """Of a choice, what there is to choose from."""
        kind = self._exercise.kind
        return list(kind.options(self._draw)) if isinstance(kind, Choice) else []

    def check(self, answer) -> Verdict:
        """As labs.check, for this variant."""
        return desk.check(self.id, answer, seed=self.seed)

    @property
    def title(self) -> str:
        """Number, title and grade."""
        name = self.id if self.seed == 0 else f"{self.id}, variant {self.seed}"
        return f"Exercise {name}: {self._exercise.title} ({desk.grade_name(self._exercise)})"

    def __repr__(self) -> str:
        lines = [self.title, self.text]
        lines += [f"  {k}. {option}" for k, option in enumerate(self.options, 1)]
        if not self.options:
            lines.append(f"Answer: {self._exercise.kind.ask(self._draw)}.")
        seed = f", seed={self.seed}" if self.seed else ""
        lines.append(f'labs.check("{self.id}", answer{seed})')
        return "\n".join(lines)

    def html(self) -> str:
        """The question as a page shows it."""
        return f"<style>{style()}</style>\n{self.block()}"

    def block(self) -> str:
        """The same without the style sheet; a page's script finds the parts by their classes."""
        items = "".join(f"<li>{marked(option)}</li>" for option in self.options)
        room = f"<ol>{items}</ol>" if items else f"<p>Answer: {marked(self._wanted())}.</p>"
        start = f"<pre>{escape(self.start)}</pre>" if self.start else ""
        return (
            f"<div class='vl vl-exercise' data-exercise='{self.id}' data-seed='{self.seed}'>"
            f"<div class='vl-asked'><p><strong>{escape(self.title)}</strong></p>"
            f"{_paragraphs(self.text)}</div>{start}<div class='vl-answer'>{room}</div></div>"
        )

    def _wanted(self) -> str:
        return self._exercise.kind.ask(self._draw)

    @property
    def widget(self):
        """The question with a place for the answer; made when it is first asked for."""
        if self._entry is None:
            self._entry = Entry(self)
        return self._entry.widget

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/plain": repr(self), "text/html": self.html()} | view_of(self.widget)


class Sheet:
    """Several exercises, one below the other.

    questions : list of Question
    """

    def __init__(self, ids):
        self.questions = [Question(id) for id in ids]
        self._widget = None

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.questions))

    def html(self) -> str:
        """The questions as a page shows them."""
        blocks = "\n".join(question.block() for question in self.questions)
        return f"<style>{style()}</style>\n{blocks}"

    @property
    def widget(self):
        """The questions with places for the answers; made when it is first asked for."""
        if self._widget is None:
            import ipywidgets

            self._widget = ipywidgets.VBox([question.widget for question in self.questions])
        return self._widget

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/plain": repr(self), "text/html": self.html()} | view_of(self.widget)


def _paragraphs(text: str) -> str:
    """Text as HTML; what follows the first line, a listing, keeps its columns."""
    first, _, rest = text.partition("\n")
    listing = f"<pre>{escape(rest.strip(chr(10)))}</pre>" if rest else ""
    return f"<p>{marked(first)}</p>{listing}"


class Entry:
    """The widget of a question: where the answer is entered, and what is said about it."""

    def __init__(self, question: Question):
        import ipywidgets

        self.question = question
        kind = desk.exercise(question.id).kind
        self.asked = ipywidgets.HTML()
        if isinstance(kind, Choice):
            self.field = ipywidgets.RadioButtons(options=question.options, value=None)
        elif isinstance(kind, Code | Explanation):
            self.field = ipywidgets.Textarea(value=question.start, rows=12, description="Answer")
        else:
            self.field = ipywidgets.Text(placeholder=question._wanted(), description="Answer")
        self.field.layout.width = "100%"
        self.button = ipywidgets.Button(description="Check")
        self.another = ipywidgets.Button(description="Other numbers")
        self.remark = ipywidgets.HTML()
        self.button.on_click(self.check)
        self.another.on_click(self.renew)
        varies = not isinstance(kind, Code | Explanation)
        buttons = ipywidgets.HBox([self.button, self.another] if varies else [self.button])
        self.widget = ipywidgets.VBox([self.asked, self.field, buttons, self.remark])
        self.widget.add_class("vl")
        self._ask()

    def _ask(self) -> None:
        question = self.question
        self.asked.value = (
            f"<style>{style()}</style><p><strong>{escape(question.title)}</strong></p>"
            f"{_paragraphs(question.text)}"
        )

    def check(self, button=None) -> None:
        """Judge what has been entered."""
        self.remark.value = self.question.check(self.field.value).html()

    def renew(self, button=None) -> None:
        """Ask the same with the numbers of the next variant."""
        self.question = Question(self.question.id, self.question.seed + 1)
        if isinstance(desk.exercise(self.question.id).kind, Choice):
            self.field.options = self.question.options
            self.field.value = None
        else:
            self.field.value = self.question.start
        self.remark.value = ""
        self._ask()


def show(*ids: str) -> Question | Sheet:
    """The exercise as everybody gets it first; several of them below one another."""
    return Question(*ids) if len(ids) == 1 else Sheet(ids)


def variant(id: str, seed: int) -> Question:
    """The exercise with other numbers; the same seed gives the same numbers."""
    return Question(id, seed)


def exercises() -> Drawing:
    """All exercises, with what you have done: a table.

    Raises
    ------
    ProgressError
        your progress file cannot be read
    """
    rows = desk.table()
    n_right = sum(1 for row in rows if row[3] == "yes")
    n_judged = sum(1 for one in EXERCISES.values() if not isinstance(one.kind, Explanation))
    words = (
        f"{n_right} of {n_judged} right; {len(rows) - n_judged} more are for your own judgement."
    )
    return Drawing("Exercises", words, kept.COLUMNS, tuple(tuple(map(str, row)) for row in rows))


def export(path) -> Path:
    """Copy your progress to a new file: everything as .json, or a table as .csv.

    Raises
    ------
    ValueError
        the file exists already, or its name ends otherwise
    ProgressError
        your progress file cannot be read
    """
    return kept.export(path, desk.table())
