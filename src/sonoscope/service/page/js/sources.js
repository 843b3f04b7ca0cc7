// Where the picture of a recording comes from: the service, or samples that the browser has itself.
//
// Both give `duration` and `sample_rate`, `tile(level, number, axis, height)` → {width, height, levels: bytes, the highest
// frequency first} and `peaks(start, end, points)` → {low, high}, from -1 to 1. A tile of level L has COLUMNS columns,
// each HOP_S · 2^L wide; 0 is LOW_DB or less, 255 HIGH_DB or more; 0 dB is a sine of full scale.

import { Spectrum } from "./fft.js";

export const COLUMNS = 512, HOP_S = 1 / 512, LOW_DB = -100, HIGH_DB = 0;

/** How many levels a recording has: at the last one it is a tile. */
export const levelsOf = (duration) => Math.max(Math.ceil(Math.log2(Math.max(duration, 1) / (COLUMNS * HOP_S))), 0) + 1;

/** A recording that the service holds. */
export class Remote {
  constructor(service, recording) {
    Object.assign(this, recording);
    this.service = service;
  }

  async tile(level, number, axis, height) {
    const span = COLUMNS * HOP_S * 2 ** level;
    const query = new URLSearchParams({
      start: number * span, end: (number + 1) * span, width: COLUMNS, height, scale: axis.kind,
      low: axis.lowHz, high: axis.highHz, floor_db: LOW_DB, top_db: HIGH_DB, colors: "grey",
    });
    const blob = await this.service.blob(`recordings/${this.id}/spectrogram?${query}`);
    const image = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, image.width, image.height).data;
    const levels = new Uint8Array(image.width * image.height);
    for (let n = 0; n < levels.length; n++) levels[n] = pixels[4 * n];
    return { width: image.width, height: image.height, levels };
  }

  async peaks(start, end, points) {
    const query = new URLSearchParams({ start: start.toFixed(6), end: end.toFixed(6), points });
    const found = await this.service.json(`recordings/${this.id}/peaks?${query}`);
    return { low: found.min, high: found.max };
  }
}

const SIZE = 2048;

/** Which bins, and how much of each, a row of the picture shows: `[first, last, share of the upper neighbour]`. */
export function rowsOfBins(axis, height, binHz, bins) {
  return Array.from({ length: height }, (_, row) => {
    const top = axis.hz(row / height) / binHz, bottom = axis.hz((row + 1) / height) / binHz;
    if (top - bottom <= 1.5) {
      const middle = Math.min((top + bottom) / 2, bins - 1), first = Math.floor(middle);
      return [first, Math.min(first + 1, bins - 1), middle - first];
    }
    return [Math.max(Math.round(bottom), 0), Math.min(Math.round(top), bins - 1), -1];
  });
}

/** Decibels of bins as bytes of rows, into every `stride`-th place of `levels` from `at` on. */
export function paintColumn(decibels, rows, levels, at, stride) {
  rows.forEach(([first, last, share], row) => {
    let value = decibels[first];
    if (share >= 0) value += share * (decibels[last] - value);
    else for (let bin = first + 1; bin <= last; bin++) value = Math.max(value, decibels[bin]);
    const level = Math.round((255 * (value - LOW_DB)) / (HIGH_DB - LOW_DB));
    levels[at + row * stride] = level < 0 ? 0 : level > 255 ? 255 : level;
  });
}

/** A recording whose samples are here: mono, floats. */
export class Local {
  constructor(name, samples, sampleRate) {
    Object.assign(this, { id: name, name, samples, sample_rate: sampleRate, duration: samples.length / sampleRate });
    this.spectrum = new Spectrum(SIZE);
  }

  async tile(level, number, axis, height) {
    const hop = HOP_S * 2 ** level * this.sample_rate, bins = SIZE / 2;
    const rows = rowsOfBins(axis, height, this.sample_rate / SIZE, bins);
    const levels = new Uint8Array(COLUMNS * height), most = new Float32Array(bins), decibels = new Float32Array(bins);
    // Far out, the loudest of a few moments stands for a column: all of them would be the whole recording again.
    const looks = Math.min(2 ** Math.max(level - 1, 0), 4);
    for (let column = 0; column < COLUMNS; column++) {
      most.fill(-200);
      for (let look = 0; look < looks; look++) {
        const middle = (number * COLUMNS + column + (look + 0.5) / looks) * hop;
        if (middle > this.samples.length) break;
        this.spectrum.decibels(this.samples, Math.round(middle) - SIZE / 2, decibels);
        for (let bin = 0; bin < bins; bin++) if (decibels[bin] > most[bin]) most[bin] = decibels[bin];
      }
      paintColumn(most, rows, levels, column, COLUMNS);
    }
    return { width: COLUMNS, height, levels };
  }

  async peaks(start, end, points) {
    const low = new Float32Array(points), high = new Float32Array(points);
    for (let point = 0; point < points; point++) {
      const at = (place) => Math.round((start + ((end - start) * place) / points) * this.sample_rate);
      const first = Math.max(at(point), 0), last = Math.min(Math.max(at(point + 1), first + 1), this.samples.length);
      for (let n = first; n < last; n++) {
        if (this.samples[n] < low[point]) low[point] = this.samples[n];
        if (this.samples[n] > high[point]) high[point] = this.samples[n];
      }
    }
    return { low, high };
  }
}
