// What does a chart look like? The still picture in SVG that chart.py makes, with the same
// characters, and the same chart for plotly, which draws it on the page where it has been loaded.

import { escape, fill, fixed, parse, parseName, valueOf } from "./template.js";

const WIDTH = 680, LEFT = 84, RIGHT = 660, TOP = 14, BOTTOM = 244; // of the area that is drawn on
const BELOW = 56; // for the axis, its ticks and its name
const LEGEND = 24, ENTRY = 150; // height of a row of the legend, width of one of its entries at least
const SIGN = 48, LETTER = 7; // width of an entry beside its name, and of a letter, roughly
const COLOURS = ["S", "M", "U", "VS", "VU"];
const DASHES = [["", "solid"], ["7 4", "dash"], ["2 3", "dot"], ["8 3 2 3", "dashdot"], ["12 4", "longdash"]];
const X_TICKS = 8, Y_TICKS = 6;

const power10 = (power) => Number(`1e${power}`); // exact, which 10 ** power need not be
const one = (number) => fixed(number, 1);

// A chart of a specification, with its texts understood.
export function prepareChart(spec) {
  return { ...spec, titles: [parse(spec.x.title), parse(spec.y.title)] };
}

// Every series with its colour and numbers; a mark's series has one point.
function dataOf(chart, scope) {
  let n = 0;
  return chart.series.map((declared) => {
    const number = (name) => Number(valueOf(parseName(name), scope));
    if (declared.type === "mark") {
      return { declared, colour: "ink", dash: DASHES[0], xs: [number(declared.x)], ys: [number(declared.y)] };
    }
    let ys = Array.from(scope[declared.y].data, Number);
    let xs = chart.x.categories.length ? ys.map((_, k) => k) : Array.from(scope[declared.x].data, Number);
    if (declared.count) {
      const length = Math.max(0, number(declared.count));
      xs = xs.slice(0, length);
      ys = ys.slice(0, length);
    }
    n += 1;
    return { declared, colour: COLOURS[n - 1], dash: DASHES[n - 1], xs, ys };
  });
}

// Round numbers from low to high, at most so many, integers if `whole`: [place, text]. They are
// multiples of 1, 2 or 5 times a power of ten.
function ticksOf(low, high, most, whole) {
  for (let power = whole ? 0 : -9; power < 22; power += 1) {
    for (const digit of [1, 2, 5]) {
      const [up, down] = power >= 0 ? [digit * power10(power), 1] : [digit, power10(-power)];
      const first = Math.ceil((low * down) / up) + 0; // + 0 turns -0 into 0
      const last = Math.floor((high * down) / up) + 0;
      if (last - first < most) {
        return Array.from({ length: last - first + 1 }, (_, k) => {
          const place = ((first + k) * up) / down;
          return [place, fixed(place, Math.max(0, -power), true)];
        });
      }
    }
  }
  return [];
}

// Powers of ten from 10**low to 10**high, at most so many.
function decadesOf(low, high, most) {
  const every = Math.ceil((high - low + 1) / most);
  const found = [];
  for (let power = low; power <= high; power += every) {
    found.push([power, fixed(power10(power), Math.max(0, -power), true)]);
  }
  return found;
}

// Where on an axis a number lies: between start and end in the picture.
function scaleOf(axis, numbers, start, end, most) {
  let low, high, ticks;
  if (axis.categories.length) {
    [low, high] = [-0.5, axis.categories.length - 0.5];
    ticks = axis.categories.map((name, k) => [k, name]);
  } else if (axis.log) {
    const above = numbers.filter((number) => number > 0);
    low = Math.floor(Math.log10(above.length ? Math.min(...above) : 1));
    high = Math.max(Math.ceil(Math.log10(above.length ? Math.max(...above) : 10)), low + 1);
    ticks = decadesOf(low, high, most);
  } else {
    const bounds = axis.zero || !numbers.length ? [0, ...numbers] : numbers;
    [low, high] = [Math.min(...bounds), Math.max(...bounds)];
    if (high === low) high += 1;
    ticks = ticksOf(low, high, most, numbers.every(Number.isInteger));
  }
  const place = (position) => start + ((end - start) * (position - low)) / (high - low);
  return {
    ticks,
    place,
    shows: (number) => !axis.log || number > 0,
    at: (number) => place(axis.log ? Math.log10(number) : number),
  };
}

const words = (x, y, text, look, anchor) =>
  `<text x='${x}' y='${y}' class='${look}' text-anchor='${anchor}'>${escape(text)}</text>`;

// Each series of bars with the heights it stands on.
function stacksOf(chart, bars) {
  const heights = chart.x.categories.map(() => 0);
  return bars.map((series) => {
    const below = [...heights];
    if (chart.stacked) series.ys.forEach((y, k) => { heights[k] += y; });
    return [below, series];
  });
}

// The shapes and the height of the still picture.
export function stillOf(chart, scope, labels) {
  const data = dataOf(chart, scope);
  const named = data.filter((series) => series.declared.name);
  const legend = named.length > 1 ? named : [];
  const places = entriesOf(legend);
  const top = TOP + (places.length ? places[places.length - 1][1] - TOP + LEGEND : 0);
  const bottom = BOTTOM + top - TOP;
  const bars = data.filter((series) => series.declared.type === "bars");
  const stacks = stacksOf(chart, bars);
  const ys = data.flatMap((series) => series.ys);
  if (chart.stacked) {
    for (const [below, series] of stacks) series.ys.forEach((y, k) => ys.push(below[k] + y));
  }
  const x = scaleOf(chart.x, data.flatMap((series) => series.xs), LEFT, RIGHT, X_TICKS);
  const y = scaleOf(chart.y, ys, bottom, top, Y_TICKS);
  const titles = chart.titles.map((title) => fill(title, scope, labels));
  const shapes = axesOf(x, y, top, bottom, titles);
  stacks.forEach(([below, series], n) => shapes.push(barsOf(chart, x, y, bottom, bars.length, n, below, series)));
  for (const series of data) {
    if (series.declared.type !== "bars") shapes.push(pointsOf(x, y, bottom, series));
  }
  legend.forEach((series, n) => shapes.push(entryOf(...places[n], series)));
  return { width: WIDTH, height: String(bottom + BELOW), shapes };
}

function axesOf(x, y, top, bottom, titles) {
  const shapes = [`<polyline points='${LEFT},${top} ${LEFT},${bottom} ${RIGHT},${bottom}' class='wire'/>`];
  for (const [position, text] of x.ticks) {
    const at = one(x.place(position));
    shapes.push(words(at, bottom + 18, text, "muted", "middle"), `<path d='M${at} ${bottom}v4' class='wire'/>`);
  }
  for (const [position, text] of y.ticks) {
    const at = y.place(position);
    shapes.push(words(LEFT - 8, one(at + 4), text, "muted", "end"), `<path d='M${LEFT} ${one(at)}h-4' class='wire'/>`);
  }
  shapes.push(words((LEFT + RIGHT) / 2, bottom + 42, titles[0], "", "middle"));
  const turned = words(0, 0, titles[1], "", "middle");
  shapes.push(`<g transform='translate(16 ${Math.floor((top + bottom) / 2)}) rotate(-90)'>${turned}</g>`);
  return shapes;
}

// All bars of one series as one path.
function barsOf(chart, x, y, bottom, n_bars, n, below, series) {
  const columns = chart.stacked ? 1 : n_bars;
  const band = (RIGHT - LEFT) / chart.x.categories.length;
  const width = (band * 0.7) / columns;
  const offset = -band * 0.35 + (chart.stacked ? 0 : n * width);
  const path = series.ys.map((height, k) => {
    if (!(height > 0)) return "";
    const foot = one(y.shows(below[k]) ? y.at(below[k]) : bottom);
    const left = x.at(series.xs[k]) + offset;
    return `M${one(left)} ${foot}V${one(y.at(below[k] + height))}h${one(width)}V${foot}Z`;
  }).join("");
  return path ? `<path d='${path}' class='${series.colour.toLowerCase()}'/>` : "";
}

function pointsOf(x, y, bottom, { declared, colour, dash, xs, ys }) {
  const points = [];
  xs.forEach((value, k) => {
    if (x.shows(value) && y.shows(ys[k])) points.push([one(x.at(value)), one(y.at(ys[k]))]);
  });
  if (declared.type === "mark") {
    return points.map(([px, py]) => `<circle cx='${px}' cy='${py}' r='8' class='ring'/>`).join("");
  }
  if (!points.length) return "";
  const look = colour.toLowerCase();
  const [[x0, y0], ...others] = points;
  const path = `M${x0} ${y0}${others.map(([px, py]) => (declared.steps ? `H${px}V${py}` : `L${px} ${py}`)).join("")}`;
  let shapes = declared.area ? `<path d='${path}V${bottom}H${x0}Z' class='${look} faint'/>` : "";
  if (declared.joined) shapes += `<path d='${path}' class='curve of-${look}'${dashes(dash)}/>`;
  if (declared.points || !declared.joined) {
    shapes += points.map(([px, py]) => `<circle cx='${px}' cy='${py}' r='3' class='${look}'/>`).join("");
  }
  return shapes;
}

const dashes = ([svg]) => (svg ? ` stroke-dasharray='${svg}'` : "");

// The place of each entry of the legend, which has as many rows as it takes.
function entriesOf(legend) {
  let x = LEFT, y = TOP;
  return legend.map(({ declared }) => {
    const width = Math.max(ENTRY, SIGN + LETTER * Array.from(declared.name).length);
    if (x > LEFT && x + width > WIDTH) [x, y] = [LEFT, y + LEGEND];
    x += width;
    return [x - width, y];
  });
}

// A piece of the series and its name, in the legend.
function entryOf(x, y, { declared, colour, dash }) {
  const look = colour.toLowerCase();
  const name = words(x + 32, y + 4, declared.name, "", "start");
  if (declared.type === "mark") return `<circle cx='${x + 12}' cy='${y}' r='8' class='ring'/>${name}`;
  if (declared.type === "bars") return `<path d='M${x} ${y - 6}h24v12h-24z' class='${look}'/>${name}`;
  if (!declared.joined) return `<circle cx='${x + 12}' cy='${y}' r='3' class='${look}'/>${name}`;
  return `<path d='M${x} ${y}h24' class='curve of-${look}'${dashes(dash)}/>${name}`;
}

function traceOf({ declared, colour, dash, xs, ys }, colours) {
  const color = colours[colour];
  const trace = { x: xs, y: ys, name: declared.name, showlegend: declared.name !== "" };
  if (declared.type === "bars") return { ...trace, type: "bar", marker: { color } };
  Object.assign(trace, { type: "scatter", marker: { color, size: 6 } });
  if (declared.type === "mark") {
    trace.marker = { color, size: 14, symbol: "circle-open", line: { width: 3 } };
    return { ...trace, mode: "markers" };
  }
  const line = { color, width: 2, dash: dash[1], shape: declared.steps ? "hv" : "linear" };
  const mode = !declared.joined ? "markers" : declared.points ? "lines+markers" : "lines";
  return { ...trace, mode, line, fill: declared.area ? "tozeroy" : "none" };
}

const TURNED = [0, -40, -90]; // as in chart.py

// The chart for plotly, as chart.py makes it: { data, layout }. Colours: of the palette, by name.
export function figureOf(chart, scope, labels, colours) {
  const named = chart.series.filter((series) => series.name).length > 1;
  const [x, y] = [chart.x, chart.y].map((axis, k) => {
    const given = { title: { text: fill(chart.titles[k], scope, labels) }, type: axis.log ? "log" : "linear" };
    if (axis.categories.length) {
      const tickvals = axis.categories.map((_, n) => n);
      return { ...given, tickvals, ticktext: axis.categories, autotickangles: TURNED };
    }
    return { ...given, rangemode: axis.zero ? "tozero" : "normal", tickformat: "," };
  });
  const layout = {
    height: 340,
    margin: { l: 70, r: 20, t: named ? 40 : 16, b: 56 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    barmode: chart.stacked ? "stack" : "group",
    showlegend: named,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: x,
    yaxis: y,
  };
  return { data: dataOf(chart, scope).map((series) => traceOf(series, colours)), layout };
}

// The palette of this element, in the theme of the moment.
function coloursOf(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(["ink", "line", "shade", ...COLOURS].map((name) =>
    [name, style.getPropertyValue(`--vl-${name.toLowerCase()}`).trim()]));
}

// Draw the chart with plotly into an element, or renew it there.
export function draw(element, chart, scope, labels) {
  const colours = coloursOf(element);
  const { data, layout } = figureOf(chart, scope, labels, colours);
  layout.font = { color: colours.ink };
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: colours.shade, linecolor: colours.line, zerolinecolor: colours.line, automargin: true });
  }
  return globalThis.Plotly.react(element, data, layout, { responsive: true, displayModeBar: false });
}
