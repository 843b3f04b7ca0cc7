// Scores become events, as in the package: whole steps of 1e-4, whole samples, hysteresis, gaps, shortest length.
// So a slider decides at once, and what it shows is what the command writes.

import { rounded } from "./numbers.js";

const STEPS = 10000, NOISE = 0.01;

/** The smallest score, in steps, that is at or above a threshold. */
export const least = (threshold) => Math.ceil(threshold * STEPS - NOISE);

/**
 * The events in `result`, sorted by (start, end, label).
 *
 * `result` holds `labels` ({id, kind}), `probabilities` and `logits` (rows of whole steps, a column for each label),
 * `edges` (samples, where each row begins to speak, and where the last one ends), `starts`, `ends`, `window` (samples),
 * `sample_rate` and `duration` (seconds). `decision` holds `thresholds` and `low_thresholds` (by label; a low one that
 * is missing is the threshold), `min_duration` and `max_gap` (seconds).
 */
export function find(result, decision, { includeReject = false } = {}) {
  const { sample_rate: rate, edges } = result;
  const gap = Math.floor((decision.max_gap ?? 0) * rate + NOISE);
  // A single score has no length.
  const shortest = edges.length === 2 ? 0 : Math.ceil((decision.min_duration ?? 0) * rate - NOISE);
  const events = [];
  result.labels.forEach((label, column) => {
    if ((label.kind ?? "event") !== "event" && !includeReject) return;
    const threshold = decision.thresholds[label.id];
    if (threshold === undefined) throw new Error(`no threshold for the label ${label.id}`);
    const low = decision.low_thresholds?.[label.id] ?? threshold;
    for (const [first, last] of joined(runs(result.probabilities, column, least(threshold), least(low)), edges, gap)) {
      if (edges[last + 1] - edges[first] < shortest) continue;
      const [score, raw] = peak(result, column, first, last);
      events.push({
        start: edges[first] / rate,
        end: Math.min(edges[last + 1] / rate, result.duration ?? Infinity),
        label: label.id, score: score / STEPS, raw: raw / 1000, padded: padded(result, first, last),
      });
    }
  });
  const place = new Map(result.labels.map((label) => label.id).sort(byCode).map((id, rank) => [id, rank]));
  return events.sort((a, b) => a.start - b.start || a.end - b.end || place.get(a.label) - place.get(b.label));
}

const byCode = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** First and last row of every longest run at or above `low` that somewhere reaches `high`. */
function runs(rows, column, high, low) {
  const found = [];
  let first = -1, reached = false;
  for (let row = 0; row <= rows.length; row++) {
    const score = row < rows.length ? rows[row][column] : -1;
    if (row < rows.length && score >= low) {
      if (first < 0) [first, reached] = [row, false];
      reached ||= score >= high;
    } else if (first >= 0) {
      if (reached) found.push([first, row - 1]);
      first = -1;
    }
  }
  return found;
}

/** The same runs, those at most `gap` samples apart made one. */
function joined(found, edges, gap) {
  const together = [];
  for (const [first, last] of found) {
    const before = together.at(-1);
    if (before && edges[first] - edges[before[1] + 1] <= gap) before[1] = last;
    else together.push([first, last]);
  }
  return together;
}

/** The highest score of a run, and the largest logit with it. */
function peak({ probabilities, logits }, column, first, last) {
  let score = -1, raw = -Infinity;
  for (let row = first; row <= last; row++) {
    const here = probabilities[row][column], logit = logits ? logits[row][column] : 0;
    if (here > score || (here === score && logit > raw)) [score, raw] = [here, logit];
  }
  return [score, raw];
}

/** Whether one of the windows was filled with zeros past the end of the recording. */
function padded({ starts, ends, window }, first, last) {
  if (!starts) return false;
  for (let row = first; row <= last; row++) if (ends[row] - starts[row] < window) return true;
  return false;
}

/**
 * A decision with another threshold for a label. Its low threshold keeps its ratio to it, as `--threshold` has it;
 * `given` is the model's own decision.
 */
export function withThreshold(decision, given, label, threshold) {
  const own = given.thresholds[label], ownLow = given.low_thresholds?.[label] ?? own;
  const ratio = own > 0 ? Math.min(ownLow / own, 1) : 1;
  return {
    ...decision,
    thresholds: { ...decision.thresholds, [label]: threshold },
    low_thresholds: { ...decision.low_thresholds, [label]: threshold === own ? ownLow : rounded(threshold * ratio, 4) },
  };
}

/** How long each label sounds: `{id: seconds}`. */
export function soundingSeconds(events) {
  const total = {};
  for (const event of events) total[event.label] = (total[event.label] ?? 0) + event.end - event.start;
  return total;
}
