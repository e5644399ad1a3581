"""What is said about an answer: the verdict, a hint that fits the mistake, a worked step."""

import re
from dataclasses import dataclass
from html import escape

OUTCOMES = {
    "right": "right.",
    "wrong": "not yet.",
    "unreadable": "no verdict.",  # nothing that could be judged, and not counted as a try
    "recorded": "kept, for you to judge.",  # an explanation
}


def marked(text: str) -> str:
    """Text as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


@dataclass(frozen=True)
class Verdict:
    """The answer to an answer; true in a condition if the answer is right.

    exercise : str, such as "02.1"; seed : int, which variant
    outcome : "right", "wrong", "unreadable" or "recorded"
    words : str, what was found, for a right answer also why
    hint : str, for a wrong one
    step : str, a worked step, from the third wrong answer on
    printed : str, what the code printed
    remark : str, what became of the record of it, if that needs a word
    """

    exercise: str
    seed: int
    outcome: str
    words: str = ""
    hint: str = ""
    step: str = ""
    printed: str = ""
    remark: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.outcome == "right"

    def __bool__(self) -> bool:
        return self.right

    @property
    def name(self) -> str:
        """The exercise, and the variant if it is not the one that is shown first."""
        return self.exercise if self.seed == 0 else f"{self.exercise}, variant {self.seed}"

    def _parts(self) -> list[tuple[str, str]]:
        parts = [(f"{self.name}: {OUTCOMES[self.outcome]}", self.words)]
        parts += [("Hint.", self.hint)] if self.hint else []
        parts += [("A worked step.", self.step)] if self.step else []
        parts += [("", self.remark)] if self.remark else []
        return parts

    def __repr__(self) -> str:
        lines = [" ".join(part for part in pair if part) for pair in self._parts()]
        if self.printed.strip():
            lines.append("Printed by the answer:")
            lines += [f"  | {line}" for line in self.printed.splitlines()[:20]]
        return "\n".join(lines)

    def html(self) -> str:
        """The same for a page: paragraphs, announced to a screen reader."""
        paragraphs = "".join(
            f"<p><strong>{escape(head)}</strong> {marked(text)}</p>" for head, text in self._parts()
        )
        if self.printed.strip():
            text = "\n".join(self.printed.splitlines()[:20])
            paragraphs += f"<p>Printed by the answer:</p><pre>{escape(text)}</pre>"
        return f"<div class='vl' role='status'>{paragraphs}</div>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}
