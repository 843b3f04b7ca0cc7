// Files that the browser itself makes: WAV, MIDI, tables; and how they are handed out.

import { written } from "./numbers.js";

/** 16-bit mono WAV of blocks of floats. */
export function wav(blocks, sampleRate) {
  const count = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, word) => [...word].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
      at += 2;
    }
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}

const TICKS = 960, TEMPO_US = 500000;

/** A Standard MIDI file of type 1: the tempo, then one track; as the package writes notes at 120 beats a minute. */
export function midi(notes) {
  const perSecond = (TICKS * 1e6) / TEMPO_US;
  const moments = [];
  for (const { start, end, pitch, velocity } of notes) {
    const first = Math.round(start * perSecond), last = Math.max(Math.round(end * perSecond), first + 1);
    moments.push([first, 1, [0x90, pitch, velocity]], [last, 0, [0x80, pitch, 0]]);
  }
  moments.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const track = [0, 0xff, 3, 4, ...[..."note"].map((letter) => letter.charCodeAt(0)), 0, 0xc0, 0];
  let now = 0;
  for (const [tick, , message] of moments) {
    track.push(...variable(tick - now), ...message);
    now = tick;
  }
  const tempo = [0, 0xff, 0x51, 3, TEMPO_US >> 16, (TEMPO_US >> 8) & 255, TEMPO_US & 255, 0, 0xff, 0x58, 4, 4, 2, 24, 8];
  const end = [0, 0xff, 0x2f, 0];
  const header = [0x4d, 0x54, 0x68, 0x64, 0, 0, 0, 6, 0, 1, 0, 2, TICKS >> 8, TICKS & 255];
  return new Blob([Uint8Array.from([...header, ...chunk([...tempo, ...end]), ...chunk([...track, ...end])])], { type: "audio/midi" });
}

function variable(number) {
  const bytes = [number & 127];
  while ((number >>= 7)) bytes.unshift((number & 127) | 128);
  return bytes;
}

const chunk = (bytes) => [0x4d, 0x54, 0x72, 0x6b, ...[24, 16, 8, 0].map((shift) => (bytes.length >> shift) & 255), ...bytes];

/** A CSV table; cells that need it are quoted. */
export function csv(columns, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows].map((row) => row.map(cell).join(","));
  return new Blob([`${lines.join("\n")}\n`], { type: "text/csv" });
}

/** A number of the scores' decimals as tables have it. */
export const scoreText = (score) => String(Number(score.toFixed(4)));
export const timeText = written;

/** Hand a file to whoever asked for it. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
