// How a state becomes visible in a player's elements, and audible to a reader of the screen.

import { drawExits } from "./player_exits.js";
import { drawTimeline, timelineText } from "./player_timeline.js";

const REGISTER_COLUMNS = 2;

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

// Shows a state. `before` is the state when the command began; `error` an Error, or null.
export function draw(view, before, state, running, error) {
  view.running = running;
  view.run.textContent = running ? "Pause" : "Run";
  if (error) view.status.textContent = error.message;
  if (!state) return;
  if (!running && !error) view.status.textContent = announcement(before, state);
  drawWhere(view, state);
  drawConsole(view, state);
  // A reader who asked for less motion sees the rest change when the machine has stopped.
  if (running && view.still) return;
  drawCode(view, state);
  drawRegisters(view, state, changedRegisters(before, state));
  drawTimeline(view.timeline, state);
  view.timelineText.textContent = timelineText(state);
  drawExits(view, state);
  view.events.replaceChildren(...state.events.map(([at, what]) => view.make("li", {}, `${number(at)}: ${what}`)));
}

function drawWhere(view, state) {
  const parts = [["instruction", number(state.steps)], ["mode", state.mode], ["pc", state.pc]];
  if (state.technique !== undefined) parts.push(["under", state.technique], ["exits", number(state.n_exits)]);
  view.where.replaceChildren(
    ...parts.flatMap(([name, value]) => [`${name} `, view.make("strong", { class: `vl-${name}` }, value), "  "]),
  );
}

function drawConsole(view, state) {
  if (view.console.textContent === state.console) return; // leaves alone what a reader has selected
  const atEnd = view.console.scrollTop + view.console.clientHeight >= view.console.scrollHeight - 4;
  view.console.textContent = state.console;
  if (atEnd) view.console.scrollTop = view.console.scrollHeight;
}

function drawCode(view, state) {
  const { make } = view;
  view.code.replaceChildren(
    ...state.code.map(([address, text, here]) =>
      make("tr", here ? { class: "vl-here", "aria-current": "true" } : {}, make("td", {}, `${here ? "▶ " : ""}${address}`), make("td", {}, text)),
    ),
  );
}

function drawRegisters(view, state, changed) {
  const { make } = view;
  const rows = [];
  for (let first = 0; first < state.registers.length; first += REGISTER_COLUMNS) {
    const cells = state.registers.slice(first, first + REGISTER_COLUMNS).flatMap(([name, value]) => [
      make("th", { scope: "row" }, name),
      make("td", changed.has(name) ? { class: "vl-changed" } : {}, value),
    ]);
    rows.push(make("tr", {}, ...cells));
  }
  view.registers.replaceChildren(...rows);
}

// Shows a page walk, or the one sentence why there is none.
export function drawWalk(view, walk, error) {
  const { make } = view;
  view.walked.textContent = error ? error.message : walk.sentence;
  view.walked.classList.toggle("vl-error", Boolean(error) || walk.fault);
  view.address.setAttribute("aria-invalid", String(Boolean(error)));
  const rows = error ? [] : walk.rows;
  view.walk.replaceChildren(...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, String(cell))))));
}

// Shows what is wrong with the program in the editor, and where; null: nothing is.
export function drawMistake(view, error) {
  const { text, error: sentence } = view.editor;
  sentence.textContent = error ? error.message : "";
  text.setAttribute("aria-invalid", String(Boolean(error)));
  if (!error?.line) return;
  const lines = text.value.split("\n");
  const start = lines.slice(0, error.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const written = lines[error.line - 1] ?? "";
  if (written.trim()) sentence.append(view.make("code", { class: "vl-written" }, written));
  text.focus();
  text.setSelectionRange(start + Math.max(0, (error.column ?? 1) - 1), start + written.length);
}
