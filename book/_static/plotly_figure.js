// Draws every figure that the page carries as data, with the plotly.js that lies beside this file.
document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll(".plotly-figure")) {
    const figure = JSON.parse(place.querySelector("script").textContent);
    const config = { responsive: true, displaylogo: false, ...figure.config };
    const drawing = document.createElement("div");
    place.append(drawing);
    Plotly.newPlot(drawing, figure.data, figure.layout, config).then(() => {
      if (figure.frames?.length) Plotly.addFrames(drawing, figure.frames);
    });
  }
});
