// The front end of a machine: console, registers, disassembly, events, and the buttons that move it.
//
// It knows nothing of what runs behind it. A backend is an object with these methods, each returning
// a promise of a state (a plain object, described in view.py) or failing with one sentence:
//
//   state()              where the machine is now
//   step(n)              n instructions forward
//   back(n)              n instructions back
//   goto(steps)          to the instruction of this number
//   run(until)           one slice; until is null or the name of an event; state.reason is "budget" if there is more to run
//   type(text)           queue text for the guest's console
//   reset()              power off and on again
//   assemble(text)       put a program into the machine; the error has a line and a column
//   walk(va, access)     a page walk, which is no state (view.py describes it as well)
//   pause()              end the slice under way early; may be missing
//
// `mount(element, backend)` draws. The default export makes a backend out of an anywidget model, whose
// other end is Python; page_player.js makes one out of a worker, in which the machine runs as WebAssembly.

import { Controller, messageBackend } from "./controller.js";
import { draw, drawMistake, drawWalk } from "./player_draw.js";
import { build } from "./player_view.js";

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
  view.goto = (steps) => controller.goto(steps);
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
