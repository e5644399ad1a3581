// A small assembler for teaching text: what is written is what is assembled. It makes of any text the
// same program, or the same error, as virtlab.isa.assembler.
//
//   const { assemble } = makeAssembler(tables);
//   const program = assemble("_start: li a0, 42\n ret");
//
// A program is {data, base, entry, symbols, constants, lines}: the bytes of all sections from `base`
// on, Maps from names to values, and [address, bytes, line number, source] for each statement that
// made bytes. Addresses and values are BigInt. What the text does wrong is an AssemblyError, a base
// that is no address a RangeError. tables is what virtlab.explore.page.tables makes.
//
// A name may be used before it is defined, anywhere. The text is therefore assembled repeatedly, each
// time with the addresses of the time before, until nothing moves; then once more, with every check.

import { littleEndian, makeDirectives } from "./asm_directives.js";
import { Expression } from "./asm_expressions.js";
import { makeOperands, operandPatterns, splitOperands } from "./asm_operands.js";
import { loadConstant, putOperands, readPseudos } from "./asm_pseudo.js";
import { readRows } from "./asm_rows.js";
import { AssemblyError, makeReader } from "./asm_source.js";
import { hex, nearest, shortened } from "./asm_text.js";

export { AssemblyError };

const LOWEST_REACH = -(1n << 31n) - 0x800n; // of lui or auipc with a 12-bit offset
const HIGHEST_REACH = (1n << 31n) - 0x801n;

const signed = (value) => BigInt.asIntN(64, value);

// Whether 20 upper bits and a signed 12-bit offset can express a distance.
const inReach = (distance) => distance >= LOWEST_REACH && distance <= HIGHEST_REACH;

export function makeAssembler(tables) {
  const reader = makeReader(tables);
  const operands = makeOperands(tables, readRows(tables));
  const language = {
    tables,
    operands,
    numberValue: reader.numberValue,
    directives: makeDirectives(tables, reader.stringBytes),
    pseudos: readPseudos(tables, reader.readTokens),
    ignored: new Set(tables.ignored),
    refused: new Map(Object.entries(tables.refused)),
  };
  const { default_base: defaultBase, largest_base: largest, most_passes: mostPasses } = tables.assembler;
  const largestBase = BigInt(largest);

  function assemble(text, base = BigInt(defaultBase)) {
    if (base < 0n || base > largestBase || base % 4n) {
      throw new RangeError(`base is ${hex(base)}; a multiple of 4 up to ${hex(largestBase)} is accepted`);
    }
    const statements = reader.readStatements(text);
    let before = new Pass(language, new Map(), new Map(tables.sections.map((name) => [name, base])));
    for (let pass = 0; pass < mostPasses; pass++) {
      const current = new Pass(language, before.symbols, before.placeSections(base));
      current.run(statements);
      if (same(current.symbols, before.symbols) && same(current.starts, current.placeSections(base))) {
        const last = new Pass(language, current.symbols, current.starts, true);
        last.run(statements);
        return last.program(base);
      }
      before = current;
    }
    throw statements[0].tokens[0].error("the program does not settle: the size of something depends on its own address");
  }

  return { assemble };
}

const same = (a, b) => a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

// Bytes that grow.
class Section {
  constructor() {
    this.length = 0;
    this.room = new Uint8Array(256);
    this.alignment = 16n;
  }

  append(bytes) {
    const length = this.length + bytes.length;
    if (length > this.room.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.room.length));
      larger.set(this.room.subarray(0, this.length));
      this.room = larger;
    }
    this.room.set(bytes, this.length);
    this.length = length;
  }
}

// One walk over the statements, with addresses from the walk before.
class Pass {
  // known: symbols of the walk before, for names that are used ahead of their definition.
  // starts: where each section begins.
  // final: true to encode and check; otherwise only sizes matter and values may be unknown.
  constructor(language, known, starts, final = false) {
    this.language = language;
    this.known = known;
    this.starts = starts;
    this.final = final;
    this.section = ".text";
    this.sections = new Map(language.tables.sections.map((name) => [name, new Section()]));
    this.symbols = new Map();
    this.constants = new Set();
    this.labels = new Map(); // name -> the token that defined it
    this.numeric = new Map(); // digits -> how often defined so far
    this.pcrelTargets = new Map(); // address of an auipc -> what its %pcrel_hi names
    this.lines = [];
    this.context = {
      numberValue: language.numberValue,
      symbol: (token) => this.symbol(token),
      relocate: (token, value) => this.relocate(token, value),
    };
  }

  run(statements) {
    for (const { tokens: all, line, source } of statements) {
      const tokens = this.takeLabels(all);
      if (!tokens.length) continue;
      const [section, start] = [this.section, this.address];
      this.statement(tokens);
      const length = Number(this.address - start);
      if (this.final && this.section === section && length > 0) this.lines.push([start, length, line, source]);
    }
  }

  // Where the next byte goes.
  get address() {
    return this.starts.get(this.section) + BigInt(this.sections.get(this.section).length);
  }

  // Where the sections begin, from the sizes and alignments of this walk.
  placeSections(base) {
    const starts = new Map();
    let end = base;
    for (const [name, { length, alignment }] of this.sections) {
      if (name !== ".text" && length) end += -end & (alignment - 1n);
      starts.set(name, end);
      end += BigInt(length);
    }
    return starts;
  }

  // Defines the labels a statement begins with; returns what follows them.
  takeLabels(tokens) {
    let next = 0;
    for (; tokens[next + 1]?.text === ":" && ["name", "number"].includes(tokens[next].kind); next += 2) {
      const label = tokens[next];
      const name = label.text;
      if (label.kind === "number") {
        if (!/^[0-9]{1,4}$/.test(name)) throw label.error("a numeric label is written in decimal, 0 to 9999");
        const count = (this.numeric.get(name) ?? 0) + 1;
        this.numeric.set(name, count);
        this.symbols.set(`${name} ${count}`, this.address);
        continue;
      }
      this.checkName(label);
      const where = this.labels.get(name);
      if (where || this.constants.has(name)) {
        throw label.error(`${shortened(name)} is already defined${where ? ` on line ${where.line}` : ""}`);
      }
      this.labels.set(name, label);
      this.symbols.set(name, this.address);
    }
    return tokens.slice(next);
  }

  checkName(token) {
    if (token.kind !== "name" || token.text === ".") throw token.error(`${shortened(token.text)} cannot be a name`);
    if (this.language.operands.registers.has(token.text)) throw token.error(`${token.text} is a register and cannot name anything else`);
  }

  // One directive, assignment or instruction.
  statement(tokens) {
    const { directives, ignored, refused } = this.language;
    const [first, ...rest] = tokens;
    const { kind, text } = first;
    if (kind !== "name") throw first.error(`an instruction was expected, not ${shortened(text)}`);
    if (rest.length && rest[0].text === "=") this.define(first, rest.slice(1), rest[0]);
    else if (directives.has(text)) directives.get(text)(this, first, rest);
    else if (refused.has(text)) throw first.error(refused.get(text));
    else if (!ignored.has(text) && !text.startsWith(".cfi_")) this.instruction(first, rest);
  }

  // Gives a constant its value; a later definition replaces an earlier one.
  define(name, tokens, after) {
    this.checkName(name);
    const label = this.labels.get(name.text);
    if (label) throw name.error(`${shortened(name.text)} is already a label on line ${label.line}`);
    if (!tokens.length) throw after.error(`a value for ${shortened(name.text)} is missing`);
    this.symbols.set(name.text, this.value(tokens));
    this.constants.add(name.text);
  }

  // Instructions

  // A real or pseudo-instruction.
  instruction(first, rest) {
    const { operands: reader, pseudos, directives } = this.language;
    const mnemonic = first.as(first.text.toLowerCase());
    const operands = splitOperands(rest);
    if (mnemonic.text === "li") {
      this.loadImmediate(mnemonic, operands);
      return;
    }
    const [row, orderings] = reader.rowOf(mnemonic.text);
    const forms = row ? [[operandPatterns(row), null]] : [];
    for (const pseudo of pseudos.get(mnemonic.text) ?? []) forms.push([pseudo.operands, pseudo]);
    if (!forms.length) throw this.unknown(first);
    const pseudo = this.chooseForm(mnemonic, operands, forms);
    if (!pseudo) {
      this.realInstruction(mnemonic, row, operands, orderings);
      return;
    }
    for (const [name, ...inner] of putOperands(pseudo, mnemonic, operands)) {
      if (directives.has(name.text)) directives.get(name.text)(this, name, inner);
      else this.realInstruction(mnemonic, reader.byName.get(name.text), splitOperands(inner), []);
    }
  }

  // The pseudo-instruction that is written here, or null for the real instruction.
  chooseForm(mnemonic, operands, forms) {
    const { shapeFits } = this.language.operands;
    const alike = forms.filter(([patterns]) => patterns.length === operands.length);
    for (const [patterns, pseudo] of alike) {
      if (patterns.every((pattern, at) => shapeFits(operands[at], pattern))) return pseudo;
    }
    // The reader of a single real form explains a wrong operand best.
    if (alike.length === 1 && alike[0][1] === null) return null;
    const written = new Set(forms.map(([patterns]) => patterns.join(", ") || "no operands"));
    let place = mnemonic;
    if (alike.length) place = operands[alike[0][0].findIndex((pattern, at) => !shapeFits(operands[at], pattern))][0];
    throw place.error(`${mnemonic.text} takes ${[...written].join(" or ")}`);
  }

  // One instruction word; before the final pass only its length counts.
  realInstruction(mnemonic, row, operands, orderings) {
    let word = 0;
    if (this.final) {
      const valueOf = (tokens) => new Expression(tokens, this.language.tables.expressions, this.context).value();
      word = this.language.operands.encode(mnemonic, row, operands, orderings, this.address, valueOf);
    }
    this.emitWord(mnemonic, word, row.length);
  }

  // li, in as many instructions as the constant needs.
  loadImmediate(mnemonic, operands) {
    if (operands.length !== 2) throw mnemonic.error("li takes rd, imm");
    const { byName, register } = this.language.operands;
    const rd = register(operands[0]);
    const value = this.value(operands[1]);
    for (const [step, [name, immediate]] of loadConstant(signed(value)).entries()) {
      const { match, fields } = byName.get(name);
      let word = match | fields.get("rd").insert(rd);
      if (name === "lui") word |= fields.get("upper").insert(Number(immediate << 12n));
      else {
        word |= fields.get("rs1").insert(step ? rd : 0);
        word |= (fields.get("shamt") ?? fields.get("imm")).insert(Number(immediate));
      }
      this.emitWord(mnemonic, word, 4);
    }
  }

  // The error for a mnemonic or directive that does not exist.
  unknown(token) {
    const { directives, ignored, operands, pseudos } = this.language;
    const name = shortened(token.text);
    if (name.startsWith(".")) return token.error(`${name} is not a directive of this assembler${nearest(name, [...directives.keys(), ...ignored])}`);
    return token.error(`${name} is not an instruction${nearest(name.toLowerCase(), [...operands.byName.keys(), ...pseudos.keys()])}`);
  }

  // Values

  // An expression's value; before the final pass, 0 where it cannot be known yet.
  value(tokens) {
    try {
      return new Expression(tokens, this.language.tables.expressions, this.context).value();
    } catch (error) {
      if (this.final || !(error instanceof AssemblyError)) throw error;
      return 0n;
    }
  }

  // The value of a name: as defined so far, else as it was at the end of the pass before.
  symbol(token) {
    const { registers, csrs } = this.language.operands;
    const name = token.text;
    if (name === ".") return this.address;
    if (token.kind === "local") {
      const [digits, direction] = [name.slice(0, -1), name.at(-1)];
      const count = (this.numeric.get(digits) ?? 0) + (direction === "f" ? 1 : 0);
      const value = this.known.get(`${digits} ${count}`);
      if (value === undefined) throw token.error(`there is no label ${shortened(digits)}: ${direction === "f" ? "after" : "before"} this line`);
      return value;
    }
    const value = this.symbols.get(name) ?? this.known.get(name);
    if (value !== undefined) return value;
    if (registers.has(name)) throw token.error(`${name} is a register; a value was expected here`);
    if (!this.final) throw token.error("not known yet");
    const hint = csrs.has(name) ? "; a CSR has no value" : nearest(shortened(name), this.known.keys());
    throw token.error(`${shortened(name)} is not defined${hint}`);
  }

  // %hi and %lo of an address, and the same relative to an auipc.
  relocate(token, value) {
    const { reach } = this.language.tables.assembler;
    const upper = (distance) => ((distance + 0x800n) >> 12n) & 0xfffffn;
    switch (token.text) {
      case "%hi":
        if (!inReach(signed(value))) throw token.error(`lui reaches ${reach}, not ${hex(value)}; la may reach it`);
        return upper(signed(value));
      case "%lo":
        return BigInt.asIntN(12, value);
      case "%pcrel_hi": {
        this.pcrelTargets.set(this.address, value);
        const distance = signed(value - this.address);
        if (!inReach(distance)) throw token.error(`${hex(value)} is ${distance} bytes away; auipc reaches ${reach}, li any address`);
        return upper(distance);
      }
      case "%pcrel_lo":
        if (!this.pcrelTargets.has(value)) throw token.error("%pcrel_lo takes the label of an auipc with %pcrel_hi before it");
        return BigInt.asIntN(12, this.pcrelTargets.get(value) - value);
      default:
        throw token.error(`${token.text} is not known; %hi %lo %pcrel_hi and %pcrel_lo are`);
    }
  }

  // Output

  // Appends bytes to the section.
  emit(token, bytes) {
    this.makeRoom(token, BigInt(bytes.length));
    if (this.section === ".bss" && bytes.some((byte) => byte)) throw token.error(".bss holds zeros only; put this into .data");
    this.sections.get(this.section).append(bytes);
  }

  // Appends an instruction.
  emitWord(mnemonic, word, length) {
    if (this.final && this.address % 2n) {
      throw mnemonic.error(`an instruction cannot stand at the odd address ${hex(this.address)}; put .balign 4 before it`);
    }
    this.emit(mnemonic, littleEndian(BigInt(word), length));
  }

  // Refuses to grow beyond the largest program.
  makeRoom(token, n) {
    let total = n;
    for (const { length } of this.sections.values()) total += BigInt(length);
    if (total > this.language.tables.assembler.largest_program) throw token.error("the program would be larger than 16 MiB, which is the limit");
  }

  // The section begins at a multiple of this, or of more.
  align(wanted) {
    const section = this.sections.get(this.section);
    if (wanted > section.alignment) section.alignment = wanted;
  }

  // Appends padding: `fill`, or no-operations between instructions and zeros between data.
  pad(token, n, fill) {
    this.makeRoom(token, BigInt(n));
    const padding = new Uint8Array(n).fill(fill ?? 0);
    if (fill === null && this.section === ".text") {
      const { nop, c_nop: shortNop } = this.language.tables.assembler;
      let at = n % 2;
      if (n & 2) padding.set(littleEndian(BigInt(shortNop), 2), at);
      for (at += n & 2; at < n; at += 4) padding.set(littleEndian(BigInt(nop), 4), at);
    }
    this.emit(token, padding);
  }

  // The result of the final pass.
  program(base) {
    const filled = [...this.sections].filter(([, { length }]) => length);
    const offset = (name) => Number(this.starts.get(name) - base);
    const data = new Uint8Array(filled.length ? offset(filled.at(-1)[0]) + filled.at(-1)[1].length : 0);
    for (const [name, { room, length }] of filled) data.set(room.subarray(0, length), offset(name));
    const symbols = new Map([...this.labels.keys()].map((name) => [name, this.symbols.get(name)]));
    const constants = new Map([...this.constants].sort().map((name) => [name, this.symbols.get(name)]));
    const lines = this.lines.sort(([a], [b]) => (a < b ? -1 : 1));
    return { data, base, entry: symbols.get("_start") ?? base, symbols, constants, lines };
  }
}
