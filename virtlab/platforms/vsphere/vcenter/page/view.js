// What a person sees of vCenter, and the buttons: hosts, virtual machines, events.
//
// It draws the plain data that desk.py makes and knows nothing of where it comes from. `ask` takes an
// action, {kind, target, host}, and promises {done, text}; the page asks the server, the notebook Python.
// Rows are changed and not made anew, so that the keyboard stays where it is.

const HIGH = 90; // percent from which a bar is drawn as an alarm

// Builds the view in an element. Returns draw(state).
export function mount(element, ask) {
  const document = element.ownerDocument;
  const make = (name, parts = [], attributes = {}) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...[parts].flat());
    return made;
  };
  const status = make("p", [], { role: "status", class: "vc-status" });
  const say = ({ done, text }) => {
    status.textContent = text;
    status.classList.toggle("vc-wrong", !done);
  };
  const act = async (message) => {
    try {
      say(await ask(message));
    } catch (error) {
      say({ done: false, text: error.message || String(error) });
    }
  };
  const button = (press) => {
    const made = make("button", [], { type: "button" });
    made.addEventListener("click", () => made.getAttribute("aria-disabled") === "true" || press());
    return made;
  };
  const label = (made, text, name, possible = true) => {
    if (made.textContent !== text) made.textContent = text;
    made.setAttribute("aria-label", `${text} ${name}`);
    made.setAttribute("aria-disabled", String(!possible));
  };
  const bar = () => make("td", [make("span", make("span"), { class: "vc-bar", "aria-hidden": "true" }), make("span")]);
  const fill = (cell, percent, more = "") => {
    const [drawn, text] = cell.children;
    drawn.firstChild.style.width = `${Math.min(percent, 100)}%`;
    drawn.classList.toggle("vc-high", percent >= HIGH);
    text.textContent = `${percent} %${more}`;
  };
  const table = (title, heads) => {
    const body = make("tbody");
    const id = `vc-${title.toLowerCase().replaceAll(" ", "-")}-${Math.random().toString(36).slice(2, 8)}`;
    const head = make("thead", make("tr", heads.map((one) => make("th", one, { scope: "col" }))));
    const whole = make("table", [head, body], { "aria-labelledby": id });
    const region = make("div", whole, { class: "vc-scroll", tabindex: "0", role: "region", "aria-labelledby": id });
    return { body, region, section: make("section", [make("h2", title, { id }), region]), rows: new Map() };
  };
  // Brings a table's rows into step with items: `begin` makes one, `change` fills it.
  const follow = (shown, items, key, begin, change) => {
    const there = new Set(items.map((item) => item[key]));
    for (const [name, row] of shown.rows) {
      if (!there.has(name)) {
        row.element.remove();
        shown.rows.delete(name);
      }
    }
    items.forEach((item, at) => {
      let row = shown.rows.get(item[key]);
      if (!row) shown.rows.set(item[key], (row = begin()));
      row.item = item;
      if (shown.body.children[at] !== row.element) shown.body.insertBefore(row.element, shown.body.children[at] ?? null);
      change(row, item);
    });
  };

  const summary = make("p");
  const pass = button(() => act({ kind: "Step" }));
  pass.textContent = "Let five minutes pass";
  const hosts = table("Hosts", ["Host", "Cluster", "State", "Processors", "Memory", "Machines", "Alarm", "Actions"]);
  const vms = table("Virtual machines", ["Machine", "Power", "Host", "Processors", "Memory", "Alarm", "Actions"]);
  const events = table("Events", ["When", "Who", "What"]);
  events.region.classList.add("vc-events");
  element.classList.add("vc");
  element.append(make("div", [summary, pass], { class: "vc-top" }), status, hosts.section, vms.section, events.section);

  const cells = (names, bars) => {
    const made = {};
    for (const name of names) made[name] = bars.includes(name) ? bar() : make("td");
    return made;
  };
  const alarm = (cell, colour) => {
    cell.textContent = colour === "green" ? "none" : colour;
    cell.className = `vc-alarm-${colour}`;
  };

  const hostRow = () => {
    const row = { name: make("th", [], { scope: "row" }) };
    row.cells = cells(["cluster", "state", "cpu", "memory", "vms", "alarm"], ["cpu", "memory"]);
    row.mode = button(() =>
      act({ kind: row.item.maintenance ? "ExitMaintenanceMode" : "EnterMaintenanceMode", target: row.item.moid }),
    );
    row.power = button(() => act({ kind: row.item.runs ? "FailHost" : "ReconnectHost", target: row.item.moid }));
    const actions = make("td", make("div", [row.mode, row.power], { class: "vc-actions" }));
    row.element = make("tr", [row.name, ...Object.values(row.cells), actions]);
    return row;
  };
  const drawHost = (row, host) => {
    row.name.textContent = host.name;
    row.cells.cluster.textContent = host.cluster;
    row.cells.state.textContent = host.state;
    fill(row.cells.cpu, host.cpu_percent, ` of ${(host.mhz / 1000).toFixed(1)} GHz`);
    fill(row.cells.memory, host.memory_percent, ` of ${Math.round(host.memory_mb / 1024)} GB`);
    row.cells.vms.textContent = host.vms;
    alarm(row.cells.alarm, host.alarm);
    label(row.mode, host.maintenance ? "Exit maintenance" : "Enter maintenance", host.name);
    label(row.power, host.runs ? "Fail" : "Reconnect", host.name, !host.runs || !host.maintenance);
  };

  const vmRow = () => {
    const row = { name: make("th", [], { scope: "row" }) };
    row.cells = cells(["power", "host", "cpu", "memory", "alarm"], ["cpu", "memory"]);
    row.power = button(() =>
      act({ kind: row.item.power === "on" ? "PowerOffVM" : "PowerOnVM", target: row.item.moid }),
    );
    row.where = make("select");
    row.move = button(() => act({ kind: "MigrateVM", target: row.item.moid, host: row.where.value }));
    const actions = make("td", make("div", [row.power, row.where, row.move], { class: "vc-actions" }));
    row.element = make("tr", [row.name, ...Object.values(row.cells), actions]);
    return row;
  };
  const drawVm = (row, vm, state) => {
    row.name.textContent = vm.name;
    row.cells.power.textContent = vm.power;
    row.cells.host.textContent = vm.host;
    fill(row.cells.cpu, vm.cpu_percent, `, ${vm.cpu_mhz} MHz`);
    fill(row.cells.memory, vm.memory_percent, ` of ${(vm.memory_mb / 1024).toFixed(1)} GB`);
    alarm(row.cells.alarm, vm.alarm);
    label(row.power, vm.power === "on" ? "Power off" : "Power on", vm.name);
    const others = state.hosts.filter((host) => host.cluster_moid === vm.cluster_moid && host.moid !== vm.host_moid);
    const offered = others.map((host) => host.moid).join(" ");
    row.where.setAttribute("aria-label", `Host to move ${vm.name} to`);
    if (row.offered !== offered) {
      const chosen = row.where.value;
      row.where.replaceChildren(...others.map((host) => make("option", host.name, { value: host.moid })));
      if (others.some((host) => host.moid === chosen)) row.where.value = chosen;
      row.offered = offered;
    }
    label(row.move, "Move", vm.name, vm.power === "on" && others.length > 0);
  };

  const eventRow = () => {
    const [when, who, what] = [make("td"), make("td"), make("td", [], { class: "vc-text" })];
    return { when, who, what, element: make("tr", [when, who, what]) };
  };
  const drawEvent = (row, event) => {
    row.when.textContent = event.clock;
    row.who.textContent = event.user;
    row.what.textContent = (event.failed ? "Refused: " : "") + event.text;
  };

  return (state) => {
    const on = state.vms.filter((vm) => vm.power === "on").length;
    summary.textContent = `${state.clock}: ${state.hosts.length} hosts, ${state.vms.length} virtual machines, ${on} of them on.`;
    follow(hosts, state.hosts, "moid", hostRow, drawHost);
    follow(vms, state.vms, "moid", vmRow, (row, vm) => drawVm(row, vm, state));
    follow(events, state.events, "key", eventRow, drawEvent);
  };
}
