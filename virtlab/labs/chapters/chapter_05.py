"""Exercises of chapter 05, OS-level virtualization: shares, doors, and what a number names."""

import functools
import struct

from virtlab import guests
from virtlab.containers.pith import boxes
from virtlab.labs.exercise import Code, Draw, Exercise, Number
from virtlab.labs.judge import BUDGET, did_not_arrive
from virtlab.machine import Machine

SHARED = ("pids", "host", "files", "network", "capabilities")  # words of box -share
PATIENCE = 200_000_000  # instructions until pith's shell asks for the next command


@functools.lru_cache(maxsize=4)
def typed(*lines: str) -> Machine:
    """pith on the bare machine with 16 MiB, each line typed at its shell when it prompts."""
    m = Machine(ram="16M", firmware="sbi", disk=guests.disk("pith"), record=False)
    m.load(guests.path("pith")).run(PATIENCE, until="$ ")
    for line in lines:
        m.type(line + "\n")
        m.run(PATIENCE, until="$ ")
    return m


def share_of_b(draw: Draw) -> float:
    """Per cent of the hart that box b has had, after four seconds."""
    m = typed(
        f"box -name a -cpu {draw.a} hog cpu {draw.n_a} &",
        f"box -name b -cpu {draw.b} hog cpu {draw.n_b} &",
        "sleep 400",
    )
    ticks = {box.name: box.run_ticks for box in boxes(m)}
    return 100 * ticks["b"] / (ticks["a"] + ticks["b"])


def attempts(draw: Draw) -> list[str]:
    """What escape prints of each attempt, in a box that shares some namespaces."""
    text = typed(f"box -share {','.join(draw.shared)} escape").console.rpartition("escape\n")[2]
    return [line for line in text.splitlines() if line.endswith((": kept in", ": LEAKED"))]


def leaks(draw: Draw) -> int:
    """Attempts that got out."""
    return sum(1 for line in attempts(draw) if line.endswith("LEAKED"))


PS = {"": "ps", "a box": "box ps", "a box that shares pids": "box -share pids ps"}


def listed(draw: Draw) -> int:
    """Processes that ps lists."""
    waiting = ["sleep 9000 &"] * draw.sleeps
    served = [f"box serve {80 + k} hello &" for k in range(draw.servers)]
    command = PS[draw.where]
    text = typed(*waiting, *served, command).console.rpartition(f"$ {command}\n")[2]
    return len(text.splitlines()) - 2  # without the head and the prompt


# 05.10: what a number names

TABLE_AT, ASKED_AT, ANSWERS_AT = 0x8012_0000, 0x8010_0000, 0x8011_0000
PROCESS = struct.Struct("<3i")
NOBODY = -1
FIND_REST = f"""
int main(void)
{{
    const long *asked = (const long *){ASKED_AT:#x};
    long *answers = (long *){ANSWERS_AT:#x};
    const struct process *table = (const struct process *){TABLE_AT:#x};
    for (long k = 0; k < asked[0]; k++)
        answers[k] = find(table, asked[1], asked[2 + 2 * k], asked[3 + 2 * k]);
    return 0;
}}
"""
FIND_START = """struct process { int number, box, inside; };

int find(const struct process *table, int n, int box, int number)
{
    return -1;
}
"""


def draw_processes(rng) -> dict:
    """A table with free places, several boxes, and numbers that are asked for."""
    table = []
    inside: dict[int, int] = {}
    for k in range(rng.choice((0, 3, 12, 40))):
        if rng.random() < 0.2:
            table.append((0, rng.choice((0, 1, 2)), 0))
            continue
        box = rng.choice((0, 0, 1, 2, 3))
        inside[box] = inside.get(box, 0) + 1
        table.append((2 * k + 1, box, inside[box] if box else 0))
    rng.shuffle(table)
    numbers = [0, 1, 2, 3, -1, *(one[0] for one in table[:6])]
    asked = [(box, number) for box in range(4) for number in numbers]
    return {"table": table, "asked": asked}


def found(table, box: int, number: int) -> int:
    """The place of the process that `number` names for a caller in `box`."""
    for k, (own, of, inside) in enumerate(table):
        if own > 0 and number > 0 and number == (inside if box else own) and box in (0, of):
            return k
    return NOBODY


def try_find(image: bytes, draw: Draw) -> str | None:
    """05.10: find gives the place of a process by its number for the caller."""
    m = Machine(ram="4M", record=False).load(image)
    table = b"".join(PROCESS.pack(*one) for one in draw.table)
    words = [len(draw.asked), len(draw.table), *(w for pair in draw.asked for w in pair)]
    m.memory.write(ASKED_AT, struct.pack(f"<{len(words)}q", *words))
    m.memory.write(TABLE_AT, table + b"\0" * PROCESS.size)
    m.memory.write(ANSWERS_AT, struct.pack("<q", -99) * len(draw.asked))
    stop = m.run(BUDGET)
    if stop.reason != "exit":
        return did_not_arrive(stop)
    if m.exit_code != 0:
        return f"The program was ended with {m.exit_code}: {' '.join(m.console.split())[:160]}."
    if table and bytes(m.memory.read(TABLE_AT, len(table))) != table:
        return "It has changed the table, in which it should only look."
    given = struct.unpack(
        f"<{len(draw.asked)}q", bytes(m.memory.read(ANSWERS_AT, 8 * len(draw.asked)))
    )
    for (box, number), place in zip(draw.asked, given, strict=True):
        right = found(draw.table, box, number)
        if place != right:
            return _mistaken(draw.table, box, number, place, right)
    return None


def _mistaken(table, box: int, number: int, place: int, right: int) -> str:
    """A hint for one answer that is not right."""
    asked = f"For number {number} and a caller in box {box} the answer was {place}."
    if not 0 <= place < len(table):
        return f"{asked} " + (
            "There is such a process; accepted is its place in the table."
            if right != NOBODY
            else "Accepted are places in the table, and -1 if the number names nobody."
        )
    own, of, _ = table[place]
    if own == 0:
        return f"{asked} That place of the table is free: its number is 0."
    if box and of != box:
        return f"{asked} That process is in box {of}, which this caller must not reach."
    if not box:
        return f"{asked} The host, box 0, names every process by `number`."
    return f"{asked} In a box the name of a process is `inside`."


EXERCISES = [
    Exercise(
        id="05.1",
        grade=1,
        title="Shares of a hart",
        text=lambda d: (
            f"Box a has the weight {d.a} (`-cpu {d.a}`) and runs `hog cpu {d.n_a}`, that is, "
            f"{d.n_a} process{'es' * (d.n_a != 1)} that compute all the time. Box b has the weight "
            f"{d.b} and runs `hog cpu {d.n_b}`. What part of the hart does b get?"
        ),
        draw=lambda rng: {
            "a": rng.choice((50, 100, 150, 200)),
            "b": rng.choice((100, 300, 400, 600)),
            "n_a": rng.randrange(1, 4),
            "n_b": rng.randrange(1, 4),
        },
        kind=Number(
            value=share_of_b,
            unit="%",
            tolerance=0.03,
            mistakes=(
                (
                    lambda right, d: 100 - right,
                    "That is what a gets.",
                ),
                (
                    lambda right, d: 100 * d.n_b / (d.n_a + d.n_b),
                    "The kernel divides by box first; how many processes a box has is its own.",
                ),
                (
                    lambda right, d: 100 * d.b * d.n_b / (d.a * d.n_a + d.b * d.n_b),
                    "A weight is the box's, not each process's.",
                ),
                (lambda right, d: 50.0, "Equal parts are for equal weights."),
            ),
        ),
        because=lambda d: f"The weights are {d.a} and {d.b}, whatever runs inside.",
        step=lambda d: (
            f"Both boxes want the hart all the time. b gets its weight's part of the sum: {d.b} of "
            f"{d.a + d.b}."
        ),
    ),
    Exercise(
        id="05.8",
        grade=1,
        title="Doors left open",
        text=lambda d: (
            f"`box -share {','.join(d.shared)} escape` runs the hostile program in a box of pith "
            "with 16 MiB, typed at the first prompt. How many of its attempts print LEAKED?"
        ),
        draw=lambda rng: {"shared": rng.sample(SHARED, rng.choice((1, 2, 2, 3)))},
        kind=Number(
            value=leaks,
            unit="attempts",
            mistakes=(
                (lambda right, d: 0, "What is shared is not kept in."),
                (
                    lambda right, d: len(attempts(d)),
                    "Each namespace keeps in its own attempts, also if others are shared.",
                ),
                (
                    lambda right, d: len(attempts(d)) - right,
                    "These are the attempts that were kept in.",
                ),
            ),
        ),
        because=lambda d: "What leaks is what belongs to the namespaces that are shared.",
        step=lambda d: (
            "Boot pith, type the command at its shell, and count the lines that end with LEAKED."
        ),
    ),
    Exercise(
        id="05.9",
        grade=2,
        title="Whom ps lists",
        text=lambda d: (
            f"At pith's shell, `sleep 9000 &` is typed {d.sleeps} times and `box serve PORT hello "
            f"&` {d.servers} times, each with its own port. How many processes does "
            + (f"`{PS[d.where]}` list, run in {d.where}?" if d.where else "`ps` list, outside?")
        ),
        draw=lambda rng: {
            "sleeps": rng.randrange(1, 6),
            "servers": rng.randrange(1, 5),
            "where": rng.choice(tuple(PS)),
        },
        kind=Number(
            value=listed,
            unit="processes",
            mistakes=(
                (
                    lambda right, d: 3 + d.sleeps if d.where != "a box" else -1,
                    "Processes in boxes have a number outside, too.",
                ),
                (
                    lambda right, d: 3 + d.sleeps + d.servers if d.where == "a box" else -1,
                    "A box with numbers of its own sees its own processes, and no others.",
                ),
                (lambda right, d: right - 1, "ps is a process as well."),
                (
                    lambda right, d: d.sleeps + d.servers,
                    "init, the shell and ps itself are processes.",
                ),
                (
                    lambda right, d: 1 if d.where else -1,
                    "This box shares the numbers of the host.",
                ),
            ),
        ),
        because=lambda d: "Outside everybody has a number; inside only who belongs there.",
        step=lambda d: (
            "Write down all processes: init, the shell, those in the background, those in boxes, "
            "ps. Then cross out those that have no number where ps runs."
        ),
    ),
    Exercise(
        id="05.10",
        grade=3,
        title="What a number names, in C",
        text=lambda d: (
            "Write in C `int find(const struct process *table, int n, int box, int number)`: the "
            "place in the table of the process that `number` names for a caller in `box`, or -1 "
            "if it names nobody. For the host, box 0, a process is named by its `number`, in "
            "whatever box it is. In any other box only the box's own processes have names, their "
            "`inside`. Numbers count from 1; a place of the table whose `number` is 0 is free. "
            "The text is a guest program: no line of the preprocessor and no library is needed."
        ),
        kind=Code(
            form="C",
            trial=try_find,
            start=FIND_START,
            wants="the text of struct process and of the function find, in C",
            draw=draw_processes,
            n_trials=6,
            rest=FIND_REST,
        ),
        because=lambda d: "A process without a name cannot be killed: that is all its protection.",
        step=lambda d: (
            "Go through the table. Pass over free places. If `box` is 0 compare `number`; else "
            "pass over processes of other boxes and compare `inside`. `number` 0 names nobody."
        ),
    ),
]
