// Pieces of text as Python writes them, so that a sentence is the same in the notebook and on the page.
//
// Columns and lengths count characters (code points), not the 16-bit units of JavaScript's strings.

const ALIKE = 0.6; // a suggestion shares at least this part of its letters with what was written
const SHOWN = 40; // characters of a name that an error repeats

// A whole number in hexadecimal.
export const hex = (number) => (number < 0 ? `-0x${(-number).toString(16)}` : `0x${number.toString(16)}`);

// The beginning of a text that may be of any length.
export const shortened = (text) => [...text.slice(0, 2 * SHOWN)].slice(0, SHOWN).join("");

// How many characters a text has.
export function characters(text) {
  let n = 0;
  for (const _ of text) n += 1;
  return n;
}

// A character between quotes; as an escape where it cannot be seen.
export function quoted(character) {
  if (character === "\\") return "'\\\\'";
  if (!/[\p{C}\p{Z}]/u.test(character)) return `'${character}'`;
  const digits = character.codePointAt(0).toString(16);
  if (digits.length <= 2) return `'\\x${digits.padStart(2, "0")}'`;
  return digits.length <= 4 ? `'\\u${digits.padStart(4, "0")}'` : `'\\U${digits.padStart(8, "0")}'`;
}

// Python's rstrip(): it takes the separators \x1c to \x1f for spaces, and the byte order mark not.
export function withoutTrailingSpace(text) {
  let end = text.length;
  while (end && /[\s\x1c-\x1f\x85]/.test(text[end - 1]) && text[end - 1] !== "\ufeff") end -= 1;
  return text.slice(0, end);
}

// A suggestion to put behind "... is not known".
export function nearest(name, known) {
  let best = null;
  let share = ALIKE;
  for (const candidate of known) {
    if ((2 * Math.min(candidate.length, name.length)) / (candidate.length + name.length) < share) continue;
    const found = similarity([...candidate], [...name]);
    if (found > share || (found === share && (best === null || candidate > best))) {
      best = candidate;
      share = found;
    }
  }
  return best === null ? "" : `; did you mean ${best}?`;
}

// Ratcliff and Obershelp's measure, which Python's difflib uses: what two texts have in common, as a
// share of both. The longest common run counts, then the same on its left and on its right.
function similarity(a, b) {
  const common = (aLow, aHigh, bLow, bHigh) => {
    let length = 0;
    let aStart = aLow;
    let bStart = bLow;
    let before = []; // length of the run that ends at the previous character of a and at each of b
    for (let i = aLow; i < aHigh; i++) {
      const here = [];
      for (let j = bLow; j < bHigh; j++) {
        if (a[i] !== b[j]) continue;
        here[j] = (before[j - 1] ?? 0) + 1;
        if (here[j] > length) {
          length = here[j];
          aStart = i - length + 1;
          bStart = j - length + 1;
        }
      }
      before = here;
    }
    if (!length) return 0;
    return length + common(aLow, aStart, bLow, bStart) + common(aStart + length, aHigh, bStart + length, bHigh);
  };
  return (2 * common(0, a.length, 0, b.length)) / (a.length + b.length);
}
