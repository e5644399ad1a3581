// The worker in which the page's machine runs: it answers messages as the notebook's Python does.
//
// The first message brings what is needed, { begin: { wasm, manifest, tables, isa, image, actions,
// steps, program } }. Then { id, method, argument } gets { id, state }, { id, walk } or { id, error },
// one after another. A run is answered after SHOW_MS at the latest, and at once when another message
// has come; between its slices the worker looks for one.

import { makeAssembler } from "./assembler.js";
import { Machine, symbolsOf, unpack } from "./machine.js";
import { MachineView } from "./machine_view.js";
import { fromBase64, inflate } from "./assets.js";
import { open } from "./wasm.js";

const SLICE_MS = 16;
const SHOW_MS = 80; // a running machine is shown about twelve times a second

// The classes of machines. virtual_machine.js adds one, where a page has it.
export const kinds = { bare: Machine };

// Makes the machine that { begin } describes, as it was in the notebook.
export async function revive({ wasm, manifest, tables, isa, image, actions, steps, program }) {
  const instance = await open(wasm, manifest);
  const baked = await unpack(image, tables.page_bytes, inflate);
  Object.assign(baked, await kinds.unpackVirtual?.(image, inflate));
  const machine = new kinds[image.technique ? "virtual" : "bare"](instance, tables, baked, program && programOf(program));
  for (const [at, kind, where, data] of actions) {
    machine.goto(at);
    machine.act({ steps: at, kind, where, data: fromBase64(data) });
  }
  machine.goto(steps);
  return machine;
}

// A program of a recipe as the machine takes it.
function programOf({ name, segments, entry, symbols }) {
  return {
    name,
    segments: segments.map(([pa, data]) => [BigInt(pa), fromBase64(data)]),
    entry: BigInt(entry),
    symbols: symbolsOf(symbols),
  };
}

export class Player {
  constructor(machine, isa) {
    this.machine = machine;
    this.view = new MachineView(machine, isa);
    this.assembler = makeAssembler(isa);
    this.encoder = new TextEncoder();
  }

  state() {
    return this.view.state();
  }

  step(n) {
    this.machine.step(n);
    return this.view.state();
  }

  back(n) {
    this.machine.goto(Math.max(0, this.machine.steps - n));
    return this.view.state();
  }

  goto(steps) {
    this.machine.goto(steps);
    return this.view.state();
  }

  type(text) {
    this.machine.type(this.encoder.encode(text));
    return this.view.state();
  }

  reset() {
    this.machine.reset();
    return this.view.state();
  }

  assemble(text) {
    const { data, base, entry, symbols } = this.assembler.assemble(text);
    this.machine.load({ name: "program", segments: [[base, data]], entry, symbols });
    return this.view.state();
  }

  walk({ va, access }) {
    return this.view.walk(va, access);
  }

  // One showing of a run: slices until `budget` steps are made, something happens, it is time to
  // show, or `wanted()` says that somebody waits.
  async run(until, wanted = async () => false, budget = Number.MAX_SAFE_INTEGER / 2) {
    const began = performance.now();
    const end = this.machine.steps + budget;
    for (;;) {
      const stop = this.machine.run(end - this.machine.steps, until, performance.now() + SLICE_MS);
      const late = performance.now() - began >= SHOW_MS;
      if (stop.reason !== "budget" || this.machine.steps >= end || late || (await wanted())) return this.view.state(stop);
    }
  }
}

const METHODS = ["state", "step", "back", "goto", "run", "type", "reset", "walk", "assemble"];

// Answers the messages of a worker's scope.
export function serve(scope) {
  const waiting = [];
  let player = null;
  let busy = false;

  // Lets messages in; a message to oneself is the quickest way to the end of the queue.
  const channel = new MessageChannel();
  const breathe = () =>
    new Promise((done) => {
      channel.port1.onmessage = done;
      channel.port2.postMessage(null);
    });
  const wanted = async () => {
    await breathe();
    return waiting.length > 0;
  };

  const answer = async ({ method, argument }) => {
    if (method === "pause") return {};
    if (!METHODS.includes(method)) throw new Error(`the player has no method ${method}; it has ${METHODS.join(", ")}`);
    if (method === "walk") return { walk: player.walk(argument) };
    return { state: await player[method](argument, wanted) };
  };

  const work = async () => {
    busy = true;
    while (waiting.length) {
      const message = waiting.shift();
      try {
        if (message.begin) {
          player = new Player(await revive(message.begin), message.begin.isa);
          scope.postMessage({ ready: true });
        } else scope.postMessage({ id: message.id, ...(await answer(message)) });
      } catch (error) {
        const { line, column } = error;
        const sentence = line ? String(error) : error.message; // the place of a mistake in a program is not in its message
        scope.postMessage(message.begin ? { failed: sentence } : { id: message.id, error: sentence, line, column });
      }
    }
    busy = false;
  };

  scope.onmessage = ({ data }) => {
    waiting.push(data);
    if (!busy) work();
  };
}
