// What a player shows of the machine in the page: the same JSON as view.py makes of the notebook's.

import { makeDisassembler } from "./disassembler.js";

const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x07\x0b-\x1f\x7f]/g;
const ERASED = /[^\x08\n]\x08|^\x08+|(?<=\n)\x08+/gu; // a character and its backspace
const NUMBER = /^(?:0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|[0-9]+(?:_[0-9]+)*)$/;
const LONGEST_NUMBER = 80; // characters
const BYTES_A_CHARACTER = 4; // at most, in UTF-8

const unsigned = (value) => BigInt.asUintN(64, value);

// An address as the book prints it: 0x8020_0000.
export function groupedHex(value) {
  const digits = value.toString(16).padStart(4, "0");
  return `0x${digits.replace(/\B(?=(.{4})+$)/g, "_")}`;
}

// Console text as it would look on a terminal: backspace erases, escape sequences vanish.
export function readable(text) {
  let shown = text.replace(/\r\n?/g, "\n");
  while (shown.includes("\b")) shown = shown.replace(ERASED, "");
  return shown.replace(ESCAPES, "");
}

// The last `n` characters; one outside the basic plane counts as one, as in Python.
function tail(text, n) {
  if (text.length <= n) return text;
  return /[\ud800-\udfff]/.test(text) ? Array.from(text).slice(-n).join("") : text.slice(-n);
}

export class MachineView {
  constructor(machine, isaTables) {
    this.machine = machine;
    this.tables = machine.tables;
    this.listing = makeDisassembler(isaTables).listing;
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  }

  // What the front end draws; view.py says what each part is.
  state(stop = null) {
    const { machine } = this;
    const { shown } = this.tables;
    const pc = unsigned(machine.hart.get("pc"));
    const trace = this.lastEvents(shown.drawn);
    return {
      steps: machine.steps,
      mode: this.mode(),
      pc: groupedHex(pc),
      reason: stop ? stop.reason : "still",
      sentence: this.sentence(stop, trace),
      registers: this.tables.registers.map((name, number) => [name, groupedHex(this.register(number))]),
      code: this.code(pc).map(([address, , text]) => [groupedHex(address), text, address === pc]),
      console: this.console(),
      events: trace
        .slice(-shown.events)
        .reverse()
        .map((event) => [event.steps, `${this.describe(event)}, ${event.from} to ${event.to}`]),
      trace: trace.map(({ steps, kind, from, to }) => [steps, kind, from, to]),
      since: trace.length === shown.drawn ? trace[0].steps : 0,
      ...machine.told?.(), // what a virtual machine has to tell besides
    };
  }

  // How the machine would translate an address now.
  walk(where, access) {
    const { accesses, flags, walk } = this.tables;
    if (!(access in accesses)) throw new Error(`the access is one of ${Object.keys(accesses).join(", ")}.`);
    const va = this.address(where);
    const { steps, pa, fault } = this.translate(va, access);
    const rows = steps.map((step) => {
      const at = (column) => step[walk.step[column]];
      const letters = [...flags].map((letter, k) => ((at("entry") >> BigInt(flags.length - 1 - k)) & 1n ? letter : "-"));
      return [
        `${walk.stages[Number(at("stage"))]}level ${at("level")}`,
        groupedHex(unsigned(at("table"))),
        Number(at("index")),
        groupedHex(unsigned(at("entry"))),
        letters.join(""),
        walk.outcomes[Number(at("outcome"))],
      ];
    });
    const read = rows.length === 0 ? "no entry" : rows.length === 1 ? "1 entry" : `${rows.length} entries`;
    const end = fault === null ? `physical address ${groupedHex(pa)}` : `fault: ${this.causeName(fault)}`;
    return {
      address: groupedHex(va),
      access,
      rows,
      sentence: `${access} at ${groupedHex(va)}: ${read} read, ${end}.`,
      fault: fault !== null,
    };
  }

  // The address that a reader means: a number, pc, a register, or a name of the program.
  address(given) {
    const { machine } = this;
    const text = given.trim();
    if (text === "" || text === "pc") return unsigned(machine.hart.get("pc"));
    const named = text === "fp" ? 8 : this.tables.registers.indexOf(text);
    const number = /^x([0-9]|[12][0-9]|3[01])$/.exec(text);
    if (named >= 0 || number) return this.register(number ? Number(number[1]) : named);
    if (machine.symbols.has(text)) return unsigned(machine.symbols.get(text));
    if (text.length <= LONGEST_NUMBER && NUMBER.test(text)) {
      const value = BigInt(text.replaceAll("_", ""));
      if (value === unsigned(value)) return value;
    }
    throw new Error(
      `${text} is no address; accepted are a number of 64 bits such as 0x8020_0000, pc, ` +
        "a register's name, or a name of the program.",
    );
  }

  register(number) {
    return unsigned(this.machine.hart.get("x", number));
  }

  mode() {
    const { hart } = this.machine;
    return this.tables.modes[Number(hart.get("mode")) + this.tables.virtual_mode * Number(hart.get("virt"))];
  }

  // Why a run stopped, or else where the machine is.
  sentence(stop, trace) {
    if (stop === null || stop.reason === "budget") return this.where();
    const event = stop.reason === "until" && stop.detail !== this.tables.idle;
    const what = this.machine.atExit?.(stop) ?? (event ? this.describe(trace[trace.length - 1]) : stop.detail);
    return `${what[0].toUpperCase()}${what.slice(1)}.`;
  }

  where() {
    const { machine } = this;
    if (machine.exitCode !== null) return `The guest has ended with exit code ${machine.exitCode}.`;
    const asleep = machine.hart.get("waiting") ? ", waiting for an interrupt" : "";
    return `${this.mode()}-mode, pc ${groupedHex(unsigned(machine.hart.get("pc")))}${asleep}.`;
  }

  console() {
    const { console: most } = this.tables.shown;
    const { console: printed } = this.machine;
    const start = Math.max(0, printed.length - BYTES_A_CHARACTER * (2 * most + 2));
    return tail(readable(tail(this.decoder.decode(printed.bytes(start)), 2 * most)), most);
  }

  // The last `n` traps and returns, oldest first.
  lastEvents(n) {
    const { event: column, n_events: size, modes } = this.tables;
    const log = this.machine.log.view;
    const total = Number(this.machine.hart.get("n_events"));
    const events = [];
    for (let k = Math.max(0, total - size, total - n); k < total; k += 1) {
      const at = (name) => log[(k % size) * column.columns + column[name]];
      events.push({
        steps: Number(at("steps")),
        kind: Number(at("kind")),
        cause: at("cause"),
        from: modes[Number(at("from"))],
        to: modes[Number(at("to"))],
      });
    }
    return events;
  }

  // What happened, in the manual's words.
  describe({ kind, cause }) {
    const { kinds, kind_return: back } = this.tables;
    return kind === back ? "return from trap" : `${kinds[kind]}: ${this.causeName(cause)}`;
  }

  causeName(cause) {
    const names = cause < 0n ? this.tables.interrupts : this.tables.exceptions;
    const code = cause & 0xfffn;
    return names[code] ?? `reserved cause ${code}`;
  }

  // The lines around pc: [address, word, text].
  code(pc) {
    const { ram_base: base, shown } = this.tables;
    const { ram, symbols } = this.machine;
    const bytes = ram.view;
    const fetched = new Map(); // the search for a line before pc comes by the same places again
    const fetch = (va) => {
      const { pa } = this.translate(va, "fetch");
      const at = pa === null ? -1 : Number(pa) - base;
      return at >= 0 && at + 2 <= bytes.length ? bytes[at] | (bytes[at + 1] << 8) : null;
    };
    const halfword = (va) => {
      if (!fetched.has(va)) fetched.set(va, fetch(va));
      return fetched.get(va);
    };
    return this.listing(halfword, pc, shown.lines, shown.before, symbols);
  }

  // The entries read on the way to an address, and its physical address or the fault's cause.
  translate(va, access) {
    const { wasm, hart, harts, memory, walkRows, walkResult } = this.machine;
    const { accesses, machine_mode: machineMode, walk } = this.tables;
    let mode = Number(hart.get("mode"));
    let virt = hart.get("virt");
    const status = hart.get("mstatus");
    if (access !== "fetch" && mode === machineMode && status & BigInt(this.tables.mprv)) {
      mode = Number((status & BigInt(this.tables.mpp)) >> BigInt(this.tables.mpp_shift));
      virt = mode !== machineMode && status & BigInt(this.tables.mpv) ? 1n : 0n;
    }
    const other = this.machine.image.technique?.mode; // a virtual machine may have tables of its own kind
    if (Number.isInteger(other)) [mode, virt] = [other, 0n];
    const kind = BigInt(accesses[access]);
    wasm.call("walk_steps", harts, memory[3], BigInt.asIntN(64, va), kind, BigInt(mode), virt, walkRows, walkResult);
    const result = walkResult.view;
    const columns = walk.step.columns;
    const cells = walkRows.view;
    const steps = Array.from({ length: Number(result[walk.result.steps]) }, (_, row) =>
      cells.slice(row * columns, (row + 1) * columns),
    );
    const fault = result[walk.result.fault];
    if (fault !== BigInt(walk.no_fault)) return { steps, pa: null, fault };
    return { steps, pa: unsigned(result[walk.result.pa]), fault: null };
  }
}
