// Axes: where a frequency or a moment lies on the picture, and which of them are named beside it.

import { clamp, clock, hertz } from "./numbers.js";

// The mel scale of the models' own features (Slaney's): linear to 1 kHz, logarithmic above.
const MEL_STEP = 200 / 3, MEL_BREAK = 1000 / MEL_STEP, MEL_LOG = Math.log(6.4) / 27;

const SCALES = {
  linear: { to: (hz) => hz, from: (x) => x },
  log: { to: (hz) => Math.log2(Math.max(hz, 1e-3)), from: (x) => 2 ** x },
  mel: {
    to: (hz) => (hz < 1000 ? hz / MEL_STEP : MEL_BREAK + Math.log(hz / 1000) / MEL_LOG),
    from: (mel) => (mel < MEL_BREAK ? mel * MEL_STEP : 1000 * Math.exp(MEL_LOG * (mel - MEL_BREAK))),
  },
};

export const AXES = Object.keys(SCALES);

/** Frequencies from low to high over a height: `at(hz)` is 1 at the bottom's edge and 0 at the top. */
export class FrequencyAxis {
  constructor(kind, lowHz, highHz) {
    this.kind = kind;
    this.lowHz = kind === "log" ? Math.max(lowHz, 20) : lowHz;
    this.highHz = highHz;
    this.scale = SCALES[kind];
    this.first = this.scale.to(this.lowHz);
    this.span = this.scale.to(this.highHz) - this.first;
  }

  at(hz) {
    return 1 - (this.scale.to(hz) - this.first) / this.span;
  }

  hz(share) {
    return this.scale.from(this.first + (1 - share) * this.span);
  }

  /** `[{hz, at, text}]`, at least `apart` of the height from each other. */
  ticks(apart) {
    const found = [];
    for (const hz of this.candidates()) {
      const at = this.at(hz);
      if (at < -1e-9 || at > 1 + 1e-9 || found.some((one) => Math.abs(one.at - at) < apart)) continue;
      found.push({ hz, at, text: hertz(hz) });
    }
    return found.sort((a, b) => a.hz - b.hz);
  }

  /** Frequencies worth a name, the roundest first. */
  candidates() {
    const found = [];
    if (this.kind === "linear") {
      for (const step of [10000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10]) {
        if ((this.highHz - this.lowHz) / step > 60) break;
        for (let hz = Math.ceil(this.lowHz / step) * step; hz <= this.highHz; hz += step) found.push(hz);
      }
      return found;
    }
    for (const digits of [[1], [5, 2], [3, 7], [1.5, 4, 6, 8]]) {
      for (let decade = this.kind === "mel" ? 100 : 10; decade <= 1e5; decade *= 10) for (const digit of digits) found.push(digit * decade);
    }
    return found.filter((hz) => hz >= this.lowHz && hz <= this.highHz);
  }
}

const STEPS_S = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
];

/** Moments named between `start` and `end`: `[{time, text}]`, at most `most` of them. */
export function timeTicks(start, end, most) {
  const step = STEPS_S.find((one) => (end - start) / one <= most) ?? 14400;
  const decimals = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
  const found = [];
  for (let number = Math.ceil(start / step - 1e-9); number * step <= end + 1e-9; number++) {
    found.push({ time: number * step, text: clock(number * step, decimals) });
  }
  return found;
}

/** The part of a recording that is looked at. All changes give a new one that lies within the recording. */
export class View {
  constructor(duration, start = 0, end = duration) {
    this.duration = Math.max(duration, 0.05);
    const shortest = Math.min(View.SHORTEST_S, this.duration);
    const span = clamp(end - start, shortest, this.duration);
    this.start = clamp(start, 0, this.duration - span);
    this.end = this.start + span;
  }

  get span() {
    return this.end - this.start;
  }

  /** Around the moment at `share` of the width, which stays where it is; `factor` below 1 shows less. */
  zoom(factor, share = 0.5) {
    const fixed = this.time(share);
    const span = clamp(this.span * factor, Math.min(View.SHORTEST_S, this.duration), this.duration);
    return new View(this.duration, fixed - share * span, fixed + (1 - share) * span);
  }

  pan(seconds) {
    return new View(this.duration, this.start + seconds, this.end + seconds);
  }

  time(share) {
    return this.start + share * this.span;
  }

  at(time) {
    return (time - this.start) / this.span;
  }

  /** Moved so that `time` is in sight, with a third of the width before it when it was not. */
  showing(time) {
    return time >= this.start && time <= this.end ? this : this.pan(time - this.start - this.span / 3);
  }
}
View.SHORTEST_S = 0.05;

/** The level of a pyramid whose columns are no wider than a pixel, or level 0. Column widths double with each level. */
export function levelFor(hopS, levels, secondsPerPixel) {
  return clamp(Math.floor(Math.log2(Math.max(secondsPerPixel / hopS, 1)) + 1e-9), 0, levels - 1);
}
