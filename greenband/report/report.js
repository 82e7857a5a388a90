"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const drawings = read("drawings"), titles = read("titles"), root = document.documentElement;
  const road = document.title.split(" · ").slice(1).join(" · ");
  const printed = { width: 680, height: 400 }; // px: between the margins of A4, two above each other
  const settings = { responsive: true, displaylogo: false, scrollZoom: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };

  // A drawing is kept in English, with the places that read differently in Chinese.
  const inLanguage = ({ figure, zh }) => {
    const copy = structuredClone(figure);
    if (root.lang === "zh") {
      for (const [path, value] of zh) {
        const last = path.pop();
        path.reduce((part, key) => part[key], copy)[last] = value;
        path.push(last);
      }
    }
    return copy;
  };

  const draw = () => {
    for (const [id, drawing] of Object.entries(drawings)) {
      const plot = document.getElementById(id), shown = plot.layout && plot.layout.xaxis.range;
      const { data, layout } = inLanguage(drawing);
      if (shown && layout.xaxis.range) layout.xaxis.range = [...shown];
      Plotly.react(plot, data, layout, settings);
    }
  };

  const speak = (language) => {
    root.lang = language;
    document.title = `${titles[language]} · ${road}`;
    draw();
  };

  const move = (id, how) => {
    const plot = document.getElementById(id), axis = plot.layout.xaxis;
    const [begin, end] = axis.range, span = end - begin, least = axis.minallowed, most = axis.maxallowed;
    const wide = how === "zoom_in" ? span / 1.5 : how === "zoom_out" ? Math.min(span * 1.5, most - least) : span;
    const step = how === "earlier" ? -span / 2 : how === "later" ? span / 2 : (span - wide) / 2;
    const from = Math.min(Math.max(begin + step, least), most - wide);
    Plotly.relayout(plot, { "xaxis.range": [from, from + wide] });
  };

  document.getElementById("language").addEventListener("click", () => speak(root.lang === "en" ? "zh" : "en"));
  for (const bar of document.querySelectorAll(".controls")) {
    bar.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) move(bar.dataset.plot, button.dataset.move);
    });
  }

  const plots = () => document.querySelectorAll(".plot");
  const closed = new Set();
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { closed.add(part); part.open = true; }
    for (const plot of plots()) Plotly.relayout(plot, { width: printed.width, height: Math.min(printed.height, plot.layout.height) });
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
    closed.clear();
    for (const plot of plots()) Plotly.relayout(plot, { width: null, height: drawings[plot.id].figure.layout.height, autosize: true });
  });

  speak(root.lang);
})();
