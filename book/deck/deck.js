// One slide at a time. Keys: arrows, Page Up and Down, space, Home, End; N for the notes.
const slides = [...document.querySelectorAll("section")];
const place = document.querySelector("nav output");
let now = 0;

function show(number) {
  now = Math.max(0, Math.min(slides.length - 1, number));
  slides.forEach((slide, k) => slide.classList.toggle("now", k === now));
  place.textContent = `${now + 1} of ${slides.length}`;
  history.replaceState(null, "", `#${now + 1}`);
  slides[now].focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function toggleNotes() {
  document.documentElement.classList.toggle("noted");
}

const keys = {
  ArrowRight: () => show(now + 1), PageDown: () => show(now + 1), " ": () => show(now + 1),
  ArrowLeft: () => show(now - 1), PageUp: () => show(now - 1),
  Home: () => show(0), End: () => show(slides.length - 1),
  n: toggleNotes, N: toggleNotes,
};

addEventListener("keydown", (event) => {
  const onControl = event.target.closest("button, input, select, summary, a");
  if (event.ctrlKey || event.altKey || event.metaKey || (onControl && event.key === " ")) return;
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});
document.querySelector("[data-do=back]").addEventListener("click", () => show(now - 1));
document.querySelector("[data-do=on]").addEventListener("click", () => show(now + 1));
document.querySelector("[data-do=notes]").addEventListener("click", toggleNotes);
addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
document.documentElement.classList.add("alive");
show(Number(location.hash.slice(1)) - 1 || 0);
