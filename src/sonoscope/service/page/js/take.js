// One recording on the desk: where it stands, what models said of it, how that is decided, what was cut from it.

import { scoresOf } from "./columns.js";
import { find, soundingSeconds } from "./decide.js";

const NOTES = "notes";

/** A remark as the page says it: it has no option for a channel, and hears the mean of all. */
export const said = (remark) => remark.replace(/: hear .+ \(--channel (\d+)\)$/,
  ". This page hears that mean: save channel $1 as a file of its own (in Audacity: Split Stereo to Mono, then Export) "
  + "and give it that one, or run sonoscope analyze FILE --channel $1");

export class Take {
  /** `changed(take)` is called whenever something about it did. */
  constructor(service, models, name, changed) {
    Object.assign(this, { service, models, name, changed });
    this.state = "waiting"; // uploading, ready, failed
    this.progress = null; // {share, words} while something goes on
    this.tags = new Map(); // model → {title, scores, given, decision}
    this.notes = null; // {model, given, options, list, entry}
    this.asked = new Set();
    this.parts = [];
    this.remarks = [];
    this.error = null;
  }

  async upload(file) {
    this.say("uploading", { share: 0, words: "Uploading" });
    try {
      this.recording = await this.service.upload(file, this.name, (share, prepared) => {
        this.say("uploading", { share: prepared ?? share, words: share < 1 ? "Uploading" : "Reading the sound" });
      });
      this.source = this.service.source(this.recording);
      this.remark(this.recording.note);
      this.say("ready", null);
    } catch (error) {
      this.error = error;
      this.say("failed", null);
    }
    return this.state === "ready";
  }

  say(state, progress) {
    this.state = state;
    this.progress = progress;
    this.changed(this);
  }

  /** Let the models listen, one after another; those that did already are not asked again. */
  async listen(names) {
    if (this.state !== "ready" || this.stop) return;
    const open = names.filter((name) => !this.asked.has(name));
    this.stop = new AbortController();
    try {
      for (const name of open) {
        const model = this.models.find((one) => one.name === name);
        if (!model) continue;
        const told = (job) => this.say("ready", { share: job.progress?.share ?? null, words: this.wordsOf(model, job) });
        told({ state: "queued" });
        const options = model.task === NOTES ? { model: name } : { model: name, scores: true };
        for (const entry of await this.service.analyze(this.recording.id, options, told, this.stop.signal)) this.take(entry, model);
        this.asked.add(name);
      }
    } catch (error) {
      if (error.name !== "AbortError") this.error = error;
    }
    this.stop = null;
    this.say("ready", null);
  }

  /** What is special about the recording, each once: models add theirs to what was found when it was read. */
  remark(note) {
    this.remarks = [...new Set([...this.remarks, ...(note || "").split("; ").filter(Boolean).map(said)])];
  }

  wordsOf(model, job) {
    if (job.state === "queued" && job.position) return `Waiting: ${job.position} before this one`;
    const what = model.task === NOTES ? "notes" : model.name === "instruments" ? "instruments" : model.name;
    return `Listening for ${what}`;
  }

  take(entry, model) {
    this.remark(entry.note);
    if (model.task === NOTES) {
      this.notes = { model: model.name, entry, given: entry.rules ?? {}, options: {}, list: notesOf(entry) };
      return;
    }
    const scores = scoresOf(entry, model);
    const given = {
      thresholds: entry.thresholds, low_thresholds: entry.low_thresholds ?? {},
      min_duration: entry.min_duration ?? 0, max_gap: entry.max_gap ?? 0,
    };
    const title = { instruments: "Instruments", field: "Field sounds" }[model.name] ?? model.name;
    this.tags.set(model.name, { title, scores, given, decision: given, entry });
  }

  cancel() {
    this.stop?.abort();
  }

  /** Notes decided otherwise; of calls that overtake each other the last one counts. */
  async decideNotes(options) {
    this.deciding?.abort();
    const mine = (this.deciding = new AbortController());
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null && value !== undefined));
    this.notes.options = given;
    const [entry] = await this.service.decided(this.recording.id, { model: this.notes.model, ...given }, mine.signal);
    if (mine === this.deciding) Object.assign(this.notes, { entry, list: notesOf(entry) });
  }

  /** What an analysis has to be asked for to give what is shown of a model. */
  options(model) {
    if (model === this.notes?.model) return { model, ...this.notes.options };
    const { given, decision } = this.tags.get(model), options = { model };
    const changed = Object.entries(decision.thresholds).filter(([label, value]) => value !== given.thresholds[label]);
    if (changed.length) options.threshold = changed.map(([label, value]) => `${label}=${value}`).join();
    if (decision.min_duration !== given.min_duration) options["min-duration"] = decision.min_duration;
    if (decision.max_gap !== given.max_gap) options["max-gap"] = decision.max_gap;
    return options;
  }

  /** For the table of all recordings: what sounds how long, the longest first, and how many notes. */
  summary() {
    const found = [];
    for (const { scores, decision } of this.tags.values()) {
      const seconds = soundingSeconds(find(scores, decision));
      for (const label of scores.labels) if (seconds[label.id]) found.push({ name: label.name || label.id, seconds: seconds[label.id] });
    }
    return { labels: found.sort((a, b) => b.seconds - a.seconds), notes: this.notes?.list.length ?? null };
  }

  remove() {
    this.cancel();
    if (this.recording) this.service.forget(this.recording.id);
  }
}

function notesOf(entry) {
  return entry.events.filter((event) => event.pitch !== undefined && event.pitch !== null)
    .map(({ start, end, pitch, velocity, score, flags }) => ({ start, end, pitch, velocity: velocity ?? 64, score, flags }))
    .sort((a, b) => a.start - b.start);
}
