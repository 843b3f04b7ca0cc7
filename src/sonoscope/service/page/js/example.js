// A few bars that the browser plays to itself: something to look at for who has no recording at hand.

import { Synth } from "./synth.js";
import { wav } from "./files.js";

const RATE = 44100, BEAT_S = 0.42;
// Beats and MIDI numbers: a broken-chord accompaniment under a melody.
const CHORDS = [[48, 55, 64, 67], [45, 52, 60, 64], [41, 48, 57, 60], [43, 50, 59, 65], [48, 55, 64, 67]];
const MELODY = [[0, 76, 1.5], [1.5, 74, 0.5], [2, 72, 1], [3, 79, 1], [4, 76, 2], [6, 72, 1], [7, 74, 1], [8, 77, 1.5], [9.5, 76, 0.5],
  [10, 74, 1], [11, 72, 1], [12, 71, 2], [14, 74, 1], [15, 67, 1], [16, 72, 3.5]];

/** The notes of the example: {start, end, pitch, velocity}. */
export function exampleNotes() {
  const notes = MELODY.map(([at, pitch, beats]) => ({ start: at * BEAT_S, end: (at + 0.95 * beats) * BEAT_S, pitch, velocity: 105 }));
  CHORDS.forEach((chord, bar) => {
    for (let step = 0; step < (bar === CHORDS.length - 1 ? 4 : 8); step++) {
      const at = (4 * bar + step / 2) * BEAT_S, pitch = chord[[0, 1, 2, 3, 2, 3, 2, 1][step]];
      notes.push({ start: at, end: at + 1.2 * BEAT_S, pitch, velocity: step ? 58 : 76 });
    }
  });
  return notes.map((note) => ({ ...note, start: note.start + 0.15, end: note.end + 0.15 })).sort((a, b) => a.start - b.start);
}

/** The example as a WAV file. */
export async function example() {
  const notes = exampleNotes(), length = Math.max(...notes.map((note) => note.end)) + 1.2;
  const context = new OfflineAudioContext(1, Math.ceil(length * RATE), RATE);
  const gain = context.createGain();
  gain.gain.value = 0.9;
  gain.connect(context.destination);
  const synth = new Synth(context, gain);
  for (const note of notes) synth.play(note, note.start, note.end - note.start);
  const sound = await context.startRendering();
  return new File([wav([sound.getChannelData(0)], RATE)], "example.wav", { type: "audio/wav" });
}
