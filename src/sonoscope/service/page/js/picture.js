// The picture of a recording: tiles of its spectrogram, coloured; its waveform; its notes as a piano roll.

import { levelFor } from "./axes.js";
import { css, ramp, theme } from "./colours.js";
import { clamp } from "./numbers.js";
import { COLUMNS, HIGH_DB, HOP_S, LOW_DB, levelsOf } from "./sources.js";

const KEPT_TILES = 60, AT_ONCE = 4;

/** Makes a canvas as fine as the screen; gives its context, width and height in CSS pixels. */
export function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, fine = Math.min(devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * fine) || canvas.height !== Math.round(height * fine)) {
    canvas.width = Math.round(width * fine);
    canvas.height = Math.round(height * fine);
  }
  const context = canvas.getContext("2d");
  context.setTransform(fine, 0, 0, fine, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** The colours of levels 0 to 255 when `floor` to `ceiling` dB are shown. */
export function lookup(floor, ceiling, name = theme()) {
  const colours = ramp(name), table = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const decibels = LOW_DB + (level / 255) * (HIGH_DB - LOW_DB);
    table[level] = colours[clamp(Math.round((255 * (decibels - floor)) / Math.max(ceiling - floor, 1)), 0, 255)];
  }
  return table;
}

export class Spectrogram {
  /** Draws on `canvas`; `changed` is called when a tile came. */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.range = { floor: -90, ceiling: -10 };
    this.failed = null;
    this.show(null);
  }

  show(source) {
    this.source = source;
    this.tiles = new Map();
    this.waiting = new Set();
    this.wanted = [];
    this.failed = null;
    this.recolour();
  }

  setRange(range) {
    this.range = range;
    this.recolour();
  }

  recolour() {
    this.colours = lookup(this.range.floor, this.range.ceiling);
    for (const tile of this.tiles?.values() ?? []) tile.image = null;
  }

  draw(view, axis) {
    const { context, width, height } = fitted(this.canvas);
    if (!this.source || !width) return;
    this.axis = axis;
    this.rows = clamp(Math.round(height / 32) * 32, 64, 512);
    const levels = levelsOf(this.source.duration);
    const level = levelFor(HOP_S, levels, view.span / width / 1.5);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    const span = COLUMNS * HOP_S * 2 ** level;
    const first = Math.floor(view.start / span), last = Math.floor((view.end - 1e-9) / span);
    this.wanted = [];
    for (let number = first; number <= last; number++) {
      const tile = this.tile(level, number);
      if (tile) this.put(context, tile, view, width, height);
      else this.putCoarser(context, level, number, levels, view, width, height);
    }
    this.tile(levels - 1, 0); // something to show wherever one looks next
    for (const number of [last + 1, first - 1]) {
      if (number >= 0 && number * span < this.source.duration) this.tile(level, number);
    }
    this.fetch();
  }

  key(level, number) {
    return `${level}/${number}/${this.axis.kind}/${this.axis.lowHz}/${this.axis.highHz}/${this.rows}`;
  }

  /** A tile that is there; one that is not will be asked for. */
  tile(level, number) {
    const key = this.key(level, number), tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    } else if (!this.waiting.has(key)) this.wanted.push({ level, number, key, axis: this.axis, rows: this.rows });
    return tile;
  }

  fetch() {
    while (this.wanted.length && this.waiting.size < AT_ONCE) {
      const { level, number, key, axis, rows } = this.wanted.shift(), source = this.source;
      if (this.waiting.has(key)) continue;
      this.waiting.add(key);
      source.tile(level, number, axis, rows).then((tile) => {
        if (source !== this.source) return;
        this.tiles.set(key, { ...tile, level, number, image: null });
        while (this.tiles.size > KEPT_TILES) this.tiles.delete(this.tiles.keys().next().value);
      }).catch((error) => { this.failed = error; }).finally(() => {
        this.waiting.delete(key);
        if (source === this.source && !this.failed) this.changed();
      });
    }
  }

  putCoarser(context, level, number, levels, view, width, height) {
    for (let up = 1; level + up < levels; up++) {
      const tile = this.tiles.get(this.key(level + up, number >> up));
      if (!tile) continue;
      const span = COLUMNS * HOP_S * 2 ** level, left = view.at(number * span) * width;
      context.save();
      context.beginPath();
      context.rect(left, 0, (span / view.span) * width + 1, height);
      context.clip();
      this.put(context, tile, view, width, height);
      context.restore();
      return;
    }
  }

  put(context, tile, view, width, height) {
    const span = COLUMNS * HOP_S * 2 ** tile.level, start = tile.number * span;
    tile.image ??= this.coloured(tile);
    const end = Math.min(start + span, this.source.duration), share = (end - start) / span;
    context.drawImage(tile.image, 0, 0, tile.width * share, tile.height,
      view.at(start) * width, 0, ((end - start) / view.span) * width + 0.6, height);
  }

  coloured(tile) {
    const image = new OffscreenCanvas(tile.width, tile.height), context = image.getContext("2d");
    const pixels = context.createImageData(tile.width, tile.height), words = new Uint32Array(pixels.data.buffer);
    for (let n = 0; n < words.length; n++) words[n] = this.colours[tile.levels[n]];
    context.putImageData(pixels, 0, 0);
    return image;
  }

  /** How loud it is at a moment and a height (0 is the top), in dB; undefined where nothing is known yet. */
  decibels(time, share) {
    for (const tile of [...this.tiles.values()].reverse()) {
      const span = COLUMNS * HOP_S * 2 ** tile.level, column = Math.floor((time / span - tile.number) * tile.width);
      if (column < 0 || column >= tile.width || this.tiles.get(this.key(tile.level, tile.number)) !== tile) continue;
      const row = clamp(Math.floor(share * tile.height), 0, tile.height - 1);
      return LOW_DB + (tile.levels[row * tile.width + column] / 255) * (HIGH_DB - LOW_DB);
    }
    return undefined;
  }
}

/** The waveform: lowest and highest sample for each pixel, drawn as loud as the recording's peak. */
export class Wave {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.show(null);
  }

  show(source) {
    this.source = source;
    this.whole = null;
    this.near = null;
    this.asked = "";
    clearTimeout(this.timer);
    source?.peaks(0, source.duration, 1600).then((peaks) => {
      if (source !== this.source) return;
      this.whole = { ...peaks, start: 0, end: source.duration };
      this.loudest = Math.max(0.02, ...peaks.high, ...peaks.low.map((value) => -value));
      this.changed();
    }).catch(() => null);
  }

  draw(view) {
    const { context, width, height } = fitted(this.canvas);
    if (!this.whole) return;
    const near = this.near && this.near.start <= view.start + 1e-6 && this.near.end >= view.end - 1e-6 ? this.near : this.whole;
    const finer = (near.end - near.start) / near.low.length > (1.4 * view.span) / width;
    if (finer) this.ask(view, width);
    this.trace(context, near, view, width, height);
  }

  ask(view, width) {
    const start = Math.max(view.start - view.span / 2, 0), end = Math.min(view.end + view.span / 2, this.source.duration);
    const key = `${start}/${end}/${width}`, source = this.source;
    if (key === this.asked) return;
    this.asked = key;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const points = clamp(Math.round((width * (end - start)) / view.span), 16, 4096);
      source.peaks(start, end, points).then((peaks) => {
        if (source !== this.source || key !== this.asked) return;
        this.near = { ...peaks, start, end };
        this.changed();
      }).catch(() => null);
    }, 90);
  }

  trace(context, peaks, view, width, height) {
    const step = (peaks.end - peaks.start) / peaks.low.length, middle = height / 2, scale = (0.94 * middle) / this.loudest;
    const first = Math.max(Math.floor((view.start - peaks.start) / step), 0);
    const last = Math.min(Math.ceil((view.end - peaks.start) / step), peaks.low.length - 1);
    const x = (n) => view.at(peaks.start + (n + 0.5) * step) * width;
    context.fillStyle = context.strokeStyle = css("--wave");
    context.lineWidth = 1;
    context.beginPath();
    for (let n = first; n <= last; n++) context.lineTo(x(n), middle - peaks.high[n] * scale);
    for (let n = last; n >= first; n--) context.lineTo(x(n), middle - peaks.low[n] * scale);
    context.closePath();
    context.fill();
    context.stroke();
  }
}

/** Notes over the spectrogram; those that sound at `now` shine. */
export function drawRoll(canvas, notes, view, axis, now) {
  const { context, width, height } = fitted(canvas);
  if (!notes.length) return;
  const coral = css("--coral"), ground = css("--paper");
  for (const note of notes) {
    if (note.end < view.start) continue;
    if (note.start > view.end) break;
    const top = axis.at(440 * 2 ** ((note.pitch - 68.58) / 12)) * height;
    const bottom = axis.at(440 * 2 ** ((note.pitch - 69.42) / 12)) * height;
    const left = view.at(note.start) * width, long = Math.max(((note.end - note.start) / view.span) * width, 2);
    const tall = Math.max(bottom - top, 3), y = (top + bottom - tall) / 2, sounds = note.start <= now && now < note.end;
    if (y > height || y + tall < 0) continue;
    context.globalAlpha = sounds ? 1 : 0.45 + 0.5 * (note.velocity / 127);
    context.fillStyle = coral;
    context.strokeStyle = sounds ? css("--cursor") : ground;
    context.lineWidth = sounds ? 2 : 1;
    context.beginPath();
    context.roundRect(left, y, long, tall, Math.min(tall / 2, long / 2, 4));
    context.fill();
    context.stroke();
  }
  context.globalAlpha = 1;
}

const BLACK = new Set([1, 3, 6, 8, 10]);

/** The keys of a piano at their frequencies; `sounding` are the MIDI numbers that are lit. */
export function drawKeys(canvas, axis, sounding) {
  const { context, width, height } = fitted(canvas);
  const dark = theme() === "dark", short = width * 0.6;
  const [ivory, ebony, line] = dark ? ["#cfcabc", "#11181b", "#77746a"] : ["#fffefa", "#2a3135", "#bdb6a5"];
  const edge = (midi) => axis.at(440 * 2 ** ((midi - 69) / 12)) * height;
  const first = edge(108.5), last = edge(20.5);
  context.fillStyle = ivory;
  context.fillRect(0, first, width, last - first);
  context.font = "9px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (let midi = 21; midi <= 108; midi++) {
    const top = edge(midi + 0.5), bottom = edge(midi - 0.5), black = BLACK.has(midi % 12), lit = sounding.has(midi);
    if (bottom < 0 || top > height) continue;
    if (lit || black) {
      context.fillStyle = lit ? css("--coral") : ebony;
      context.fillRect(0, top, black ? short : width, bottom - top);
    }
    // White keys meet behind the middle of a black one, and directly between B and C, E and F.
    context.fillStyle = line;
    if (black) context.fillRect(short, (top + bottom) / 2 - 0.3, width - short, 0.6);
    if (midi % 12 === 0 || midi % 12 === 5) context.fillRect(0, bottom - 0.3, width, 0.6);
    if (midi % 12 === 0 && bottom - top > 3) {
      context.fillStyle = "#333b3f";
      context.fillText(`C${midi / 12 - 1}`, width - 2, (top + bottom) / 2);
    }
  }
  context.strokeStyle = line;
  context.strokeRect(0.5, first + 0.5, width - 1, last - first - 1);
}
