// The front end of a machine: console, registers, disassembly, events, and the buttons that move it.
//
// It knows nothing of what runs behind it. A backend is an object with five methods, each returning a
// promise of a state (a plain object, described beside `Player.state` in player.py):
//
//   state()              where the machine is now
//   step(n)              n instructions forward
//   back(n)              n instructions back
//   run(until)           one slice; until is null or "trap"; state.reason is "budget" if there is more to run
//   type(text)           queue text for the guest's console
//
// `mount(element, backend)` draws. The default export makes a backend out of an anywidget model, whose
// other end is Python; a page can hand in a backend that calls WebAssembly.

const REGISTER_COLUMNS = 2;
const PATIENCE_MS = 5000;

export const number = (n) => n.toLocaleString("en-US");

// Names of the registers whose values differ between two states.
export function changedRegisters(before, after) {
  if (!before) return new Set();
  const old = new Map(before.registers);
  return new Set(after.registers.filter(([name, value]) => old.get(name) !== value).map(([name]) => name));
}

// What a reader of the screen needs to hear after a command: where the machine is and what moved.
export function announcement(before, after) {
  const changed = [...changedRegisters(before, after)];
  const moved = before ? after.steps - before.steps : 0;
  const parts = [];
  if (moved) parts.push(`${number(Math.abs(moved))} instruction${Math.abs(moved) === 1 ? "" : "s"} ${moved > 0 ? "forward" : "back"}.`);
  parts.push(after.sentence);
  if (before && moved && changed.length) {
    const few = changed.slice(0, 4).map((name) => `${name} = ${after.registers.find(([n]) => n === name)[1]}`);
    parts.push(`Changed: ${few.join(", ")}${changed.length > 4 ? ` and ${changed.length - 4} more` : ""}.`);
  }
  return parts.join(" ");
}

// The commands of a reader, one after another; the newest one ends a run that is going on.
export class Controller {
  constructor(backend, draw) {
    this.backend = backend;
    this.draw = draw; // (before, state, running, error) => void
    this.before = null; // the state when the last command began
    this.state = null;
    this.turn = 0; // grows with each command; a run goes on while it is the newest
    this.last = Promise.resolve();
  }

  start() {
    return this.command(() => this.backend.state());
  }

  step(n) {
    return this.command(() => this.backend.step(n));
  }

  back(n) {
    return this.command(() => this.backend.back(n));
  }

  run(until = null) {
    return this.command(async (turn) => {
      for (;;) {
        const state = await this.backend.run(until);
        if (this.turn !== turn || state.reason !== "budget") return state;
        this.show(state, true);
      }
    });
  }

  type(text) {
    return this.command(() => this.backend.type(text));
  }

  pause() {
    this.turn += 1;
    return this.last;
  }

  // A state that nobody here asked for: a cell of the notebook has moved the machine.
  accept(state) {
    this.before = this.state;
    this.show(state, false);
  }

  command(action) {
    const turn = ++this.turn;
    this.last = this.last.then(async () => {
      this.before = this.state;
      try {
        this.show(await action(turn), false);
      } catch (error) {
        this.draw(this.before, this.state, false, error.message);
      }
    });
    return this.last;
  }

  show(state, running) {
    this.state = state;
    this.draw(this.before, state, running, null);
  }
}

// A backend whose other end is Python, reached by the messages of a widget model.
export function messageBackend(model, accept, slow) {
  const prefix = Math.random().toString(36).slice(2);
  const waiting = new Map();
  let sent = 0;

  const receive = (message) => {
    if (message.moved) return accept(message.moved);
    const request = waiting.get(message.id);
    if (!request) return;
    waiting.delete(message.id);
    clearTimeout(request.timer);
    if (message.error) request.reject(new Error(message.error));
    else request.resolve(message.state);
  };

  const ask = (method, argument) =>
    new Promise((resolve, reject) => {
      const id = `${prefix}-${++sent}`;
      waiting.set(id, { resolve, reject, timer: setTimeout(slow, PATIENCE_MS) });
      model.send({ id, method, argument });
    });

  model.on("msg:custom", receive);
  return {
    state: () => ask("state", null),
    step: (n) => ask("step", n),
    back: (n) => ask("back", n),
    run: (until) => ask("run", until),
    type: (text) => ask("type", text),
    close: () => {
      model.off("msg:custom", receive);
      waiting.forEach((request) => clearTimeout(request.timer));
    },
  };
}

// Draws the machine into an element and gives it the keyboard. Returns the controller.
export function mount(element, backend) {
  const view = build(element.ownerDocument);
  const controller = new Controller(backend, (before, state, running, error) => draw(view, before, state, running, error));
  const distance = () => Number(view.distance.value);
  view.run.addEventListener("click", () => (view.running ? controller.pause() : controller.run()));
  view.step.addEventListener("click", () => controller.step(distance()));
  view.back.addEventListener("click", () => controller.back(distance()));
  view.trap.addEventListener("click", () => controller.run("trap"));
  const send = async (thenRun) => {
    const text = `${view.line.value}\n`;
    view.line.value = "";
    await controller.type(text);
    if (thenRun) await controller.run();
  };
  view.form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(true);
  });
  view.queue.addEventListener("click", () => send(false));
  view.line.addEventListener("keydown", (event) => {
    const nothingSelected = view.line.selectionStart === view.line.selectionEnd;
    if (event.ctrlKey && event.key === "c" && nothingSelected) {
      event.preventDefault();
      event.stopPropagation();
      controller.type("\u0003").then(() => controller.run());
    }
  });
  // A notebook has meanings of its own for plain keys, Enter among them; in here they are the reader's.
  view.root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  element.append(view.root);
  controller.start();
  return Object.assign(controller, { view });
}

function build(document) {
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const button = (text, hint) => make("button", { type: "button", title: hint }, text);
  const part = (name, ...children) =>
    make("section", { "aria-label": name }, make("p", { class: "vl-name", "aria-hidden": "true" }, name), ...children);

  const run = button("Run", "run until the guest waits, stops, or you press Pause");
  const step = button("Step", "forward by the chosen number of instructions");
  const back = button("Back", "back by the chosen number of instructions");
  const trap = button("Next trap", "run to the next exception or interrupt");
  const distance = make("select", {});
  for (const n of [1, 10, 100, 1000, 10000, 100000, 1000000]) distance.append(make("option", { value: n }, number(n)));
  const status = make("p", { role: "status", class: "vl-status" });
  const where = make("p", { class: "vl-where" });
  const console_ = make("pre", { tabindex: "0", class: "vl-console", "aria-label": "what the guest has printed" });
  const line = make("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const queue = button("Queue", "hand the line to the guest without running it");
  const form = make("form", {}, make("label", {}, "Type to the guest ", line), make("button", { type: "submit", title: "hand the line to the guest and run" }, "Send"), queue);
  const code = make("tbody", {});
  const registers = make("tbody", {});
  const events = make("ol", { tabindex: "0", "aria-label": "traps and returns, newest first" });
  const head = (...names) => make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));

  const root = make(
    "div",
    { class: "vl vl-player", role: "group", "aria-label": "machine", "data-lm-suppress-shortcuts": "true" },
    make("div", { class: "vl-buttons" }, run, step, back, make("label", {}, "by ", distance, " instructions"), trap),
    status,
    where,
    part("Console", console_, form),
    make(
      "div",
      { class: "vl-parts" },
      part("Instructions", make("div", { class: "vl-scroll", tabindex: "0" }, make("table", { "aria-label": "instructions around pc" }, head("address", "instruction"), code))),
      part("Registers (bold: changed)", make("div", { class: "vl-scroll", tabindex: "0" }, make("table", { "aria-label": "registers" }, registers))),
      part("Traps and returns", events),
    ),
  );
  return { root, run, step, back, trap, distance, status, where, console: console_, line, queue, form, code, registers, events, make, running: false };
}

function draw(view, before, state, running, error) {
  const { make } = view;
  view.running = running;
  view.run.textContent = running ? "Pause" : "Run";
  if (error) view.status.textContent = error;
  if (!state) return;
  if (!running && !error) view.status.textContent = announcement(before, state);
  view.where.replaceChildren(
    ...[["instruction", number(state.steps)], ["mode", state.mode], ["pc", state.pc]].flatMap(([name, value]) => [`${name} `, make("strong", { class: `vl-${name}` }, value), "  "]),
  );
  const atEnd = view.console.scrollTop + view.console.clientHeight >= view.console.scrollHeight - 4;
  view.console.textContent = state.console;
  if (atEnd) view.console.scrollTop = view.console.scrollHeight;
  view.code.replaceChildren(
    ...state.code.map(([address, text, here]) =>
      make("tr", here ? { class: "vl-here", "aria-current": "true" } : {}, make("td", {}, `${here ? "▶ " : ""}${address}`), make("td", {}, text)),
    ),
  );
  const changed = changedRegisters(before, state);
  const rows = [];
  for (let first = 0; first < state.registers.length; first += REGISTER_COLUMNS) {
    const cells = state.registers.slice(first, first + REGISTER_COLUMNS).flatMap(([name, value]) => [
      make("th", { scope: "row" }, name),
      make("td", changed.has(name) ? { class: "vl-changed" } : {}, value),
    ]);
    rows.push(make("tr", {}, ...cells));
  }
  view.registers.replaceChildren(...rows);
  view.events.replaceChildren(...state.events.map(([at, what]) => make("li", {}, `${number(at)}: ${what}`)));
}

export default {
  render({ model, el }) {
    let player = null;
    const backend = messageBackend(
      model,
      (state) => player && player.accept(state),
      () => player && (player.view.status.textContent = "Waiting for the kernel: another cell may be running."),
    );
    player = mount(el, backend);
    return () => {
      player.pause();
      backend.close();
    };
  },
};
