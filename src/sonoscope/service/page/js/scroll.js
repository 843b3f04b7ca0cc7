// A spectrogram that is drawn while the sound comes: a ring of columns, the newest at the right edge.

import { FrequencyAxis } from "./axes.js";
import { theme } from "./colours.js";
import { Spectrum } from "./fft.js";
import { lookup } from "./picture.js";
import { paintColumn, rowsOfBins } from "./sources.js";

const SIZE = 4096, ROWS = 320, COLUMNS = 1400, HOP_S = 0.01, FLOOR_DB = -90, CEILING_DB = -20;

export class Scroll {
  constructor() {
    this.axis = new FrequencyAxis("log", 40, 10000);
    this.spectrum = new Spectrum(SIZE);
    this.canvas = new OffscreenCanvas(COLUMNS, ROWS);
    this.context = this.canvas.getContext("2d");
    this.column = this.context.createImageData(1, ROWS);
    this.levels = new Uint8Array(COLUMNS * ROWS);
    this.recolour();
  }

  begin(sampleRate) {
    this.hop = Math.round(HOP_S * sampleRate);
    this.hopS = this.hop / sampleRate;
    this.rows = rowsOfBins(this.axis, ROWS, sampleRate / SIZE, SIZE / 2);
    this.recent = new Float32Array(0);
    this.drawn = 0;
    this.levels.fill(0);
    this.recolour();
  }

  /** Sound comes; every hop of it is a column. */
  push(block) {
    const all = new Float32Array(this.recent.length + block.length);
    all.set(this.recent);
    all.set(block, this.recent.length);
    let first = 0;
    for (; first + SIZE <= all.length; first += this.hop) {
      const at = this.drawn++ % COLUMNS;
      paintColumn(this.spectrum.decibels(all, first), this.rows, this.levels, at, COLUMNS);
      this.paint(at);
    }
    this.recent = all.slice(first);
  }

  paint(at) {
    const words = new Uint32Array(this.column.data.buffer);
    for (let row = 0; row < ROWS; row++) words[row] = this.colours[this.levels[row * COLUMNS + at]];
    this.context.putImageData(this.column, at, 0);
  }

  recolour() {
    this.colours = lookup(FLOOR_DB, CEILING_DB, theme());
    for (let at = 0; at < COLUMNS; at++) this.paint(at);
  }

  /** The last `seconds`, ending at the right edge. */
  draw(context, width, height, seconds) {
    if (!this.hopS) return;
    const wanted = Math.min(Math.round(seconds / this.hopS), COLUMNS), pixels = width / wanted;
    const count = Math.min(wanted, this.drawn), end = this.drawn % COLUMNS || (this.drawn ? COLUMNS : 0);
    const later = Math.min(count, end), earlier = count - later;
    context.imageSmoothingEnabled = true;
    if (later) context.drawImage(this.canvas, end - later, 0, later, ROWS, width - later * pixels, 0, later * pixels, height);
    if (earlier > 0) context.drawImage(this.canvas, COLUMNS - earlier, 0, earlier, ROWS, width - count * pixels, 0, earlier * pixels + 0.5, height);
  }
}
