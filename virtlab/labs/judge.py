"""Does this code do what was asked? It is run on hidden variants, and what it did is compared.

Python (a handler, a policy) runs in a child process (candidate.py); the machine and the comparison
are here. Assembly and C are guests: the machine is what confines them, as it confines any guest,
and a budget of instructions ends a loop without an end. C is compiled once (c_program.py), and what
a trial puts into the guest's memory tells the variants apart.
"""

from virtlab.hypervisors.exits import ExitReason
from virtlab.hypervisors.virtual_machine import ModelError
from virtlab.isa.assembler import assemble
from virtlab.isa.source import AssemblyError
from virtlab.labs.answer_text import text_of
from virtlab.labs.c_program import NoCompilerError, ProgramError, compiled
from virtlab.labs.candidate import LONGEST_TEXT, AnswerError, Candidate, Limits
from virtlab.labs.exercise import Code, Exercise, Finding, UnansweredError
from virtlab.machine import ImageError, Stop

BUDGET = 1_000_000  # guest instructions in one trial


def judge_code(
    exercise: Exercise,
    answer,
    because: str,
    limits: Limits | None,
    secret: str = "",
    named: str | None = None,
) -> Finding:
    """Run an answer on the hidden variants of an exercise until one shows a mistake.

    secret : str, from which the variants are drawn; empty for those of the book
    named : str, the function if the answer is a text with several; the last one without it
    """
    kind = exercise.kind
    if answer is None or (type(answer) is str and not answer.strip()):
        raise UnansweredError(f"There is no answer yet; accepted is {kind.wants}.")
    if not kind.python:
        return _judge_guest(exercise, answer, because, secret)
    try:
        text, name = text_of(answer, kind.empty)
    except (TypeError, ValueError) as error:
        raise UnansweredError(str(error)[0].upper() + str(error)[1:]) from None
    printed = ""
    for draw in exercise.trials(secret):
        try:
            with Candidate(text, name or named, limits) as candidate:
                try:
                    hint = kind.trial(candidate, draw)
                finally:
                    printed = printed or candidate.printed
        except AnswerError as failure:
            if failure.kind == "empty":
                raise UnansweredError(str(failure)) from None
            return Finding(False, str(failure), HINTS.get(failure.kind, ""), printed)
        except (ModelError, ValueError) as error:
            return Finding(False, f"The machine could not go on: {error}", "", printed)
        if hint:
            return Finding(False, hint, "", printed)
    return Finding(
        True, f"All {kind.n_trials} hidden variants agree. {because}".strip(), "", printed
    )


HINTS = {
    "time": "Every call has to come back soon, and each has to bring the guest further.",
    "memory": "Keep what is needed from one call to the next, and no more.",
    "forbidden": "All that the answer needs comes in its arguments.",
    "form": "Compare what your function returns with what the exercise asks for.",
    "syntax": "Run the text in a cell of its own; Python then points to the place.",
}


def _judge_guest(exercise: Exercise, answer, because: str, secret: str) -> Finding:
    kind: Code = exercise.kind
    if type(answer) is not str:
        raise UnansweredError(
            f"An answer of type {type(answer).__name__}: accepted is {kind.wants}, as text."
        )
    if len(answer) > LONGEST_TEXT:
        return Finding(False, f"The answer is longer than {LONGEST_TEXT:,} characters.")
    program = answer
    if kind.form == "C":
        try:
            program = compiled(answer, kind.rest)
        except NoCompilerError as missing:
            raise UnansweredError(f"C cannot be judged here: {missing}") from None
        except ProgramError as refused:
            return Finding(False, str(refused))
    for draw in exercise.trials(secret):
        try:
            hint = kind.trial(program, draw)
        except AssemblyError as error:
            return Finding(False, f"The assembler says: {error}")
        except (ImageError, ModelError, ValueError) as error:
            return Finding(False, f"The machine could not go on: {error}")
        if hint:
            return Finding(False, hint)
    return Finding(True, f"All {kind.n_trials} hidden variants agree. {because}".strip())


# What the trials of several exercises do


def run_to(machine, label: str, budget: int = BUDGET) -> Stop | None:
    """Run a guest to one of its labels; None if it got there, else why it stopped."""
    if label not in machine.symbols:
        raise ValueError(f"the program has no label {label}.")
    target = machine.symbols[label]
    stop = machine.run(budget, until=target)
    return None if stop.reason == "until" and machine.pc == target else stop


def did_not_arrive(stop: Stop, what: str = "the program") -> str:
    """A sentence for a guest that never reached its last label."""
    if stop.reason == "budget":
        return (
            f"In {BUDGET:,} instructions {what} did not come to its end; it was at "
            f"{stop.pc:#x}, in {stop.mode}-mode. Is there a loop without an end?"
        )
    return f"It stopped before its end, at {stop.pc:#x}: {stop.detail}."


def run_handler(candidate: Candidate, vm, reason: ExitReason, label: str) -> str | None:
    """Run a guest to a label with an answer as the handler of one exit reason."""
    vm.handle(reason, candidate.handle)
    stop = run_to(vm, label)
    return None if stop is None else did_not_arrive(stop, "the guest")


def load(kind, text: str, **settings):
    """A machine of `kind` with an assembled program, which cannot go back."""
    base = settings.pop("base", 0x8000_0000)
    settings = {"ram": "1M", "record": False} | settings
    return kind(**settings).load(assemble(text, base=base))
