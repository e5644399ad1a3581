// Pseudo-instructions, the names people write for common uses of real ones: virtlab.isa.pseudo.

// name -> rows {operands, expansion}; an expansion is a list of token lists, one for each real
// instruction.
export function readPseudos(tables, readTokens) {
  const byName = new Map();
  for (const [name, operands, text] of tables.pseudos) {
    const expansion = text.split(";").map((part) => readTokens(part.trim(), 0));
    byName.set(name, [...(byName.get(name) ?? []), { operands, expansion }]);
  }
  return byName;
}

// The real instructions of a pseudo-instruction, as token lists.
//
// The tokens keep the line and column where they were written, so that an error in an operand points
// at the text and not at the expansion.
export function putOperands(row, mnemonic, operands) {
  const given = new Map();
  row.operands.forEach((name, at) => {
    const tokens = operands[at];
    if (name !== "offset(rs)") given.set(name, tokens);
    else {
      given.set("offset", tokens.length > 3 ? tokens.slice(0, -3) : [mnemonic.as("0", "number")]);
      given.set("rs", tokens.slice(-2, -1));
    }
  });
  return row.expansion.map((template) => template.flatMap(({ kind, text }) => given.get(text) ?? [mnemonic.as(text, kind)]));
}

// A shortest usual sequence that puts a signed 64-bit constant into a register: [mnemonic, immediate]
// for each step. The first starts from zero, the others work on the register itself.
export function loadConstant(value) {
  const ways = [fromTheTop(value)];
  if (ways[0].length > 2) {
    const zeros = trailingZeros(value);
    if (zeros) ways.push([...fromTheTop(value >> zeros), ["slli", zeros]]);
    if (value > 0n) {
      // A positive constant may be a shorter one, with its first bit set, shifted right again.
      const free = 64n - BigInt(value.toString(2).length);
      for (const fill of [0n, (1n << free) - 1n]) {
        const start = ((value << free) | fill) - (1n << 64n);
        ways.push([...fromTheTop(start), ["srli", free]]);
      }
    }
  }
  return ways.reduce((best, way) => (way.length < best.length ? way : best));
}

// The upper bits first, then a shift and twelve more bits, as often as needed.
function fromTheTop(value) {
  const low = BigInt.asIntN(12, value);
  if (value === low) return [["addi", value]];
  if (value === BigInt.asIntN(32, value)) {
    // lui and addiw work modulo 2**32, so 0x7fff_ffff may pass through a negative lui.
    const steps = [["lui", ((value + 0x800n) >> 12n) & 0xfffffn]];
    return low ? [...steps, ["addiw", low]] : steps;
  }
  const rest = (value - low) >> 12n;
  const zeros = trailingZeros(rest);
  const steps = [...fromTheTop(rest >> zeros), ["slli", 12n + zeros]];
  return low ? [...steps, ["addi", low]] : steps;
}

const trailingZeros = (value) => BigInt((value & -value).toString(2).length - 1);
