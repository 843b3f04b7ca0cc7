// Probabilities over pitch and time become notes: the specification of docs/notes.md, for scores that are all at hand.
// docs/notes-vectors.json holds scores and the notes that follow from them.

import { clamp, rint, rounded } from "./numbers.js";

const STEPS = 10000, SOFT_VELOCITY = 64;

export const RULES = {
  onset: 0.5, onset_low: 0.25, sustain: 0.5, sustain_low: 0.3, peak_s: 0.025, max_gap_s: 0.035, min_length_s: 0.04,
  soft_length_s: 0.12, sure: 0.8, unsure_length_s: 0, company: 4, company_s: 2, onset_shift_s: 0, end_shift_s: 0,
  lowest: 0, highest: 127, partial: 0, partial_low: 0, mono: false, median_velocity: null,
};

/**
 * The notes in `scores`, sorted by (start, end, pitch): `{start, end, pitch, velocity, score, flags}`.
 *
 * `scores` holds `onset`, `sustain` and perhaps `velocity` (rows of probabilities one after another, `pitches` in each),
 * `frames`, `pitches`, `hop_s`, `first_s` and `lowest` (MIDI). `rules` are those of RULES; what is missing is as there.
 */
export function decode(scores, rules = {}, duration = Infinity) {
  const all = { ...RULES, ...rules };
  return balanced(new Decoder(scores, all, duration).run(), all.median_velocity);
}

/** Velocities moved together until the median of the notes that were struck is `median`; none of them if that is null. */
function balanced(notes, median) {
  const struck = notes.filter((note) => !note.flags);
  if (median === null || !struck.length) return notes;
  const sorted = struck.map((note) => note.velocity).sort((a, b) => a - b);
  const shift = median - sorted[Math.floor((sorted.length - 1) / 2)];
  for (const note of struck) note.velocity = clamp(note.velocity + shift, 1, 127);
  return notes;
}

/** A table of whole steps, a pitch after another, in single precision as files round it. */
function inSteps(table, frames, pitches) {
  const steps = new Int16Array(frames * pitches);
  for (let k = 0; k < frames; k++) {
    for (let p = 0; p < pitches; p++) {
      const value = rint(Math.fround(Math.fround(table[k * pitches + p]) * STEPS));
      steps[p * frames + k] = value > 0 ? Math.min(value, STEPS) : 0;
    }
  }
  return steps;
}

/** Only the highest pitch of each frame (the lowest of equals), the others zero. */
function likeliest(steps, frames, low, high) {
  const kept = new Int16Array(steps.length);
  for (let k = 0; k < frames; k++) {
    let best = low;
    for (let p = low + 1; p < high; p++) if (steps[p * frames + k] > steps[best * frames + k]) best = p;
    if (low < high) kept[best * frames + k] = steps[best * frames + k];
  }
  return kept;
}

class Decoder {
  constructor(scores, rules, duration) {
    this.rules = rules;
    this.duration = duration;
    this.frames = scores.frames;
    this.hop = scores.hop_s;
    this.first = scores.first_s ?? 0;
    this.lowestPitch = scores.lowest ?? 21;
    const inFrames = (seconds) => rint(seconds / this.hop);
    const inRange = (value) => Math.max(1, rint(value * STEPS));
    this.peak = inFrames(rules.peak_s);
    this.gap = inFrames(rules.max_gap_s);
    this.length = inFrames(rules.min_length_s);
    this.unsure = inFrames(rules.unsure_length_s);
    this.reach = inFrames(rules.company_s);
    this.soft = rules.soft_length_s === null ? null : Math.max(1, inFrames(rules.soft_length_s));
    [this.onsetAt, this.onsetLow, this.sustainAt, this.sustainLow, this.sureAt] =
      [rules.onset, rules.onset_low, rules.sustain, rules.sustain_low, rules.sure].map(inRange);
    this.low = clamp(rules.lowest - this.lowestPitch, 0, scores.pitches);
    this.high = clamp(rules.highest + 1 - this.lowestPitch, this.low, scores.pitches);
    const table = (name) => inSteps(scores[name], scores.frames, scores.pitches);
    this.onset = table("onset");
    this.sustain = table("sustain");
    this.velocity = scores.velocity ? table("velocity") : null;
    if (rules.partial) this.onset = this.withoutPartials(rules.partial_low || rules.partial, rules.partial);
    if (rules.mono) {
      this.onset = likeliest(this.onset, this.frames, this.low, this.high);
      this.sustain = likeliest(this.sustain, this.frames, this.low, this.high);
    }
    this.sounding = new Map();
    this.free = new Map();
    this.freeMono = 0;
    this.found = [];
  }

  run() {
    const onsets = [];
    for (let column = this.low; column < this.high; column++) onsets.push(...this.onsets(column));
    this.weigh(onsets);
    const cuts = new Set(onsets.map((one) => one.frame));
    const moments = onsets.map((one) => ({ ...one, kind: 0 }));
    for (let column = this.low; column < this.high; column++) {
      const own = this.rules.mono ? cuts : new Set(onsets.filter((o) => o.column === column).map((o) => o.frame));
      for (const piece of this.pieces(column, own)) moments.push({ ...piece, kind: 1 });
    }
    moments.sort((a, b) => a.frame - b.frame || a.kind - b.kind || a.column - b.column);
    for (const moment of moments) {
      if (moment.kind) this.takePiece(moment);
      else this.takeOnset(moment);
    }
    for (const note of [...this.sounding.values()]) this.end(note, note.last + note.fall);
    return this.found.sort((a, b) => a.start - b.start || a.end - b.end || a.pitch - b.pitch);
  }

  /** Onsets without those that are a partial, so many semitones above, of one in the same frame or the one before. */
  withoutPartials(least, most) {
    const kept = this.onset.slice();
    for (let away = least; away <= most; away++) {
      for (let column = this.low + away; column < this.high; column++) {
        for (let k = 0; k < this.frames; k++) {
          const below = Math.max(this.step(this.onset, column - away, k), this.step(this.onset, column - away, k - 1));
          if (5 * below >= 4 * this.step(this.onset, column, k)) kept[column * this.frames + k] = 0;
        }
      }
    }
    return kept;
  }

  step(table, column, frame) {
    return frame >= 0 && frame < this.frames ? table[column * this.frames + frame] : 0;
  }

  /** Peaks that reach the threshold; the first of each stretch at or above the lower one. */
  onsets(column) {
    const found = [];
    let had = false;
    for (let k = 0; k < this.frames; k++) {
      const value = this.step(this.onset, column, k);
      if (value < this.onsetLow) had = false;
      if (had || value < this.onsetAt || !this.isPeak(column, k, value)) continue;
      had = true;
      const before = this.step(this.onset, column, k - 1), after = this.step(this.onset, column, k + 1);
      const bend = Math.min(before - 2 * value + after, -1);
      const shift = clamp((0.5 * (before - after)) / bend, -0.5, 0.5);
      found.push({ column, frame: k, shift, score: value, velocity: this.velocity ? this.step(this.velocity, column, k) : -1 });
    }
    return found;
  }

  /** How many frames each note has to last: longer where its onset is not sure and alone. */
  weigh(onsets) {
    const sure = onsets.filter((one) => one.score >= this.sureAt).map((one) => one.frame).sort((a, b) => a - b);
    let from = 0, to = 0;
    for (const one of [...onsets].sort((a, b) => a.frame - b.frame)) {
      while (to < sure.length && sure[to] <= one.frame) to++;
      while (from < to && sure[from] < one.frame - this.reach) from++;
      const isSure = one.score >= this.sureAt || to - from >= this.rules.company;
      one.least = isSure ? this.length : Math.max(this.unsure, this.length);
    }
  }

  isPeak(column, k, value) {
    for (let away = 1; away <= this.peak; away++) {
      if (this.step(this.onset, column, k - away) >= value || this.step(this.onset, column, k + away) > value) return false;
    }
    return true;
  }

  /** Stretches of sustain at or above the lower threshold, cut where something begins. */
  pieces(column, cuts) {
    const found = [];
    const low = this.sustainLow;
    const level = (k) => this.step(this.sustain, column, k);
    const part = (here, beyond) => (beyond >= low ? 1 : (here - low) / Math.max(here - beyond, 1));
    for (let k = 0; k < this.frames; k++) {
      if (level(k) < low) continue;
      const piece = { column, frame: k, last: k, high: Infinity, total: 0 };
      while (k < this.frames && level(k) >= low && (k === piece.frame || !cuts.has(k))) {
        if (level(k) >= this.sustainAt && piece.high === Infinity) piece.high = k;
        piece.total += level(k);
        piece.last = k++;
      }
      k--;
      piece.rise = part(level(piece.frame), level(piece.frame - 1));
      piece.fall = part(level(piece.last), level(piece.last + 1));
      found.push(piece);
    }
    return found;
  }

  /** A note begins; one of its pitch that sounds ends there (in mono, every one). */
  takeOnset({ column, frame, shift, score, velocity, least }) {
    this.endBefore(frame);
    const start = this.time(frame + shift) + this.rules.onset_shift_s;
    const ending = this.rules.mono ? [...this.sounding.values()] : [this.sounding.get(column)].filter(Boolean);
    for (const note of ending) {
      if (frame > note.last + this.gap + 1) this.end(note, note.last + note.fall);
      else this.end(note, Math.min(note.last + note.fall, frame), start);
    }
    this.sounding.set(column, { column, frame, start, soft: false, score, velocity, last: frame, fall: 0, least,
      high: Infinity, total: 0, active: 0, told: false });
  }

  /** A pitch sounds for a while: its note goes on, or a soft one may have begun. */
  takePiece({ column, frame, last, rise, fall, high, total }) {
    let note = this.sounding.get(column);
    if (note && frame > note.last + this.gap + 1) {
      this.end(note, note.last + note.fall);
      note = undefined;
    }
    if (!note) {
      if (this.soft === null) return;
      const start = this.time(frame - rise) + this.rules.onset_shift_s;
      note = { column, frame, start, soft: true, score: 0, velocity: -1, last: frame, fall: 0, least: this.soft,
        high: Infinity, total: 0, active: 0, told: false };
      this.sounding.set(column, note);
    }
    note.last = last;
    note.fall = fall;
    note.high = Math.min(note.high, high);
    note.total += total;
    note.active += last - frame + 1;
    if (!note.told) this.tell(note, frame, last);
  }

  /** See whether it became certain between `first` and `last` that this is a note. */
  tell(note, first, last) {
    let reached = Math.max(first, note.frame + note.least, note.soft ? note.high : 0);
    const others = this.rules.mono ? [...this.sounding.values()].filter((one) => one.told) : [];
    for (const other of others) reached = Math.max(reached, other.last + this.gap + 2);
    if (reached > last) return;
    for (const other of others) this.end(other, other.last + other.fall);
    const free = this.rules.mono ? this.freeMono : (this.free.get(note.column) ?? 0);
    note.told = true;
    note.start = rounded(Math.max(note.start, free), 6);
  }

  endBefore(frame) {
    for (const note of [...this.sounding.values()]) {
      if (note.last + this.gap + 1 < frame) this.end(note, note.last + note.fall);
    }
  }

  /** A note is over, at `at` frames and no later than `latest` seconds. */
  end(note, at, latest = Infinity) {
    this.sounding.delete(note.column);
    if (!note.told) return;
    const end = rounded(Math.min(this.time(at) + this.rules.end_shift_s, latest, this.duration), 6);
    if (end <= note.start) return;
    this.free.set(note.column, end);
    this.freeMono = end;
    const score = rounded((note.soft ? note.total / Math.max(note.active, 1) : note.score) / STEPS, 4);
    const share = note.velocity >= 0 ? note.velocity / STEPS : score;
    this.found.push({
      start: note.start, end, pitch: this.lowestPitch + note.column,
      velocity: note.soft ? SOFT_VELOCITY : clamp(rint(127 * share), 1, 127), score, flags: note.soft ? "soft" : "",
    });
  }

  time(frame) {
    return this.first + frame * this.hop;
  }
}
