// The machine in the page: virtlab.machine.Machine over the same compiled run loop, as WebAssembly.
//
// It cuts runs into slices at the same steps, hands over what was typed at the same steps, and takes
// its snapshots at the same steps; so after the same actions it is in the same state as the machine
// of the notebook. All constants come from `machine_tables` in recipe.py.
//
// What is done here: power on from a baked image, load a program, run, step, go to any step, type.

import { History, Pages, Text } from "./machine_history.js";

const PACE_MS = 4; // a piece of a slice shall take about so long, so that a deadline is kept
const SHORTEST = 200_000; // steps of a piece, at least
const hex = (n) => `0x${BigInt(n).toString(16)}`;

// What a run waits for, as the run loop wants to be told; `until` has what is known by name.
function watchFor(until, name) {
  if (name === null) return { mask: 0, what: "" };
  const known = until[name];
  if (!known) throw new Error(`${name} is no event; accepted are ${Object.keys(until).join(", ")}.`);
  return { mask: known[0], what: known[1] };
}

export class Machine {
  // wasm: an instance from wasm.js; tables: machine_tables of recipe.py
  // image: what is in RAM, on the disk and in the record after power-on, as `unpack` gives it
  // program: what to put into it, or null
  constructor(wasm, tables, image, program = null) {
    Object.assign(this, { wasm, tables, image });
    this.reserve(image.ramBytes);
    this.hart = wasm.record(this.harts);
    this.ramPages = new Pages(() => this.ram.view, () => this.pages.view, tables.page_bytes, tables.page_dirty);
    this.diskPages = new Pages(() => this.disk.view, () => this.blocks.view, tables.page_bytes, tables.page_dirty);
    this.pace = SHORTEST; // steps in PACE_MS, measured
    this.base = null; // the snapshot last taken or restored
    this.load(program);
  }

  // Makes the arrays. hostBytes: of all RAM, of which the guest's is the first part.
  reserve(hostBytes) {
    const { wasm, tables, image } = this;
    const ram = wasm.array("uint8", [hostBytes]);
    this.harts = wasm.array(wasm.manifest.functions.run.params[0].dtype, [1]);
    this.ram = ram;
    this.pages = wasm.array("uint8", [hostBytes / tables.page_bytes]);
    this.disk = wasm.array("uint8", [image.diskBytes]);
    this.blocks = wasm.array("uint8", [Math.ceil(image.diskBytes / tables.page_bytes)]);
    this.log = wasm.array("int64", [tables.n_events, tables.event.columns]);
    this.walkRows = wasm.array("int64", [tables.walk.rows, tables.walk.step.columns]);
    this.walkResult = wasm.array("int64", [tables.walk.result.values]);
    this.memory = [
      ram,
      ram.as("uint16"),
      ram.as("uint32"),
      ram.as("int64"),
      this.pages,
      wasm.array("int64", [tables.code_entries]),
      this.disk,
      this.blocks,
      this.log,
    ];
  }

  // Loading

  // Puts a program into a machine that has just been switched on; null: the image alone.
  load(program) {
    if (program) this.check(program);
    this.program = program;
    this.reset();
  }

  // Refuses a program that cannot be loaded, in the words of virtlab.machine.boot.
  check({ name, segments, entry }) {
    if (entry & 1n) throw new Error(`${name}: the entry point ${hex(entry)} is odd; instructions begin at even addresses.`);
    const ram = [BigInt(this.tables.ram_base), BigInt(this.tables.ram_base + this.image.ramBytes)];
    const tree = { name: "device tree", pa: this.image.tree[0], end: this.image.tree[0] + this.image.tree[1] };
    const placed = segments.map(([pa, bytes]) => ({ name, pa, end: pa + BigInt(bytes.length) }));
    for (const { pa, end } of placed) {
      if (pa >= ram[0] && end <= ram[1]) continue;
      throw new Error(`${name}: does not fit, it needs ${hex(pa)} to ${hex(end)} and RAM is ${hex(ram[0])} to ${hex(ram[1])}.`);
    }
    const ordered = [...placed, tree].sort((a, b) => Number(a.pa - b.pa));
    ordered.slice(1).forEach((high, at) => {
      const low = ordered[at];
      if (low.end <= high.pa) return;
      throw new Error(
        `${low.name} and ${high.name} overlap: the first ends at ${hex(low.end)}, the second begins at ${hex(high.pa)}.`,
      );
    });
  }

  // Powers off and on again: RAM is zero but for the image, the disk as it was given.
  reset() {
    const { hart, image, program } = this;
    this.wasm.call("forget_all_code", this.memory);
    if (this.base) this.ramPages.writeBack(this.base.pages, new Map()); // all that may not be zero
    this.pages.view.fill(0);
    this.blocks.view.fill(0);
    this.log.view.fill(0n);
    const pieces = [...image.ram, ...(program?.segments ?? []).map(([pa, bytes]) => [this.offset(pa), bytes])];
    for (const [at, bytes] of pieces) {
      this.ram.view.set(bytes, at);
      this.markDirty(at, bytes.length);
    }
    for (const [page, flags] of image.flags) this.pages.view[page] |= flags;
    if (image.diskBytes) this.disk.view.fill(0);
    for (const [at, bytes] of image.disk) this.disk.view.set(bytes, at);
    this.harts.bytes.set(image.record);
    this.resetHost();
    if (program) {
      hart.set("pc", BigInt.asIntN(64, program.entry));
      this.findTohost(program.symbols);
    }
    this.symbols = program?.symbols ?? image.symbols;
    this.console = new Text();
    this.typed = new Uint8Array(0);
    this.base = {
      ...this.record(0),
      pages: this.ramPages.changed(new Map()),
      blocks: new Map(image.blocks),
    };
    this.ramPages.clear();
    this.history = new History(this.base, this.tables.snapshots_kept);
  }

  // What a virtual machine has more of.
  resetHost() {}

  // A program may talk to its host through two words, as the RISC-V tests do.
  findTohost(symbols) {
    const isWord = (pa) => !(pa & 7n) && pa >= BigInt(this.tables.ram_base) && this.offset(pa) <= this.image.ramBytes - 8;
    const tohost = symbols.get("tohost") ?? 0n;
    const fromhost = symbols.get("fromhost") ?? 0n;
    if (!isWord(tohost)) return;
    this.hart.set("tohost", tohost);
    if (isWord(fromhost)) this.hart.set("fromhost", fromhost);
    this.pages.view[Math.floor(this.offset(tohost) / this.tables.page_bytes)] |= this.tables.page_tohost;
  }

  offset(pa) {
    return Number(pa) - this.tables.ram_base;
  }

  markDirty(at, length) {
    const { page_bytes: page, page_dirty: dirty } = this.tables;
    const flags = this.pages.view;
    for (let k = Math.floor(at / page); k < Math.ceil((at + length) / page); k += 1) flags[k] |= dirty;
  }

  // Running

  get steps() {
    return Number(this.hart.get("steps"));
  }

  // What a run can be told to stop at: name -> [bits of `watch`, the same in words].
  get until() {
    return this.tables.until;
  }

  get exitCode() {
    const code = Number(this.hart.get("exit_code"));
    return code < 0 ? null : code;
  }

  // Runs until something happens, `budget` steps at most, or until the clock shows `deadline`.
  //
  // until: a key of tables.until, or null
  // Returns { reason, detail }: "budget", "until", "exit", "idle" or "reset", and the same in words.
  run(budget, until = null, deadline = Infinity) {
    const watch = watchFor(this.until, until);
    const { stop } = this.tables;
    if (this.exitCode !== null) return this.ended(stop.exit, watch);
    this.hart.set("watch", BigInt(watch.mask));
    this.hart.set("watch_byte", -1n);
    this.hart.set("first", this.hart.get("steps"));
    const end = this.steps + budget;
    for (;;) {
      const goal = this.beginSlice(end);
      const reason = deadline === Infinity ? this.advance(goal) : this.advancePaced(goal);
      this.endSlice();
      if (!this.goesOn(reason, end)) return this.ended(reason, watch);
      if (performance.now() >= deadline) return this.ended(stop.budget, watch);
    }
  }

  step(n) {
    return this.run(n);
  }

  // Goes to any step: forwards by running, backwards from the nearest snapshot before it.
  goto(steps) {
    if (steps < this.steps) this.restore(this.history.nearest(steps));
    while (this.steps < steps) {
      const before = this.steps;
      const { reason } = this.run(steps - before);
      if (reason !== "reset" || this.steps === before) break;
    }
  }

  // Does what is due from outside; returns the step at which the next slice ends at the latest.
  //
  // Input that found no room in the UART is offered again at multiples of slice_steps, and when the
  // guest is idle, so that it comes at the same steps in every run.
  beginSlice(end) {
    const now = this.steps;
    const slice = this.tables.slice_steps;
    this.doDue();
    if (now % slice === 0) this.feed();
    const goal = Math.min(end, (Math.floor(now / slice) + 1) * slice);
    const due = this.history.nextSteps;
    return due === null ? goal : Math.min(goal, due);
  }

  // Runs the hart to step `goal` at most; returns why it stopped.
  advance(goal) {
    return Number(this.wasm.call("run", this.harts, ...this.memory, BigInt(goal - this.steps)));
  }

  // The same in a piece of about PACE_MS.
  advancePaced(goal) {
    const before = this.steps;
    const began = performance.now();
    const reason = this.advance(Math.min(goal, before + this.pace));
    const elapsed = performance.now() - began;
    if (this.steps - before < this.pace) return reason; // cut short by something else
    // By a factor of two at most: a clock is coarse, and other programs take their time too.
    const wanted = (this.pace * PACE_MS) / Math.max(elapsed, PACE_MS / 2);
    this.pace = Math.ceil(Math.max(SHORTEST, this.pace / 2, wanted));
    return reason;
  }

  // Collects what was printed, and takes the snapshot that is due.
  endSlice() {
    this.collect();
    const steps = this.steps;
    if (steps % this.tables.slice_steps === 0 && this.history.latest.steps < steps) this.history.keep(this.take());
  }

  // Whether a run to step `end` goes on after a slice that ended with `reason`.
  goesOn(reason, end) {
    const { stop } = this.tables;
    if (this.exitCode !== null) return false;
    if (reason === stop.budget) return this.steps < end;
    if (reason === stop.idle) return this.history.nextSteps === this.steps || this.feed();
    return reason === stop.console;
  }

  ended(stopped, watch) {
    const { stop, reasons } = this.tables;
    const reason = this.exitCode !== null && stopped !== stop.event ? stop.exit : stopped;
    const texts = {
      [stop.budget]: "the budget of steps is used up",
      [stop.exit]: `the guest has ended with exit code ${this.exitCode}`,
      [stop.idle]: "the guest waits for input, and nothing inside the machine can wake it",
      [stop.reset]: "the guest asked for a reboot",
      [stop.event]: watch.what,
    };
    return { reason: reasons[reason], detail: texts[reason] };
  }

  // Takes what the guest has printed out of its buffer.
  collect() {
    const n = Number(this.hart.get("console_n"));
    if (!n) return;
    this.console.append(this.hart.bytes("console").subarray(0, n));
    this.hart.set("console_n", 0n);
  }

  // Actions from outside, recorded for replay

  type(bytes) {
    if (bytes.length) this.act({ steps: this.steps, kind: "type", where: 0, data: bytes });
  }

  act(action) {
    this.history.add(action);
    this.doDue();
  }

  doDue() {
    for (let action = this.history.takeDue(this.steps); action; action = this.history.takeDue(this.steps)) this.do(action);
  }

  do({ kind, where, data }) {
    const word = () => new DataView(data.buffer, data.byteOffset).getBigInt64(0, true);
    if (kind === "type") {
      this.typed = joined(this.typed, data);
      this.feed();
    } else if (kind === "memory") {
      const at = this.offset(where);
      this.ram.view.set(data, at);
      this.markDirty(at, data.length);
      this.wasm.call("forget_all_code", this.memory);
    } else if (kind === "register") {
      this.hart.set("x", word(), where);
    } else {
      this.hart.set("pc", word());
      this.hart.set("waiting", 0n);
    }
  }

  // Moves what was typed into the UART's queue as far as it fits; true if anything moved.
  feed() {
    const room = this.tables.rx_bytes;
    const tail = Number(this.hart.get("uart_rx_tail"));
    const piece = this.typed.subarray(0, room - (tail - Number(this.hart.get("uart_rx_head"))));
    if (!piece.length) return false;
    const queue = this.hart.bytes("uart_rx");
    piece.forEach((byte, k) => {
      queue[(tail + k) % room] = byte;
    });
    this.typed = this.typed.slice(piece.length);
    this.hart.set("uart_rx_tail", BigInt(tail + piece.length));
    this.wasm.call("uart_update", this.harts);
    return true;
  }

  // Snapshots

  // What a snapshot holds beside the pages. The console only grows on the way from one snapshot to a
  // later one, so its length is enough; of the log, what has been written.
  record(done) {
    const rows = Math.min(Number(this.hart.get("n_events")), this.tables.n_events);
    return {
      steps: this.steps,
      hart: this.harts.bytes.slice(),
      log: this.log.view.slice(0, rows * this.tables.event.columns),
      console: this.console.length,
      typed: this.typed,
      done,
    };
  }

  take() {
    this.base = {
      ...this.record(this.history.done),
      pages: this.ramPages.changed(this.base.pages),
      blocks: this.diskPages.changed(this.base.blocks),
    };
    this.ramPages.clear();
    this.diskPages.clear();
    this.wasm.call("mark_writable_dirty", this.harts, this.memory);
    return this.base;
  }

  restore(wanted) {
    this.ramPages.writeBack(this.base.pages, wanted.pages);
    this.diskPages.writeBack(this.base.blocks, wanted.blocks);
    this.harts.bytes.set(wanted.hart);
    this.log.view.fill(0n);
    this.log.view.set(wanted.log);
    this.wasm.call("forget_all_code", this.memory);
    this.wasm.call("mark_writable_dirty", this.harts, this.memory);
    this.base = wanted;
    this.console.length = wanted.console;
    this.typed = wanted.typed;
    this.history.done = wanted.done;
  }
}

function joined(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

// A baked image as the machine wants it. inflate: from base64 of raw-deflated bytes to the bytes.
export async function unpack(baked, pageBytes, inflate) {
  const pieces = (list) => Promise.all(list.map(async ([at, text]) => [at, await inflate(text)]));
  const [ram, disk, record] = await Promise.all([pieces(baked.ram), pieces(baked.disk), pieces(baked.record)]);
  const length = record.reduce((most, [at, bytes]) => Math.max(most, at + bytes.length), 0);
  const hart = new Uint8Array(length);
  for (const [at, bytes] of record) hart.set(bytes, at);
  return {
    ram,
    disk,
    blocks: pagesOf(disk, pageBytes),
    record: hart,
    ramBytes: baked.ram_bytes,
    diskBytes: baked.disk_bytes,
    flags: baked.flags,
    tree: baked.tree.map(BigInt),
    symbols: symbolsOf(baked.symbols),
  };
}

// Page number and bytes of every page in [offset, bytes] pieces that begin at pages' beginnings.
function pagesOf(pieces, pageBytes) {
  return pieces.flatMap(([at, bytes]) =>
    Array.from({ length: Math.ceil(bytes.length / pageBytes) }, (_, k) => [
      at / pageBytes + k,
      bytes.slice(k * pageBytes, (k + 1) * pageBytes),
    ]),
  );
}

export const symbolsOf = (symbols) => new Map(Object.entries(symbols).map(([name, address]) => [name, BigInt(address)]));
