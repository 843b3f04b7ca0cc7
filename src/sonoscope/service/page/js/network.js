// A model's whole graph, samples in and scores out, run piece by piece: what a page without a service asks.
//
// A piece brings what its answers see before and after themselves, so they are those of the whole recording.

import { rint } from "./numbers.js";

const PIECE_S = 20, LEAST = 0.02, KEPT_STEPS = 250, LARGEST_LOGIT = 32767;

const breathe = () => new Promise((done) => setTimeout(done, 0));

/**
 * The pieces of `n` samples: `[{first, last, skip, count}]`, samples from `first` to `last`, of whose answers `count` are
 * kept after `skip`. `hop` is the distance of answers, `total` their number, `before` and `after` what they see around
 * the hop that they begin with, in samples.
 */
export function pieces(n, { hop, total, before, after, piece }) {
  const each = Math.max(Math.floor(piece / hop), 1), lead = Math.ceil(before / hop), found = [];
  for (let answer = 0; answer < total; answer += each) {
    const count = Math.min(each, total - answer), skip = Math.min(lead, answer);
    found.push({ first: (answer - skip) * hop, last: answer + count >= total ? n : Math.min(n, (answer + count) * hop + after), skip, count });
  }
  return found;
}

/** Tables of the graph for all of `samples`, by name: `{rows, columns, values}`. `told` hears the share that is done. */
export async function tables(ort, session, about, samples, names, told, signal) {
  const { hop } = about, n = samples.length, windowed = about.task !== "notes";
  const total = windowed ? 1 + Math.ceil(Math.max(n - about.window, 0) / hop) : Math.ceil(n / hop);
  const plan = pieces(n, { hop, total, before: about.before, after: about.after, piece: PIECE_S * about.sample_rate });
  const found = Object.fromEntries(names.map((name) => [name, { rows: total, columns: about.labels.length, values: new Float32Array(total * about.labels.length) }]));
  let row = 0;
  for (const { first, last, skip, count } of plan) {
    if (signal?.aborted) throw new DOMException("cancelled", "AbortError");
    const piece = samples.slice(first, last);
    const answers = await session.run({ samples: new ort.Tensor("float32", piece, [piece.length]) }, names);
    for (const name of names) {
      const { columns, values } = found[name];
      values.set(answers[name].data.subarray(skip * columns, (skip + count) * columns), row * columns);
    }
    row += count;
    told?.(row / total);
    await breathe();
  }
  return found;
}

/** Probabilities of windows, in whole steps of 1e-4, from logits, as the package rounds and calibrates them. */
export function calibrated(logits, calibration) {
  return Array.from({ length: logits.rows }, (_, row) => calibration.map(({ slope, offset }, column) => {
    const raw = rint(Math.fround(logits.values[row * logits.columns + column]) * 1000);
    const x = slope * (Math.max(-LARGEST_LOGIT, Math.min(LARGEST_LOGIT, raw)) / 1000) + offset;
    return rint((0.5 + 0.5 * Math.tanh(0.5 * x)) * 10000);
  }));
}

/** Scores of notes as the package keeps them before it decides: small ones are none, the others in 250 steps. */
export function kept({ onset, sustain, velocity }) {
  const steps = (table) => table.values.map((value) => Math.fround(rint(Math.fround(value * KEPT_STEPS)) / KEPT_STEPS));
  const without = (table) => ({ ...table, values: table.values.map((value) => (value < LEAST ? 0 : value)) });
  const begins = without(onset), hit = { ...velocity, values: velocity.values.map((value, n) => (begins.values[n] === 0 ? 0 : value)) };
  return { onset: steps(begins), sustain: steps(without(sustain)), velocity: steps(hit), frames: onset.rows, pitches: onset.columns };
}
