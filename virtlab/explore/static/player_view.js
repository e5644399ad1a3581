// What a player consists of: its buttons, fields, tables, and the picture, as elements of the page.
//
// `build` makes them and knows nothing of machines; player_draw.js fills them, player.js listens.

const DISTANCES = [1, 10, 100, 1000, 10000, 100000, 1000000];

// What a run can be told to stop at; the values are names that the backends know.
const EVENTS = [
  ["trap", "trap"],
  ["exception", "exception"],
  ["interrupt", "interrupt"],
  ["return", "return from a trap"],
  ["mode", "change of mode"],
  ["idle", "wait in WFI"],
];

// Elements by tag, attributes and children, for one document.
export function maker(document) {
  return (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
}

const PLAIN_TEXT = { autocomplete: "off", autocapitalize: "off", autocorrect: "off", spellcheck: "false" };
let made = 0; // players of this page, for ids

// All elements of a player; `source` is the text for the editor, null for a player without one.
export function build(document, source) {
  const make = maker(document);
  const id = `vl-player-${++made}-${Math.random().toString(36).slice(2, 8)}`;
  const button = (text, hint) => make("button", { type: "button", title: hint }, text);
  const select = (choices, attributes = {}) => make("select", attributes, ...choices.map(([value, text]) => make("option", { value }, text)));
  // A control with its label beside it, not around it: the choices of a list are no part of its name.
  const labelled = (text, control) => {
    control.id ||= `${id}-${text.toLowerCase().replaceAll(" ", "-")}`;
    return make("span", { class: "vl-field" }, make("label", { for: control.id }, text), " ", control);
  };
  const part = (name, ...children) =>
    make(
      "div",
      { class: "vl-part", role: "group", "aria-label": name },
      make("p", { class: "vl-name", "aria-hidden": "true" }, name),
      ...children,
    );
  const head = (...names) => make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
  // A table that may be wider than the screen: what is around it can be scrolled by keyboard and has a name.
  const table = (name, ...children) =>
    make("div", { class: "vl-scroll", tabindex: "0", role: "group", "aria-label": name }, make("table", { "aria-label": name }, ...children));

  const view = {
    make,
    running: false,
    run: button("Run", "run until the guest waits, stops, or you press Pause"),
    step: button("Step", "forward by the chosen number of instructions"),
    back: button("Back", "back by the chosen number of instructions"),
    distance: select(DISTANCES.map((n) => [n, n.toLocaleString("en-US")]), { "aria-label": "by instructions" }),
    next: button("Next event", "run to the next event of the chosen kind"),
    event: select(EVENTS),
    restart: button("Restart", "power off and on again: back to the first instruction, the console empty"),
    status: make("p", { role: "status", class: "vl-status" }),
    where: make("p", { class: "vl-where" }),
    console: make("pre", { tabindex: "0", role: "group", class: "vl-console", "aria-label": "what the guest has printed" }),
    line: make("input", { type: "text", ...PLAIN_TEXT }),
    queue: button("Queue", "hand the line to the guest without running it"),
    timeline: document.createElementNS("http://www.w3.org/2000/svg", "svg"),
    timelineText: make("p", { class: "vl-small" }),
    code: make("tbody"),
    registers: make("tbody"),
    events: make("ol", { tabindex: "0", "aria-label": "traps and returns, newest first" }),
    address: make("input", { type: "text", value: "pc", size: "20", ...PLAIN_TEXT, "aria-describedby": `${id}-walk` }),
    access: select([["fetch", "fetch"], ["load", "load"], ["store", "store"]]),
    walk: make("tbody"),
    walked: make("p", { id: `${id}-walk`, class: "vl-small" }),
    editor: null,
  };
  view.timeline.setAttribute("role", "img");
  view.form = make(
    "form",
    {},
    labelled("Type to the guest", view.line),
    make("button", { type: "submit", title: "hand the line to the guest and run" }, "Send"),
    view.queue,
  );
  view.walkForm = make(
    "form",
    {},
    labelled("Address", view.address),
    labelled("Access", view.access),
    make("button", { type: "submit", title: "follow the page tables to this address" }, "Walk"),
  );
  if (source !== null) view.editor = editor(make, id, source);
  view.root = make(
    "div",
    { class: "vl vl-player", role: "group", "aria-label": "machine", "data-lm-suppress-shortcuts": "true" },
    ...(view.editor ? [part("Program", ...view.editor.parts)] : []),
    make(
      "div",
      { class: "vl-buttons" },
      view.run,
      view.step,
      view.back,
      make("span", { class: "vl-field" }, "by ", view.distance, " instructions"),
      view.next,
      labelled("event", view.event),
      view.restart,
    ),
    view.status,
    view.where,
    part("Console", view.console, view.form),
    part(
      "Timeline",
      make("div", { class: "vl-scroll", tabindex: "0", role: "group", "aria-label": "timeline" }, view.timeline),
      view.timelineText,
    ),
    part("Traps and returns", view.events),
    make(
      "div",
      { class: "vl-parts" },
      part("Instructions", table("instructions around pc", head("address", "instruction"), view.code)),
      part("Registers (bold: changed)", table("registers", view.registers)),
    ),
    part(
      "Page walk",
      view.walkForm,
      view.walked,
      table("page walk", head("step", "table at", "entry", "value", "flags", "outcome"), view.walk),
    ),
  );
  return view;
}

function editor(make, id, source) {
  const text = make("textarea", {
    rows: String(Math.min(16, Math.max(6, source.split("\n").length + 1))),
    wrap: "off",
    "aria-describedby": `${id}-error`,
    ...PLAIN_TEXT,
  });
  text.value = source;
  const error = make("p", { id: `${id}-error`, class: "vl-error" });
  const hint = "put the program into a machine that has just been switched on";
  const load = make("button", { type: "button", title: hint }, "Assemble and load");
  const label = make("label", { class: "vl-editor" }, "RISC-V assembly, one instruction a line", text);
  return { text, error, load, parts: [label, make("div", { class: "vl-buttons" }, load), error] };
}
