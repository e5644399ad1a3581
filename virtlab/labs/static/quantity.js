// What number does a reader mean? As virtlab/labs/quantity.py reads it, from which the pattern and the
// units come: { pattern, families, longest }. A whole number is a BigInt, any other a Number.

export class UnreadableError extends Error {}

// The number that a text means, in `unit`; UnreadableError says what is accepted.
export function quantity(text, unit, { pattern, families, longest }) {
  const accepted = unit ? `accepted is a number of ${unit}` : "accepted is a number";
  if (!text.trim()) throw new UnreadableError(`There is no answer yet; ${accepted}.`);
  const found = [...text].length <= longest ? new RegExp(`^(?:${pattern})$`, "u").exec(text) : null;
  const value = found && read(found[1].replaceAll(/[,_]/g, ""));
  if (value === null) throw new UnreadableError(`“${text.trim().slice(0, longest)}” is no number; ${accepted}.`);
  const large = new UnreadableError(`“${text.trim()}” is too large; ${accepted}.`);
  if (!Number.isFinite(Number(value))) throw large;
  const given = found[2];
  if (given === "" || given === unit || stem(given) === stem(unit)) return value;
  for (const family of families.map((pairs) => new Map(pairs))) {
    if (!family.has(given) || !family.has(unit)) continue;
    const scaled = times(value, family.get(given)) / family.get(unit);
    if (!Number.isFinite(scaled)) throw large;
    return whole(scaled);
  }
  throw new UnreadableError(`“${given}” is not the unit asked for; ${accepted}.`);
}

const stem = (unit) => unit.replace(/s+$/, "");
const whole = (number) => (Number.isInteger(number) ? BigInt(number) : number);

// Whole numbers are multiplied exactly and rounded once, as in Python.
function times(value, factor) {
  if (typeof value === "bigint" && Number.isInteger(factor)) return Number(value * BigInt(factor));
  return Number(value) * factor;
}

// Digits with a sign, as a BigInt or a Number; null if they are none.
function read(digits) {
  const [, sign, rest] = /^([+-]?)(.*)$/.exec(digits);
  if (/^0x[0-9a-f]+$/i.test(rest) || /^[0-9]+$/.test(rest)) return sign === "-" ? -BigInt(rest) : BigInt(rest);
  return /x/i.test(rest) ? null : Number(digits);
}
