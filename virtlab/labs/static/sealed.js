// How can a page know whether an answer is right, and not show what is? As virtlab/labs/page/sealed.py
// describes: an answer makes a key, the key opens what is said about this answer.
//
// Source: FIPS 180-4, SHA-256. The browser's own is missing where a page comes from a plain http
// server, so here it is again.

const TAG = 12; // hexadecimal digits

// The first 32 bits behind the point of the n-th root of the first primes, as the standard has them.
const primes = (n) => {
  const found = [];
  for (let k = 2; found.length < n; k += 1) if (found.every((p) => k % p)) found.push(k);
  return found;
};
const fraction = (root) => (prime) => ((root(prime) % 1) * 2 ** 32) | 0;
const ROUNDS = primes(64).map(fraction(Math.cbrt));
const BEGIN = primes(8).map(fraction(Math.sqrt));
const turn = (word, n) => (word >>> n) | (word << (32 - n));

// SHA-256 of a text's UTF-8 bytes.
export function sha256(text) {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  let state = [...BEGIN];
  const w = new Int32Array(64);
  for (let block = 0; block < padded.length; block += 64) {
    for (let k = 0; k < 64; k += 1) {
      if (k < 16) {
        w[k] = view.getInt32(block + 4 * k);
        continue;
      }
      const low = turn(w[k - 15], 7) ^ turn(w[k - 15], 18) ^ (w[k - 15] >>> 3);
      const high = turn(w[k - 2], 17) ^ turn(w[k - 2], 19) ^ (w[k - 2] >>> 10);
      w[k] = (w[k - 16] + low + w[k - 7] + high) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let k = 0; k < 64; k += 1) {
      const chosen = (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g));
      const first = (h + chosen + ROUNDS[k] + w[k]) | 0;
      const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    const mixed = [a, b, c, d, e, f, g, h];
    state = state.map((word, k) => (word + mixed[k]) | 0);
  }
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((word, k) => digest.setInt32(4 * k, word));
  return new Uint8Array(digest.buffer);
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// The one text of a number, a BigInt or a Number.
export function canonical(value) {
  if (typeof value === "bigint" || Number.isInteger(value)) return String(BigInt(value));
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return hex(new Uint8Array(view.buffer));
}

// The bucket of a logarithmic scale in which a number lies.
export function bucket(value, tolerance) {
  if (value === 0) return "0";
  return `${value < 0 ? "-" : "+"}${Math.floor(Math.log(Math.abs(value)) / Math.log(1 + 2 * tolerance))}`;
}

export const keyOf = (salt, answer) => hex(sha256(`${salt}|${answer}`));
export const tagOf = (key) => hex(sha256(`tag|${key}`)).slice(0, TAG);

// The text that is sealed under a key.
export function unseal(text, key) {
  const data = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  for (let n = 0; 32 * n < data.length; n += 1) {
    const stream = sha256(`${key}|${n}`);
    for (let k = 32 * n; k < Math.min(data.length, 32 * n + 32); k += 1) data[k] ^= stream[k - 32 * n];
  }
  return new TextDecoder().decode(data);
}

// What stands behind the door that an answer opens; an empty list if it opens none.
export function behind({ salt, doors }, answer) {
  const key = keyOf(salt, answer);
  const door = doors[tagOf(key)];
  return door ? JSON.parse(unseal(door, key)) : [];
}
