// What a player shows of a virtual machine besides: its technique, and each exit to the hypervisor.
//
// The part is made when the first state of a virtual machine comes; a bare machine's player has none.

import { grouped } from "./player_timeline.js";

const AN_EXIT = ["exit", "exit to the hypervisor"]; // what a run can be told to stop at

// The exits of a state in words.
export function exitsText({ n_exits: n, exit_counts: counts, steps }) {
  if (!n) return "The guest has not left yet.";
  const rate = (1000 * n) / Math.max(steps, 1);
  const reasons = counts.map(([reason, count]) => `${grouped(count)} ${reason}`).join(", ");
  return `${grouped(n)} exit${n === 1 ? "" : "s"}, ${rate.toFixed(2)} a thousand instructions: ${reasons}.`;
}

// Shows the exits of a state. view.goto: goes to an instruction; set by player.js.
export function drawExits(view, state) {
  if (state.technique === undefined) return;
  view.exits ??= addExits(view, state.technique);
  const { counts, list } = view.exits;
  counts.textContent = exitsText(state);
  const newest = JSON.stringify(state.exits);
  if (view.exits.newest === newest) return;
  view.exits.newest = newest;
  list.replaceChildren(...state.exits.map(([steps, what]) => {
    const there = view.make("button", { type: "button", title: `go to instruction ${grouped(steps)}, before this exit` }, "Go to");
    there.addEventListener("click", () => view.goto(steps));
    there.setAttribute("aria-label", `Go to ${what.split(":")[0]}`);
    return view.make("li", {}, there, ` ${grouped(steps)}: ${what}`);
  }));
}

function addExits(view, technique) {
  const { make } = view;
  const [value, text] = AN_EXIT;
  view.event.append(make("option", { value }, text));
  const name = `Exits to the hypervisor (${technique})`;
  const counts = make("p", { class: "vl-small" });
  const list = make("ol", { tabindex: "0", class: "vl-exits", "aria-label": "exits, newest first" });
  const heading = make("p", { class: "vl-name", "aria-hidden": "true" }, name);
  const part = make("div", { class: "vl-part", role: "group", "aria-label": name }, heading, counts, list);
  view.events.parentElement.after(part);
  return { counts, list, newest: "" };
}
