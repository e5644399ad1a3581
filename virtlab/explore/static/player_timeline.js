// The recent past of a machine as a picture: which privilege mode ran when, and the traps between.
//
// It is drawn from `trace`, `since`, `steps` and `mode` of a state (view.py says what they are) and
// from nothing else, so it needs no question to the machine.

const MODE_NAMES = {
  M: "machine (M)",
  S: "supervisor (S)",
  U: "user (U)",
  VS: "virtual supervisor (VS)",
  VU: "virtual user (VU)",
};
const TRAPS = ["exception", "interrupt"]; // a row of marks each; the third kind is a return
const WIDTH = 680, LEFT = 140, RIGHT = 664, TOP = 8, LANE = 26, BAR = 16, MOST_TICKS = 6;
const SVG = "http://www.w3.org/2000/svg";

export const grouped = (n) => n.toLocaleString("en-US");
const counted = (n, noun) => `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;

// The stretches of instructions in one mode each, [mode, first, last], last excluded.
export function stretches(state) {
  const found = [];
  let first = state.since;
  let mode = state.trace.length ? state.trace[0][2] : state.mode;
  for (const [at, , , next] of state.trace) {
    if (at > first && next !== mode) {
      found.push([mode, first, at]);
      first = at;
    }
    mode = next;
  }
  if (state.steps > first) found.push([mode, first, state.steps]);
  return found;
}

// The instructions at which a virtual machine's guest left, as far as they are known; null without one.
const exitsOf = (state) => state.exit_trace?.filter((at) => at >= state.since) ?? null;

// The timeline in words.
export function timelineText(state) {
  const total = state.steps - state.since;
  if (!total) return "Nothing has run yet.";
  const byMode = new Map();
  for (const [mode, first, last] of stretches(state)) byMode.set(mode, (byMode.get(mode) ?? 0) + last - first);
  const shares = Object.keys(MODE_NAMES)
    .filter((mode) => byMode.has(mode))
    .map((mode) => `${MODE_NAMES[mode]} mode ${((100 * byMode.get(mode)) / total).toFixed(1)} %`);
  const traps = TRAPS.map((noun, kind) => counted(state.trace.filter((event) => event[1] === kind).length, noun));
  const exits = exitsOf(state);
  if (exits) traps.push(`the last ${counted(exits.length, "exit")} to the hypervisor`);
  return `Instructions ${grouped(state.since)} to ${grouped(state.steps)}: ${shares.join(", ")}; ${traps.join(", ")}.`;
}

// Multiples of 1, 2 or 5 times a power of ten between two instructions, a few of them.
function ticks(first, last) {
  for (let power = 1; ; power *= 10) {
    for (const step of [power, 2 * power, 5 * power]) {
      const start = Math.ceil(first / step) * step;
      if ((last - start) / step < MOST_TICKS) {
        return Array.from({ length: Math.floor((last - start) / step) + 1 }, (_, k) => start + k * step);
      }
    }
  }
}

// Draws the timeline into an <svg> element.
export function drawTimeline(svg, state) {
  const document = svg.ownerDocument;
  const shapes = [];
  const shape = (tag, attributes, text = "") => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    shapes.push(node);
  };
  const label = (x, y, text, anchor, look = "") => shape("text", { x, y, "text-anchor": anchor, class: look }, text);

  const first = state.since;
  const last = Math.max(state.steps, first + 1);
  const x = (at) => LEFT + ((Math.min(Math.max(at, first), last) - first) * (RIGHT - LEFT)) / (last - first);
  const ran = stretches(state);
  let y = TOP;
  for (const mode of Object.keys(MODE_NAMES).filter((name) => name === state.mode || ran.some((s) => s[0] === name))) {
    label(LEFT - 10, y + 13, MODE_NAMES[mode], "end");
    shape("polyline", { points: `${LEFT},${y + BAR + 4} ${RIGHT},${y + BAR + 4}`, class: "wire" });
    // A bar is at least one unit wide: a short stay in a mode is to be seen too.
    const bars = ran.filter((s) => s[0] === mode).map(([, a, b]) => [x(a), Math.max(x(b), x(a) + 1)]);
    const path = bars.map(([a, b]) => `M${a.toFixed(1)} ${y}H${b.toFixed(1)}V${y + BAR}H${a.toFixed(1)}Z`).join("");
    if (path) shape("path", { d: path, class: mode.toLowerCase() });
    y += LANE;
  }
  const rows = TRAPS.map((noun, kind) => [noun, state.trace.filter((event) => event[1] === kind).map(([at]) => at)]);
  if (exitsOf(state)) rows.push(["exit", exitsOf(state)]);
  rows.forEach(([noun, marks]) => {
    label(LEFT - 10, y + 13, `${noun}s`, "end");
    const places = new Set(marks.map((at) => Math.round(x(at))));
    if (places.size) shape("path", { d: [...places].map((at) => `M${at} ${y}v15`).join(""), class: "trap" });
    y += 22;
  });
  shape("polyline", { points: `${LEFT},${y} ${RIGHT},${y}`, class: "wire" });
  for (const at of ticks(first, last)) {
    const here = x(at).toFixed(1);
    shape("polyline", { points: `${here},${y} ${here},${y + 5}`, class: "wire" });
    const anchor = here < LEFT + 30 ? "start" : here > RIGHT - 30 ? "end" : "middle";
    label(here, y + 18, grouped(at), anchor, "muted");
  }
  label((LEFT + RIGHT) / 2, y + 36, "instructions since reset", "middle");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${y + 44}`);
  svg.setAttribute("aria-label", `Timeline. ${timelineText(state)}`);
  svg.replaceChildren(...shapes);
}
