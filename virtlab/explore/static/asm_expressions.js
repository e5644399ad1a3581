// Expressions in assembly text, on 64-bit values: virtlab.isa.expressions.
//
// Values are BigInt. Every intermediate result must lie in -2**63 .. 2**64 - 1; division goes towards
// zero, and >> of a negative value keeps the sign: BigInt does both.

import { shortened } from "./asm_text.js";

// A parser that computes as it reads.
//
//   context.numberValue(token)        value of a number or a character
//   context.symbol(token)             value of a name, of `.` or of a numeric label such as 1b
//   context.relocate(token, value)    value of a token such as %hi with `value` in its parentheses
export class Expression {
  constructor(tokens, { binding, unary, deepest }, context) {
    this.tokens = tokens; // all of them must belong to the expression
    this.binding = binding;
    this.unary = unary;
    this.deepest = deepest; // nested parentheses and signs; keeps the stack out of reach
    this.context = context;
    this.position = 0;
    this.depth = 0;
  }

  value() {
    const result = this.operation(0);
    const extra = this.tokens[this.position];
    if (extra) throw extra.error(`${shortened(extra.text)} was not expected here`);
    return result;
  }

  nextIs(text) {
    const found = this.tokens[this.position]?.is(text) ?? false;
    if (found) this.position += 1;
    return found;
  }

  // A run of operators that bind at least as tightly as `weakest`.
  operation(weakest) {
    let left = this.operand();
    while (this.position < this.tokens.length) {
      const token = this.tokens[this.position];
      const binding = (token.kind === "operator" && this.binding[token.text]) || 0;
      if (binding === 0 || binding < weakest) break;
      this.position += 1;
      left = in64Bits(token, combine(token, left, this.operation(binding + 1)));
    }
    return left;
  }

  // A number, a symbol, a sign with its operand, or parentheses.
  operand() {
    const last = this.tokens.at(-1);
    if (this.position === this.tokens.length) throw last.error(`a value is missing after ${shortened(last.text)}`);
    const token = this.tokens[this.position];
    this.position += 1;
    if (token.kind === "number" || token.kind === "character") return this.context.numberValue(token);
    if (token.kind === "name" || token.kind === "local") return this.context.symbol(token);
    this.depth += 1;
    if (this.depth > this.deepest) throw token.error(`the expression is nested more than ${this.deepest} deep`);
    const result = this.compound(token);
    this.depth -= 1;
    return result;
  }

  compound(token) {
    if (token.kind === "relocation") {
      if (!this.nextIs("(")) throw token.error(`${token.text} needs parentheses, such as ${token.text}(symbol)`);
      return this.context.relocate(token, this.parenthesised(token));
    }
    if (token.text === "(") return this.parenthesised(token);
    if (!["-", "+", "~"].includes(token.text)) throw token.error(`a value was expected, not ${shortened(token.text)}`);
    const inner = this.operation(this.unary);
    return in64Bits(token, token.text === "-" ? -inner : token.text === "+" ? inner : ~inner);
  }

  // The rest of a parenthesis that has just been opened.
  parenthesised(opening) {
    const result = this.operation(0);
    if (!this.nextIs(")")) throw opening.error("this parenthesis is not closed");
    return result;
  }
}

// The result of a binary operator.
function combine(token, left, right) {
  switch (token.text) {
    case "<<":
    case ">>":
      if (right < 0n || right >= 64n) throw token.error(`a shift is by 0 to 63, not by ${right}`);
      return token.text === "<<" ? left << right : left >> right;
    case "/":
      if (right === 0n) throw token.error("division by zero");
      return left / right;
    case "*":
      return left * right;
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "&":
      return left & right;
    case "^":
      return left ^ right;
    default:
      return left | right;
  }
}

// `value`, if 64 bits can hold it as signed or unsigned.
function in64Bits(token, value) {
  if (value < -(1n << 63n) || value >= 1n << 64n) throw token.error(`the result of ${token.text} does not fit in 64 bits`);
  return value;
}
