// A virtual machine in the page: the machine of machine.js, whose instructions a hypervisor has executed.
//
// The loop is that of virtlab.hypervisors.virtual_machine: the technique's compiled `resume` leads from
// an exit to the next entry, the machine's `run` executes the guest until it leaves. What a snapshot
// holds besides, and the log of exits, are the same too.

import { Machine } from "./machine.js";
import { groupedHex } from "./machine_view.js";
import { kinds } from "./worker.js";

const unsigned = (value) => BigInt.asUintN(64, value);

export class VirtualMachine extends Machine {
  reserve() {
    const { wasm, image } = this;
    const { params } = wasm.manifest.functions[image.technique.resume];
    super.reserve(image.hostBytes);
    this.physical = wasm.array(params[1].dtype, [1]);
    this.vms = wasm.array(params[2].dtype, [1]);
    this.state = wasm.array("int64", [image.more.state.length / 8]);
    this.exits = wasm.array("int64", [image.technique.n_exits, image.technique.column.columns]);
    this.hostLog = this.log;
    this.log = wasm.array("int64", this.hostLog.shape); // the guest's events
    this.vm = wasm.record(this.vms);
    this.parts = { physical: this.physical, vms: this.vms, state: this.state, exits: this.exits };
    const entries = [this.harts, this.physical, this.vms, this.state, this.exits, this.log, ...this.memory];
    this.resume = wasm.bound(image.technique.resume, ...entries);
    this.runHart = wasm.bound("run", this.physical, ...this.memory);
    this.interpret = wasm.bound("run", this.harts, ...this.guestMemory());
  }

  // The guest's part of memory, which is the first one.
  guestMemory() {
    const { ramBytes } = this.image;
    const [ram8, ram16, ram32, ram64, pages, code, disk, blocks] = this.memory;
    const ram = [[ram8, 1], [ram16, 2], [ram32, 4], [ram64, 8], [pages, this.tables.page_bytes]];
    return [...ram.map(([array, size]) => array.first(ramBytes / size)), code, disk, blocks, this.log];
  }

  resetHost() {
    for (const [name, array] of Object.entries(this.parts)) array.bytes.set(this.image.more[name]);
    this.hostLog.view.fill(0n);
  }

  get until() {
    return { ...super.until, ...this.image.technique.until };
  }

  run(budget, until = null, deadline = Infinity) {
    this.vm.set("watch_exits", until in this.image.technique.until ? -1n : 0n);
    try {
      return super.run(budget, until, deadline);
    } finally {
      this.vm.set("watch_exits", 0n);
    }
  }

  // Runs the guest to its step `goal` at most; returns why it stopped.
  advance(goal) {
    const handle = BigInt(this.image.technique.handle);
    const end = BigInt(goal);
    for (;;) {
      const budget = this.resume(end, handle);
      if (budget <= 0n) break;
      if (this.vm.get("interpret")) this.interpret(budget);
      else this.runHart(budget);
    }
    if (this.vm.get("error")) {
      throw new Error(`${this.image.technique.name}: the guest cannot go on after ${this.onHand()}.`);
    }
    return Number(this.hart.get("stop"));
  }

  do(action) {
    super.do(action);
    if (action.kind === "memory") this.vm.set("stale", 1n); // page tables may have been changed
    const { forget } = this.image.technique;
    if (Number.isInteger(forget)) this.state.view[this.state.length + forget] = 0n;
  }

  // Snapshots

  get watched() {
    return this.pages.view.map((flags) => flags & this.image.technique.page_watched);
  }

  record(done) {
    const more = Object.entries(this.parts).map(([name, array]) => [name, array.bytes.slice()]);
    return { ...super.record(done), more: Object.fromEntries(more), watched: this.watched };
  }

  take() {
    const taken = super.take();
    this.wasm.call("mark_writable_dirty", this.physical, this.memory);
    return taken;
  }

  restore(wanted) {
    super.restore(wanted);
    for (const [name, array] of Object.entries(this.parts)) array.bytes.set(wanted.more[name]);
    this.wasm.call("mark_writable_dirty", this.physical, this.memory);
    const flags = this.pages.view;
    const watched = this.image.technique.page_watched;
    wanted.watched.forEach((flag, k) => {
      flags[k] = (flags[k] & ~watched) | flag;
    });
  }

  // Exits

  get nExits() {
    return Number(this.vm.get("n_exits"));
  }

  // What view.py's exits_of says.
  told() {
    const { name, reasons, column, n_exits: size, shown } = this.image.technique;
    const n = this.nExits;
    const first = Math.max(0, n - size, n - shown.drawn);
    const log = this.exits.view;
    const rows = Array.from({ length: n - first }, (_, k) => {
      const start = ((first + k) % size) * column.columns;
      return [first + k, (what) => log[start + column[what]]];
    });
    const counts = reasons.map((words, reason) => [words, Number(this.vm.get("reasons", reason))]);
    return {
      technique: name,
      n_exits: n,
      exit_counts: counts.filter(([, count]) => count),
      exits: rows.slice(-shown.exits).reverse().map(([number, row]) => [Number(row("steps")), this.describeExit(number, row)]),
      exit_trace: rows.map(([, row]) => Number(row("steps"))),
    };
  }

  // An exit in words; row: a function from a column's name to its number.
  describeExit(number, row) {
    const { reasons, memory_reasons: memory, answers } = this.image.technique;
    const reason = Number(row("reason"));
    const at = memory.includes(reason) ? ` at ${groupedHex(unsigned(row("gva")))}` : "";
    const pc = groupedHex(unsigned(row("pc")));
    return `exit ${number.toLocaleString("en-US")}: ${reasons[reason]}${at}, pc ${pc}, ${answers[row("action")]}`;
  }

  // The exit at which the run has stopped, in words.
  onHand() {
    const { handle } = this.image.technique;
    return this.describeExit(this.nExits, (what) => (what === "action" ? BigInt(handle) : this.vm.get(what)));
  }

  atExit({ reason, detail }) {
    const stops = Object.values(this.image.technique.until);
    return reason === "until" && stops.some(([, what]) => what === detail) ? this.onHand() : null;
  }
}

// What a virtual machine's baked image has besides, as the machine wants it.
async function unpackVirtual({ technique, host_bytes: hostBytes, more }, inflate) {
  if (!technique) return {};
  const whole = async ([length, pieces]) => {
    const bytes = new Uint8Array(length);
    for (const [at, text] of pieces) bytes.set(await inflate(text).then((piece) => piece.subarray(0, length - at)), at);
    return bytes;
  };
  const unpacked = Object.entries(more).map(async ([name, given]) => [name, await whole(given)]);
  return { technique, hostBytes, more: Object.fromEntries(await Promise.all(unpacked)) };
}

Object.assign(kinds, { virtual: VirtualMachine, unpackVirtual });
