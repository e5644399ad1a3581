"""Expressions in assembly text: + - * / << >> & ^ | ~ and parentheses, on 64-bit values.

Operators bind as in C and Python: `*` and `/` first, then + and -, shifts, &, ^ and last |.
(GNU as binds & ^ | tighter than +; parentheses make both read the same.)
Every intermediate result must lie in -2**63 .. 2**64 - 1; division goes towards zero, and >> of a
negative value keeps the sign.
"""

from collections.abc import Callable

from virtlab.isa.source import Token, number_value

BINDING = {"|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4, "+": 5, "-": 5, "*": 6, "/": 6}
UNARY = 7
DEEPEST = 50  # nested parentheses and signs; keeps Python's own stack out of reach


class Expression:
    """A parser that computes as it reads.

    Parameters
    ----------
    tokens : sequence of Token
        All of them must belong to the expression.
    symbol : callable
        Token of a name, of `.` or of a numeric label such as 1b -> its value.
    relocate : callable
        (Token such as %hi, value in its parentheses) -> value.
    """

    def __init__(
        self,
        tokens: tuple,
        symbol: Callable[[Token], int],
        relocate: Callable[[Token, int], int],
    ):
        self.tokens = tokens
        self.symbol = symbol
        self.relocate = relocate
        self.position = 0
        self.depth = 0

    def value(self) -> int:
        """The value of the whole expression; raises AssemblyError."""
        result = self.operation(0)
        if self.position < len(self.tokens):
            extra = self.tokens[self.position]
            raise extra.error(f"{extra.text[:40]} was not expected here")
        return result

    def next_is(self, text: str) -> bool:
        here = self.position < len(self.tokens) and self.tokens[self.position]
        if here and here.kind == "operator" and here.text == text:
            self.position += 1
            return True
        return False

    def operation(self, weakest: int) -> int:
        """A run of operators that bind at least as tightly as `weakest`."""
        left = self.operand()
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            binding = BINDING.get(token.text, 0) if token.kind == "operator" else 0
            if binding == 0 or binding < weakest:
                break
            self.position += 1
            right = self.operation(binding + 1)
            left = in_64_bits(token, combine(token, left, right))
        return left

    def operand(self) -> int:
        """A number, a symbol, a sign with its operand, or parentheses."""
        last = self.tokens[-1]
        if self.position == len(self.tokens):
            raise last.error(f"a value is missing after {last.text[:40]}")
        token = self.tokens[self.position]
        self.position += 1
        if token.kind in ("number", "character"):
            return number_value(token)
        if token.kind in ("name", "local"):
            return self.symbol(token)
        self.depth += 1
        if self.depth > DEEPEST:
            raise token.error(f"the expression is nested more than {DEEPEST} deep")
        if token.kind == "relocation":
            if not self.next_is("("):
                raise token.error(f"{token.text} needs parentheses, such as {token.text}(symbol)")
            result = self.relocate(token, self.parenthesised(token))
        elif token.text == "(":
            result = self.parenthesised(token)
        elif token.text in ("-", "+", "~"):
            inner = self.operation(UNARY)
            result = in_64_bits(token, {"-": -inner, "+": inner, "~": ~inner}[token.text])
        else:
            raise token.error(f"a value was expected, not {token.text[:40]}")
        self.depth -= 1
        return result

    def parenthesised(self, opening: Token) -> int:
        """The rest of a parenthesis that has just been opened."""
        result = self.operation(0)
        if not self.next_is(")"):
            raise opening.error("this parenthesis is not closed")
        return result


def combine(token: Token, left: int, right: int) -> int:
    """The result of a binary operator."""
    if token.text in ("<<", ">>"):
        if not 0 <= right < 64:
            raise token.error(f"a shift is by 0 to 63, not by {right}")
        return left << right if token.text == "<<" else left >> right
    if token.text == "/":
        if right == 0:
            raise token.error("division by zero")
        return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    if token.text == "*":
        return left * right
    if token.text == "+":
        return left + right
    if token.text == "-":
        return left - right
    if token.text == "&":
        return left & right
    if token.text == "^":
        return left ^ right
    return left | right


def in_64_bits(token: Token, value: int) -> int:
    """`value`, if 64 bits can hold it as signed or unsigned."""
    if not -(1 << 63) <= value < 1 << 64:
        raise token.error(f"the result of {token.text} does not fit in 64 bits")
    return value
