"use strict";

/* The arithmetic of a language model, one symbol at a time: what charnn computes with NumPy.

   T time, V symbols, D inputs of a layer, H hidden units, G gates. Rows are vectors, so a product
   is written x W. Arrays are flat, in C's order: W_xh is (G, D, H), W_hh (G, H, H), b_h (G, H),
   W_hy (H, V), an embedding E (V, D). Gates stand in the order of charnn: LSTM i f o g, GRU r z n.
   Weights are kept as float32; what is computed is float64, JavaScript's only kind of number.

   The same file runs in a page and in Node, where the tests compare it with NumPy. */

const EPSILON = 1e-5; // of layer normalisation

/* ---- products and functions ---- */

function sigmoid(a) {
  return 1 / (1 + Math.exp(-a));
}

/* out[j] += sum over k of x[k] W[k, j], for the block `gate` of W (G, rows, columns) and of out.

   Eight rows at a time: each number of `out` is then loaded and stored an eighth as often. */
function addProduct(out, x, W, rows, columns, gate = 0) {
  const begin = gate * columns, end = begin + columns;
  const c2 = 2 * columns, c3 = 3 * columns, c4 = 4 * columns;
  const c5 = 5 * columns, c6 = 6 * columns, c7 = 7 * columns;
  let k = 0;
  for (; k + 8 <= rows; k += 8) {
    const x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
    const x4 = x[k + 4], x5 = x[k + 5], x6 = x[k + 6], x7 = x[k + 7];
    for (let j = begin, w = (gate * rows + k) * columns; j < end; j++, w++) {
      out[j] += x0 * W[w] + x1 * W[w + columns] + x2 * W[w + c2] + x3 * W[w + c3] +
        x4 * W[w + c4] + x5 * W[w + c5] + x6 * W[w + c6] + x7 * W[w + c7];
    }
  }
  for (; k < rows; k++) {
    const xk = x[k];
    for (let j = begin, w = (gate * rows + k) * columns; j < end; j++, w++) out[j] += xk * W[w];
  }
}

/* out += x W for the gates from `first` up to `last`. */
function addProducts(out, x, W, rows, columns, first, last) {
  for (let gate = first; gate < last; gate++) addProduct(out, x, W, rows, columns, gate);
}

function add(out, values) {
  for (let j = 0; j < out.length; j++) out[j] += values[j];
}

function dot(x, y, start, size) {
  let sum = 0;
  for (let j = 0; j < size; j++) sum += x[j] * y[start + j];
  return sum;
}

/* LN(v) = (v - mean v) / sqrt(var v + epsilon), in place. */
function normalise(v) {
  let mean = 0, variance = 0;
  for (let j = 0; j < v.length; j++) mean += v[j];
  mean /= v.length;
  for (let j = 0; j < v.length; j++) variance += (v[j] - mean) ** 2;
  const scale = 1 / Math.sqrt(variance / v.length + EPSILON);
  for (let j = 0; j < v.length; j++) v[j] = (v[j] - mean) * scale;
}

/* ---- cells ----

   A step finds x_t W_xh in `layer.a` (G, H) and the states at t - 1 in `layer.h` and `layer.c`; it
   leaves those at t there. `W` are the layer's weights, `u` (G, H) is scratch memory. */

function stepRNN({ H, a, h, W }) {
  add(a, W.b_h);
  addProduct(a, h, W.W_hh, H, H);
  for (let j = 0; j < H; j++) h[j] = Math.tanh(a[j]);
}

function stepLSTM({ H, a, h, c, W }) {
  add(a, W.b_h);
  addProducts(a, h, W.W_hh, H, H, 0, 4);
  for (let j = 0; j < H; j++) {
    const i = sigmoid(a[j]), f = sigmoid(a[H + j]), o = sigmoid(a[2 * H + j]);
    const g = Math.tanh(a[3 * H + j]);
    c[j] = f * c[j] + i * g;
    h[j] = o * Math.tanh(c[j]);
  }
}

/* The gates see the cell state: i and f that of t - 1, o that of t. */
function stepPeepholeLSTM({ H, a, h, c, W }) {
  add(a, W.b_h);
  addProducts(a, h, W.W_hh, H, H, 0, 4);
  for (let j = 0; j < H; j++) {
    const i = sigmoid(a[j] + W.p_i[j] * c[j]), f = sigmoid(a[H + j] + W.p_f[j] * c[j]);
    const g = Math.tanh(a[3 * H + j]);
    c[j] = f * c[j] + i * g;
    const o = sigmoid(a[2 * H + j] + W.p_o[j] * c[j]);
    h[j] = o * Math.tanh(c[j]);
  }
}

/* The reset gate acts before the recurrent product of the candidate n. */
function stepGRU({ H, a, u, h, W }) {
  add(a, W.b_h);
  addProducts(a, h, W.W_hh, H, H, 0, 2);
  for (let j = 0; j < H; j++) u[j] = sigmoid(a[j]) * h[j]; // r h
  addProduct(a, u, W.W_hh, H, H, 2);
  for (let j = 0; j < H; j++) {
    const z = sigmoid(a[H + j]), n = Math.tanh(a[2 * H + j]);
    h[j] = (1 - z) * h[j] + z * n;
  }
}

/* The reset gate acts on the product. */
function stepGRUResetAfter({ H, a, u, h, W }) {
  add(a, W.b_h);
  u.fill(0);
  addProducts(u, h, W.W_hh, H, H, 0, 3);
  for (let j = 0; j < H; j++) {
    const r = sigmoid(a[j] + u[j]), z = sigmoid(a[H + j] + u[H + j]);
    const m = u[2 * H + j] + W.b_hn[j];
    const n = Math.tanh(a[2 * H + j] + r * m);
    h[j] = (1 - z) * h[j] + z * n;
  }
}

/* Gate and candidate read the input alone. */
function stepMinGRU({ H, a, h, W }) {
  add(a, W.b_h);
  for (let j = 0; j < H; j++) {
    const z = sigmoid(a[j]), n = a[H + j];
    h[j] = (1 - z) * h[j] + z * n;
  }
}

function stepLayerNormRNN({ H, a, h, W }) {
  addProduct(a, h, W.W_hh, H, H);
  normalise(a);
  for (let j = 0; j < H; j++) h[j] = Math.tanh(W.gain[j] * a[j] + W.b[j]);
}

function stepLayerNormLSTM({ H, a, u, h, c, normed, W }) {
  u.fill(0);
  addProducts(u, h, W.W_hh, H, H, 0, 4);
  normalise(a);
  normalise(u);
  for (let j = 0; j < a.length; j++) a[j] = W.gain_x[j] * a[j] + W.gain_h[j] * u[j] + W.b[j];
  for (let j = 0; j < H; j++) {
    c[j] = sigmoid(a[H + j]) * c[j] + sigmoid(a[j]) * Math.tanh(a[3 * H + j]);
  }
  normed.set(c);
  normalise(normed);
  for (let j = 0; j < H; j++) {
    h[j] = sigmoid(a[2 * H + j]) * Math.tanh(W.gain_c[j] * normed[j] + W.b_c[j]);
  }
}

function stepLayerNormGRU({ H, a, u, h, W }) {
  u.fill(0);
  addProducts(u, h, W.W_hh, H, H, 0, 3);
  normalise(a);
  normalise(u);
  for (let j = 0; j < a.length; j++) {
    a[j] = W.gain_x[j] * a[j] + W.b[j];
    u[j] *= W.gain_h[j];
  }
  for (let j = 0; j < H; j++) {
    const r = sigmoid(a[j] + u[j]), z = sigmoid(a[H + j] + u[H + j]);
    const m = u[2 * H + j] + W.b_hn[j];
    const n = Math.tanh(a[2 * H + j] + r * m);
    h[j] = (1 - z) * h[j] + z * n;
  }
}

const CELLS = {
  "rnn": { gates: 1, step: stepRNN },
  "lstm": { gates: 4, step: stepLSTM },
  "gru-before": { gates: 3, step: stepGRU },
  "gru-after": { gates: 3, step: stepGRUResetAfter },
  "mingru": { gates: 2, step: stepMinGRU },
  "peephole-lstm": { gates: 4, step: stepPeepholeLSTM },
  "layernorm-lstm": { gates: 4, step: stepLayerNormLSTM },
  "layernorm-gru": { gates: 3, step: stepLayerNormGRU },
  "layernorm-rnn": { gates: 1, step: stepLayerNormRNN },
};

/* ---- the model ---- */

class LanguageModel {
  /* `description` is the page's JSON, `bytes` (Uint8Array) the arrays that it describes. */
  constructor(description, bytes) {
    const weights = readArrays(description.arrays, bytes);
    const cell = CELLS[description.cell], H = description.hidden;
    this.V = description.symbols.length + (description.unknown ? 1 : 0);
    this.H = H;
    this.embedding = weights.E;
    this.D = this.embedding ? this.embedding.length / this.V : this.V;
    this.x = new Float64Array(this.D);
    this.step_ = cell.step;
    this.layers = [];
    for (let number = 1; number <= description.layers; number++) {
      this.layers.push({
        H,
        D: number > 1 ? H : this.D,
        G: cell.gates,
        a: new Float64Array(cell.gates * H),
        u: new Float64Array(cell.gates * H),
        h: new Float64Array(H),
        c: new Float64Array(H),
        normed: new Float64Array(H),
        W: group(weights, `layer${number}/`),
      });
    }
    const { attention, span } = description;
    this.attention = attention && new Attention(attention, span, H, group(weights, "attention/"));
    this.W_hy = description.tied ? transposed(weights.E, this.V, H) : weights.W_hy;
    this.b_y = weights.b_y;
    this.logits = new Float64Array(this.V);
    this.states = this.layers.flatMap((layer) => [layer.h, layer.c]);
    if (this.attention) this.states.push(...this.attention.states);
    this.states.push(this.logits);
  }

  /* Read one symbol; return the logits of the next one, which are valid until the next step. */
  step(id) {
    let below = null;
    for (const layer of this.layers) {
      layer.a.fill(0);
      if (below) addProducts(layer.a, below, layer.W.W_xh, layer.D, layer.H, 0, layer.G);
      else this.readSymbol(layer, id);
      this.step_(layer);
      below = layer.h;
    }
    if (this.attention) below = this.attention.step(below);
    this.logits.set(this.b_y);
    addProduct(this.logits, below, this.W_hy, this.H, this.V);
    return this.logits;
  }

  /* a = x W_xh: of a one-hot vector a row for each gate, else that of the embedding's row. */
  readSymbol({ a, W, D, G, H }, id) {
    if (this.embedding) {
      for (let j = 0; j < D; j++) this.x[j] = this.embedding[id * D + j];
      addProducts(a, this.x, W.W_xh, D, H, 0, G);
      return;
    }
    for (let gate = 0; gate < G; gate++) {
      const row = (gate * D + id) * H;
      for (let j = 0; j < H; j++) a[gate * H + j] = W.W_xh[row + j];
    }
  }

  /* Copy the states and logits, to come back to them. */
  snapshot() {
    return this.states.map((state) => state.slice());
  }

  restore(snapshot) {
    snapshot.forEach((state, number) => this.states[number].set(state));
  }

  /* Go back to the beginning of a text. */
  reset() {
    for (const state of this.states) state.fill(0);
  }
}

/* Return the weights whose names begin with a prefix, by the rest of their names. */
function group(weights, prefix) {
  const found = Object.entries(weights).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, array]) => [name.slice(prefix.length), array]));
}

function transposed(matrix, rows, columns) {
  const out = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c];
  }
  return out;
}
