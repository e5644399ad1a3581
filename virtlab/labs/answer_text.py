"""What text does an answer consist of? A function from a notebook, with what it needs to run.

A function is judged in another process, so its text has to go there: its own source, the source of
functions it calls, and constants it uses. What cannot be sent is refused with its name.
"""

import ast
import inspect
import textwrap
import types

GIVEN = ("Action", "ExitReason")  # every answer has them
MOST_PARTS = 50


def text_of(answer, empty: tuple[str, ...] = ()) -> tuple[str, str | None]:
    """The source of an answer, and the name of its function if it was given as one.

    Parameters
    ----------
    answer : str, or a function made with def
    empty : names of lists and dicts in which the function collects; they are sent empty, whatever
        earlier runs in the notebook have left in them

    Raises
    ------
    ValueError
        there is no source, or it uses something that cannot be sent
    TypeError
        it is neither text nor a function
    """
    if isinstance(answer, str):
        return str.__str__(answer), None
    if not isinstance(answer, types.FunctionType):
        raise TypeError(
            f"an answer of type {type(answer).__name__}: accepted are a function and its text."
        )
    parts: dict[str, str] = {}
    _collect(answer, parts)
    held = answer.__globals__
    for name in empty:
        if name in parts and type(held.get(name)) in (list, dict):
            parts[name] = f"{name} = {type(held[name])()!r}"
    return "\n".join(parts.values()), answer.__name__


def _collect(function: types.FunctionType, parts: dict[str, str]) -> None:
    """Add a function behind all that it uses."""
    name = function.__name__
    if len(parts) > MOST_PARTS:
        raise ValueError(f"the answer {name} uses too many other things; give its text instead.")
    source = _source(function)
    parts[f"def {name}"] = ""  # its place is kept, in case it calls itself
    known = dict(function.__globals__)
    for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        known[free] = cell.cell_contents
    for used in sorted(_names(function.__code__)):
        if used in known and used not in GIVEN and used != name:
            _add(name, used, known[used], parts)
    del parts[f"def {name}"]
    parts[f"def {name}"] = source


def _add(name: str, used: str, value, parts: dict[str, str]) -> None:
    if isinstance(value, types.FunctionType):
        if f"def {value.__name__}" not in parts:
            _collect(value, parts)
        if value.__name__ != used:
            parts[used] = f"{used} = {value.__name__}"
    elif isinstance(value, types.ModuleType):
        parts[used] = f"import {value.__name__} as {used}"
    elif getattr(value, "__module__", None) in ("collections", "math", "itertools", "functools"):
        parts[used] = f"from {value.__module__} import {value.__name__} as {used}"
    else:
        parts[used] = f"{used} = {_constant(name, used, value)}"


def _constant(name: str, used: str, value) -> str:
    """The constant as text; what does not survive being written down is refused."""
    written = repr(value) if type(value) in (int, float, str, bytes, bool, tuple) else None
    if type(value) in (list, dict, set, type(None)):
        written = repr(value)
    try:
        if written is not None and ast.literal_eval(written or "None") == value:
            return written
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    if type(value) is set and not value:
        return "set()"
    raise ValueError(
        f"the answer {name} uses {used}, which cannot be given to another process; accepted are "
        "numbers, texts, lists and dicts of them, and functions of your own."
    )


def _source(function: types.FunctionType) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise ValueError(
            f"the source of {function.__name__} is not known; give the answer as text."
        ) from None
    if not source.lstrip().startswith(("def ", "@")):
        raise ValueError("accepted are functions made with def, and their text.")
    return source


def _names(code: types.CodeType) -> set[str]:
    """The global and free names that a function and the functions inside it use."""
    names = set(code.co_names) | set(code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names
