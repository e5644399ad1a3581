// Is an answer right, and if not, which mistake is it? From what variants.py has written for a page.

import { quantity, UnreadableError } from "./quantity.js";
import { behind, bucket, canonical } from "./sealed.js";

const WORKED_STEP_AFTER = 3; // different wrong answers to one variant, as in a notebook

// What is found out about an answer: { outcome: "right", "wrong" or "unreadable", words, hint }.
// entered: the text of a number, or the place of an option among them, null if none is chosen.
export function judge(exercise, variant, entered, numbers) {
  if (exercise.kind === "choice") {
    if (entered === null) return { outcome: "unreadable", words: "There is no answer yet; choose one of the options." };
    return told(exercise, behind(variant, `o${entered}`)[0], `It is not “${variant.options[entered]}”.`);
  }
  let given;
  try {
    given = quantity(entered, exercise.unit, numbers);
  } catch (error) {
    if (error instanceof UnreadableError) return { outcome: "unreadable", words: error.message };
    throw error;
  }
  const { tolerance } = exercise;
  const close = ([, , value]) => value === null || Math.abs(Number(given) - value) <= tolerance * Math.abs(value);
  const answer = tolerance ? bucket(Number(given), tolerance) : canonical(given);
  const said = behind(variant, answer).filter(close).sort(([a], [b]) => a - b)[0];
  const words = `It is not ${entered.trim()}.`;
  return said ? told(exercise, said, words) : { outcome: "wrong", words, hint: ofSize(Number(given), variant.size) };
}

function told(exercise, [, right, , what], words) {
  return right ? { outcome: "right", words: what } : { outcome: "wrong", words, hint: exercise.texts[what] };
}

// A hint from the size alone.
function ofSize(given, [sign, low, high]) {
  if (given * sign < 0) return "The sign is the other one.";
  if (sign && Math.abs(given) > high) return "That is far too many: is something counted once for each instruction?";
  if (sign && Math.abs(given) < low) return "That is far too few: what happens in each round?";
  return "It is none of the mistakes that are known here; run it and count the log.";
}

// Counts different wrong answers to each variant since the page was opened: (exercise, variant,
// entered) gives the worked step from the third on, else nothing.
export function patience() {
  const tried = new Map();
  return (exercise, variant, entered) => {
    const name = `${exercise.id} ${variant.seed}`;
    if (!tried.has(name)) tried.set(name, new Set());
    const answers = tried.get(name).add(String(entered).trim());
    return answers.size >= WORKED_STEP_AFTER ? exercise.texts[variant.step] : "";
  };
}
