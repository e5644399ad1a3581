// How does a figure say its numbers? The same texts with placeholders as template.py, which
// describes them, filled with the same characters: integers are exact, and a number with decimals
// is rounded as Python rounds it.
//
// `parse` makes nodes of a text, `fill` makes text of nodes. A scope maps a name to a number or to
// { data, shape, whole }: an array, its shape, and whether its elements are integers.

const NAME = /[A-Za-z_][A-Za-z_0-9]*/y;
const NUMBER = /[0-9]+/y;
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

export const escape = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

// An integer with its thousands apart.
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

// An unsigned 64-bit address, in groups of four digits.
export function groupedHex(number) {
  const digits = BigInt.asUintN(64, BigInt(number)).toString(16);
  return `0x${digits.length > 4 ? digits.replace(/\B(?=([0-9a-f]{4})+$)/g, "_") : digits.padStart(4, "0")}`;
}

// A number with that many decimals. toFixed would round a tie up where Python rounds to even, so the
// number is taken apart into an integer and a power of two, and rounded as a fraction.
export function fixed(number, digits, thousands = false) {
  const value = Number(number);
  if (Number.isNaN(value)) return "nan";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (!Number.isFinite(value)) return `${sign}inf`;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = exponent ? fraction | 0x10000000000000n : fraction;
  const power = Math.max(exponent, 1) - 1075;
  let scaled = mantissa * 10n ** BigInt(digits);
  if (power >= 0) {
    scaled <<= BigInt(power);
  } else {
    const unit = 1n << BigInt(-power);
    const rest = scaled % unit;
    scaled /= unit;
    if (2n * rest > unit || (2n * rest === unit && scaled & 1n)) scaled += 1n;
  }
  const all = scaled.toString().padStart(digits + 1, "0");
  const whole = all.slice(0, all.length - digits);
  const decimals = digits ? `.${all.slice(all.length - digits)}` : "";
  return sign + (thousands ? grouped(whole) : whole) + decimals;
}

// A name with its indices at `at`: [{ name, indices }, the place after it]. Python has checked the
// text when the figure was declared, so a mistake here is one of this file.
function parseRef(text, at) {
  NAME.lastIndex = at;
  const [name] = NAME.exec(text);
  const indices = [];
  let next = at + name.length;
  while (text[next] === "[") {
    NUMBER.lastIndex = next + 1;
    const number = NUMBER.exec(text);
    let index;
    if (number) {
      index = Number(number[0]);
      next += 1 + number[0].length;
    } else {
      [index, next] = parseRef(text, next + 1);
    }
    indices.push(index);
    next += 1; // the closing bracket
  }
  return [{ name, indices }, next];
}

function parsePlaceholder(text, at) {
  let [ref, next] = parseRef(text, at + 1);
  const node = { ref, format: "" };
  if (text[next] === "?") {
    node.parts = [];
    while (text[next] === "?" || text[next] === "|") {
      const [part, end] = parseNodes(text, next + 1, true);
      node.parts.push(part);
      next = end;
    }
  } else if (text[next] === ":") {
    const end = text.indexOf("}", next);
    node.format = text.slice(next + 1, end);
    next = end;
  }
  return [node, next + 1];
}

function parseNodes(text, at, inside) {
  const nodes = [];
  let words = "";
  let next = at;
  while (next < text.length) {
    const pair = text.slice(next, next + 2);
    if (pair === "{{" || (pair === "}}" && !inside)) {
      words += pair[0];
      next += 2;
    } else if (text.startsWith("{|}", next)) {
      words += "|";
      next += 3;
    } else if (text[next] === "{") {
      const [node, end] = parsePlaceholder(text, next);
      nodes.push(words, node);
      words = "";
      next = end;
    } else if (text[next] === "}" || (inside && text[next] === "|")) {
      break;
    } else {
      words += text[next];
      next += 1;
    }
  }
  nodes.push(words);
  return [nodes, next];
}

// The number that a reference means: a BigInt if it is an integer, else a Number.
export function valueOf(ref, scope) {
  const found = scope[ref.name];
  if (typeof found !== "object") return found;
  let place = 0;
  ref.indices.forEach((index, axis) => {
    const at = typeof index === "number" ? index : Number(valueOf(index, scope));
    const size = found.shape[axis];
    if (at < 0 || at >= size) throw new Error(`${ref.name}: ${at} is outside 0 to ${size - 1}`);
    place = place * size + at;
  });
  const number = found.data[place];
  return found.whole ? BigInt(number) : Number(number);
}

// The name of a number, such as n or n[2], as a reference.
export const parseName = (text) => parseRef(text, 0)[0];

// A text as it stands in a specification, understood: a list of nodes and repeats.
export function parse(parts) {
  return parts.map((part) =>
    typeof part === "string" ? parseNodes(part, 0, false)[0] : { ...parseRepeat(part), each: parse(part.each) });
}

// How often and with what around it, without what is repeated.
export function parseRepeat({ count, most, between = "", before = "", after = "", index = "i" }) {
  return { count: typeof count === "string" ? parseName(count) : BigInt(count), most, between, before, after, index };
}

export const totalOf = (repeat, scope) =>
  Number(typeof repeat.count === "bigint" ? repeat.count : valueOf(repeat.count, scope));

// The names of each round of a repeat.
export function scopesOf(repeat, scope) {
  const length = Math.max(0, Math.min(totalOf(repeat, scope), repeat.most));
  return Array.from({ length }, (_, k) => ({ ...scope, [repeat.index]: BigInt(k) }));
}

function show(node, scope, labels) {
  const number = valueOf(node.ref, scope);
  const { format } = node;
  if (format === "") return String(number);
  if (format === "x") return groupedHex(number);
  if (format === ",") return grouped(number);
  const digits = /^(,?)\.(\d)f$/.exec(format);
  if (digits) return fixed(number, Number(digits[2]), digits[1] === ",");
  return labels[format][String(number)] ?? String(number);
}

function fillNodes(nodes, scope, labels, markup) {
  return nodes.map((node) => {
    if (typeof node === "string") return node;
    if (!node.parts) {
      const words = show(node, scope, labels);
      return markup ? escape(words) : words;
    }
    const number = valueOf(node.ref, scope);
    const last = node.parts.length - 1;
    const part = number < 0n ? 0 : number > BigInt(last) ? last : Number(number);
    return fillNodes(node.parts[part], scope, labels, markup);
  }).join("");
}

// A parsed text with its numbers; as markup, what is filled in is escaped.
export function fill(template, scope, labels, markup = false) {
  return template.map((part) => {
    if (Array.isArray(part)) return fillNodes(part, scope, labels, markup);
    const rounds = scopesOf(part, scope).map((each) => fill(part.each, each, labels, markup));
    return rounds.length ? part.before + rounds.join(part.between) + part.after : "";
  }).join("");
}
