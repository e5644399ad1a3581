// Instruction words as text, with the same words as virtlab.isa.disassembler and, for the lines
// around a pc, virtlab.machine.listing.
//
//   const { disassemble, listing } = makeDisassembler(tables);
//   disassemble(0xfe051ce3, 0x80000010n, new Map([["loop", 0x80000008n]]))    "bnez a0, loop"
//
// By default the meaning, as objdump shows it: a 16-bit instruction as the 32-bit one it stands for,
// and with the pseudo-instruction where one fits. With exact = true the table's row itself, which the
// assembler turns into the same word again.
//
// tables is what virtlab.explore.page.tables makes. Addresses are BigInt, words are numbers; symbols
// is a Map from names to addresses, a plain object of the same, or null.

import { accepts, readRows } from "./asm_rows.js";
import { hex } from "./asm_text.js";

const unsigned = (address) => BigInt.asUintN(64, address);
const lengthOf = (word) => ((word & 3) === 3 ? 4 : 2);

// A few bits by which the rows are sorted: the opcode, or quadrant and funct3 of 16 bits.
const opcodeOf = (word) => ((word & 3) === 3 ? word & 0x7f : word & 0xe003);

export function makeDisassembler(tables) {
  const rows = readRows(tables);
  const operandName = new RegExp(tables.operand, "gu");
  const operandNames = (text) => text.match(operandName) ?? [];
  const csrNames = new Map(Object.entries(tables.csrs).map(([name, number]) => [number, name]));

  // The row with the most fixed bits wins, so c.jr is not taken for c.mv.
  const byOpcode = new Map();
  const fixedBits = (row) => row.mask.toString(2).replaceAll("0", "").length;
  for (const row of [...rows].sort((a, b) => fixedBits(b) - fixedBits(a))) append(byOpcode, opcodeOf(row.match), row);

  const aliases = new Map(); // name of a real instruction -> pseudo-instructions that may mean it
  const wholeWords = new Map(); // words with a name of their own, such as pause
  for (const [name, operands, text, writtenOnly] of tables.pseudos) {
    if (writtenOnly) continue;
    const [mnemonic, ...rest] = text.split(" ");
    const pattern = operands.join(", ");
    if (mnemonic === ".4byte") wholeWords.set(Number(rest[0]), name);
    else append(aliases, mnemonic, { name, pattern, own: operandNames(pattern), template: operandNames(rest.join(" ")) });
  }

  const byName = new Map(rows.map((row) => [row.name, row]));
  for (const row of rows) {
    row.names = operandNames(row.operands);
    // Fields that the operands do not show: those of fence and fence.i that are reserved.
    row.unwritten = [...row.fields.values()].filter(({ name }) => !row.names.includes(name) && name !== "aq" && name !== "rl");
    const [mnemonic, ...written] = row.expansion.split(" ");
    row.meaning = byName.get(mnemonic);
    row.written = operandNames(written.join(" "));
  }

  function findRow(word) {
    return byOpcode.get(opcodeOf(word))?.find((row) => accepts(row, word));
  }

  // A mnemonic with its operands in the places of the pattern's names.
  function write(name, pattern, texts) {
    return `${name} ${pattern.replace(operandName, (operand) => texts.get(operand))}`.trimEnd();
  }

  // The pseudo-instruction that means `row` with these operands, or nothing.
  function findAlias(row, texts) {
    const operands = row.names.map((name) => texts.get(name));
    for (const alias of aliases.get(row.name) ?? []) {
      const bound = bind(alias, operands);
      if (bound) return write(alias.name, alias.pattern, bound);
    }
    return "";
  }

  function operandText(field, word, pc, nameOf) {
    const value = field.extract(word);
    if (/^r(d|s1|s2)'?$/.test(field.name)) return tables.abi_names[value];
    if (field.name === "csr") return csrNames.get(value) ?? hex(value);
    if (field.name === "pred" || field.name === "succ") {
      const letters = Object.entries(tables.access_bits).filter(([, bit]) => value & bit);
      return letters.map(([letter]) => letter).join("") || "0";
    }
    if (field.name === "upper") return hex((value >> 12) & 0xfffff);
    if (field.name !== "offset") return String(value);
    if (pc === null) return `. ${value < 0 ? "-" : "+"} ${Math.abs(value)}`;
    const address = unsigned(pc + BigInt(value));
    return nameOf(address) || hex(address);
  }

  function text(word, pc, nameOf, exact) {
    const length = lengthOf(word);
    word = length === 4 ? word >>> 0 : word & 0xffff;
    const row = findRow(word);
    if (!row) return raw(word, length);
    if (wholeWords.has(word)) return wholeWords.get(word);
    if (row.unwritten.some((field) => field.extract(word))) return `${raw(word, length)}  # ${row.name} with unused fields set`;

    const name = row.name + ordering(row, word);
    const own = new Map([["sp", "sp"]]);
    for (const [operand, field] of row.fields) own.set(operand, operandText(field, word, pc, nameOf));
    if (exact) return write(name, row.operands, own);
    // What an expansion fixes, a register or the offset 0 of a jump, is written as it stands there.
    const base = row.meaning;
    const meant = new Map(base.names.map((operand, at) => [operand, row.fields.has(row.written[at]) ? own.get(row.written[at]) : row.written[at]]));
    return findAlias(row, own) || findAlias(base, meant) || write(base === row ? name : base.name, base.operands, meant);
  }

  // A function from an address to the symbol at or shortly before it, or to nothing.
  function namer(symbols) {
    const names = new Map();
    for (const [name, address] of symbols instanceof Map ? symbols : Object.entries(symbols ?? {})) {
      const key = unsigned(BigInt(address));
      if (!names.has(key)) names.set(key, name);
    }
    const starts = BigUint64Array.from(names.keys()).sort();
    return (address) => {
      let [low, high] = [0, starts.length]; // binary search for the first start behind the address
      while (low < high) {
        const middle = (low + high) >> 1;
        if (starts[middle] <= address) low = middle + 1;
        else high = middle;
      }
      if (!low || address - starts[low - 1] > tables.near) return "";
      const start = starts[low - 1];
      return names.get(start) + (address > start ? `+${hex(address - start)}` : "");
    };
  }

  // One instruction as text. Without a pc, targets are relative: "j . + 8".
  function disassemble(word, pc = null, symbols = null, exact = false) {
    return text(word, pc, namer(symbols), exact);
  }

  // [address, word, text] of `n` instructions, up to `before` of them ahead of `pc`.
  //
  // halfwordAt: a function from an address to the 16 bits there, or null where none can be fetched.
  // Decoding backwards takes a guess and a check: what lies ahead is found by going back to an
  // address from which decoding reaches `pc`.
  function listing(halfwordAt, pc, n, before, symbols = null) {
    const nameOf = namer(symbols);

    function lineAt(at) {
      const address = unsigned(at);
      let word = halfwordAt(address) ?? null;
      if (word === null) return null;
      if (lengthOf(word) === 4) {
        const high = halfwordAt(unsigned(at + 2n)) ?? null;
        if (high === null) return null;
        word = (word | (high << 16)) >>> 0;
      }
      return [address, word, text(word, address, nameOf, false)];
    }

    function decoded(at) {
      const found = [];
      while (at < pc) {
        const line = lineAt(at);
        if (!line || !findRow(line[1])) return [];
        found.push(line);
        at += BigInt(lengthOf(line[1]));
      }
      return found;
    }

    let lines = [];
    for (let distance = 4 * before; distance > 0; distance -= 2) {
      const ahead = decoded(pc - BigInt(distance));
      if (!ahead.length) continue;
      const [address, word] = ahead.at(-1);
      if (address + BigInt(lengthOf(word)) !== pc) continue;
      lines = ahead.slice(-before);
      break;
    }
    let at = pc;
    while (lines.length < n) {
      const line = lineAt(at);
      if (!line) break;
      lines.push(line);
      at += BigInt(lengthOf(line[1]));
    }
    return lines.slice(0, n);
  }

  return { disassemble, listing };
}

function append(lists, key, item) {
  if (lists.has(key)) lists.get(key).push(item);
  else lists.set(key, [item]);
}

// A word as data.
function raw(word, length) {
  return `.${length}byte 0x${word.toString(16).padStart(2 * length, "0")}`;
}

// The suffix for the aq and rl bits of an atomic instruction.
function ordering(row, word) {
  const set = ["aq", "rl"].filter((name) => row.fields.get(name)?.extract(word));
  return set.length ? `.${set.join("")}` : "";
}

// The operands of a pseudo-instruction, given those of the real one; null if they differ.
function bind({ own, template }, operands) {
  const bound = new Map();
  for (const [at, wanted] of template.entries()) {
    if (!own.includes(wanted)) {
      if (wanted !== operands[at]) return null;
    } else if ((bound.get(wanted) ?? operands[at]) !== operands[at]) return null;
    else bound.set(wanted, operands[at]);
  }
  return bound;
}
