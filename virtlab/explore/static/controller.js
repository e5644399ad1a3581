// How does a reader's command reach a machine, and its answer the reader? One command after another,
// to whatever runs behind a backend (player.js says what a backend is).

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

  goto(steps) {
    return this.command(() => this.backend.goto(steps));
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
    goto: (steps) => ask("goto", steps),
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
