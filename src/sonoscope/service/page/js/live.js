// The live view: the microphone as it sounds, what models hear in it, and how late they say so.

import { FrequencyAxis } from "./axes.js";
import { css, hue, theme } from "./colours.js";
import { save, wav } from "./files.js";
import { Microphone } from "./microphone.js";
import { clock, hertz, pitchName } from "./numbers.js";
import { fitted } from "./picture.js";
import { Scroll } from "./scroll.js";
import { $, count, make, symbol, tell, warn } from "./words.js";

const SHOWN_S = 12, KEPT_S = 1800;

export class Live {
  constructor(app) {
    this.app = app;
    this.place = $("live-view");
    this.running = false;
    this.forget();
  }

  forget() {
    Object.assign(this, { blocks: [], sent: 0, notes: [], sounding: new Map(), events: [], active: new Map(), scores: new Map(), late: new Map(), pace: null });
  }

  /** The view is looked at. */
  open() {
    if (!this.built) this.build();
    this.built = true;
    this.scroll.axis = new FrequencyAxis("log", 40, 10000);
    this.showNow();
    this.draw();
  }

  leave() {
    if (this.running) this.stop();
  }

  recolour() {
    if (!this.built) return;
    this.scroll.recolour();
    this.draw();
  }

  build() {
    const names = this.app.models.filter((model) => ["instruments", "notes"].includes(model.name) || this.app.models.length < 3);
    this.boxes = this.app.models.map((model) => make("input", { type: "checkbox", value: model.name, checked: names.includes(model) }));
    this.button = make("button", { type: "button", className: "main", id: "listen" }, symbol("mic"), make("span", { textContent: "Listen" }));
    this.button.addEventListener("click", () => (this.running ? this.stop() : this.start()));
    const chips = make("div", { className: "models" }, ...this.boxes.map((box) => make("label", { className: "chip" }, box, box.value)));
    const fact = (id, words) => make("div", {}, make("dt", { textContent: words }), make("dd", { id, textContent: "–" }));
    this.now = make("p", { className: "live-now", id: "live-now" });
    this.canvas = make("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Spectrogram of the last seconds, with the notes heard");
    this.ticks = make("div", { className: "ticks" });
    this.times = make("div", { className: "cell times" });
    this.lanes = make("div", { className: "lanes" });
    const plot = make("div", { className: "plot" }, make("div", { className: "gutter hertz bare" }, this.ticks),
      make("div", { className: "cell spectrogram", id: "live-picture" }, this.canvas), make("div", { className: "gutter" }), this.times, this.lanes);
    this.keep = make("div", { className: "live-keep", hidden: true, id: "live-keep" }, ...this.keepers());
    const title = make("h1", { textContent: "Live" });
    this.place.append(make("section", { className: "live" },
      make("div", { className: "live-top" }, title, chips, make("div", { className: "choices" }, this.button)),
      this.now, make("div", { className: "score" }, plot),
      make("dl", { className: "facts" }, fact("live-time", "Heard"), fact("live-delay", "Expected delay"), fact("live-late", "Measured, sound to screen"), fact("live-pace", "Computing")),
      this.keep));
    this.scroll = new Scroll();
    this.place.append(make("p", { className: "spoken", id: "live-told", role: "status" }));
  }

  keepers() {
    const button = (words, id, action) => {
      const made = make("button", { type: "button", id }, symbol("down"), words);
      made.addEventListener("click", () => action().catch(warn));
      return made;
    };
    return [
      button("Recording (WAV)", "keep-wav", async () => save(this.sound(), "live.wav")),
      button("Notes (MIDI)", "keep-midi", () => this.export("midi", this.notes.map((note) => ({ ...note, label: "note" })), "notes")),
      button("Notes (CSV)", "keep-notes", () => this.export("notes", this.notes.map((note) => ({ ...note, label: "note" })), "notes")),
      button("Events (CSV)", "keep-csv", () => this.export("csv", this.events, "instruments")),
      button("Open as a recording", "keep-open", async () => {
        location.hash = "#recordings";
        this.app.add([new File([this.sound()], "live.wav", { type: "audio/wav" })]);
      }),
    ];
  }

  sound() {
    return wav(this.blocks, this.rate);
  }

  async export(format, events, model) {
    const { blob, name } = await this.app.service.file(`export?format=${format}`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ file: "live.wav", duration: this.sent / this.rate, sample_rate: this.rate, model, events }),
    });
    save(blob, name);
    tell(`Saved ${name}`);
  }

  // ---- listening ---------------------------------------------------------------------------------------------------

  async start() {
    const models = this.boxes.filter((box) => box.checked).map((box) => box.value);
    if (!models.length) return warn("Choose a model to listen with");
    this.button.disabled = true;
    try {
      this.forget();
      this.microphone = await Microphone.open((block) => this.hear(block));
      this.rate = this.microphone.sampleRate;
      this.scroll.begin(this.rate);
      await this.connect(models);
    } catch (error) {
      this.microphone?.close();
      this.button.disabled = false;
      return warn(error);
    }
    this.running = true;
    this.button.disabled = false;
    this.button.lastChild.textContent = "Stop";
    this.button.classList.replace("main", "recording");
    for (const box of this.boxes) box.disabled = true;
    this.keep.hidden = true;
    this.buildLanes();
    this.showNow();
    tell(`Listening to ${this.microphone.name}`);
    return this.frame();
  }

  connect(models) {
    this.socket = this.app.service.socket("live");
    this.socket.binaryType = "arraybuffer";
    return new Promise((done, fail) => {
      this.socket.onopen = () => this.socket.send(JSON.stringify({
        model: models.join(), rate: this.rate, channels: 1, sample_format: "f32le", scores: true,
      }));
      this.socket.onmessage = (event) => {
        const told = JSON.parse(event.data);
        if (told.error) {
          const error = new Error([told.error.message, told.error.remedy].filter(Boolean).join(" – "));
          if (this.running) warn(error);
          fail(error);
        }
        if (told.kind === "stream") done();
        this.take(told);
      };
      this.socket.onerror = () => fail(new Error("The service does not take live sound"));
      this.socket.onclose = (event) => {
        fail(new Error("The service ended the stream"));
        if (!this.running) return;
        if (event.code === 1006) warn("The service is gone – what was heard until now stays here");
        this.stop();
      };
    });
  }

  hear(block) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN || !this.streams) return;
    this.socket.send(block);
    this.sent += block.length;
    if (this.sent / this.rate <= KEPT_S) this.blocks.push(block);
    this.scroll.push(block);
  }

  stop() {
    this.running = false;
    this.microphone.close();
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ kind: "end" }));
    this.streams = null;
    this.button.lastChild.textContent = "Listen";
    this.button.classList.replace("recording", "main");
    for (const box of this.boxes) box.disabled = false;
    this.keep.hidden = !this.blocks.length;
    tell(`${clock(this.sent / this.rate)} heard`);
    this.draw();
  }

  // ---- what is told ------------------------------------------------------------------------------------------------

  take(told) {
    if (told.kind === "stream") {
      this.streams = told.models;
      $("live-delay").textContent = told.models.map((one) => `${one.model} ${Math.round(1000 * one.delay)} ms`).join(", ");
    } else if (told.kind === "on") this.begins(told);
    else if (told.kind === "off") this.ends(told);
    else if (told.kind === "scores") this.score(told);
    else if (told.kind === "pace") $("live-pace").textContent = `${(100 * told.compute).toFixed(0)} % of real time${told.behind > 0.3 ? `, ${told.behind.toFixed(1)} s behind` : ""}`;
    else if (told.kind === "end") {
      this.active.clear();
      this.sounding.clear();
      this.showNow();
      this.draw();
    }
  }

  begins(told) {
    const late = this.late.get(told.model) ?? [];
    this.late.set(told.model, [...late.slice(-24), this.sent / this.rate - told.time]);
    $("live-late").textContent = [...this.late].sort().map(([model, all]) => {
      const middle = [...all].sort((a, b) => a - b)[all.length >> 1];
      return `${model} ${Math.round(1000 * middle)} ms`;
    }).join(", ");
    if (told.pitch === undefined || told.pitch === null) this.active.set(`${told.model}/${told.label}`, told.time);
    else this.sounding.set(told.pitch, { start: told.time, pitch: told.pitch, velocity: told.velocity ?? 64 });
    this.showNow();
  }

  ends(told) {
    if (told.pitch === undefined || told.pitch === null) {
      this.active.delete(`${told.model}/${told.label}`);
      if (told.end > told.start) this.events.push({ start: told.start, end: told.end, label: told.label, score: told.score, model: told.model });
    } else {
      this.sounding.delete(told.pitch);
      if (told.end > told.start) this.notes.push({ start: told.start, end: told.end, pitch: told.pitch, velocity: told.velocity ?? 64, score: told.score });
    }
    this.showNow();
  }

  score({ model, start, end, scores }) {
    for (const [label, value] of Object.entries(scores)) {
      const key = `${model}/${label}`;
      if (!this.scores.has(key)) this.scores.set(key, []);
      const list = this.scores.get(key);
      list.push({ time: (start + end) / 2, value });
      if (list.length > 400) list.shift();
    }
  }

  showNow() {
    const labels = [...this.active.keys()].map((key) => this.title(key)), notes = [...this.sounding.keys()].sort((a, b) => a - b).map(pitchName);
    const words = [labels.join(", "), notes.join("  ")].filter(Boolean).join("   ·   ");
    this.now.replaceChildren(words || make("span", { textContent: this.running ? "Listening …" : this.summary() }));
    const told = labels.join(", ");
    if ($("live-told").textContent !== told) $("live-told").textContent = told;
  }

  /** When nothing sounds: what was heard, or what to do. */
  summary() {
    if (!this.blocks.length) return "Listen, and play: what sounds is named here, and drawn below as it sounds.";
    const names = [...new Set(this.events.map((event) => this.title(`${event.model}/${event.label}`)))];
    return [`${clock(this.sent / this.rate, 1)} heard`, count(this.notes.length, "note"), ...names.slice(0, 5)].join(" · ");
  }

  title(key) {
    const [model, id] = key.split("/");
    return this.app.models.find((one) => one.name === model)?.labels.find((label) => label.id === id)?.name ?? id;
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  buildLanes() {
    this.rows = [];
    this.lanes.replaceChildren();
    for (const { model } of this.streams) {
      const about = this.app.models.find((one) => one.name === model);
      if (!about || about.task === "notes") continue;
      about.labels.forEach((label, place) => {
        if ((label.kind ?? "event") !== "event") return;
        const name = make("div", { className: "lane-name", textContent: label.name || label.id }), canvas = make("canvas");
        this.lanes.append(name, make("div", { className: "cell lane" }, canvas));
        this.rows.push({ key: `${model}/${label.id}`, label, place, name, canvas });
      });
    }
  }

  /** Thirty pictures a second: enough to the eye, and half the work. */
  frame(time = 0) {
    if (!this.running) return;
    if (time - (this.framed ?? 0) > 30 || time === 0) {
      this.framed = time;
      this.draw();
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  draw() {
    if (!this.built || !this.canvas.clientWidth) return;
    const now = this.rate ? this.sent / this.rate : 0;
    const { context, width, height } = fitted(this.canvas), x = (time) => width * (1 - (now - time) / SHOWN_S);
    $("live-time").textContent = clock(now, 1);
    this.scroll.draw(context, width, height, SHOWN_S);
    this.drawNotes(context, x, width, height, now);
    for (const row of this.rows ?? []) this.drawRow(row, now);
    this.drawAxes(width, height);
  }

  drawNotes(context, x, width, height, now) {
    context.fillStyle = css("--coral");
    context.strokeStyle = css("--paper");
    const { axis } = this.scroll;
    for (const note of [...this.notes.slice(-400), ...[...this.sounding.values()].map((one) => ({ ...one, end: now }))]) {
      const left = x(note.start), right = x(note.end);
      if (right < 0 || left > width) continue;
      const top = axis.at(440 * 2 ** ((note.pitch - 68.5) / 12)) * height, bottom = axis.at(440 * 2 ** ((note.pitch - 69.5) / 12)) * height;
      context.globalAlpha = 0.5 + 0.5 * (note.velocity / 127);
      context.beginPath();
      context.roundRect(left, top, Math.max(right - left, 2), Math.max(bottom - top, 3), 3);
      context.fill();
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  drawRow({ key, place, name, canvas }, now) {
    const { context, width, height } = fitted(canvas), x = (time) => width * (1 - (now - time) / SHOWN_S);
    const colour = hue(theme(), place);
    name.classList.toggle("on", this.active.has(key));
    context.fillStyle = context.strokeStyle = colour;
    const model = key.split("/")[0], label = key.slice(model.length + 1);
    const spans = this.events.filter((event) => event.model === model && event.label === label).slice(-30);
    if (this.active.has(key)) spans.push({ start: this.active.get(key), end: now });
    for (const { start, end } of spans) {
      context.globalAlpha = 0.35;
      context.fillRect(x(start), 0, x(end) - x(start), height);
      context.globalAlpha = 1;
      context.fillRect(x(start), height - 3, x(end) - x(start), 3);
    }
    context.beginPath();
    for (const { time, value } of this.scores.get(key) ?? []) context.lineTo(x(time), height - 3 - value * (height - 6));
    context.lineWidth = 1.5;
    context.stroke();
  }

  drawAxes(width, height) {
    const key = `${width}/${height}`;
    if (this.axesDrawn === key) return;
    this.axesDrawn = key;
    this.ticks.replaceChildren(...this.scroll.axis.ticks(28 / height).map(({ at, hz }) => {
      const tick = make("span", { textContent: hertz(hz) });
      tick.style.top = `${Math.min(Math.max(at * height, 8), height - 8)}px`;
      return tick;
    }));
    this.times.replaceChildren(...[0, 2, 4, 6, 8, 10].map((ago) => {
      const tick = make("span", { textContent: ago ? `−${ago} s` : "now", className: ago ? "" : "last" });
      tick.style.left = `${100 * (1 - ago / SHOWN_S)}%`;
      return tick;
    }));
  }
}
