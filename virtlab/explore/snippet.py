"""What does my own program do? A few lines of assembly, run one by one, with what each changed.

On a page without Python the trace has a player below it, with the program in an editor and the
machine where the program left it: there a reader goes back, changes a line, and runs it again.
"""

import dataclasses

from virtlab.explore.drawing import Drawing, count, grouped_hex
from virtlab.explore.figures.registers import decimal

LIMIT = 1_000  # instructions; a snippet that needs more is in a loop without end


@dataclasses.dataclass(frozen=True)
class Step:
    """One executed instruction: where, what, and which registers it changed."""

    pc: int
    text: str
    changed: dict[str, int]


class Snippet:
    """A program that has run, with its trace.

    Attributes
    ----------
    text : the program, as assembly
    machine : the machine it ran on, as the program left it
    steps : list of Step, in order of execution
    ending : str, why it stopped
    """

    def __init__(self, text: str, machine, steps: list[Step], ending: str):
        self.text, self.machine, self.steps, self.ending = text, machine, steps, ending

    @property
    def registers(self):
        """The registers at the end: `snippet.registers["a0"]`."""
        return self.machine.registers

    def drawing(self) -> Drawing:
        """The trace as a figure."""
        rows = tuple(
            (
                number,
                grouped_hex(step.pc),
                step.text,
                ", ".join(f"{name} = {decimal(value)}" for name, value in step.changed.items()),
            )
            for number, step in enumerate(self.steps, 1)
        )
        final: dict[str, int] = {}
        for step in self.steps:
            final |= step.changed
        values = ", ".join(f"{name} = {decimal(value)}" for name, value in final.items())
        text = f"{self.ending} At the end: {values or 'no register changed'}."
        columns = ("step", "pc", "instruction", "registers it changed")
        title = f"Your program, {count(len(self.steps), 'instruction')} executed"
        return Drawing(title, text, columns, rows)

    def __repr__(self) -> str:
        drawing = self.drawing()
        lines = [drawing.title]
        lines += [
            f"{n:5}  {pc}  {text:24}  {changed}".rstrip() for n, pc, text, changed in drawing.rows
        ]
        return "\n".join([*lines, drawing.text])

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """The trace, and what a page needs to let its reader change the program and run it."""
        from virtlab.explore.player import live

        drawing = self.drawing()
        return live(self.machine, drawing.picture(drawing.table()), self.text, keep=True)


def run_asm(text: str, limit: int = LIMIT, machine=None) -> Snippet:
    """Assemble a program, run it in machine mode from the base of RAM, and trace every instruction.

    It stops when the program runs off its end, traps, ends the machine, or has executed `limit`
    instructions.

    Parameters
    ----------
    text : str, assembly, one instruction a line
    limit : int, at least 1
    machine : a `virtlab.machine.Machine` to run it on; without it, a new one

    Raises
    ------
    virtlab.isa.assembler.AssemblyError, one sentence with line and column
    ValueError if `limit` is below 1
    """
    from virtlab.isa.assembler import assemble
    from virtlab.machine import Machine

    if limit < 1:
        raise ValueError(f"limit is {limit}; a program needs at least 1 instruction")
    program = assemble(text)
    machine = (machine or Machine(ram="1M")).load(program)
    end = program.base + len(program.data)
    steps: list[Step] = []
    ending = f"Stopped after {count(limit, 'instruction')}, the limit."
    before = dict(machine.registers)
    while len(steps) < limit:
        pc, n_events = machine.pc, len(machine.events)
        ((_, _, instruction),) = machine.disassemble(pc, n=1, before=0)
        machine.step()
        after = dict(machine.registers)
        steps.append(
            Step(pc, instruction, {name: v for name, v in after.items() if v != before[name]})
        )
        before = after
        trapped = [event for event in machine.events[n_events:] if event.kind != "return"]
        if trapped:
            ending = f"Instruction {len(steps)} trapped: {trapped[0].cause_name}."
            break
        if machine.exit_code is not None:
            ending = f"The program ended the machine with exit code {machine.exit_code}."
            break
        if machine.pc == end:
            ending = "The program ran off its last line."
            break
    return Snippet(text, machine, steps, ending)
