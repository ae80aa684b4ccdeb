"use strict";

/* What the page shows of a model: bars, the map of hidden units, and the text coloured by one. */

const BARS = 10;
const LEVELS = 4; // shades of either sign

function element(id) {
  return document.getElementById(id);
}

function signed(value) {
  return value.toFixed(2).replace("-", "\u2212");
}

function counted(number) {
  return number.toLocaleString("en");
}

function share(value) {
  return `${(100 * value).toFixed(value >= 0.0995 ? 0 : 1)} %`;
}

function say(id, sentence) {
  if (element(id).textContent !== sentence) element(id).textContent = sentence;
}

/* Return a field's number within its bounds, or what stands for an empty or wrong one. */
function number(id, otherwise) {
  const { value, min, max } = element(id), found = Number(value);
  if (value === "" || Number.isNaN(found)) return otherwise;
  return Math.max(min ? Number(min) : -Infinity, Math.min(max ? Number(max) : Infinity, found));
}

/* The likeliest symbols with their probabilities, as a list whose items are reused. */
class Bars {
  constructor(vocabulary, size) {
    this.vocabulary = vocabulary;
    this.items = Array.from({ length: Math.min(BARS, size) }, () => {
      const item = document.createElement("li"), parts = {};
      for (const name of ["symbol", "bar", "share"]) {
        parts[name] = item.appendChild(document.createElement("span"));
        parts[name].className = name;
      }
      parts.bar.setAttribute("aria-hidden", "true");
      element("bars").append(item);
      return { item, ...parts };
    });
  }

  draw(y, ranked) {
    this.items.forEach(({ item, symbol, bar, share: shown }, rank) => {
      const id = ranked[rank], name = this.vocabulary.name(id);
      item.hidden = y[id] === 0;
      symbol.textContent = name;
      symbol.className = [...name].length > 2 ? "symbol named" : "symbol";
      bar.style.width = `${100 * y[id]}%`;
      shown.textContent = share(y[id]);
    });
  }
}

/* Return the level, -LEVELS to LEVELS, of a value whose largest size is `scale`. */
function level(value, scale) {
  return Math.max(-LEVELS, Math.min(LEVELS, Math.round((value / scale) * LEVELS)));
}

/* A layer's units as squares: minus and plus have a colour each, 0 is that of the paper. */
class UnitMap {
  constructor(canvas, units) {
    this.canvas = canvas;
    this.units = units;
    this.columns = Math.min(32, 2 ** Math.ceil(Math.log2(Math.sqrt(units))));
    this.rows = Math.ceil(units / this.columns);
    this.size = 24; // pixels of a square; the style scales them
    canvas.width = this.columns * this.size;
    canvas.height = this.rows * this.size;
    canvas.style.maxWidth = `${canvas.width}px`;
    canvas.setAttribute("aria-valuemax", units);
    this.context = canvas.getContext("2d");
    this.restyle();
  }

  /* Read the colours of the style, which change with the system's. */
  restyle() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).split(",").map(Number);
    const neutral = colour("--neutral"), ends = [colour("--minus"), colour("--plus")];
    this.ring = style.getPropertyValue("--ink");
    this.palette = ends.map((end) =>
      Array.from({ length: 33 }, (_, n) => {
        const mixed = neutral.map((part, k) => Math.round(part + ((end[k] - part) * n) / 32));
        return `rgb(${mixed.join()})`;
      })
    );
  }

  draw(h, chosen) {
    const { context, columns, size, palette } = this;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (let unit = 0; unit < this.units; unit++) {
      const strength = Math.round(Math.min(1, Math.abs(h[unit])) * 32);
      context.fillStyle = palette[h[unit] < 0 ? 0 : 1][strength];
      const x = (unit % columns) * size, y = Math.floor(unit / columns) * size;
      context.fillRect(x + 1, y + 1, size - 2, size - 2);
    }
    if (chosen === null) return;
    context.strokeStyle = this.ring;
    context.lineWidth = 4;
    const x = (chosen % columns) * size, y = Math.floor(chosen / columns) * size;
    context.strokeRect(x + 2, y + 2, size - 4, size - 4);
  }

  /* Return the unit under a pointer, or null. */
  at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((clientX - box.left) / box.width) * this.columns);
    const row = Math.floor(((clientY - box.top) / box.height) * this.rows);
    const unit = row * this.columns + column;
    return column < this.columns && unit >= 0 && unit < this.units ? unit : null;
  }
}

/* The text in the page: pieces are added at its end, or all is drawn again. */
class TextView {
  constructor(pane) {
    this.pane = pane;
    this.clear();
  }

  clear() {
    this.pane.replaceChildren();
    this.drawn = 0;
    this.last = null; // a span, or a text without colour
  }

  /* Add the pieces from `drawn` on: the first `given` ones are the user's. */
  extend(pieces, given, levelOf) {
    const atEnd = this.pane.scrollTop + this.pane.clientHeight >= this.pane.scrollHeight - 40;
    let run = "", style = null;
    const flush = () => {
      if (run) this.append(run, style);
      run = "";
    };
    for (; this.drawn < pieces.length; this.drawn++) {
      const shade = levelOf(this.drawn);
      const own = [this.drawn < given ? "given" : "", shade ? `l${shade}` : ""];
      const wanted = own.filter(Boolean).join(" ");
      if (wanted !== style) flush();
      style = wanted;
      run += pieces[this.drawn];
    }
    flush();
    if (atEnd) this.pane.scrollTop = this.pane.scrollHeight;
  }

  append(text, style) {
    if (this.last && this.last.className === style) {
      this.last.firstChild.appendData(text);
      return;
    }
    this.last = document.createElement("span");
    this.last.className = style;
    this.last.textContent = text;
    this.pane.append(this.last);
  }
}
