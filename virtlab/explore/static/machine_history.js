// How the machine in the page came to be where it is: actions from outside, and snapshots.
//
// The same as virtlab.machine.history and virtlab.machine.snapshot: a guest repeats itself exactly,
// so any earlier step is the nearest snapshot before it and a short replay away. A snapshot holds the
// pages that are not zero, and shares each with the snapshot before if nothing was written to it.

// What was done from outside, and snapshots in order of their steps. Of the actions the first `done`
// have been done; the others belong to a future from which the machine was taken back.
export class History {
  constructor(first, mostSnapshots) {
    this.snapshots = [first];
    this.most = mostSnapshots;
    this.actions = [];
    this.done = 0;
  }

  // A new action starts a new future; the one that was known is forgotten.
  add(action) {
    this.actions.length = this.done;
    this.snapshots = this.snapshots.filter((taken) => taken.steps <= action.steps);
    this.actions.push(action);
  }

  // The step of the next action to be done, or null.
  get nextSteps() {
    return this.done < this.actions.length ? this.actions[this.done].steps : null;
  }

  // The next action if it belongs to this step; it counts as done.
  takeDue(steps) {
    if (this.nextSteps !== steps) return null;
    this.done += 1;
    return this.actions[this.done - 1];
  }

  get latest() {
    return this.snapshots[this.snapshots.length - 1];
  }

  // Adds a snapshot. When there are many, the older ones are thinned out.
  keep(taken) {
    if (this.latest.steps < taken.steps) this.snapshots.push(taken);
    if (this.snapshots.length > this.most) {
      const half = this.most >> 1;
      this.snapshots = this.snapshots.filter((_, at) => at >= half || at % 2 === 0);
    }
  }

  // The last snapshot at or before a step; the first one is of step 0.
  nearest(steps) {
    return this.snapshots.findLast((taken) => taken.steps <= steps);
  }
}

// Whether a copy of a page holds nothing; a word at a time, for there may be many pages.
function isZero(page) {
  const words = new Uint32Array(page.buffer);
  for (let k = 0; k < words.length; k += 1) if (words[k]) return false;
  return true;
}

// A block of bytes, RAM or disk, with a byte of flags for each of its pages.
export class Pages {
  constructor(bytes, flags, pageBytes, dirty) {
    Object.assign(this, { bytes, flags, pageBytes, dirty }); // bytes, flags: functions to the arrays as they are now
  }

  // `before` with the flagged pages read anew: a Map from page numbers to bytes, without zero pages.
  changed(before) {
    const pages = new Map(before);
    const bytes = this.bytes();
    this.dirtyPages().forEach((k) => {
      const page = bytes.slice(k * this.pageBytes, (k + 1) * this.pageBytes);
      if (isZero(page)) pages.delete(k);
      else pages.set(k, page);
    });
    return pages;
  }

  // Makes the bytes what `wanted` says. They differ from `current` in the flagged pages alone.
  writeBack(current, wanted) {
    const stale = new Set(this.dirtyPages());
    for (const k of current.keys()) if (current.get(k) !== wanted.get(k)) stale.add(k);
    for (const k of wanted.keys()) if (current.get(k) !== wanted.get(k)) stale.add(k);
    const bytes = this.bytes();
    for (const k of stale) {
      if (wanted.has(k)) bytes.set(wanted.get(k), k * this.pageBytes);
      else bytes.fill(0, k * this.pageBytes, (k + 1) * this.pageBytes);
    }
    this.clear();
  }

  clear() {
    const flags = this.flags();
    for (let k = 0; k < flags.length; k += 1) flags[k] &= ~this.dirty;
  }

  dirtyPages() {
    const flags = this.flags();
    const found = [];
    for (let k = 0; k < flags.length; k += 1) if (flags[k] & this.dirty) found.push(k);
    return found;
  }
}

// Bytes that are appended to and cut off, without a copy of all for each piece.
export class Text {
  constructor() {
    this.room = new Uint8Array(4096);
    this.length = 0;
  }

  append(piece) {
    const length = this.length + piece.length;
    if (length > this.room.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.bytes(0));
      this.room = larger;
    }
    this.room.set(piece, this.length);
    this.length = length;
  }

  // The bytes from `start` on, a view that is good until the next change.
  bytes(start) {
    return this.room.subarray(start, this.length);
  }
}
