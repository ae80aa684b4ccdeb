"use strict";

/* Run jobs with the script of a page, in Node: JSON on standard input, results on standard output.

   {"scripts": {name: source}, "jobs": {name: {"script", "description", "weights", ...}}} */

const fs = require("node:fs");

const WANTED = "{ CELLS, Chooser, LanguageModel, Trail, Vocabulary, float16, fromBase64, generator }";

/* The states and logits after each edit of a text, each symbol read by a trail. */
function edited(page, model, edits) {
  const trail = new page.Trail(model);
  let read = 0;
  const found = edits.map((ids) => {
    trail.goTo(ids);
    while (trail.ids.length < ids.length) {
      trail.push(ids[trail.ids.length]);
      read++;
    }
    trail.mark();
    const units = ids.map((_, position) => trail.unit(position, model.layers.length - 1, 2));
    return { logits: [...model.logits], units };
  });
  return { found, read };
}

function written(page, model, vocabulary, { prime, length, temperature, topK, seed }) {
  const random = page.generator(seed), chooser = new page.Chooser(model.V, vocabulary.unknown);
  const { ids, strange } = vocabulary.encode(prime), text = vocabulary.decoder();
  for (const id of ids) model.step(id);
  const made = { ids: [], text: "", strange };
  for (let n = 0; n < length; n++) {
    const id = chooser.draw(model.logits, { temperature, topK: topK ?? Infinity }, random);
    made.ids.push(id);
    made.text += text(id);
    model.step(id);
  }
  return made;
}

function run(page, job) {
  if (job.numbers) return job.numbers.map(page.float16);
  if (job.uniform) return Array.from({ length: job.uniform }, page.generator(job.seed));
  if (job.cells) return Object.keys(page.CELLS);
  const vocabulary = new page.Vocabulary(job.description);
  if (job.names) return job.names.map((id) => vocabulary.name(id));
  const model = new page.LanguageModel(job.description, page.fromBase64(job.weights));
  if (job.edits) return edited(page, model, job.edits);
  if (job.write) return written(page, model, vocabulary, job.write);
  if (job.distribution) {
    const chooser = new page.Chooser(model.V, vocabulary.unknown);
    const { logits, temperature, topK } = job.distribution;
    return [...chooser.distribution(logits, temperature, topK ?? Infinity)];
  }
  return job.ids.map((id) => [...model.step(id)]);
}

const { scripts, jobs } = JSON.parse(fs.readFileSync(0, "utf-8"));
const pages = {};
for (const [name, source] of Object.entries(scripts)) {
  pages[name] = new Function(`${source}\nreturn ${WANTED};`)();
}
const results = {};
for (const [name, job] of Object.entries(jobs)) results[name] = run(pages[job.script], job);
process.stdout.write(JSON.stringify(results));
