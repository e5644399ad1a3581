"""What does a page know of an exercise? Some variants, with their answers sealed.

The variants are the first of those that `labs.variant` gives; two that ask the same count once.
Their right answers are computed on the model when a site is built, and kept, sealed, in the folder
of virtlab's machine code, so that the second build computes nothing.
"""

import functools
import hashlib
import json
import math
from pathlib import Path

from virtlab._cache import cache_base
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.desk import exercise, grade_name
from virtlab.labs.exercise import Choice, Draw, Exercise, Number, generator
from virtlab.labs.page import sealed
from virtlab.labs.progress import write_whole
from virtlab.labs.quantity import FAMILIES, LONGEST, NUMBER, written

PACKAGE = Path(__file__).resolve().parents[2]
WITHOUT = ("explore", "wasm")  # whose sources no answer depends on
FAR = 8  # times too many or too few, as in exercise.py


def on_a_page(id: str) -> bool:
    """Whether a page can judge the exercise of that number."""
    return id in EXERCISES and isinstance(EXERCISES[id].kind, Number | Choice)


def numbers() -> dict:
    """How a number is read: the pattern, the units, and how long a text may be."""
    return {
        "pattern": NUMBER.pattern,
        "families": [list(map(list, family.items())) for family in FAMILIES],
        "longest": LONGEST,
    }


def for_page(id: str, seeds: int) -> dict:
    """What a page knows of an exercise: see `_exercise`; from an earlier build if it is there.

    Parameters
    ----------
    seeds : how many variants are looked at; two that ask the same count once

    Raises
    ------
    ValueError
        there is no such exercise, or no page can judge it
    """
    one = exercise(id)
    if not on_a_page(id):
        raise ValueError(f"exercise {id} is judged in a notebook alone.")
    kept = cache_base() / "exercises" / _sources() / f"{id}-{seeds}.json"
    try:
        return json.loads(kept.read_bytes())
    except (OSError, ValueError):
        made = _exercise(one, seeds)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, json.dumps(made).encode())
    except OSError:
        pass  # it is computed again next time
    return made


@functools.cache
def _sources() -> str:
    """A hash of all that an answer may depend on: the package's sources, guests and figures."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] in WITHOUT or "__pycache__" in inside.parts or not path.is_file():
            continue
        digest.update(inside.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _exercise(one: Exercise, seeds: int) -> dict:
    """Title, grade, kind, unit, tolerance; texts, which variants name by number; the variants."""
    kind, texts = one.kind, []

    def place(text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    variants, asked = [], set()
    for seed in range(seeds):
        draw = one.numbers(seed)
        question = (one.text(draw), *(kind.options(draw) if isinstance(kind, Choice) else ()))
        if question not in asked:
            asked.add(question)
            variants.append(_variant(one, draw, seed, place))
    return {
        "id": one.id,
        "title": one.title,
        "grade": grade_name(one),
        "kind": "choice" if isinstance(kind, Choice) else "number",
        "unit": getattr(kind, "unit", ""),
        "tolerance": getattr(kind, "tolerance", 0.0),
        "ask": "one of these" if isinstance(kind, Choice) else kind.ask(draw),
        "texts": texts,
        "variants": variants,
    }


def _variant(one: Exercise, draw: Draw, seed: int, place) -> dict:
    """Seed, text, worked step, salt, doors; options of a choice; of a number its rough size.

    Behind a door stands a list of [order, 1 if right, number to compare with or null, words if
    right, else the number of a hint among the texts].
    """
    salt = generator(one.id, "page", seed).randbytes(6).hex()
    variant = {"seed": seed, "text": place(one.text(draw)), "step": place(one.step(draw))}
    right, because = one.kind.value(draw), one.because(draw)
    if isinstance(one.kind, Choice):
        told, variant["options"] = _options(one.kind, draw, right, because, place)
    else:
        told, variant["size"] = _numbers(one.kind, draw, _plain(right), because, salt, place)
    return variant | {"salt": salt, "doors": sealed.doors(salt, told)}


def _options(kind: Choice, draw: Draw, right: str, because: str, place) -> tuple[list, list[str]]:
    options, told = list(kind.options(draw)), []
    for k, option in enumerate(options):
        if option == right:
            told.append((f"o{k}", [0, 1, None, f"{right}. {because}".strip()]))
        else:
            told.append((f"o{k}", [k + 1, 0, None, place(kind.judge(option, draw, "").hint)]))
    return told, options


def _numbers(kind: Number, draw: Draw, right, because: str, salt: str, place) -> tuple:
    words = f"{written(right, kind.unit, kind.base)}. {because}".strip()
    said = [(right, 1, words)]
    said += [(_plain(wrong(right, draw)), 0, place(hint)) for wrong, hint in kind.mistakes]
    told = []
    for order, (value, is_right, what) in enumerate(said):
        if kind.tolerance:
            for bucket in sealed.buckets(value, kind.tolerance):
                told.append((bucket, [order, is_right, float(value), what]))
        else:
            told.append((sealed.canonical(value), [order, is_right, None, what]))
    return told, _size(right, salt)


def _size(right, salt: str) -> list:
    """Sign, and powers of two below and above which an answer is far off: nothing to guess from."""
    sign = (right > 0) - (right < 0)
    if not sign:
        return [0, 0, 0]
    room = int(salt[0], 16) % 3, int(salt[1], 16) % 3
    low = 2.0 ** (math.floor(math.log2(abs(right) / FAR)) - room[0])
    high = 2.0 ** (math.ceil(math.log2(abs(right) * FAR)) + room[1])
    return [sign, low, high]


def _plain(value):
    """A number of Python's own types."""
    return value.item() if hasattr(value, "item") else value
