// Plays a recording, its notes as sound beside it, each as loud as its slider says.

import { Synth } from "./synth.js";

export class Player {
  /** `moved(time)` is called while it plays, `changed()` when it starts or stops. */
  constructor(moved, changed) {
    this.moved = moved;
    this.changed = changed;
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.levels = { sound: 1, notes: 0 };
    this.part = null;
    this.loops = false;
    this.audio.addEventListener("play", () => this.began());
    this.audio.addEventListener("pause", () => this.ended());
    this.audio.addEventListener("ended", () => this.ended());
    this.audio.addEventListener("seeked", () => this.synth?.seek(this.time));
    this.audio.addEventListener("error", () => this.audio.src && this.failed?.());
  }

  load(address) {
    this.pause();
    this.part = null;
    this.notes = [];
    if (address) this.audio.src = address;
    else this.audio.removeAttribute("src");
    this.audio.load();
  }

  /** The sound system may begin only when somebody touched the page. */
  wake() {
    if (!this.context) {
      this.context = new AudioContext();
      this.sound = this.context.createGain();
      this.synthGain = this.context.createGain();
      this.context.createMediaElementSource(this.audio).connect(this.sound).connect(this.context.destination);
      const limit = this.context.createDynamicsCompressor();
      this.synthGain.connect(limit).connect(this.context.destination);
      this.synth = new Synth(this.context, this.synthGain);
      this.setLevel();
    }
    return this.context.resume();
  }

  setLevel(levels = {}) {
    Object.assign(this.levels, levels);
    if (!this.context) return;
    const now = this.context.currentTime;
    this.sound.gain.setTargetAtTime(this.levels.sound, now, 0.02);
    this.synthGain.gain.setTargetAtTime(this.levels.notes, now, 0.02);
  }

  setNotes(notes) {
    this.notes = notes;
    this.synth?.set(notes);
    if (this.playing) this.synth?.seek(this.time);
  }

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }

  get time() {
    return this.audio.currentTime;
  }

  seek(time) {
    this.audio.currentTime = time;
  }

  /** Play from where it is; a part only, if one is given. */
  async play(part = null) {
    await this.wake();
    this.part = part;
    if (part && (this.time < part.start - 0.005 || this.time >= part.end - 0.02)) this.seek(part.start);
    else if (this.audio.ended) this.seek(0);
    this.synth.set(this.notes ?? []);
    await this.audio.play();
  }

  pause() {
    this.audio.pause();
  }

  began() {
    this.synth?.seek(this.time);
    this.changed();
    const frame = () => {
      if (!this.playing) return;
      const time = this.time;
      if (this.part && time >= this.part.end) {
        if (!this.loops) {
          this.pause();
          this.seek(this.part.end);
          this.moved(this.part.end);
          return;
        }
        this.seek(this.part.start);
      }
      if (this.levels.notes > 0) this.synth?.advance(time, this.audio.playbackRate);
      this.moved(time);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  ended() {
    this.synth?.silence();
    this.changed();
  }

  /** Sound a key. */
  async strike(pitch) {
    await this.wake();
    const loud = this.synthGain.gain.value;
    if (loud < 0.3) this.synthGain.gain.setValueAtTime(0.7, this.context.currentTime);
    this.synth.play({ pitch, velocity: 90 });
    if (loud < 0.3) this.synthGain.gain.setTargetAtTime(this.levels.notes, this.context.currentTime + 0.7, 0.1);
  }
}
