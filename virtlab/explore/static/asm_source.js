// Assembly text cut into statements and tokens, each with its line and column: virtlab.isa.source.
//
// A statement ends with the line or at a `;`. The patterns of tokens and comments come from the
// tables; a token's kind is the name of the group that fits.

import { characters, quoted, shortened, withoutTrailingSpace } from "./asm_text.js";

// The text is not an acceptable program. `message` says what was wrong and what is accepted, and
// String(error) says where as well: "line 2, column 5: ...". Lines and columns count from 1.
export class AssemblyError extends Error {
  constructor(line, column, message) {
    super(message);
    this.name = "AssemblyError";
    this.line = line;
    this.column = column;
  }

  toString() {
    return `line ${this.line}, column ${this.column}: ${this.message}`;
  }
}

export class Token {
  constructor(kind, text, line, column) {
    this.kind = kind;
    this.text = text;
    this.line = line;
    this.column = column;
  }

  // The token with another text or kind, at the place where it was written.
  as(text, kind = this.kind) {
    return new Token(kind, text, this.line, this.column);
  }

  is(operator) {
    return this.kind === "operator" && this.text === operator;
  }

  error(message) {
    return new AssemblyError(this.line, this.column, message);
  }
}

export function makeReader({ tokens: table }) {
  const token = new RegExp(table.token, "suy");
  const comment = new RegExp(table.comment, "sgu");
  const escape = new RegExp(table.escape, "sgu");

  // The statements of a text: {tokens, line, source}, where source is the whole line.
  function readStatements(text) {
    const statements = [];
    const withoutComments = text.replace(comment, (found, ...rest) => blank(found, rest.at(-1).comment, text, rest.at(-3)));
    const sources = text.split("\n");
    withoutComments.split("\n").forEach((line, at) => {
      let tokens = [];
      const finish = () => {
        if (tokens.length) statements.push({ tokens, line: at + 1, source: withoutTrailingSpace(sources[at]) });
        tokens = [];
      };
      for (const found of readTokens(line, at + 1)) {
        if (found.text === ";") finish();
        else tokens.push(found);
      }
      finish();
    });
    return statements;
  }

  // The tokens of one line without comments.
  function readTokens(line, number) {
    const tokens = [];
    let column = 1;
    token.lastIndex = 0;
    while (token.lastIndex < line.length) {
      const start = token.lastIndex;
      const match = token.exec(line);
      if (!match) throw unreadable(line.slice(start), number, column);
      const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
      if (kind !== "space") tokens.push(new Token(kind, match[0], number, column));
      column += characters(match[0]);
    }
    return tokens;
  }

  // The value of a number or character token, 0 to 2**64 - 1.
  function numberValue(token) {
    if (token.kind === "character") return BigInt(literalValues(token)[0].value);
    const text = token.text.replaceAll("_", "");
    if (token.text.length > table.longest_number) throw token.error("the number does not fit in 64 bits");
    if (/^0[0-9]+$/.test(text)) throw token.error(`${text} begins with 0; write 0o${text.slice(1)} if octal is meant`);
    if (/^0[a-z]$/i.test(text)) throw token.error(`${token.text} is not a number`);
    const value = BigInt(text);
    if (value >> 64n) throw token.error("the number does not fit in 64 bits");
    return value;
  }

  // {value, escaped} of each part of a literal: a code point as written, or the byte of an escape.
  function literalValues(token) {
    const values = [];
    for (const [, escaped, plain] of token.text.slice(1, -1).matchAll(escape)) {
      if (plain !== undefined) {
        for (const character of plain) values.push({ value: character.codePointAt(0), escaped: false });
      } else if (/^x./s.test(escaped)) values.push({ value: parseInt(escaped.slice(1), 16), escaped: true });
      else if (escaped.length === 3) values.push({ value: parseInt(escaped, 8), escaped: true });
      else if (Object.hasOwn(table.escapes, escaped)) values.push({ value: table.escapes[escaped], escaped: true });
      else throw token.error(`the escape \\${escaped} is not known; \\n \\t \\0 \\x41 \\\\ are`);
    }
    return values;
  }

  // The bytes of a string literal: UTF-8 for what is written, one byte for each escape.
  function stringBytes(token) {
    return literalValues(token).flatMap(({ value, escaped }) => (escaped ? [value] : utf8(value)));
  }

  return { readStatements, readTokens, numberValue, stringBytes };
}

// A comment as spaces, so that columns and line numbers stay; what is no comment stays as it is.
function blank(found, comment, text, start) {
  if (comment === undefined) return found;
  if (found.startsWith("/*") && (found.length < 4 || !found.endsWith("*/"))) {
    const lines = text.slice(0, start).split("\n");
    throw new AssemblyError(lines.length, characters(lines.at(-1)) + 1, "this comment has no closing */");
  }
  return found.replace(/[^\n]/gu, " ");
}

// The error for text that is no token.
function unreadable(rest, line, column) {
  let message = `the character ${quoted(String.fromCodePoint(rest.codePointAt(0)))} has no meaning here`;
  if (rest[0] === '"') message = "this string has no closing quote";
  else if (rest[0] === "'") message = "a character literal is one character between quotes, such as 'a' or '\\n'";
  else if (/^[0-9]/.test(rest)) {
    const word = shortened(rest.match(/^[\p{L}\p{N}_.$]+/u)[0]);
    message = `${word} is not a number; decimal, 0x..., 0b... and 0o... are accepted`;
  }
  return new AssemblyError(line, column, message);
}

// TextEncoder would replace the half of a pair; Python's assembler keeps it.
function utf8(code) {
  const tail = (shift) => 0x80 | ((code >> shift) & 0x3f);
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), tail(0)];
  if (code < 0x10000) return [0xe0 | (code >> 12), tail(6), tail(0)];
  return [0xf0 | (code >> 18), tail(12), tail(6), tail(0)];
}
