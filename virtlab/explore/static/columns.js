// One guest under several techniques, side by side: run in turn, and compared.
//
// A column is { name, backend, state }; a backend is what player.js describes, of which `state`, `run`,
// `type` and `reset` are used here. The default export makes backends out of an anywidget model.

import { Controller, messageBackend } from "./controller.js";
import { grouped } from "./player_timeline.js";
import { maker } from "./player_view.js";

let columnsMade = 0; // comparisons of this page, for ids

const rateOf = ({ steps, n_exits: n = 0 }) => ((1000 * n) / Math.max(steps, 1)).toFixed(2);

// What a reader of the screen hears when all have run.
export function comparisonText(columns) {
  const told = columns.map(({ name, controller: { state }, seconds }) => {
    const time = seconds === null ? "" : `, ${seconds.toFixed(1)} s`;
    return `${name}: ${grouped(state.steps)} instructions, ${grouped(state.n_exits ?? 0)} exits${time}`;
  });
  return `${told.join("; ")}.`;
}

// Draws the columns into an element and gives them the keyboard. Returns { view, columns, run, pause }.
export function mountColumns(element, given) {
  const make = maker(element.ownerDocument);
  const id = `vl-columns-${++columnsMade}`;
  const button = (text, hint) => make("button", { type: "button", title: hint }, text);
  const view = {
    run: button("Run", "run the chosen machines one after another, each until its guest waits"),
    restart: button("Restart", "power the chosen machines off and on again"),
    line: make("input", { type: "text", id: `${id}-line`, autocomplete: "off", spellcheck: "false" }),
    status: make("p", { role: "status", class: "vl-status" }),
    rows: make("tbody"),
  };
  const columns = given.map(({ name, backend, state }, k) => {
    const box = make("input", { type: "checkbox", id: `${id}-${k}`, checked: "" });
    const where = make("p", { class: "vl-small" });
    const screen = make("pre", { tabindex: "0", role: "group", class: "vl-console", "aria-label": `console, ${name}` });
    const column = { name, box, where, screen, backend, seconds: null, cells: [0, 1, 2, 3].map(() => make("td")) };
    column.controller = new Controller(backend, (before, now, running, error) => draw(column, now, running, error));
    column.part = make(
      "div",
      { class: "vl-part", role: "group", "aria-label": name },
      make("span", { class: "vl-field" }, box, make("label", { for: box.id, class: "vl-name" }, name)),
      where,
      screen,
    );
    view.rows.append(make("tr", {}, make("th", { scope: "row" }, name), ...column.cells));
    if (state) {
      column.controller.state = state;
      draw(column, state, false, null);
    } else column.controller.start();
    return column;
  });
  const chosen = () => columns.filter(({ box }) => box.checked);

  let running = null; // the column that runs, or null
  let turn = 0;
  const pause = () => {
    turn += 1;
    return running?.controller.pause();
  };
  // Does something with the chosen columns, one after another.
  const inTurn = async (action) => {
    await pause();
    const mine = ++turn;
    view.run.textContent = "Pause";
    const failed = [];
    for (const column of chosen()) {
      if (turn !== mine) break;
      running = column;
      const error = await action(column);
      if (error) failed.push(`${column.name}: ${error.message}`);
    }
    if (turn !== mine) return;
    running = null;
    view.run.textContent = "Run";
    const ready = columns.filter(({ controller }) => controller.state);
    view.status.textContent = failed.join(" ") || comparisonText(ready);
  };
  const run = () =>
    inTurn(async (column) => {
      view.status.textContent = `Running: ${column.name}.`;
      const began = performance.now();
      const error = await column.controller.run();
      column.seconds = (performance.now() - began) / 1000;
      draw(column, column.controller.state, false, error);
      return error;
    });

  view.run.addEventListener("click", async () => {
    if (view.run.textContent === "Run") return run();
    await pause();
    running = null;
    view.run.textContent = "Run";
    view.status.textContent = "Paused.";
  });
  view.restart.addEventListener("click", () =>
    inTurn((column) => {
      column.seconds = null;
      return column.controller.reset();
    }),
  );
  const form = make(
    "form",
    {},
    make("span", { class: "vl-field" }, make("label", { for: view.line.id }, "Type to the chosen guests"), " ", view.line),
    make("button", { type: "submit", title: "hand the line to each chosen guest and run" }, "Send"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = `${view.line.value}\n`;
    view.line.value = "";
    await inTurn((column) => column.controller.type(text));
    await run();
  });
  const head = ["machine", "instructions", "exits", "exits a thousand", "seconds here"];
  const heads = make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)));
  const table = make("table", { "aria-label": "comparison" }, make("thead", {}, heads), view.rows);
  view.root = make(
    "div",
    { class: "vl vl-player vl-columns", role: "group", "aria-label": "machines side by side", "data-lm-suppress-shortcuts": "true" },
    make("div", { class: "vl-buttons" }, view.run, view.restart),
    form,
    view.status,
    make("div", { class: "vl-scroll", tabindex: "0", role: "group", "aria-label": "comparison" }, table),
    make("div", { class: "vl-parts" }, ...columns.map(({ part }) => part)),
  );
  // A notebook has meanings of its own for plain keys; in here they are the reader's.
  view.root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  element.append(view.root);
  return { view, columns, run, pause };
}

function draw(column, state, running, error) {
  if (error) column.where.textContent = error.message;
  if (!state) return;
  const { steps, n_exits: n = 0, sentence, console: printed } = state;
  const seconds = column.seconds === null ? "" : column.seconds.toFixed(1);
  [grouped(steps), grouped(n), rateOf(state), seconds].forEach((text, k) => {
    column.cells[k].textContent = text;
  });
  if (!error) column.where.textContent = running ? "Running." : sentence;
  if (column.screen.textContent !== printed) {
    column.screen.textContent = printed;
    column.screen.scrollTop = column.screen.scrollHeight;
  }
}

// The part of a widget's model that belongs to one column.
function columnOf(model, column) {
  const heard = new Map();
  return {
    send: (message) => model.send({ ...message, column }),
    on: (name, receive) => {
      heard.set(receive, (message) => message.column === column && receive(message));
      model.on(name, heard.get(receive));
    },
    off: (name, receive) => model.off(name, heard.get(receive)),
  };
}

export default {
  render({ model, el }) {
    let mounted = null;
    const names = model.get("names");
    const backends = names.map((_, k) =>
      messageBackend(
        columnOf(model, k),
        (state) => mounted?.columns[k].controller.accept(state),
        () => mounted && (mounted.view.status.textContent = "Waiting for the kernel: another cell may be running."),
      ),
    );
    mounted = mountColumns(el, names.map((name, k) => ({ name, backend: backends[k] })));
    return () => {
      mounted.pause();
      backends.forEach((backend) => backend.close());
    };
  },
};
