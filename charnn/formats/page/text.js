"use strict";

/* Around the arithmetic: weights out of a page, symbols, drawing the next one, and going back. */

/* ---- weights ---- */

function fromBase64(text) {
  const characters = atob(text.trim()), bytes = new Uint8Array(characters.length);
  for (let n = 0; n < bytes.length; n++) bytes[n] = characters.charCodeAt(n);
  return bytes;
}

/* A float16: sign, 5 bits of exponent, 10 of fraction. No weight is infinite. */
function float16(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/* Return Float32Arrays by name. An int8 array (..., rows, columns) has a scale (..., columns). */
function readArrays(arrays, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), found = {};
  for (const { name, shape, type, start, scales } of arrays) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const [rows, columns] = shape.slice(-2);
    for (let n = 0; n < values.length; n++) {
      if (type === "float16") {
        values[n] = float16(view.getUint16(start + 2 * n, true));
      } else if (type === "float32") {
        values[n] = view.getFloat32(start + 4 * n, true);
      } else {
        const column = Math.floor(n / (rows * columns)) * columns + (n % columns);
        values[n] = view.getInt8(start + n) * view.getFloat32(scales + 4 * column, true);
      }
    }
    found[name] = values;
  }
  return found;
}

/* ---- symbols ---- */

const NAMES = { 0: "NUL", 9: "tab", 10: "newline", 13: "return", 32: "space", 160: "hard space" };

/* Symbols by id, as code points or bytes; the unknown one, where there is one, comes last. */
class Vocabulary {
  constructor({ tokens, symbols, unknown }) {
    this.bytes = tokens === "bytes";
    this.symbols = symbols;
    this.unknown = unknown ? symbols.length : null;
    this.ids = new Map(symbols.map((point, id) => [point, id]));
  }

  /* Return the ids of a text, and its characters that the model does not know, each once. */
  encode(text) {
    if (this.bytes) return { ids: [...new TextEncoder().encode(text)], strange: [] };
    const ids = [], strange = new Set();
    for (const character of text) { // code points, not halves of surrogate pairs
      const id = this.ids.get(character.codePointAt(0));
      if (id === undefined) strange.add(character);
      if (id !== undefined || this.unknown !== null) ids.push(id ?? this.unknown);
    }
    return { ids, strange: [...strange] };
  }

  /* Return a function that returns the text that a further id adds, which may be "" for a byte. */
  decoder() {
    if (!this.bytes) return (id) => this.character(id);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return (id) => decoder.decode(Uint8Array.of(id), { stream: true });
  }

  character(id) {
    return id === this.unknown ? "\ufffd" : String.fromCodePoint(this.symbols[id]);
  }

  /* A symbol as a list shows it: by name, where it cannot be seen. */
  name(id) {
    if (id === this.unknown) return "unknown";
    const point = this.symbols[id];
    if (point in NAMES && !(this.bytes && point > 126)) return NAMES[point];
    if (this.bytes && point > 126) return `byte ${point.toString(16).padStart(2, "0")}`;
    const character = this.character(id);
    if (/[\p{C}\p{Z}]/u.test(character)) return `U+${point.toString(16).padStart(4, "0")}`;
    return /\p{M}/u.test(character) ? `\u25cc${character}` : character;
  }

  /* What is read where there is no beginning: a newline or, if the model knows none, any symbol. */
  first(random) {
    return this.ids.get(10) ?? Math.floor(random() * this.symbols.length);
  }
}

/* ---- drawing the next symbol ---- */

/* y = softmax(logits / temperature); `y` may be `logits`. */
function softmax(logits, y, temperature) {
  let largest = -Infinity, total = 0;
  for (let n = 0; n < y.length; n++) largest = Math.max(largest, logits[n]);
  for (let n = 0; n < y.length; n++) {
    y[n] = Math.exp((logits[n] - largest) / temperature);
    total += y[n];
  }
  for (let n = 0; n < y.length; n++) y[n] /= total;
}

/* Return numbers from [0, 1) that follow from a seed (mulberry32, by Tommy Ettinger). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/* Turns logits into a distribution, and draws from it. The unknown symbol is never drawn. */
class Chooser {
  constructor(V, unknown) {
    this.unknown = unknown;
    this.y = new Float64Array(V);
    this.order = Array.from(this.y, (_, id) => id);
  }

  /* Return ids, the likeliest first; of equal ones the smaller id. */
  ranked() {
    return this.order.sort((one, other) => this.y[other] - this.y[one] || one - other);
  }

  /* Return the distribution, valid until the next call; temperature 0 takes the likeliest. */
  distribution(logits, temperature, topK) {
    const { y } = this;
    y.set(logits);
    if (this.unknown !== null) y[this.unknown] = -Infinity;
    if (temperature === 0) {
      let best = 0;
      for (let n = 1; n < y.length; n++) if (y[n] > y[best]) best = n;
      y.fill(0);
      y[best] = 1;
      return y;
    }
    softmax(y, y, temperature);
    if (topK < y.length) {
      let kept = 0;
      this.ranked().forEach((id, rank) => {
        if (rank < topK) kept += y[id];
        else y[id] = 0;
      });
      for (let n = 0; n < y.length; n++) y[n] /= kept;
    }
    return y;
  }

  /* Draw by inverting the cumulative sum. */
  draw(logits, { temperature, topK }, random) {
    const y = this.distribution(logits, temperature, topK), uniform = random();
    let sum = 0, last = 0;
    for (let n = 0; n < y.length; n++) {
      if (y[n] > 0) last = n;
      sum += y[n];
      if (sum > uniform) return n;
    }
    return last;
  }
}

/* ---- a text that is read once, and changed ---- */

const INTERVAL = 64; // symbols between two snapshots, at first
const SNAPSHOTS = 512;
const RECORDED = 4096; // symbols whose hidden units are kept, at most
const ROOM = 8e6; // numbers that are kept of them, at most

/* What the model has read. An edit goes back to a snapshot before it; nothing else is read again. */
class Trail {
  constructor(model) {
    this.model = model;
    this.width = model.layers.length * model.H;
    this.capacity = Math.max(1, Math.min(RECORDED, Math.floor(ROOM / this.width)));
    this.record = new Float32Array(this.capacity * this.width); // a ring of h, all layers of each
    this.first = 0; // the first symbol whose h are there
    this.ids = [];
    this.interval = INTERVAL;
    this.snapshots = [];
    this.marked = null;
    model.reset();
  }

  /* Read one more symbol. */
  push(id) {
    const { model, ids, width } = this, at = (ids.length % this.capacity) * width;
    model.step(id);
    model.layers.forEach((layer, number) => this.record.set(layer.h, at + number * model.H));
    ids.push(id);
    this.first = Math.max(this.first, ids.length - this.capacity);
    if (ids.length % this.interval === 0) this.snapshots.push(this.here());
    if (this.snapshots.length > SNAPSHOTS) {
      this.interval *= 2;
      this.snapshots = this.snapshots.filter(({ length }) => length % this.interval === 0);
    }
  }

  /* Remember this place: a text's end, which is gone back to most often. */
  mark() {
    this.marked = this.here();
  }

  /* Go back to a place before which the text is as in `ids`; push(ids[trail.ids.length]) next. */
  goTo(ids) {
    let same = 0;
    while (same < ids.length && ids[same] === this.ids[same]) same++;
    if (same === this.ids.length) return;
    const usable = [...this.snapshots, ...(this.marked ? [this.marked] : [])];
    const before = usable.filter(({ length }) => length <= same);
    const best = before.reduce((one, other) => (other.length > one.length ? other : one), {
      length: 0,
      state: null,
    });
    if (best.state) this.model.restore(best.state);
    else this.model.reset();
    this.snapshots = this.snapshots.filter(({ length }) => length <= best.length);
    if (this.marked && this.marked.length > best.length) this.marked = null;
    this.ids.length = best.length;
    this.first = Math.min(this.first, best.length);
  }

  here() {
    return { length: this.ids.length, state: this.model.snapshot() };
  }

  /* Return h of a unit after a symbol, or null where it is no longer kept. */
  unit(position, layer, unit) {
    if (position < this.first || position >= this.ids.length) return null;
    return this.record[(position % this.capacity) * this.width + layer * this.model.H + unit];
  }
}
