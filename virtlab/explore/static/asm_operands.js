// From the written operands of one instruction to its word: virtlab.isa.operands.
//
// The table says how an instruction is written ("rs2, imm(rs1)") and where each field stands; here
// what was written is matched with that, each value is checked against its field, and where it does
// not fit, the error says what is accepted.

import { AssemblyError } from "./asm_source.js";
import { hex, nearest, shortened } from "./asm_text.js";

// The operands between commas, each a list of tokens.
export function splitOperands(tokens) {
  if (!tokens.length) return [];
  const operands = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.is(",") && depth === 0) {
      if (!operands.at(-1).length) throw token.error("an operand is missing before this comma");
      operands.push([]);
      continue;
    }
    if (token.is("(")) depth += 1;
    if (token.is(")")) depth -= 1;
    operands.at(-1).push(token);
  }
  if (!operands.at(-1).length) throw tokens.at(-1).error("an operand is missing after this comma");
  return operands;
}

// How the operands of a row are written, such as ["rs2", "imm(rs1)"].
export const operandPatterns = (row) => (row.operands ? row.operands.split(", ") : []);

export function makeOperands(tables, rows) {
  const registers = new Map(Object.entries(tables.registers));
  const csrs = new Map(Object.entries(tables.csrs));
  const byName = new Map(rows.map((row) => [row.name, row]));
  const registerOperand = new RegExp(`^(?:${tables.register_operand})$`, "u");

  const isRegister = (tokens) => tokens.length === 1 && tokens[0].kind === "name" && registers.has(tokens[0].text);

  // Whether this is written as offset(register) or (register).
  function isAddress(tokens) {
    if (tokens.length < 3 || tokens.at(-3).text !== "(" || tokens.at(-1).text !== ")") return false;
    // 4(a9) can only be meant as an address, whatever a9 is; (a9) may be an expression.
    return isRegister(tokens.slice(-2, -1)) || ["number", "name", "character"].includes(tokens.at(-4)?.kind);
  }

  // Whether an operand is written as the kind that a pattern such as "imm(rs1)" asks for.
  function shapeFits(written, wanted) {
    if (wanted.endsWith(")")) return isAddress(written);
    if (registerOperand.test(wanted)) return isRegister(written);
    return !isRegister(written) && !isAddress(written);
  }

  // The table's row for a mnemonic and the ordering bits of its suffix (.aq, .rl, .aqrl).
  function rowOf(mnemonic) {
    if (byName.has(mnemonic)) return [byName.get(mnemonic), []];
    for (const [suffix, bits] of Object.entries(tables.orderings)) {
      const row = mnemonic.endsWith(suffix) && byName.get(mnemonic.slice(0, -suffix.length));
      if (row && row.fields.has("aq")) return [row, bits];
    }
    return [null, []];
  }

  // The number of a register operand.
  function register(tokens) {
    if (isRegister(tokens)) return registers.get(tokens[0].text);
    if (tokens.length > 1) throw tokens[0].error("a register was expected here");
    const name = shortened(tokens[0].text);
    throw tokens[0].error(`${name} is not a register${nearest(name, registers.keys())}`);
  }

  // The word of one instruction with as many operands as its row has.
  //
  // address: where the instruction will stand; offsets are relative to it.
  // valueOf: a function from the tokens of an expression to its value, or to an AssemblyError.
  function encode(mnemonic, row, written, orderings, address, valueOf) {
    const name = mnemonic.text;

    // The word bits of one operand: "rd", "imm(rs1)", "uimm(sp)" or "(rs1)".
    function operand(tokens, pattern) {
      if (!pattern.endsWith(")")) return fieldBits(tokens, pattern);
      const [offset, base] = pattern.slice(0, -1).split("(");
      if (!isAddress(tokens)) throw tokens[0].error(`${name} takes ${row.operands}`);
      const word = fieldBits(tokens.slice(-2, -1), base);
      const before = tokens.slice(0, -3);
      if (before.length && offset) return word | fieldBits(before, offset);
      if (before.length && valueOf(before) !== 0n) throw tokens[0].error(`${name} has no room for an offset; only 0 is accepted`);
      return word;
    }

    // The word bits of one field, or 0 for an operand that is fixed, such as sp in c.lwsp.
    function fieldBits(tokens, operandName) {
      const first = tokens[0];
      if (operandName === "sp") {
        if (register(tokens) !== registers.get("sp")) throw first.error(`${name} takes sp here, not ${first.text}`);
        return 0;
      }
      const field = row.fields.get(operandName);
      let value;
      if (registerOperand.test(operandName)) value = BigInt(register(tokens));
      else if (operandName === "csr") value = csr(tokens);
      else if (operandName === "pred" || operandName === "succ") value = accessSet(tokens);
      else value = valueOf(tokens);
      if (operandName === "offset") value = BigInt.asIntN(64, value - address);
      else if (operandName === "upper") value = upper(first, field, value);
      checkRange(first, field, value);
      return field.insert(Number(value));
    }

    // The value whose bits 12 and up are written; 0xfffff and -1 name the same upper bits.
    function upper(first, field, written) {
      const [low, high] = [field.low / 4096, Math.floor(field.high / 4096)];
      const value = written > high && written < 1n << 20n ? written - (1n << 20n) : written;
      if (value < low || value > high) {
        const accepted = `${low} to ${high} (or ${hex(low & 0xfffff)} to 0xfffff for the negative ones)`;
        throw first.error(outOfRange(written, accepted));
      }
      return value << 12n;
    }

    // A CSR by name or by number.
    function csr(tokens) {
      const first = tokens[0];
      if (tokens.length === 1 && csrs.has(first.text)) return BigInt(csrs.get(first.text));
      try {
        return valueOf(tokens);
      } catch (error) {
        if (!(error instanceof AssemblyError) || tokens.length > 1 || first.kind !== "name") throw error;
        const text = shortened(first.text);
        throw first.error(`${text} is no CSR of this machine${nearest(text, csrs.keys())}; a number from 0 to 0xfff is accepted too`);
      }
    }

    // A fence operand: letters of iorw in this order, or a number.
    function accessSet(tokens) {
      const first = tokens[0];
      if (tokens.length !== 1 || first.kind !== "name") return valueOf(tokens);
      const letters = Object.keys(tables.access_bits).filter((letter) => first.text.includes(letter));
      if (letters.join("") !== first.text) throw first.error("fence takes sets such as rw, iorw or r: letters of iorw, in order");
      return BigInt(letters.reduce((bits, letter) => bits | tables.access_bits[letter], 0));
    }

    function checkRange(first, field, value) {
      if (value >= field.low && value <= field.high && (value - BigInt(field.base)) % BigInt(field.step) === 0n) {
        if (value !== 0n || !field.nonzero) return;
        const what = field.name.startsWith("r") ? "register zero" : "0";
        throw first.error(`${name} cannot have ${what} here, the encoding is reserved`);
      }
      if (field.base) throw first.error(`${name} takes registers s0, s1 and a0 to a5 here, not ${first.text}`);
      const steps = field.step === 1 ? "" : ` in steps of ${field.step}`;
      if (field.name !== "offset") throw first.error(outOfRange(value, `${field.low} to ${field.high}${steps}`));
      const target = hex(BigInt.asUintN(64, address + value));
      throw first.error(
        `${name} cannot reach ${target} from ${hex(address)}, which is ${value} bytes away; it reaches ${field.low} to ${field.high}${steps}`,
      );
    }

    const outOfRange = (value, accepted) => `${value} does not fit in ${name}, which takes ${accepted}`;

    const patterns = operandPatterns(row);
    let word = row.match;
    for (const bit of orderings) word |= row.fields.get(bit).insert(1);
    for (const [at, tokens] of written.slice(0, patterns.length).entries()) word |= operand(tokens, patterns[at]);
    // A pseudo-instruction whose operand closes the parenthesis it is put into brings a comma too many.
    const extra = written[patterns.length]?.[0];
    if (extra) throw extra.error(`${shortened(extra.text)} was not expected here`);
    return word >>> 0;
  }

  return { registers, csrs, byName, shapeFits, rowOf, register, encode };
}
