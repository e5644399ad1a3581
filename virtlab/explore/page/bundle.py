"""How do ES modules become one script that a page opened from a file can run?

A browser refuses `<script type=module>` on a file:// URL, so `bundle` writes the modules an entry
imports, in the order they need each other, into one classic script:

    { const body = function body(scope) { ... }; body(self); }

Each module is a function of its own, so that its names stay its own, and what the entries export is
found below `virtlab` in the page: `virtlab.figure.mountAll`. A worker is made from the same text,
because `virtlab.bundles.NAME` is the function `body`: `"(" + virtlab.bundles.NAME + ")(self)"`.
Comments and indentation are left out.

It understands the modules of this project and little else: `import` of names, of everything, or of
the default from a relative path, at the top of a line; `export` before a declaration, of a list of
names, or of the default. Anything else of the kind (a dynamic import, a re-export, a circle of
imports, an exported variable that may change) gets one sentence that says where.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

NAME = r"[A-Za-z_$][\w$]*"
DECLARATION = re.compile(
    rf"export\s+(const|class|(?:async\s+)?function\s*\*?)\s*(?={NAME})({NAME})"
)
DEFAULT = re.compile(rf"export\s+default\s+(?:(?:(?:async\s+)?function\s*\*?|class)\s+({NAME}))?")
LISTED = re.compile(r"export\s*\{([^}]*)\}\s*;?")
IMPORT = re.compile(
    rf"import\s+(?:({NAME})\s*,?\s*)?(?:\{{([^}}]*)\}}|\*\s+as\s+({NAME}))?\s*from\s*(\S+?)\s*;"
)
PAIR = re.compile(rf"({NAME})(?:\s+as\s+({NAME}))?")

# What a slash may follow when it begins a regular expression instead of dividing.
REGEX_AFTER = re.compile(
    r"(?:^|[=(,:\[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield))\s*\Z"
)


class BundleError(ValueError):
    """A module the bundler does not understand; its text says which, where, and what it does."""


@dataclasses.dataclass
class Module:
    """One ES module, read.

    Attributes
    ----------
    path : Path
    imports : modules it imports, in order
    text : str, the function's body that takes the module's place
    exports : names others may import
    """

    path: Path
    imports: list[Path]
    text: str
    exports: set[str]


def bundle(name: str, entries: Sequence[Path], folders: Sequence[Path] = ()) -> str:
    """One classic script of `entries` and all they import.

    Parameters
    ----------
    name : str, under which the page finds the script's body, in `virtlab.bundles`
    entries : the modules whose exports the page finds below `virtlab`, by their file's name
    folders : where an import is looked for when it is not beside the module that imports it

    Raises
    ------
    BundleError : a module is missing, or is written in a way that is not understood
    """
    kept = next((Path(e).name for e in entries if Path(e).stem in ("assets", "bundles")), None)
    if kept:
        raise BundleError(f"an entry cannot be called {kept}: virtlab keeps something else there")
    modules = _in_order(entries, folders)
    stems = [module.path.stem for module in modules]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice:
        raise BundleError(f"two modules are called {twice}.js; each name may be taken once")
    parts = [f"const {_variable(m.path)} = (() => {{\n{m.text}\n}})();" for m in modules]
    shown = ", ".join(f"{Path(e).stem}: {_variable(Path(e))}" for e in entries)
    return (
        "{\nconst body = function body(scope) {\n"
        '"use strict";\n'
        + "\n".join(parts)
        + "\nconst virtlab = (scope.virtlab ??= {});\n"
        + "virtlab.assets ??= {};\n"
        + f"(virtlab.bundles ??= {{}}).{name} = body;\n"
        + f"Object.assign(virtlab, {{ {shown} }});\n"
        + "};\nbody(self);\n}\n"
    )


def modules_of(entries: Iterable[Path], folders: Sequence[Path] = ()) -> list[Path]:
    """The files that a bundle of `entries` is made of, each after those it imports."""
    return [module.path for module in _in_order(entries, folders)]


def _variable(path: Path) -> str:
    return "$" + re.sub(r"\W", "_", path.stem)


def _in_order(entries: Iterable[Path], folders: Sequence[Path]) -> list[Module]:
    """Every module once, after those it imports."""
    done: dict[Path, Module] = {}

    def add(path: Path, above: tuple[Path, ...]) -> None:
        if path in above:
            circle = " imports ".join(p.name for p in (*above[above.index(path) :], path))
            raise BundleError(f"{circle}: modules in a circle cannot be put in order")
        if path in done:
            return
        module = read(path, folders)
        for imported in module.imports:
            add(imported, (*above, path))
        done[path] = module

    for entry in entries:
        add(Path(entry).resolve(), ())
    _check_names(done)
    return list(done.values())


def _check_names(modules: dict[Path, Module]) -> None:
    for module in modules.values():
        for match in re.finditer(r"^const \{([^}]*)\} = (\$\w+);$", module.text, re.MULTILINE):
            source = next(m for m in module.imports if _variable(m) == match[2])
            wanted = {pair.split(":")[0].strip() for pair in match[1].split(",") if pair.strip()}
            missing = sorted(wanted - modules[source].exports)
            if missing:
                there = ", ".join(sorted(modules[source].exports)) or "nothing"
                raise BundleError(
                    f"{module.path.name} imports {missing[0]} from {source.name}, "
                    f"which exports {there}"
                )


def read(path: Path, folders: Sequence[Path] = ()) -> Module:
    """The module at `path` as the body of a function that returns its exports.

    Raises
    ------
    BundleError : there is no such file, or it is written in a way that is not understood
    """
    try:
        source = path.read_text("utf-8")
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from None
    code = masked(source, path)
    edits: list[tuple[int, int, str]] = []
    imports: list[Path] = []
    exports: dict[str, str] = {}
    for match in re.finditer(r"(?<![\w$.])(?:import|export|await)(?![\w$:])", code):
        start = match.start()
        if code.startswith("await", start):
            if (
                _depth(code, start) == 0
                and "=>" not in code[code.rfind("\n", 0, start) + 1 : start]
            ):
                raise _refused(path, source, start, "await outside a function is not understood")
            continue
        if _depth(code, start) or (start and code[start - 1] != "\n"):
            raise _refused(
                path,
                source,
                start,
                "import and export are understood at the beginning of a line, outside of braces",
            )
        statement = _import if code.startswith("import", start) else _export
        edits.append(statement(path, source, code, start, imports, exports, folders))
    for start, end, text in reversed(edits):
        source = source[:start] + text + source[end:]
    pairs = ", ".join(n if n == inner else f"{n}: {inner}" for n, inner in exports.items())
    text = f"{compact(source, path)}\nreturn {{ {pairs} }};"
    return Module(path, imports, text, set(exports))


def _import(path, source, code, start, imports, exports, folders) -> tuple[int, int, str]:
    match = IMPORT.match(code, start)
    if not match:
        raise _refused(
            path,
            source,
            start,
            'an import is understood as `import { a, b as c } from "./x.js";`, with `* as name` '
            "or a default name as well",
        )
    default, names, everything = match[1], match[2], match[3]
    address = source[match.start(4) + 1 : match.end(4) - 1]
    target = _found(path, source, start, address, folders)
    imports.append(target)
    variable = _variable(target)
    pairs = [("default", default)] if default else []
    pairs += [(n, inner or n) for n, inner in _pairs(path, source, start, names)]
    text = ""
    if pairs:
        inside = ", ".join(n if n == inner else f"{n}: {inner}" for n, inner in pairs)
        text += f"const {{ {inside} }} = {variable};"
    if everything:
        text += f"const {everything} = {variable};"
    return match.start(), match.end(), text


def _export(path, source, code, start, imports, exports, folders) -> tuple[int, int, str]:
    if match := DECLARATION.match(code, start):
        if match[1] == "const" and _has_comma(code, match.end()):
            raise _refused(path, source, start, "one name in each exported const is understood")
        exports[match[2]] = match[2]
        return start, match.start(1), ""
    if match := DEFAULT.match(code, start):
        if match[1]:
            exports["default"] = match[1]
            return start, start + len(re.match(r"export\s+default\s+", match[0])[0]), ""
        exports["default"] = "$default"
        return start, match.end(), "const $default = "
    match = LISTED.match(code, start)
    if match and not code.startswith("from", _next_code(code, match.end())):
        for inner, name in _pairs(path, source, start, match[1]):
            exports[name or inner] = inner
        return start, match.end(), ""
    raise _refused(
        path,
        source,
        start,
        "an export is understood before const, function or class, as a list of names in braces, "
        "or as the default",
    )


def _has_comma(code: str, place: int) -> bool:
    """Whether a comma outside of brackets comes before the statement's semicolon."""
    depth = 0
    for match in re.finditer(r"[()\[\]{},;]", code[place:]):
        depth += (match[0] in "([{") - (match[0] in ")]}")
        if depth == 0 and match[0] in ",;":
            return match[0] == ","
    return False


def _next_code(code: str, place: int) -> int:
    return place + len(code[place:]) - len(code[place:].lstrip())


def _pairs(path, source, start, names: str | None) -> list[tuple[str, str | None]]:
    """The names of `a, b as c`, each with its other name or None."""
    found = []
    for part in (names or "").split(","):
        if not part.strip():
            continue
        match = PAIR.fullmatch(part.strip())
        if not match:
            raise _refused(
                path, source, start, f"{part.strip()!r} is not a name, or `name as other`"
            )
        found.append((match[1], match[2]))
    return found


def _found(path: Path, source: str, start: int, address: str, folders: Sequence[Path]) -> Path:
    if not address.startswith(("./", "../")):
        raise _refused(path, source, start, f'{address!r} is not a relative path such as "./x.js"')
    places = [path.parent / address, *(Path(folder) / Path(address).name for folder in folders)]
    there = next((place.resolve() for place in places if place.is_file()), None)
    if there is None:
        looked = ", ".join(str(place.parent) for place in places)
        raise _refused(path, source, start, f"there is no {Path(address).name} in {looked}")
    return there


def _depth(code: str, place: int) -> int:
    return code.count("{", 0, place) - code.count("}", 0, place)


def _refused(path: Path, source: str, place: int, reason: str) -> BundleError:
    line = source.count("\n", 0, place) + 1
    return BundleError(f"{path.name}, line {line}: {reason}")


# ---- strings, comments, regular expressions ------------------------------------------------------


def masked(source: str, path: Path = Path("script.js")) -> str:
    """`source` with blanks for all that is not code: comments, strings, regular expressions.

    Line ends stay. The text between a template's placeholders is blank, what is in them is not.
    """
    out = list(source)
    for kind, start, end in _pieces(source, path):
        if kind != "code":
            for place in range(start, end):
                if out[place] != "\n":
                    out[place] = " "
        if kind == "string" and end - start > 1:
            out[start] = out[end - 1] = '"'  # still something that stands there
            for place in range(start + 1, end - 1):
                if out[place] != "\n":
                    out[place] = "_"
    return "".join(out)


def compact(source: str, path: Path = Path("script.js")) -> str:
    """`source` without comments, indentation and empty lines; templates stay as they are."""
    parts: list[str] = []
    for kind, start, end in _pieces(source, path):
        text = source[start:end]
        if kind == "comment":
            parts.append("\n" if "\n" in text else " ")
        elif kind == "code":
            parts.append(re.sub(r"[ \t]*\n\s*", "\n", text))
        else:
            parts.append(text)
    text = "".join(parts)
    kinds = _pieces(text, path)
    return "".join(
        re.sub(r"[ \t]*\n\s*", "\n", text[s:e]) if kind == "code" else text[s:e]
        for kind, s, e in kinds
    ).strip()


def _pieces(source: str, path: Path) -> list[tuple[str, int, int]]:
    """The source cut into ("code" | "comment" | "string" | "template" | "regex", start, end)."""
    pieces: list[tuple[str, int, int]] = []
    templates: list[int] = []  # for each open template, how many braces are open in its placeholder
    place = begun = 0

    def cut(kind: str, end: int) -> int:
        nonlocal begun
        if place > begun:
            pieces.append(("code", begun, place))
        pieces.append((kind, place, end))
        begun = end
        return end

    while place < len(source):
        two, char = source[place : place + 2], source[place]
        if two == "//":
            end = source.find("\n", place)
            place = cut("comment", len(source) if end < 0 else end)
        elif two == "/*":
            place = cut("comment", _end(path, source, place, r"\*/", "a comment"))
        elif char in "'\"":
            place = cut(
                "string", _end(path, source, place, rf"(?:[^\\\n{char}]|\\.)*{char}", "a string")
            )
        elif char == "`" or (char == "}" and templates and templates[-1] == 0):
            if char == "}":
                templates.pop()
            end = _end(path, source, place, r"(?:[^\\`$]|\\.|\$(?!\{))*(?:`|\$\{)", "a template")
            if source[end - 1] == "{":
                templates.append(0)
            place = cut("template", end)
        elif char == "/" and REGEX_AFTER.search(_code_before(pieces, source, begun, place)):
            inside = r"(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*"
            place = cut("regex", _end(path, source, place, inside, "a regular expression"))
        else:
            if templates and char in "{}":
                templates[-1] += 1 if char == "{" else -1
            place += 1
    if begun < len(source):
        pieces.append(("code", begun, len(source)))
    return pieces


def _code_before(pieces, source: str, begun: int, place: int) -> str:
    """The code just before `place`, without comments, as far as a slash's meaning depends on it."""
    text = source[max(begun, place - 40) : place]
    for kind, start, end in reversed(pieces):
        if text.strip():
            return text
        if kind == "comment":
            continue
        text = (source[max(start, end - 40) : end] if kind == "code" else ")") + text
    return text


def _end(path: Path, source: str, place: int, pattern: str, what: str) -> int:
    match = re.compile(pattern, re.DOTALL).match(source, place + 1)
    if what == "a comment":
        match = re.compile(pattern).search(source, place + 2)
    if not match:
        raise _refused(path, source, place, f"{what} begins here and does not end")
    return match.end()
