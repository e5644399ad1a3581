// The front end of a machine: console, registers, disassembly, events, and the buttons that move it.
//
// It knows nothing of what runs behind it. A backend is an object with these methods, each returning
// a promise of a state (a plain object, described in view.py) or failing with one sentence:
//
//   state()              where the machine is now
//   step(n)              n instructions forward
//   back(n)              n instructions back
//   run(until)           one slice; until is null or the name of an event; state.reason is "budget" if there is more to run
//   type(text)           queue text for the guest's console
//   reset()              power off and on again
//   assemble(text)       put a program into the machine; the error has a line and a column
//   walk(va, access)     a page walk, which is no state (view.py describes it as well)
//   pause()              end the slice under way early; may be missing
//
// `mount(element, backend)` draws. The default export makes a backend out of an anywidget model, whose
// other end is Python; page_player.js makes one out of a worker, in which the machine runs as WebAssembly.

import { draw, drawMistake, drawWalk } from "./player_draw.js";
import { build } from "./player_view.js";

const PATIENCE_MS = 5000;

// The commands of a reader, one after another; the newest one ends a run that is going on.
export class Controller {
  constructor(backend, show) {
    this.backend = backend;
    this.draw = show; // (before, state, running, error) => void
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

  reset() {
    return this.command(() => this.backend.reset());
  }

  assemble(text) {
    return this.command(() => this.backend.assemble(text));
  }

  run(until = null) {
    return this.command(async (turn) => {
      let state = await this.backend.run(until);
      while (this.turn === turn && state.reason === "budget") {
        const next = this.backend.run(until); // the machine goes on while its state is drawn
        this.show(state, true);
        state = await next;
      }
      return state;
    });
  }

  type(text) {
    return this.command(() => this.backend.type(text));
  }

  pause() {
    this.turn += 1;
    this.backend.pause?.();
    return this.last;
  }

  // A state that nobody here asked for: a cell of the notebook has moved the machine.
  accept(state) {
    this.before = this.state;
    this.show(state, false);
  }

  // Resolves to null, or to the error that the command ended with.
  command(action) {
    const turn = ++this.turn;
    this.backend.pause?.();
    this.last = this.last.then(async () => {
      this.before = this.state;
      try {
        this.show(await action(turn), false);
        return null;
      } catch (error) {
        this.draw(this.before, this.state, false, error);
        return error;
      }
    });
    return this.last;
  }

  show(state, running) {
    this.state = state;
    this.draw(this.before, state, running, null);
  }
}

// A backend whose other end is reached by the messages of a widget model, or of something like it.
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
    if (message.error) request.reject(Object.assign(new Error(message.error), { line: message.line, column: message.column }));
    else request.resolve(message.state ?? message.walk);
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
    reset: () => ask("reset", null),
    assemble: (text) => ask("assemble", text),
    walk: (va, access) => ask("walk", { va, access }),
    close: () => {
      model.off("msg:custom", receive);
      waiting.forEach((request) => clearTimeout(request.timer));
    },
  };
}

// Draws the machine into an element and gives it the keyboard. Returns the controller.
//
//   source   text for the editor, null for a player without one
//   state    what to show at once; without it the backend is asked
//   keep     called with the editor's text whenever the reader has changed it
export function mount(element, backend, { source = null, state = null, keep = () => {} } = {}) {
  const document = element.ownerDocument;
  const view = build(document, source);
  const motion = document.defaultView?.matchMedia?.("(prefers-reduced-motion: reduce)");
  const controller = new Controller(backend, (before, now, running, error) => {
    view.still = Boolean(motion?.matches);
    draw(view, before, now, running, error);
    if (now && !running) walk(false);
  });

  // The walk follows the machine. Answers that a newer question has overtaken are dropped.
  let asked = 0;
  const walk = async (announce) => {
    const turn = ++asked;
    const found = await backend.walk(view.address.value, view.access.value).then(
      (walked) => ({ walked, error: null }),
      (error) => ({ walked: null, error }),
    );
    if (turn !== asked) return;
    drawWalk(view, found.walked, found.error);
    if (announce) view.status.textContent = view.walked.textContent;
  };

  listen(view, controller, backend, walk, keep);
  element.append(view.root);
  if (state) {
    controller.state = state;
    draw(view, null, state, false, null);
  } else controller.start();
  return Object.assign(controller, { view, walk });
}

function listen(view, controller, backend, walk, keep) {
  const distance = () => Number(view.distance.value);
  const click = (button, action) => button.addEventListener("click", action);
  click(view.run, () => (view.running ? controller.pause() : controller.run()));
  click(view.step, () => controller.step(distance()));
  click(view.back, () => controller.back(distance()));
  click(view.next, () => controller.run(view.event.value));
  click(view.restart, () => controller.reset());
  click(view.queue, () => send(false));

  // What was typed stays in its field until the machine has it.
  const send = async (thenRun) => {
    const text = view.line.value;
    if (await controller.type(`${text}\n`)) return;
    if (view.line.value === text) view.line.value = "";
    if (thenRun) await controller.run();
  };
  view.form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(true);
  });
  view.line.addEventListener("keydown", (event) => {
    const nothingSelected = view.line.selectionStart === view.line.selectionEnd;
    if (event.ctrlKey && event.key === "c" && nothingSelected) {
      event.preventDefault();
      event.stopPropagation();
      controller.type("\u0003").then((error) => error || controller.run());
    }
  });

  view.walkForm.addEventListener("submit", (event) => {
    event.preventDefault();
    walk(true);
  });
  view.access.addEventListener("change", () => walk(true));

  if (view.editor) {
    const { text, load } = view.editor;
    text.addEventListener("change", () => keep(text.value));
    click(load, async () => {
      keep(text.value);
      drawMistake(view, await controller.assemble(text.value));
    });
  }
  // A notebook has meanings of its own for plain keys, Enter among them; in here they are the reader's.
  view.root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

export default {
  render({ model, el }) {
    let player = null;
    const backend = messageBackend(
      model,
      (state) => player && player.accept(state),
      () => player && (player.view.status.textContent = "Waiting for the kernel: another cell may be running."),
    );
    player = mount(el, backend, {
      source: model.get("draft") ?? null,
      keep: (text) => {
        model.set("draft", text);
        model.save_changes();
      },
    });
    return () => {
      player.pause();
      backend.close();
    };
  },
};
