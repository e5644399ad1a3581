// The instruction table as objects: rows, and the fields that stand in their words.
//
// A row is {name, operands, length, mask, match, nonzero, fields, expansion}; fields is a Map from
// an operand's name to its Field. Words are numbers, 0 to 2**32 - 1.

// Where the bits of one operand stand in the word.
export class Field {
  // pieces: (word bit, width, value bit) one after the other. `width` bits at the word bit are the
  // bits at the value bit of the value.
  constructor(name, nonzero, pieces, signed) {
    this.name = name;
    this.nonzero = nonzero; // a value of zero makes the word another instruction or none
    this.signed = signed;
    this.pieces = [];
    this.mask = 0;
    this.top = 0; // number of the value's highest bit
    let lowest = 31;
    for (let at = 0; at < pieces.length; at += 3) {
      const [wordBit, width, valueBit] = pieces.slice(at, at + 3);
      const ones = 2 ** width - 1;
      this.pieces.push([wordBit, ones, valueBit]);
      this.mask = (this.mask | (ones << wordBit)) >>> 0;
      this.top = Math.max(this.top, valueBit + width - 1);
      lowest = Math.min(lowest, valueBit);
    }
    this.step = 2 ** lowest; // values are multiples of this
    this.base = name.endsWith("'") ? 8 : 0; // the three-bit registers count from x8
    this.low = signed ? -(2 ** this.top) : this.base;
    this.high = 2 ** (this.top + (signed ? 0 : 1)) - this.step + this.base;
  }

  // The field's value in a word.
  extract(word) {
    let value = 0;
    for (const [wordBit, ones, valueBit] of this.pieces) value |= ((word >>> wordBit) & ones) << valueBit;
    if (this.signed) value = (value << (31 - this.top)) >> (31 - this.top);
    return value + this.base;
  }

  // The word bits that hold a value, which must lie in low..high by step.
  insert(value) {
    let word = 0;
    for (const [wordBit, ones, valueBit] of this.pieces) word |= (((value - this.base) >> valueBit) & ones) << wordBit;
    return word >>> 0;
  }
}

// The rows in the table's order.
export function readRows(tables) {
  const fields = tables.fields.map(([name, nonzero, pieces]) => new Field(name, nonzero, pieces, tables.signed.includes(name)));
  return tables.instructions.map(([name, operands, length, mask, match, numbers, expansion]) => {
    const own = numbers.map((number) => fields[number]);
    return {
      name,
      operands,
      length,
      mask,
      match,
      nonzero: own.reduce((bits, field) => (field.nonzero ? bits | field.mask : bits), 0) >>> 0,
      fields: new Map(own.map((field) => [field.name, field])),
      expansion: expansion ?? `${name} ${operands}`.trimEnd(),
    };
  });
}

// Whether a word is this instruction, or a row with more fixed bits of the same opcode.
export function accepts(row, word) {
  return (word & row.mask) >>> 0 === row.match && (!row.nonzero || (word & row.nonzero) !== 0);
}
