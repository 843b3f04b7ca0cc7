// The page without a service: recordings are read, heard and decided in the browser itself, by onnxruntime-web.
//
// It answers what service.js answers. Models are files beside the page (`models.json` lists them). What differs: the
// browser brings recordings to the models' rate, tuning is taken as A4 = 440 Hz, and all of a recording is in memory.

import * as ort from "../ort/ort.wasm.min.mjs";
import { find } from "./decide.js";
import { csv, midi, scoreText, timeText, wav } from "./files.js";
import { scoresOf } from "./columns.js";
import { calibrated, kept, tables } from "./network.js";
import { decode } from "./notedecoder.js";
import { pitchName, rounded } from "./numbers.js";
import { Local } from "./sources.js";
import { Synth } from "./synth.js";
import { zip } from "./zip.js";

const LONGEST_S = 1800, SLID_S = 0.12;

const FORMATS = [
  { name: "csv", suffix: ".events.csv" }, { name: "audacity", suffix: ".labels.txt" },
  { name: "midi", suffix: ".mid" }, { name: "notes", suffix: ".notes.csv" },
];

export class Alone {
  constructor() {
    ort.env.wasm.wasmPaths = new URL("../ort/", import.meta.url).href;
    ort.env.wasm.numThreads = 1; // more would need headers that a plain file server does not send
    this.recordings = new Map();
    this.sessions = new Map();
  }

  async begin() {
    this.models = (await (await fetch("models.json")).json()).models;
    return { models: this.models, formats: FORMATS, limits: { max_duration: LONGEST_S } };
  }

  session(model) {
    if (!this.sessions.has(model.name)) this.sessions.set(model.name, ort.InferenceSession.create(model.file, { executionProviders: ["wasm"] }));
    return this.sessions.get(model.name);
  }

  // ---- recordings ------------------------------------------------------------------------------------------------

  async upload(file, name) {
    const rate = this.models[0].sample_rate, bytes = await file.arrayBuffer();
    let sound;
    try {
      sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
    } catch {
      throw new Error("The browser cannot read this file – WAV, FLAC, MP3 and Ogg are read by every browser");
    }
    if (sound.duration > LONGEST_S) throw new Error(`It is ${Math.round(sound.duration / 60)} minutes long; without a service ${LONGEST_S / 60} fit`);
    const samples = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel++) {
      sound.getChannelData(channel).forEach((value, n) => { samples[n] += value / sound.numberOfChannels; });
    }
    const id = `r${this.recordings.size + 1}-${Date.now()}`;
    const recording = { id, name, duration: samples.length / rate, sample_rate: rate, channels: sound.numberOfChannels, note: "" };
    this.recordings.set(id, { recording, samples, rate, address: URL.createObjectURL(file), heard: new Map() });
    return recording;
  }

  source({ id, name }) {
    const { samples, rate } = this.recordings.get(id);
    return new Local(name, samples, rate);
  }

  sound(id) {
    return this.recordings.get(id).address;
  }

  forget(id) {
    URL.revokeObjectURL(this.sound(id));
    this.recordings.delete(id);
  }

  // ---- hearing ---------------------------------------------------------------------------------------------------

  async analyze(id, options, told, signal) {
    const held = this.recordings.get(id), model = this.models.find((one) => one.name === options.model);
    if (!held.heard.has(model.name)) {
      const names = model.task === "notes" ? ["onset", "sustain", "velocity"] : ["logits"];
      const share = (done) => told?.({ state: "running", progress: { share: done } });
      const samples = await this.at(held, model.sample_rate);
      held.heard.set(model.name, await tables(ort, await this.session(model), model, samples, names, share, signal));
    }
    return this.decided(id, options);
  }

  /** Samples at another rate than that of the first model. */
  async at(held, rate) {
    if (rate === held.rate) return held.samples;
    const context = new OfflineAudioContext(1, Math.ceil((held.samples.length * rate) / held.rate), rate);
    const buffer = context.createBuffer(1, held.samples.length, held.rate), player = context.createBufferSource();
    buffer.copyToChannel(held.samples, 0);
    player.buffer = buffer;
    player.connect(context.destination);
    player.start();
    return (await context.startRendering()).getChannelData(0);
  }

  async decided(id, options) {
    const held = this.recordings.get(id), model = this.models.find((one) => one.name === options.model);
    const about = { file: held.recording.name, duration: held.recording.duration, model: model.name, version: model.version, note: "" };
    return [model.task === "notes" ? this.notes(held, model, options, about) : this.tags(held, model, about)];
  }

  tags(held, model, about) {
    const { logits } = held.heard.get(model.name), { sample_rate: rate, hop, window } = model;
    const steps = calibrated(logits, model.calibration), n = Math.round(held.samples.length * (rate / held.rate));
    const start = steps.map((_, row) => (row * hop) / rate), end = start.map((s) => Math.min(s + window / rate, n / rate));
    // A window's score speaks for the hop-long middle of it; the first and the last reach to the ends.
    const edges = [...start.map((s, row) => (row ? s + Math.floor((window - hop) / 2) / rate : 0)), end.at(-1)];
    const values = Object.fromEntries(model.labels.map((label, column) => [label.id, steps.map((row) => row[column] / 10000)]));
    return {
      ...about, task: model.task, labels: model.labels.map((label) => label.id), window: window / rate, hop: hop / rate, events: [],
      thresholds: pick(model.labels, "threshold"), low_thresholds: pick(model.labels, "low_threshold"),
      min_duration: model.min_duration, max_gap: model.max_gap, scores: { start, end, edges, values },
    };
  }

  notes(held, model, options, about) {
    const own = model.rules, rules = { ...own };
    if (options.onset !== undefined) Object.assign(rules, { onset: options.onset, onset_low: Math.max(rounded((own.onset_low / own.onset) * options.onset, 4), 1e-4) });
    if (options["min-length"] !== undefined) rules.min_length_s = options["min-length"];
    if (options.mono) Object.assign(rules, { mono: true, soft_length_s: own.soft_length_s ?? SLID_S });
    const scores = { ...kept(held.heard.get(model.name)), hop_s: model.hop / model.sample_rate, first_s: 0, lowest: model.lowest };
    const events = decode(scores, rules, held.recording.duration).map((note) => ({ ...note, label: "note" }));
    return { ...about, task: "notes", rules: own, events };
  }

  // ---- files -----------------------------------------------------------------------------------------------------

  async written(id, { format, ...options }) {
    const [entry] = await this.decided(id, options), { name } = this.recordings.get(id).recording;
    const suffix = FORMATS.find((one) => one.name === format).suffix, events = entry.task === "notes" ? entry.events : this.events(entry, options);
    const table = (columns, row) => csv(columns, events.map(row));
    const blob = {
      csv: () => table(["start", "end", "label", "score"], (one) => [timeText(one.start), timeText(one.end), one.label, scoreText(one.score)]),
      audacity: () => new Blob(events.map((one) => `${timeText(one.start)}\t${timeText(one.end)}\t${one.pitch === undefined ? one.label : pitchName(one.pitch)}\n`)),
      midi: () => midi(events),
      notes: () => table(["start", "end", "pitch", "velocity"], (one) => [timeText(one.start), timeText(one.end), one.pitch, one.velocity]),
    }[format]();
    return { blob, name: `${name}${suffix}` };
  }

  /** The events of what is shown: options as the service takes them. */
  events(entry, options) {
    const model = this.models.find((one) => one.name === entry.model), decision = { ...entry, thresholds: { ...entry.thresholds }, low_thresholds: { ...entry.low_thresholds } };
    for (const wish of (options.threshold ?? "").split(",").filter(Boolean)) {
      const [label, value] = wish.split("=");
      const ratio = entry.low_thresholds[label] / entry.thresholds[label];
      decision.thresholds[label] = Number(value);
      decision.low_thresholds[label] = rounded(Number(value) * ratio, 4);
    }
    if (options["min-duration"] !== undefined) decision.min_duration = options["min-duration"];
    if (options["max-gap"] !== undefined) decision.max_gap = options["max-gap"];
    return find(scoresOf(entry, model), decision);
  }

  async sonified(id, options, name) {
    const { recording } = this.recordings.get(id), [entry] = await this.decided(id, options), rate = 44100;
    const context = new OfflineAudioContext(1, Math.ceil(recording.duration * rate), rate), synth = new Synth(context, context.destination);
    for (const note of entry.events) synth.play(note, note.start, note.end - note.start);
    return { blob: wav([(await context.startRendering()).getChannelData(0)], rate), name: `${name}.notes.wav` };
  }

  async clips(id, clips) {
    const { recording, samples, rate } = this.recordings.get(id), plain = (text) => text.replace(/[^\p{L}\p{N}._ -]/gu, "_");
    const files = await Promise.all(clips.map(async ({ start, end, label }) => ({
      name: `${plain(label)}/${plain(recording.name)}_${start.toFixed(3)}_${end.toFixed(3)}.wav`,
      bytes: new Uint8Array(await wav([samples.subarray(Math.round(start * rate), Math.round(end * rate))], rate).arrayBuffer()),
    })));
    return { blob: zip(files), name: `${recording.name}.clips.zip` };
  }
}

const pick = (labels, what) => Object.fromEntries(labels.map((label) => [label.id, label[what]]));
