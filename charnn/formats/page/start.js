"use strict";

/* The page's controls, and its beginning. */

function connect(page) {
  const on = (id, event, handle) => element(id).addEventListener(event, handle);
  on("beginning", "input", () => page.read());
  on("write", "click", () => page.write());
  on("stop", "click", () => page.stop());
  on("copy", "click", () => page.copy());
  on("clear", "click", () => page.clear());
  for (const id of ["temperature", "top-k", "seed"]) {
    on(id, "input", () => {
      element("temperature-value").textContent = number("temperature", 1).toFixed(2);
      page.adjust(id);
    });
  }
  on("follow", "change", () => element("follow").checked && !page.written.length && page.read());
  for (let n = 1; n <= page.model.layers.length; n++) element("layer").add(new Option(n, n));
  on("layer", "change", () => {
    page.layer = number("layer", 1) - 1;
    page.choose(page.unit);
  });
  element("unit").max = page.model.H;
  on("unit", "input", () => {
    const unit = number("unit", 0);
    page.choose(Number.isInteger(unit) && unit >= 1 && unit <= page.model.H ? unit - 1 : null);
  });
  on("map", "click", (event) => page.choose(page.map.at(event)));
  on("map", "keydown", (event) => {
    if (page.move(event.key)) event.preventDefault();
  });
  document.addEventListener("keydown", ({ key }) => key === "Escape" && page.stop());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    page.map.restyle();
    page.show();
  });
}

function start() {
  const description = JSON.parse(element("description").textContent);
  const page = new Page(description, fromBase64(element("weights").textContent));
  element("weights").remove(); // its text is not needed twice
  connect(page);
  page.read();
}

start();
