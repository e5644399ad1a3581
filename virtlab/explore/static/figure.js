// How does a stored figure answer on a page without Python? Native controls above it, its kernel
// compiled to WebAssembly behind it, the same words and pictures as Python's.
//
// A figure of a notebook is an element `.vl-live` with its declaration (`Explorable.spec` in
// explorable.py) and a still picture. `mountAll` brings those below an element to life. Where that is
// impossible the still picture stays, and one sentence says why.

import { inflate, wasmModule } from "./assets.js";
import { open } from "./wasm.js";
import { draw, prepareChart, stillOf } from "./chart.js";
import { escape, fill, grouped, parse, parseRepeat, scopesOf, totalOf } from "./template.js";

const TABLE_ROWS = 60; // a longer table is cut, and says so
const QUIET_MS = 400; // how long the controls have to rest before the words are read aloud
const ARRAYS = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  float32: Float32Array, float64: Float64Array,
};

const isWhole = (dtype) => !dtype.startsWith("float");
const sizeOf = (shape) => shape.reduce((size, n) => size * n, 1);

// An input of a specification: a number, or { data, shape, whole, bytes }; data only of numbers.
async function readInput({ value, whole, dtype, shape, itemsize, chunks }) {
  if (value !== undefined) return whole ? BigInt(value) : value;
  const array = ARRAYS[dtype];
  const bytes = new Uint8Array(sizeOf(shape) * (array ? array.BYTES_PER_ELEMENT : itemsize));
  for (const [offset, text] of chunks) {
    const run = await inflate(text);
    bytes.set(run.subarray(0, bytes.length - offset), offset);
  }
  return { data: array && new array(bytes.buffer), shape, whole: array && isWhole(dtype), bytes };
}

// A specification with its inputs inflated and its texts understood.
export async function prepare(spec) {
  const read = Object.entries(spec.inputs).map(async ([name, input]) => [name, await readInput(input)]);
  const rows = spec.table.rows.map((row) =>
    Array.isArray(row) ? { cells: row.map(parse) } : { repeat: parseRepeat(row), cells: row.each.map(parse) });
  let { figure } = spec;
  if (figure?.kind === "sketch") figure = { ...figure, height: parse(figure.height), parts: figure.parts.map(parse) };
  if (figure?.kind === "chart") figure = prepareChart(figure);
  return {
    ...spec,
    inputs: Object.fromEntries(await Promise.all(read)),
    title: parse(spec.title),
    text: parse(spec.text),
    table: { columns: spec.table.columns, rows },
    figure,
  };
}

// Every name a template may use: controls, inputs, outputs.
export function scopeOf(prepared, values, outputs) {
  const arrays = Object.entries(prepared.outputs).map(([name, { dtype, shape }]) =>
    [name, { data: outputs[name], shape, whole: isWhole(dtype) }]);
  return { ...values, ...prepared.inputs, ...Object.fromEntries(arrays) };
}

// What the figure says: title, text, table and svg, with the same characters as Python's Drawing.
// values: of the controls, integers as BigInt; outputs: name -> array of numbers.
export function render(prepared, values, outputs) {
  const { figure, labels } = prepared;
  const scope = scopeOf(prepared, values, outputs);
  const title = fill(prepared.title, scope, labels);
  const text = fill(prepared.text, scope, labels);
  let picture = "";
  if (figure?.kind === "sketch") {
    const shapes = figure.parts.map((part) => fill(part, scope, labels, true));
    picture = svg(figure.width, fill(figure.height, scope, labels), `${title}. ${text}`, shapes);
  } else if (figure) {
    const { width, height, shapes } = stillOf(figure, scope, labels);
    picture = svg(width, height, `${title}. ${text}`, shapes);
  }
  return { title, text, table: tableOf(prepared, scope, title), svg: picture };
}

const svg = (width, height, description, shapes) =>
  `<svg viewBox='0 0 ${width} ${height}' role='img' aria-label='${escape(description)}'>\n${
    shapes.filter((shape) => shape).join("\n")}\n</svg>`;

function tableOf({ table, labels }, scope, title) {
  if (!table.columns.length) return "";
  const rows = [];
  let n_rows = 0;
  for (const { repeat, cells } of table.rows) {
    const rounds = repeat ? scopesOf(repeat, scope) : [scope];
    n_rows += repeat ? totalOf(repeat, scope) : 1;
    for (const each of rounds) rows.push(cells.map((cell) => fill(cell, each, labels)));
  }
  n_rows = Math.max(n_rows, rows.length);
  const shown = Math.min(TABLE_ROWS, rows.length);
  const head = table.columns.map((name) => `<th scope='col'>${escape(name)}</th>`).join("");
  const body = rows.slice(0, shown).map((row) => `<tr>${row.map((cell) => `<td>${cellOf(cell)}</td>`).join("")}</tr>\n`);
  const cut = n_rows > shown ? `<p>The first ${shown} of ${grouped(n_rows)} ${n_rows === 1 ? "row" : "rows"}.</p>` : "";
  return `<div class='vl-scroll' tabindex='0'><table aria-label='${escape(title)}'>` +
    `<thead><tr>${head}</tr></thead>\n<tbody>${body.join("")}</tbody></table></div>${cut}`;
}

const cellOf = (text) => (text.startsWith("0x") ? `<code>${escape(text)}</code>` : escape(text));

// The kernel of a figure with its arrays in WebAssembly's memory: a function of the controls' values
// that returns the outputs by name. params: of the module's manifest, which knows the arrays' types.
function kernelOf(prepared, instance, params) {
  const arguments_ = new Map();
  for (const parameter of params) {
    const { inputs, outputs } = prepared;
    const input = inputs[parameter.name];
    const output = outputs[parameter.name];
    if (output) {
      arguments_.set(parameter.name, instance.array(parameter.dtype, output.shape));
    } else if (typeof input === "object") {
      arguments_.set(parameter.name, instance.array(parameter.dtype, input.shape, input.data ?? input.bytes));
    } else {
      arguments_.set(parameter.name, input); // a number, or undefined: a control's value
    }
  }
  const zero = (array) => array.fill(array instanceof BigInt64Array || array instanceof BigUint64Array ? 0n : 0);
  return (values) => {
    const outputs = Object.keys(prepared.outputs);
    for (const output of outputs) zero(arguments_.get(output).view);
    instance.call(prepared.kernel, ...prepared.parameters.map((parameter) => values[parameter] ?? arguments_.get(parameter)));
    return Object.fromEntries(outputs.map((output) => [output, arguments_.get(output).view]));
  };
}

const instances = new Map(); // name of an asset -> promise of its instance

// The instance that has a function of this name, opened once for all figures: { asset, opened }.
async function instanceWith(name, assets = {}) {
  const asset = Object.keys(assets).find((key) => assets[key]?.manifest?.functions?.[name]);
  if (!asset) throw new Error(`the page did not bring the compiled function ${name}`);
  if (!instances.has(asset)) {
    instances.set(asset, wasmModule(assets, asset).then(({ bytes, manifest }) => open(bytes, manifest)));
  }
  return { asset, opened: await instances.get(asset) };
}

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

let controlsMade = 0;

// A native control: { element, value(), limit(most) }; changed() is called when the reader moves it.
export function controlOf(spec, changed) {
  controlsMade += 1;
  const id = `vl-control-${controlsMade}`;
  const label = make("label", { htmlFor: id, textContent: spec.label });
  if (spec.type === "switch") {
    const input = make("input", { type: "checkbox", id, checked: spec.value !== 0 });
    input.addEventListener("change", changed);
    return { element: make("div", { className: "vl-control" }, input, label), value: () => BigInt(input.checked) };
  }
  const whole = spec.whole ? BigInt : Number;
  if (spec.type === "choice" && !spec.slider) {
    const options = spec.options.map(([text, value]) => make("option", { textContent: text, selected: value === spec.value }));
    const select = make("select", { id }, ...options);
    select.addEventListener("change", changed);
    return {
      element: make("div", { className: "vl-control" }, label, select),
      value: () => whole(spec.options[select.selectedIndex][1]),
    };
  }
  const chosen = spec.type === "choice";
  const range = chosen
    ? { min: 0, max: spec.options.length - 1, step: 1, value: spec.options.findIndex(([, value]) => value === spec.value) }
    : { min: spec.low, max: spec.high, step: spec.step, value: spec.value };
  const input = make("input", { type: "range", id });
  Object.assign(input, { min: range.min, max: range.max, step: range.step });
  input.value = range.value; // after the bounds, which would clamp it
  const output = make("output", { htmlFor: id });
  output.setAttribute("aria-live", "off"); // the slider itself tells its value
  let wanted = input.value;
  const show = () => {
    const unit = spec.unit ? ` ${spec.unit}` : "";
    const text = chosen ? spec.options[input.value][0] : `${spec.whole ? grouped(input.value) : input.value}${unit}`;
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  show();
  input.addEventListener("input", () => {
    wanted = input.value;
    show();
    changed();
  });
  return {
    element: make("div", { className: "vl-control" }, label, input, output),
    value: () => whole(chosen ? spec.options[wanted][1] : wanted),
    limit(most) { // nothing above this just now; what was wanted comes back with the room
      input.max = Math.max(spec.low, Math.min(spec.high, most));
      input.value = Math.min(Number(wanted), input.max);
      show();
    },
  };
}

// Bring one figure to life: evaluate(values) is its kernel. Replaces the still picture in `element`.
// plotly() resolves when plotly.js is there or cannot be had; until then a chart is its own picture.
export function mount(element, prepared, evaluate, plotly = null) {
  const caption = make("figcaption");
  const picture = make("div", { className: "vl-scroll", tabIndex: 0 });
  const plot = make("div", { className: "vl-plot", hidden: true });
  plot.setAttribute("role", "img");
  const words = make("p");
  const heard = make("p", { className: "vl-heard" });
  heard.setAttribute("aria-live", "polite");
  const table = make("div");
  let quiet = null;

  const update = () => {
    const values = Object.fromEntries(controls.map(({ name, control }) => [name, control.value()]));
    const outputs = evaluate(values);
    const said = render(prepared, values, outputs);
    caption.textContent = said.title;
    words.textContent = said.text;
    picture.innerHTML = said.svg;
    table.innerHTML = said.table;
    for (const { control, limit } of controls) if (limit) control.limit(Number(outputs[limit][0]));
    if (!plot.hidden) {
      plot.setAttribute("aria-label", `${said.title}. ${said.text}`);
      draw(plot, prepared.figure, scopeOf(prepared, values, outputs), prepared.labels);
    }
    return `${said.title}. ${said.text}`;
  };
  const moved = () => {
    const said = update();
    clearTimeout(quiet);
    quiet = setTimeout(() => { heard.textContent = said; }, QUIET_MS);
  };

  const controls = prepared.controls.map((spec) => ({ name: spec.name, limit: spec.limit, control: controlOf(spec, moved) }));
  const figure = make("figure", {}, caption);
  if (prepared.figure) figure.append(plot, picture);
  figure.append(words, heard);
  if (prepared.figure && prepared.table.columns.length) {
    figure.append(make("details", {}, make("summary", { textContent: "Data as a table" }), table));
  } else {
    figure.append(table);
  }
  const panel = make("div", { className: "vl-controls" }, ...controls.map(({ control }) => control.element));
  const still = element.querySelector("figure");
  still.replaceWith(panel, figure);
  try {
    update();
  } catch (error) {
    panel.remove();
    figure.replaceWith(still);
    throw error;
  }
  element.dataset.live = "yes";
  if (prepared.figure?.kind !== "chart") return;
  const usePlotly = () => {
    if (!globalThis.Plotly) return;
    plot.hidden = false;
    picture.className = "vl-scroll vl-for-print";
    update();
    followTheme(update);
  };
  if (globalThis.Plotly) usePlotly();
  else plotly?.().then(usePlotly);
}

// Call back when the page or the reader's system turns dark or light.
function followTheme(changed) {
  new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme", "data-mode"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

// A specification made ready, and its kernel: { prepared, evaluate }.
export async function wake(spec, assets) {
  const [prepared, { asset, opened }] = await Promise.all([prepare(spec), instanceWith(spec.kernel, assets)]);
  const { params } = assets[asset].manifest.functions[spec.kernel];
  return { prepared, evaluate: kernelOf(prepared, opened, params) };
}

// Bring one element to life, or say in it why it stands still.
async function mountOne(element, assets) {
  try {
    if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly");
    const spec = JSON.parse(element.querySelector("script[type='application/json']").textContent);
    const { prepared, evaluate } = await wake(spec, assets);
    mount(element, prepared, evaluate, assets.plotly);
  } catch (error) {
    element.append(make("p", { className: "vl-note", textContent: `This figure stands still here: ${error.message}.` }));
  }
}

// Bring every figure below `root` to life that is not alive yet; `assets` has the compiled kernels,
// and under `plotly` perhaps a function that sends for plotly.js.
export function mountAll(root, assets) {
  const found = root.querySelectorAll(".vl-live[data-kind=explorable]:not([data-live])");
  return Promise.all([...found].map((element) => {
    element.dataset.live = "soon";
    return mountOne(element, assets);
  }));
}
