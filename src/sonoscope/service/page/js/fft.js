// The spectrum of real sound, in dB re a sine of full scale: what the live view draws, and pages without a server.

export class Spectrum {
  /** `size` samples under a Hann window; a power of two. */
  constructor(size) {
    this.size = size;
    this.window = Float64Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
    this.cos = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.sin = Float64Array.from({ length: size / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / size));
    this.order = new Uint32Array(size);
    for (let bits = Math.log2(size), n = 0; n < size; n++) {
      let turned = 0;
      for (let b = 0; b < bits; b++) turned |= ((n >> b) & 1) << (bits - 1 - b);
      this.order[n] = turned;
    }
    this.re = new Float64Array(size);
    this.im = new Float64Array(size);
    // A sine of amplitude 1 gives half the window's sum in its bin.
    this.fullScale = this.window.reduce((sum, w) => sum + w, 0) / 2;
  }

  /** dB of the bins from 0 up to, without, half the rate, of `size` samples from `first` on; zeros outside. */
  decibels(samples, first, out = new Float32Array(this.size / 2)) {
    const { size, re, im, order, window } = this;
    for (let n = 0; n < size; n++) {
      const at = first + n;
      re[order[n]] = at >= 0 && at < samples.length ? samples[at] * window[n] : 0;
      im[order[n]] = 0;
    }
    this.transform();
    for (let k = 0; k < size / 2; k++) {
      const power = (re[k] * re[k] + im[k] * im[k]) / (this.fullScale * this.fullScale);
      out[k] = 10 * Math.log10(Math.max(power, 1e-12));
    }
    return out;
  }

  transform() {
    const { size, re, im, cos, sin } = this;
    for (let half = 1; half < size; half *= 2) {
      const step = size / (2 * half);
      for (let begin = 0; begin < size; begin += 2 * half) {
        for (let k = 0; k < half; k++) {
          const a = begin + k, b = a + half, c = cos[k * step], s = sin[k * step];
          const x = re[b] * c + im[b] * s, y = im[b] * c - re[b] * s;
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  }
}
