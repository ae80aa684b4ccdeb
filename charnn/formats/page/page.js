"use strict";

/* The page: what the user types is read as it grows, and the model goes on from there. */

const SLICE = 12; // ms of computing before the browser gets its turn
const PAUSE = 250; // ms after the last key before the model goes on
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/* How often what is shown changes while the model writes, in ms. */
function interval() {
  return CALM.matches ? 1000 : 100;
}

/* Let the browser handle keys and draw, without the 4 ms that a timer costs. */
const channel = new MessageChannel();
const waiting = [];
channel.port1.onmessage = () => waiting.shift()();
function turn() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}

class Page {
  constructor(description, bytes) {
    this.model = new LanguageModel(description, bytes);
    this.vocabulary = new Vocabulary(description);
    this.trail = new Trail(this.model);
    this.chooser = new Chooser(this.model.V, this.vocabulary.unknown);
    this.bars = new Bars(this.vocabulary, this.model.V);
    this.map = new UnitMap(element("map"), this.model.H);
    this.view = new TextView(element("text"));
    this.layer = 0;
    this.unit = null;
    this.scale = 0; // the chosen unit's largest size in the text
    this.job = 0; // a number for what is being done; another one stops it
    this.begin([]);
  }

  /* ---- the text ---- */

  /* A new beginning: what was written after the old one is gone. */
  begin(ids) {
    this.given = ids;
    const decode = this.vocabulary.decoder();
    this.pieces = ids.map(decode);
    this.random = generator(number("seed", 0));
    this.decode = this.vocabulary.decoder();
    this.written = [];
    this.redraw = true;
  }

  /* What the model reads before the text: something, if there is no beginning. */
  get prefix() {
    return this.given.length ? [] : [this.vocabulary.first(generator(number("seed", 0)))];
  }

  /* Read what the model has not read yet; a long text in slices. Returns false when stopped. */
  async catchUp(job) {
    const { prefix } = this, ids = [...prefix, ...this.given, ...this.written];
    const beginning = prefix.length + this.given.length;
    this.hidden = prefix.length;
    this.trail.goTo(ids);
    let until = performance.now() + SLICE;
    while (this.trail.ids.length < ids.length) {
      this.trail.push(ids[this.trail.ids.length]);
      if (this.trail.ids.length === beginning) this.trail.mark();
      if (performance.now() < until) continue;
      await turn();
      if (job !== this.job) return false;
      until = performance.now() + SLICE;
    }
    return job === this.job;
  }

  /* Read the beginning as it stands now, and go on after a pause if the user wants that. */
  async read() {
    const job = ++this.job, { ids, strange } = this.vocabulary.encode(element("beginning").value);
    this.begin(ids);
    this.busy(false);
    say("status", "");
    say("finished", "");
    say("strange", this.aboutStrange(strange));
    if (!(await this.catchUp(job))) return;
    this.show();
    if (!element("follow").checked || !ids.length) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (job === this.job) await this.write();
  }

  /* Another way to choose: what follows the text as it is typed is written anew. */
  adjust(id) {
    if (element("follow").checked) this.read();
    else if (id === "seed") this.random = generator(number("seed", 0));
    else this.show();
  }

  aboutStrange(strange) {
    if (!strange.length) return "";
    const shown = strange.slice(0, 5).map((character) => `\u201c${character}\u201d`).join(", ");
    const more = strange.length > 5 ? ` and ${strange.length - 5} more` : "";
    const done = this.vocabulary.unknown === null ? "left out" : "read as unknown";
    return `The model does not know ${shown}${more}; ${strange.length > 1 ? "they are" : "it is"} ${done}.`;
  }

  /* Write some characters, in slices, and say so at the end. */
  async write() {
    const job = ++this.job, length = number("length", 500), begun = performance.now();
    this.busy(true);
    say("status", "");
    say("finished", "");
    this.from = this.pieces.length;
    let made = 0;
    if (await this.catchUp(job)) made = await this.goOn(job, length);
    if (job !== this.job) return;
    this.finish(made / ((performance.now() - begun) / 1000));
  }

  /* Write up to `length` symbols at the pace chosen; return how many were written. */
  async goOn(job, length) {
    const begun = performance.now(), { trail } = this;
    let made = 0, shown = begun, until = begun + SLICE;
    while (made < length) {
      const now = performance.now(), pace = number("pace", 0);
      const due = pace === 0 || made < ((now - begun) / 1000) * pace;
      if (due) {
        const id = this.chooser.draw(this.model.logits, this.options(), this.random);
        trail.push(id);
        this.written.push(id);
        this.pieces.push(this.decode(id));
        made++;
      }
      if (now - shown >= interval() || (due && pace)) {
        this.show();
        shown = now;
      }
      if (now < until && due) continue;
      await (due ? turn() : new Promise((resolve) => setTimeout(resolve, 20)));
      if (job !== this.job) break;
      until = performance.now() + SLICE;
    }
    return made;
  }

  finish(speed) {
    const made = this.pieces.length - this.from;
    this.busy(false);
    this.show();
    say("status", `${counted(made)} written, ${counted(Math.round(speed))} a second.`);
    say("finished", this.pieces.slice(this.from).join(""));
  }

  stop() {
    if (element("stop").disabled) return;
    this.job++;
    this.busy(false);
    this.show();
    say("status", `${counted(this.pieces.length - this.from)} written, then stopped.`);
    say("finished", this.pieces.slice(this.from).join(""));
  }

  busy(writing) {
    const hasFocus = document.activeElement === element(writing ? "write" : "stop");
    element("stop").disabled = !writing;
    element("write").disabled = writing;
    if (hasFocus) element(writing ? "stop" : "write").focus(); // a disabled button loses it
  }

  options() {
    return { temperature: number("temperature", 1), topK: number("top-k", Infinity) };
  }

  /* ---- what is shown ---- */

  show() {
    const { temperature, topK } = this.options();
    const y = this.chooser.distribution(this.model.logits, temperature, topK);
    this.bars.draw(y, this.chooser.ranked());
    this.map.draw(this.model.layers[this.layer].h, this.unit);
    this.showText();
  }

  showText() {
    this.rescale();
    if (this.redraw) this.view.clear();
    this.redraw = false;
    this.view.extend(this.pieces, this.given.length, (position) => {
      const value = this.value(position);
      return value === null ? 0 : level(value, this.scale);
    });
    if (this.unit !== null && element("stop").disabled) this.describeUnit();
  }

  /* Return the chosen unit after a piece of the text, or null. */
  value(position) {
    if (this.unit === null) return null;
    return this.trail.unit(position + this.hidden, this.layer, this.unit);
  }

  /* Find the chosen unit's range; where it has grown, the text is coloured again. */
  rescale() {
    if (this.unit === null) return;
    if (this.redraw) [this.scale, this.low, this.high] = [0, Infinity, -Infinity];
    const from = this.redraw ? 0 : this.view.drawn, before = this.scale;
    for (let position = from; position < this.pieces.length; position++) {
      const value = this.value(position);
      if (value === null) continue;
      this.low = Math.min(this.low, value);
      this.high = Math.max(this.high, value);
    }
    const largest = Math.max(-this.low, this.high, 1e-3); // also where there is nothing
    if (largest > 1.1 * before || before === 0) {
      this.scale = largest;
      this.redraw = true;
    }
  }

  describeUnit() {
    const name = `Unit ${this.unit + 1} of layer ${this.layer + 1}`;
    const range = `: from ${signed(this.low)} to ${signed(this.high)} in this text`;
    say("unit-note", `${name}${this.low <= this.high ? range : ""}.`);
  }

  /* Colour the text by a unit, or by none (null). */
  choose(unit) {
    this.unit = unit;
    this.redraw = true;
    element("unit").value = unit === null ? "" : unit + 1;
    const map = element("map");
    map.setAttribute("aria-valuenow", unit === null ? 0 : unit + 1);
    const value = unit === null ? 0 : this.model.layers[this.layer].h[unit];
    map.setAttribute("aria-valuetext",
      unit === null ? "none" : `unit ${unit + 1}, now ${signed(value)}`);
    if (unit === null) say("unit-note", "");
    this.show();
  }

  /* Move the choice with the keys of the map. */
  move(key) {
    const last = this.model.H - 1, { columns } = this.map, at = this.unit ?? -1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    if (key === "Escape") this.choose(null);
    else if (key === "Home") this.choose(0);
    else if (key === "End") this.choose(last);
    else if (key in steps) this.choose(Math.max(0, Math.min(last, at + steps[key])));
    else return false;
    return true;
  }

  async copy() {
    const text = element("beginning").value + this.pieces.slice(this.given.length).join("");
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not allowed here: the way that older browsers have
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.select();
      document.execCommand("copy");
      area.remove();
      element("copy").focus();
    }
    say("status", `${counted([...text].length)} characters copied.`);
  }

  clear() {
    element("beginning").value = "";
    this.read();
    element("beginning").focus();
  }
}
