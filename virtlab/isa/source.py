"""Assembly text cut into statements and tokens, each with its line and column.

A statement ends with the line or at a `;`. Comments are `# ...`, `// ...` and `/* ... */`.
Numbers may be decimal, 0x..., 0b... or 0o..., with `_` between digits. A number followed by b or f
(`1b`, `2f`) names the nearest numeric label backwards or forwards.
"""

import re
from typing import NamedTuple


class AssemblyError(ValueError):
    """The text is not an acceptable program; `str()` is one sentence that says where and why.

    Attributes
    ----------
    line, column : int
        Counted from 1.
    message : str
        What was wrong and what is accepted.
    """

    def __init__(self, line: int, column: int, message: str):
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column
        self.message = message


class Token(NamedTuple):
    """One word of the text: `kind` is a group name of TOKEN, `text` is as written."""

    kind: str
    text: str
    line: int
    column: int

    def error(self, message: str) -> AssemblyError:
        return AssemblyError(self.line, self.column, message)


class Statement(NamedTuple):
    """The tokens between two statement ends, and the whole line they come from."""

    tokens: tuple
    source: str

    @property
    def line(self) -> int:
        return self.tokens[0].line


TOKEN = re.compile(
    r"""
      (?P<string> "(?:\\.|[^"\\])*" )
    | (?P<character> '(?:\\x[0-9a-fA-F]{1,2}|\\.|[^'\\])' )
    | (?P<number> (?: 0[xX][0-9a-fA-F_]+ | 0[bB][01][01_]* | 0[oO][0-7_]+ | [0-9][0-9_]* )
                  (?![\w.$]) )
    | (?P<local> [0-9]+[bf] (?![\w.$]) )
    | (?P<name> [A-Za-z_.$][\w.$]* )
    | (?P<relocation> %[a-z_]+ )
    | (?P<operator> << | >> | [-+*/&|^~(),:=;@] )
    | (?P<space> [\ \t\r\f\v]+ )
    """,
    re.VERBOSE | re.ASCII,
)

# Strings and character literals are matched too, so that a comment sign inside one stays.
COMMENT = re.compile(
    r"""
      "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])'
    | (?P<comment> /\*(?:.*?\*/|.*) | \#[^\n]* | //[^\n]* )
    """,
    re.VERBOSE | re.DOTALL,
)

ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "e": 27, "f": 12, "v": 11}
ESCAPES |= {"\\": 92, '"': 34, "'": 39}
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-3][0-7]{2}|.)|([^\\]+)", re.DOTALL)

LONGEST_NUMBER = 80  # characters; 64 binary digits with underscores between them need fewer


def blank(match: re.Match) -> str:
    """A comment as spaces, so that columns and line numbers stay."""
    if match["comment"] is None:
        return match[0]
    if match[0].startswith("/*") and (len(match[0]) < 4 or not match[0].endswith("*/")):
        before = match.string[: match.start()]
        column = match.start() - before.rfind("\n")
        raise AssemblyError(before.count("\n") + 1, column, "this comment has no closing */")
    return re.sub(r"[^\n]", " ", match[0])


def read_statements(text: str) -> list[Statement]:
    """The statements of an assembly text.

    Raises
    ------
    AssemblyError
        For a character that belongs to no token, or a comment without an end.
    """
    statements = []
    without_comments = COMMENT.sub(blank, text)
    lines = zip(text.split("\n"), without_comments.split("\n"), strict=True)
    for number, (source, line) in enumerate(lines, 1):
        tokens: list = []
        for token in [*read_tokens(line, number), Token("operator", ";", number, 0)]:
            if token.text != ";":
                tokens.append(token)
            elif tokens:
                statements.append(Statement(tuple(tokens), source.rstrip()))
                tokens = []
    return statements


def read_tokens(line: str, number: int) -> list[Token]:
    """The tokens of one line without comments."""
    tokens = []
    position = 0
    while position < len(line):
        match = TOKEN.match(line, position)
        if match is None:
            raise unreadable(line, position, number)
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup, match[0], number, position + 1))
        position = match.end()
    return tokens


def unreadable(line: str, position: int, number: int) -> AssemblyError:
    """The error for text that is no token."""
    rest = line[position:]
    if rest[0] == '"':
        message = "this string has no closing quote"
    elif rest[0] == "'":
        message = "a character literal is one character between quotes, such as 'a' or '\\n'"
    elif rest[0].isascii() and rest[0].isdigit():
        word = re.match(r"[\w.$]+", rest)[0][:40]
        message = f"{word} is not a number; decimal, 0x..., 0b... and 0o... are accepted"
    else:
        message = f"the character {rest[0]!r} has no meaning here"
    return AssemblyError(number, position + 1, message)


def number_value(token: Token) -> int:
    """The value of a number or character token, 0 to 2**64 - 1."""
    if token.kind == "character":
        return literal_values(token)[0][0]
    text = token.text.replace("_", "")
    if len(token.text) > LONGEST_NUMBER:
        raise token.error("the number does not fit in 64 bits")
    if len(text) > 1 and text[0] == "0" and text.isdigit():
        raise token.error(f"{text} begins with 0; write 0o{text[1:]} if octal is meant")
    try:
        value = int(text, 0)
    except ValueError:
        raise token.error(f"{token.text} is not a number") from None
    if value >= 1 << 64:
        raise token.error("the number does not fit in 64 bits")
    return value


def literal_values(token: Token) -> list[tuple[int, bool]]:
    """Pairs (value, is_escape) of a literal: a code point as written, or the byte of an escape."""
    values = []
    for match in ESCAPE.finditer(token.text[1:-1]):
        escape, plain = match.groups()
        if plain is not None:
            values += [(ord(character), False) for character in plain]
        elif escape[0] == "x" and len(escape) > 1:
            values.append((int(escape[1:], 16), True))
        elif len(escape) == 3:
            values.append((int(escape, 8), True))
        elif escape in ESCAPES:
            values.append((ESCAPES[escape], True))
        else:
            raise token.error(f"the escape \\{escape} is not known; \\n \\t \\0 \\x41 \\\\ are")
    return values


def string_bytes(token: Token) -> bytes:
    """The bytes of a string literal: UTF-8 for what is written, one byte for each escape."""
    data = bytearray()
    for value, is_escape in literal_values(token):
        data += bytes([value]) if is_escape else chr(value).encode("utf-8", "surrogatepass")
    return bytes(data)
