// Rounding as Python does it, and times and frequencies as they are shown and written.

/** To a whole number, half to even. */
export function rint(x) {
  const low = Math.floor(x), part = x - low;
  if (part < 0.5) return low;
  if (part > 0.5) return low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/** To so many decimals, as Python's round: by the exact value, half to even. */
export function rounded(x, decimals) {
  // Only odd multiples of 2^-(decimals + 1) lie exactly between two decimal steps.
  const half = x * 2 ** (decimals + 1);
  if (Number.isInteger(half) && half % 2 !== 0) return rint(x * 10 ** decimals) / 10 ** decimals;
  return Number(x.toFixed(decimals));
}

/** Seconds as every file of ours has them: 3 to 6 decimals. */
export function written(seconds) {
  let text = rounded(seconds, 6).toFixed(6);
  while (text.endsWith("0") && text.at(-4) !== ".") text = text.slice(0, -1);
  return text;
}

/** Seconds as a clock: `1:02:03.4`; `decimals` of the seconds. */
export function clock(seconds, decimals = 0) {
  const units = 10 ** decimals;
  const all = Math.round(Math.max(seconds, 0) * units);
  const whole = Math.floor(all / units), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const two = (n) => String(n).padStart(2, "0");
  const part = decimals ? `.${String(all % units).padStart(decimals, "0")}` : "";
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}${part}` : `${minutes}:${two(whole % 60)}${part}`;
}

/** A frequency to read: `440 Hz`, `2.5 kHz`. */
export function hertz(hz) {
  if (hz >= 999.5) return `${Number((hz / 1000).toFixed(hz < 9995 ? 2 : 1))} kHz`;
  return `${Number(hz.toFixed(hz < 99.5 ? 1 : 0))} Hz`;
}

const TONES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** A MIDI number's name, middle C as C4. */
export function pitchName(midi) {
  return `${TONES[((midi % 12) + 12) % 12]}${Math.floor(midi / 12) - 1}`;
}

export const pitchHz = (midi) => 440 * 2 ** ((midi - 69) / 12);
export const hzPitch = (hz) => 69 + 12 * Math.log2(hz / 440);
export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
