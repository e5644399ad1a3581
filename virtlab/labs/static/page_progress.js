// Where does a page keep what a reader has done? In this browser, under one key, in the form of the
// notebooks' progress file (virtlab/labs/progress.py), so that what is exported can be read there.

const KEY = "virtlab.progress";
const FORMAT = 1;
const MOST_ANSWERS = 20; // kept of each exercise, the newest; the first right one stays too
const LONGEST_ANSWER = 200; // characters

const isEntry = (entry) =>
  Number.isInteger(entry?.tries) && typeof entry.right === "boolean" && Array.isArray(entry.seeds_right) && Array.isArray(entry.answers);

// What is kept; nothing if there is nothing, or nothing that can be used.
export function readProgress() {
  try {
    const held = JSON.parse(localStorage.getItem(KEY));
    if (held?.format === FORMAT && Object.values(held.exercises).every(isEntry)) return held;
  } catch {
    // a browser that keeps nothing for this page, or something else under the key
  }
  return { format: FORMAT, exercises: {} };
}

// Add an answer; a sentence if the browser does not keep it.
export function record(id, seed, outcome, answer) {
  const held = readProgress();
  const entry = (held.exercises[id] ??= { tries: 0, right: false, seeds_right: [], answers: [] });
  const right = outcome === "right";
  entry.tries += 1;
  entry.right ||= right;
  if (right && !entry.seeds_right.includes(seed)) entry.seeds_right.push(seed);
  entry.answers.push({ seed, outcome, answer: String(answer).slice(0, LONGEST_ANSWER) });
  if (entry.answers.length > MOST_ANSWERS) {
    entry.answers.splice(entry.answers.findIndex((one) => one.outcome === "right") === 0 ? 1 : 0, 1);
  }
  try {
    localStorage.setItem(KEY, JSON.stringify(held));
    return "";
  } catch {
    return "This browser does not keep it.";
  }
}

export function forget() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // there is nothing to forget
  }
}

// What is kept, as a file for the reader to save.
export function save() {
  const text = JSON.stringify(readProgress(), null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "virtlab-progress.json";
  link.click();
  URL.revokeObjectURL(link.href);
}
