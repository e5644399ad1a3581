// How is an exercise answered on a page without Python? In a form below its question.
//
// A question of a notebook is an element `.vl-exercise` with its text and what kind of answer is
// wanted. `mountAll` gives those of which the page knows variants a field, or the options, a button for
// the verdict and one for other numbers. Without this script the questions stand as they are.

import { inflate } from "./assets.js";
import { judge, patience } from "./judge.js";
import { forget, readProgress, record, save } from "./page_progress.js";

const OUTCOMES = { right: "right.", wrong: "not yet.", unreadable: "no verdict." };
const SECRET =
  "A page can keep no secret: it hides its answers from a glance, not from a search. What you answer stays in this browser.";

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Text with `code` in it.
const marked = (text) => text.split(/`([^`]+)`/).map((part, k) => (k % 2 ? make("code", { textContent: part }) : part));

// A paragraph; what follows its first line, a listing, keeps its columns.
function paragraphs(text) {
  const [first, ...rest] = text.split("\n");
  const listing = rest.join("\n").replace(/^\n+|\n+$/g, "");
  return [make("p", {}, ...marked(first)), ...(listing ? [make("pre", { textContent: listing })] : [])];
}

const said = (head, text) => make("p", {}, make("strong", { textContent: head }), " ", ...marked(text));

// Brings one question to life: exercise is what the page knows of it, changed() is called after each
// verdict.
function mount(element, exercise, known, step, changed) {
  const { variants, kind, id } = exercise;
  let at = Math.max(0, variants.findIndex(({ seed }) => String(seed) === element.dataset.seed));
  const asked = element.querySelector(".vl-asked");
  const still = element.querySelector(".vl-answer");
  const verdict = make("div", { className: "vl-verdict" });
  verdict.setAttribute("role", "status");
  const fields = make("fieldset");
  const check = make("button", { type: "submit", textContent: "Check" });
  const another = make("button", { type: "button", textContent: "Other numbers", hidden: variants.length < 2 });
  const form = make("form", { className: "vl-form", noValidate: true }, fields, make("div", { className: "vl-buttons" }, check, another), verdict);
  const name = () => (variants[at].seed ? `${id}, variant ${variants[at].seed}` : id);

  const ask = () => {
    const variant = variants[at];
    const title = `Exercise ${name()}: ${exercise.title} (${exercise.grade})`;
    asked.replaceChildren(make("p", {}, make("strong", { textContent: title })), ...paragraphs(exercise.texts[variant.text]));
    if (kind === "choice") {
      const option = (text, k) => make("label", {}, make("input", { type: "radio", name: `answer ${id}`, value: k }), " ", make("span", {}, ...marked(text)));
      fields.replaceChildren(make("legend", { textContent: `Your answer to ${id}` }), ...variant.options.map(option));
      still.replaceChildren(make("ol", {}, ...variant.options.map((text) => make("li", {}, ...marked(text)))));
    } else {
      const input = make("input", { type: "text", name: "answer", autocomplete: "off", spellcheck: false });
      fields.replaceChildren(make("label", {}, make("span", { textContent: `Your answer to ${id}, ${exercise.ask}` }), input));
    }
  };
  const entered = () => {
    if (kind !== "choice") return fields.querySelector("input").value;
    const chosen = fields.querySelector("input:checked");
    return chosen && Number(chosen.value);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const variant = variants[at];
    const answer = entered();
    const { outcome, words, hint } = judge(exercise, variant, answer, known.numbers);
    const parts = [said(`${name()}: ${OUTCOMES[outcome]}`, words)];
    if (hint) parts.push(said("Hint.", hint));
    if (outcome === "wrong") {
      const worked = step(exercise, variant, answer);
      if (worked) parts.push(said("A worked step.", worked));
    }
    if (outcome !== "unreadable") {
      const kept = record(id, variant.seed, outcome, kind === "choice" ? variant.options[answer] : answer);
      if (kept) parts.push(make("p", { textContent: kept }));
    }
    verdict.replaceChildren(...parts);
    verdict.dataset.outcome = outcome;
    changed();
  });
  another.addEventListener("click", () => {
    at = (at + 1) % variants.length;
    ask();
    delete verdict.dataset.outcome;
    verdict.replaceChildren(make("p", { className: "vl-note", textContent: `Now it is ${name()}.` }));
  });
  still.classList.add("vl-for-print");
  still.after(form);
  ask();
  element.dataset.judges = "yes";
}

// Below the last question: how far the reader has come on this page, to take away or to forget.
function progressOf(ids) {
  const words = make("p");
  const show = () => {
    const { exercises } = readProgress();
    const right = ids.filter((id) => exercises[id]?.right).length;
    words.textContent = `${right} of ${ids.length} exercises that this page checks are right. ${SECRET}`;
  };
  const button = (textContent, act) => {
    const made = make("button", { type: "button", textContent });
    made.addEventListener("click", () => { act(); show(); });
    return made;
  };
  const buttons = make("div", { className: "vl-buttons" }, button("Save my progress as a file", save), button("Forget my progress", forget));
  show();
  return { element: make("div", { className: "vl vl-progress" }, words, buttons), show };
}

// Brings the questions below `root` to life. data: base64 of deflated JSON, { numbers, exercises }.
export async function mountAll(root, data) {
  const known = JSON.parse(new TextDecoder().decode(await inflate(data)));
  const byId = new Map(known.exercises.map((exercise) => [exercise.id, exercise]));
  const found = [...root.querySelectorAll(".vl-exercise")].filter((element) => byId.has(element.dataset.exercise));
  if (!found.length) return;
  const { element, show } = progressOf([...new Set(found.map((one) => one.dataset.exercise))]);
  const step = patience();
  for (const one of found) mount(one, byId.get(one.dataset.exercise), known, step, show);
  found.at(-1).parentElement.append(element);
}
