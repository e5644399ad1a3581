// Players in a page without Python, and machines side by side: finds them, shows their controls, and runs the machine in a worker.
//
// What the notebook stored shows the machine as it was; the same is drawn at once. The worker, which
// costs a download and some memory, starts with the first command or when the player comes into view.

import { fromBase64, wasmModule } from "./assets.js";
import { mountColumns } from "./columns.js";
import { messageBackend } from "./controller.js";
import { mount } from "./player.js";
import { serve } from "./worker.js";

export { serve };

const TOO_LARGE =
  "A page cannot build this machine, because its image, its disk or its past is too large or not known here: " +
  "what you see is how the notebook left it.";

// Brings all players below `root` to life.
//
//   assets         the page's assets by name: machine.wasm, machine.tables, tables, and the images
//   workerSource   gives the text of a classic script that ends by serving as worker.js does
export function mountPlayers(root, assets, workerSource = bundledWorker) {
  for (const element of root.querySelectorAll(".vl-live[data-kind=player]")) {
    if (element.dataset.mounted) continue;
    element.dataset.mounted = "true";
    const spec = JSON.parse(element.querySelector("script[type='application/json']").textContent);
    if (spec.recipe === null) say(element, TOO_LARGE);
    else mountPlayer(element, spec, assets, workerSource);
  }
  for (const element of root.querySelectorAll(".vl-live[data-kind=columns]")) {
    if (element.dataset.mounted) continue;
    element.dataset.mounted = "true";
    const { columns } = JSON.parse(element.querySelector("script[type='application/json']").textContent);
    if (columns.length) mountSideBySide(element, columns, assets, workerSource);
    else say(element, TOO_LARGE);
  }
}

// Each column has a worker of its own, which starts with the first command: until then the columns
// show what the notebook stored.
function mountSideBySide(element, specs, assets, workerSource) {
  const stored = storedIn(element);
  const failed = (name) => (error) => say(element, `${name} cannot run in this page: ${error.message}`);
  const columns = specs.map((spec) => {
    const link = new WorkerLink(() => beginning(spec, assets), workerSource, () => {}, failed(spec.name));
    const backend = messageBackend(link, () => {}, () => {});
    const pause = () => link.running && link.send({ method: "pause" });
    return { name: spec.name, backend: { ...backend, pause }, state: spec.state };
  });
  mountColumns(element, columns);
  stored.forEach((child) => child.classList.add("vl-still"));
  element.dataset.live = "yes";
}

const storedIn = (element) => [...element.children].filter((child) => child.tagName !== "SCRIPT" && child.tagName !== "STYLE");

// A page opened from a file cannot load a worker from another file. The bundle that this module is
// part of (page/bundle.py) keeps its own text, so the worker is made of that.
const bundledWorker = () => `(${virtlab.bundles.machine})(self);\nself.virtlab.page_player.serve(self);`;

function say(element, sentence) {
  const note = element.ownerDocument.createElement("p");
  note.className = "vl-note";
  note.setAttribute("role", "status");
  note.textContent = sentence;
  element.append(note);
}

function mountPlayer(element, spec, assets, workerSource) {
  const stored = storedIn(element);
  let player = null;
  const link = new WorkerLink(
    () => beginning(spec, assets),
    workerSource,
    () => {
      element.dataset.live = "yes";
    },
    (error) => {
      // The still picture is what remains, with a sentence that says why.
      stored.forEach((child) => child.classList.remove("vl-still"));
      if (player) player.view.status.textContent = "";
      say(element, `The machine cannot run in this page: ${error.message}`);
    },
  );
  const backend = messageBackend(link, () => {}, () => {});
  player = mount(element, { ...backend, pause: () => link.running && link.send({ method: "pause" }) }, {
    source: spec.source,
    state: spec.state,
  });
  if (!spec.keep) stored.forEach((child) => child.classList.add("vl-still"));
  startWhenSeen(element, link, player);
}

function startWhenSeen(element, link, player) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    link.start();
    player.walk(false);
  });
  watcher.observe(element);
}

// All that the worker needs to make the machine.
async function beginning(spec, assets) {
  const module = assets["hypervisors.wasm"] ? "hypervisors.wasm" : "machine.wasm";
  const { bytes, manifest } = await wasmModule(assets, module);
  const image = assets[spec.asset];
  if (!image) throw new Error(`the page did not load ${spec.asset}`);
  return {
    wasm: bytes,
    manifest,
    tables: assets["machine.tables"],
    isa: assets.tables,
    image,
    program: spec.recipe.program,
    actions: spec.actions,
    steps: spec.steps,
  };
}

// A worker behind the face of a widget's model, started when the first message is sent.
class WorkerLink {
  constructor(begin, source, ready, failed) {
    Object.assign(this, { begin, source, ready, failed, started: null, receive: null, unanswered: new Set() });
  }

  // Requests that have not been answered are what a pause is for.
  get running() {
    return this.unanswered.size > 0;
  }

  on(name, receive) {
    this.receive = receive;
  }

  off() {
    this.receive = null;
    this.worker?.terminate();
  }

  send(message) {
    if (message.id) this.unanswered.add(message.id);
    this.start().then((worker) => worker.postMessage(message), () => this.refuse(message.id));
  }

  // Resolves to the worker, which has been told what to make.
  start() {
    this.started ??= this.open();
    return this.started;
  }

  async open() {
    try {
      const address = URL.createObjectURL(new Blob([this.source()], { type: "text/javascript" }));
      const worker = new Worker(address);
      this.worker = worker;
      worker.onmessage = ({ data }) => this.arrived(data);
      worker.onerror = (event) => this.fail(new Error(event.message ?? "its worker did not start"));
      worker.postMessage({ begin: await this.begin() });
      return worker;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  arrived(message) {
    if (message.failed) return this.fail(new Error(message.failed));
    if (message.ready) return this.ready();
    this.unanswered.delete(message.id);
    this.receive?.(message);
  }

  fail(error) {
    if (!this.broken) this.failed(error);
    this.broken = error;
    this.started = Promise.reject(error);
    this.started.catch(() => {});
    this.unanswered.forEach((id) => this.refuse(id));
  }

  refuse(id) {
    this.unanswered.delete(id);
    this.receive?.({ id, error: `The machine does not run: ${this.broken.message}` });
  }
}
