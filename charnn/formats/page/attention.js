"use strict";

/* Attention of a language model over its own last M states:

     e_s     = q . p_s  or  v_a . tanh(h W_q + p_s)     the score of the key h_s
     context = sum over s of alpha_s h_s                alpha = softmax(e)
     out     = tanh([context; h] W_c)                   what the output layer reads

   p_s depends on the key alone: dot h_s, general h_s W_a^T, additive h_s W_k. Before a text's
   beginning the states are 0. */

class Attention {
  constructor(kind, span, H, W) {
    Object.assign(this, { kind, span, H, W });
    this.keys = new Float64Array(span * H); // a ring: the order of keys does not matter
    this.projected = new Float64Array(span * H); // what queries meet of each
    this.place = new Float64Array(1); // of the oldest key, which the next one replaces
    this.alpha = new Float64Array(span);
    this.query = new Float64Array(H);
    this.both = new Float64Array(2 * H); // [context; h]
    this.out = new Float64Array(H);
    this.states = [this.keys, this.projected, this.place];
  }

  step(h) {
    const { H, span, keys, alpha, both, out } = this;
    this.score(h);
    both.fill(0);
    both.set(h, H);
    for (let s = 0; s < span; s++) {
      for (let j = 0; j < H; j++) both[j] += alpha[s] * keys[s * H + j];
    }
    out.fill(0);
    addProduct(out, both, this.W.W_c, 2 * H, H);
    for (let j = 0; j < H; j++) out[j] = Math.tanh(out[j]);
    this.remember(h);
    return out;
  }

  /* alpha = softmax of the scores: dot and general q . p, additive v_a . tanh(q W_q + p). */
  score(h) {
    const { H, alpha, projected, query, W } = this;
    query.fill(0);
    if (this.kind === "additive") addProduct(query, h, W.W_q, H, H);
    for (let s = 0; s < this.span; s++) {
      if (this.kind === "additive") {
        let sum = 0;
        for (let j = 0; j < H; j++) sum += W.v_a[j] * Math.tanh(query[j] + projected[s * H + j]);
        alpha[s] = sum;
      } else {
        alpha[s] = dot(h, projected, s * H, H);
      }
    }
    softmax(alpha, alpha, 1);
  }

  /* Project a key: dot k, general k W_a^T, additive k W_k. */
  remember(h) {
    const { H, kind, place, span, W } = this;
    const start = place[0] * H, p = this.projected.subarray(start, start + H);
    this.keys.set(h, start);
    if (kind === "dot") p.set(h);
    if (kind === "general") for (let j = 0; j < H; j++) p[j] = dot(h, W.W_a, j * H, H);
    if (kind === "additive") {
      p.fill(0);
      addProduct(p, h, W.W_k, H, H);
    }
    place[0] = (place[0] + 1) % span;
  }
}
