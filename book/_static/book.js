// What a page does beside its figures: print in light colours with every fold of the text open, let the
// keyboard scroll what is wider than the page, close the menu of links when the reader goes elsewhere.

// The theme does this too, but only once nothing on the page has moved for a while.
addEventListener("load", () => {
  const watcher = new ResizeObserver((changes) => {
    for (const { target } of changes) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  const wide = ".bd-article pre, .cell_output > .output, .pst-scrollable-table-container";
  for (const place of document.querySelectorAll(wide)) if (!place.closest(".vl")) watcher.observe(place);
});

const opened = [];

addEventListener("beforeprint", () => {
  const page = document.documentElement.dataset;
  page.shown = page.theme;
  page.theme = "light";
  for (const fold of document.querySelectorAll(".bd-article details:not([open])")) {
    if (fold.closest(".vl")) continue; // a figure's data: the figure itself is on the paper
    fold.open = true;
    opened.push(fold);
  }
});

addEventListener("afterprint", () => {
  const page = document.documentElement.dataset;
  page.theme = page.shown;
  for (const fold of opened.splice(0)) fold.open = false;
});

document.addEventListener("DOMContentLoaded", () => {
  const menu = document.querySelector(".page-links");
  if (!menu) return;
  menu.querySelector(".print-page").addEventListener("click", () => print());
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
