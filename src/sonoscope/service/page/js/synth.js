// Notes made heard while a recording plays: harmonics that die away, as the package plays them to a WAV file.

import { pitchHz } from "./numbers.js";

const HARMONICS = 8, ATTACK_S = 0.004, RELEASE_S = 0.03, DECAY_S = 2, AHEAD_S = 0.4, LOUDNESS = 0.22;

export class Synth {
  /** Plays into `output`, a node of `context`. */
  constructor(context, output) {
    this.context = context;
    this.output = output;
    this.waves = new Map();
    this.voices = new Set();
    this.next = 0;
    this.notes = [];
  }

  /** The notes to play, sorted by their beginnings. */
  set(notes) {
    this.notes = notes;
  }

  /** Playing begins, or goes on elsewhere: at `time` of the recording. Notes that sound there already join in. */
  seek(time) {
    this.silence();
    this.next = 0;
    while (this.next < this.notes.length && this.notes[this.next].end <= time) this.next++;
  }

  /** Schedule what begins soon; `time` is where the recording is now, `rate` how fast it goes. */
  advance(time, rate = 1) {
    const until = time + AHEAD_S * rate;
    for (; this.next < this.notes.length && this.notes[this.next].start < until; this.next++) {
      const note = this.notes[this.next];
      if (note.end > time) this.play(note, Math.max((note.start - time) / rate, 0), (note.end - Math.max(note.start, time)) / rate);
    }
  }

  /** One note, now: for keys that are pressed and notes that are pointed at. */
  play({ pitch, velocity }, after = 0, length = 0.6) {
    const start = this.context.currentTime + after, end = start + Math.max(length, ATTACK_S);
    const voice = this.context.createOscillator(), gain = this.context.createGain();
    const hz = pitchHz(pitch), loud = (LOUDNESS * (velocity ?? 80)) / 127;
    voice.frequency.value = hz;
    voice.setPeriodicWave(this.wave(hz));
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(loud, start + ATTACK_S);
    // To a tenth in DECAY_S at middle C, an octave higher in two thirds of it.
    gain.gain.setTargetAtTime(0, start + ATTACK_S, (DECAY_S * (2 / 3) ** ((pitch - 60) / 12)) / Math.LN10);
    gain.gain.setTargetAtTime(0, end, RELEASE_S / 3);
    voice.connect(gain).connect(this.output);
    voice.start(start);
    voice.stop(end + 4 * RELEASE_S);
    this.voices.add(voice);
    voice.onended = () => {
      this.voices.delete(voice);
      gain.disconnect();
    };
  }

  wave(hz) {
    const count = Math.max(1, Math.min(HARMONICS, Math.floor(this.context.sampleRate / 2 / hz)));
    if (!this.waves.has(count)) {
      const sines = Float32Array.from({ length: count + 1 }, (_, k) => (k ? 1 / k : 0));
      this.waves.set(count, this.context.createPeriodicWave(new Float32Array(count + 1), sines, { disableNormalization: true }));
    }
    return this.waves.get(count);
  }

  silence() {
    for (const voice of this.voices) voice.stop();
    this.voices.clear();
  }
}
