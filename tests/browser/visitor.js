// What the visitor of visitor.py sees with: runs in every page before the page's own scripts.

window.visitor = (() => {
  const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex], [contenteditable=true]";

  const shown = (e) => e.checkVisibility({ visibilityProperty: true });

  // What Tab has to reach, in the order of the document.
  const tabbable = (root = document) =>
    [...root.querySelectorAll(FOCUSABLE)].filter((e) => {
      if (e.disabled || e.tabIndex < 0 || e.type === "hidden" || !shown(e)) return false;
      if (e.closest("[inert]") || e.closest("dialog:not([open])")) return false;
      if (e.matches("summary") && e.parentElement.querySelector(":scope > summary") !== e) return false;
      if (e.type === "radio" && e.form) { // a group is one stop: what is chosen in it, or its first
        const group = [...e.form.querySelectorAll("input[type=radio]")].filter((one) => one.name === e.name);
        if (e !== (group.find((one) => one.checked) ?? group[0])) return false;
      }
      return true;
    });

  // One line about an element, for messages.
  const name = (e) => e.outerHTML.replace(/\s+/g, " ").slice(0, 120);

  // Without what is on its way there: a transition ends at once.
  const settled = (e) => {
    e.getAnimations().forEach((animation) => animation.finish());
    return getComputedStyle(e);
  };

  const look = (e) => {
    const { outlineStyle, outlineWidth, outlineColor, boxShadow } = settled(e);
    return `${outlineStyle} ${outlineWidth} ${outlineColor} ${boxShadow}`;
  };

  // From here on, remember what gets the focus, and whether that shows.
  const watchFocus = () => {
    const all = tabbable();
    const before = new Map(all.map((e) => [e, look(e)]));
    const reached = new Set();
    const unseen = new Set();
    document.addEventListener("focusin", ({ target }) => {
      reached.add(target);
      const same = look(target) === before.get(target);
      if (same || getComputedStyle(target).opacity === "0") unseen.add(target);
    });
    window.visitor.focusReport = () => ({
      missed: all.filter((e) => !reached.has(e) && e.isConnected && shown(e)).map(name),
      unseen: [...unseen].map(name),
    });
    return all.length;
  };

  // Resolves when the page has adapted to a change of the width that comes after `expectResize`: the
  // theme looks at the page anew 0.3 s after the last change.
  let adapted = null;
  const expectResize = () => {
    adapted = new Promise((done) => {
      let rest = null;
      const again = () => {
        clearTimeout(rest);
        rest = setTimeout(done, 400);
      };
      const begin = () => {
        again();
        new MutationObserver(again).observe(document.querySelector("#main-content"), { subtree: true, childList: true });
      };
      addEventListener("resize", begin, { once: true });
      addEventListener("resize", again);
    });
  };
  const resized = () => adapted;

  // As the theme's own switch does it, its transitions at their end.
  const setTheme = (theme) => {
    Object.assign(document.documentElement.dataset, { mode: theme, theme });
    getComputedStyle(document.body).color; // transitions begin with a look at the new style
    document.getAnimations().forEach((animation) => (animation.effect.getComputedTiming().endTime < Infinity ? animation.finish() : animation.cancel()));
  };

  // How far the page can be scrolled to the right.
  const sideways = () => {
    scrollTo(10_000, scrollY);
    const by = scrollX;
    scrollTo(0, scrollY);
    return by;
  };

  // Animations and transitions that take time, once those that were going on are over.
  const moving = () =>
    document
      .getAnimations()
      .filter((a) => a.playState === "running" && a.effect.getComputedTiming().duration > 1)
      .map((a) => name(a.effect.target));

  // What a player shows, in the words of view.py.
  const player = (figure) => {
    const table = (name) =>
      [...figure.querySelectorAll(`table[aria-label="${name}"] tbody tr`)].map((row) => [...row.cells].map((cell) => cell.textContent));
    const text = (selector) => figure.querySelector(selector).textContent;
    const pairs = table("registers").flatMap((row) => row.flatMap((_, at) => (at % 2 ? [] : [row.slice(at, at + 2)])));
    return {
      steps: Number(text(".vl-instruction").replaceAll(",", "")),
      mode: text(".vl-mode"),
      pc: text(".vl-pc"),
      registers: pairs,
      code: table("instructions around pc").map(([address, instruction]) => [address.replace("▶ ", ""), instruction, address.startsWith("▶")]),
      console: text(".vl-console"),
      events: [...figure.querySelectorAll("ol[aria-label^='traps and returns'] li")].map((item) => item.textContent),
      exits: [...figure.querySelectorAll("ol.vl-exits li")].map((item) => item.textContent.replace("Go to ", "")),
    };
  };

  // What an explorable shows: its words, its table, its pictures, the state of its controls.
  const figure = (live) => {
    const shown = live.querySelector("figure");
    const plot = shown.querySelector(".js-plotly-plot");
    return {
      title: shown.querySelector("figcaption").textContent,
      text: shown.querySelector(":scope > p").textContent,
      table: shown.querySelector("table")?.closest(".vl-scroll").parentElement.innerHTML ?? "",
      svg: shown.querySelector(":scope > .vl-scroll > svg")?.outerHTML ?? "",
      plot: plot && plot.data.map(({ x, y }) => [Array.from(x), Array.from(y)]),
    };
  };

  // HTML as the browser writes it, so that two spellings of the same compare equal.
  const spelled = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.innerHTML;
  };

  // What an explorable shows other than expected: { part: [shown, expected] }.
  const differs = (live, expected) => {
    const shown = figure(live);
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    const wanted = { ...expected, table: spelled(expected.table), svg: spelled(expected.svg) };
    return Object.fromEntries(Object.keys(shown).filter((key) => !same(shown[key], wanted[key])).map((key) => [key, [shown[key], wanted[key]]]));
  };

  // Where each control of an explorable stands: a switch on or off, a list or slider by its value.
  const controls = (live) =>
    [...live.querySelectorAll(".vl-controls input, .vl-controls select")].map((control) =>
      control.type === "checkbox" ? control.checked : (control.selectedIndex ?? control.value));

  // How long a control's step takes until its figure has been drawn: the last change before a pause.
  let started = null;
  let last = null;
  let watching = null;
  const watchAnswer = (live) => {
    watching?.disconnect();
    started = last = null;
    live.addEventListener("input", () => { started = performance.now(); }, { capture: true, once: true });
    watching = new MutationObserver(() => {
      const done = (last = performance.now());
      // What was changed is on the screen with the next frame.
      requestAnimationFrame(() => setTimeout(() => { if (last === done) last = performance.now(); }));
    });
    watching.observe(live.querySelector("figure"), { childList: true, subtree: true, characterData: true, attributes: true });
  };
  const answer = async (_, quiet) => {
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    let seen;
    do {
      seen = last;
      await pause(quiet);
    } while (last !== seen);
    return started === null || last === null ? null : last - started;
  };

  // How long a player takes from the next key press until its console shows the prompt, and until
  // its run has ended.
  let times = {};
  const watchRun = (live) => {
    times = { prompt: null, end: null };
    const watched = times;
    const screen = live.querySelector(".vl-console");
    const run = [...live.querySelectorAll("button")].find((button) => ["Run", "Pause"].includes(button.textContent));
    let began = null;
    let ran = false;
    live.addEventListener("keydown", () => { began = performance.now(); }, { capture: true, once: true });
    const observer = new MutationObserver(() => {
      if (began === null) return;
      const now = performance.now() - began;
      if (watched.prompt === null && screen.textContent.endsWith("$ ")) watched.prompt = now;
      ran ||= run.textContent === "Pause";
      if (ran && run.textContent === "Run") watched.end = now;
      if (watched.prompt !== null && watched.end !== null) observer.disconnect();
    });
    observer.observe(live, { childList: true, subtree: true, characterData: true });
  };

  // A figure is live when its kernel has answered, a player when its machine is there. A player shows
  // where the notebook left it before that, and takes commands.
  const live = (element) => element.dataset.live === "yes";
  const ready = (element) => live(element) || element.querySelector(".vl-player .vl-pc") !== null;
  const judging = () => !document.querySelector("script[data-exercises]") || document.querySelector(".vl-exercise[data-judges]");
  const alive = () => [...document.querySelectorAll(".vl-live")].every(ready) && judging();

  // When the first figure was live, counted from the start of the navigation.
  let first = null;
  const observer = new MutationObserver(() => {
    if (![...document.querySelectorAll(".vl-live")].some(live)) return;
    first = performance.now();
    observer.disconnect();
  });
  observer.observe(document, { attributes: true, childList: true, subtree: true, attributeFilter: ["data-live"] });

  return { tabbable, shown, name, watchFocus, expectResize, resized, setTheme, sideways, moving, player, figure, differs, controls, watchAnswer, answer, watchRun, times: () => times, firstAlive: () => first, alive };
})();
