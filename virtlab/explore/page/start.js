// When does a page's data and its drawing code come together? Figures at once; charts when plotly.js
// is there, which is forty times as large as all else and is sent for when the page has been shown.

import { mountAll } from "./figure.js";

// A function that loads a script once and resolves when that has been tried.
function later(address) {
  let loaded = null;
  const load = (done) => {
    const script = document.createElement("script");
    Object.assign(script, { src: address, onload: done, onerror: done });
    document.head.append(script);
  };
  return () => (loaded ??= new Promise((done) => {
    if (document.readyState === "complete") load(done);
    else addEventListener("load", () => load(done), { once: true });
  }));
}

// Brings the figures of the document to life. plotly: the name of plotly.js beside this script.
export function start(assets, plotly) {
  assets.plotly = later(new URL(plotly, document.currentScript.src).href);
  return mountAll(document, assets);
}
