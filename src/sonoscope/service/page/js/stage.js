// Where a recording is looked at: one stretch of time for waveform, spectrogram and lanes; zoom, pan, selection, cursor.

import { FrequencyAxis, View, timeTicks } from "./axes.js";
import { css, ramp, theme } from "./colours.js";
import { clamp, hertz, hzPitch, pitchName, written } from "./numbers.js";
import { Spectrogram, Wave, drawKeys, drawRoll, fitted } from "./picture.js";
import { $ } from "./words.js";

const DRAG_PX = 4;

export class Stage extends EventTarget {
  // Tells of itself by events: "view", "cursor" (somebody put it somewhere), "selection", "strike" (a key was pressed).
  constructor() {
    super();
    this.dirty = new Set();
    this.spectrogram = new Spectrogram($("tiles"), () => this.redraw("picture"));
    this.wave = new Wave($("wave").firstElementChild, () => this.redraw("picture"));
    this.kind = "log";
    this.notes = [];
    this.showNotes = true;
    this.time = 0;
    this.selection = null;
    this.pans = matchMedia("(pointer: coarse)").matches;
    this.pointers = new Map();
    for (const id of ["wave", "spectrogram"]) this.listen($(id), id);
    this.listenOverview();
    this.listenEdges();
    $("keys").addEventListener("pointerdown", (event) => this.pressKey(event));
    new ResizeObserver(() => this.redraw("picture")).observe($("plot"));
  }

  show(source) {
    this.source = source;
    this.view = new View(source.duration);
    this.time = 0;
    this.selection = null;
    this.notes = [];
    this.setRange(0, source.sample_rate / 2, true);
    this.spectrogram.show(source);
    this.wave.show(source);
    this.redraw("picture");
  }

  // ---- what is seen --------------------------------------------------------------------------------------------

  setView(view) {
    this.view = view;
    this.redraw("picture");
    this.dispatchEvent(new Event("view"));
  }

  zoom(factor, share) {
    this.setView(this.view.zoom(factor, share ?? this.cursorShare()));
  }

  /** Keys zoom about the cursor if it is in sight. */
  cursorShare() {
    const at = this.view.at(this.time);
    return at >= 0 && at <= 1 ? at : 0.5;
  }

  /** The frequencies that are shown; `fresh` takes what suits the axis. */
  setRange(low, high, fresh = false) {
    const nyquist = this.source.sample_rate / 2;
    if (fresh) [low, high] = this.kind === "log" ? [Math.min(32, nyquist / 4), Math.min(nyquist, 12000)] : [0, Math.min(nyquist, 12000)];
    this.lowHz = clamp(low, this.kind === "log" ? 20 : 0, nyquist * 0.9);
    this.highHz = clamp(high, this.lowHz * 1.2 + 10, nyquist);
    this.axis = new FrequencyAxis(this.kind, this.lowHz, this.highHz);
    this.redraw("picture");
  }

  setAxis(kind) {
    this.kind = kind;
    this.setRange(this.lowHz, this.highHz, true);
  }

  setDecibels(floor, ceiling) {
    this.spectrogram.setRange({ floor, ceiling });
    this.redraw("picture");
  }

  recolour() {
    this.spectrogram.recolour();
    this.redraw("picture");
  }

  setNotes(notes) {
    this.notes = notes;
    this.redraw("roll");
  }

  /** The note that is drawn there, if one is: `share` of the height, within so many seconds. */
  noteAt(time, share, reach) {
    const pitch = hzPitch(this.axis.hz(share)), half = Math.max(0.6, Math.abs(hzPitch(this.axis.hz(share - 4 / $("spectrogram").clientHeight)) - pitch));
    const near = this.showNotes ? this.notes.filter((note) => note.start - reach <= time && time < note.end + reach && Math.abs(note.pitch - pitch) <= half) : [];
    return near.sort((a, b) => Math.abs(a.pitch - pitch) - Math.abs(b.pitch - pitch))[0];
  }

  setTime(time, follow = false) {
    this.time = time;
    if (follow && !this.pointers.size && (time > this.view.end || time < this.view.start)) {
      this.setView(this.view.pan(time - this.view.start - 0.02 * this.view.span));
    }
    this.redraw("roll");
  }

  select(start, end) {
    const [first, last] = [Math.min(start, end), Math.max(start, end)].map((t) => clamp(t, 0, this.source.duration));
    this.selection = last - first > 1e-4 ? { start: first, end: last } : null;
    this.redraw("roll");
    this.dispatchEvent(new Event("selection"));
  }

  unselect() {
    this.selection = null;
    this.redraw("roll");
    this.dispatchEvent(new Event("selection"));
  }

  // ---- drawing ---------------------------------------------------------------------------------------------------

  /** Draw soon: "picture" is all of it, "roll" what moves with the cursor. */
  redraw(what) {
    if (!this.dirty.size) requestAnimationFrame(() => this.draw());
    this.dirty.add(what);
  }

  draw() {
    const all = this.dirty.has("picture");
    this.dirty.clear();
    if (!this.source || !$("plot").clientWidth) return;
    if (all) {
      this.spectrogram.draw(this.view, this.axis);
      this.wave.draw(this.view);
      this.drawTicks();
      this.drawOverview();
      this.drawLegend();
      this.dispatchEvent(new Event("drawn"));
    }
    const notes = this.showNotes ? this.notes : [];
    drawRoll($("roll"), notes, this.view, this.axis, this.time);
    if (this.overlayImage && this.showsWhy) this.drawWhy();
    const sounding = new Set(notes.filter((note) => note.start <= this.time && this.time < note.end).map((note) => note.pitch));
    const keys = [...sounding].join() + this.axis.kind + this.lowHz + this.highHz + $("keys").clientHeight + theme();
    if (keys !== this.keysDrawn) {
      this.keysDrawn = keys;
      $("hertz").classList.toggle("bare", this.kind !== "log");
      $("keys").hidden = this.kind !== "log";
      if (this.kind === "log") drawKeys($("keys"), this.axis, sounding);
    }
    this.placeMarks();
  }

  placeMarks() {
    const width = $("overlay").clientWidth, at = this.view.at(this.time);
    $("cursor").hidden = at < -0.001 || at > 1.001;
    $("cursor").style.transform = `translateX(${at * width}px)`;
    const selection = $("selection"), chosen = this.selection;
    selection.style.display = chosen && chosen.end > this.view.start && chosen.start < this.view.end ? "block" : "none";
    if (!chosen) return;
    const left = Math.max(this.view.at(chosen.start), -0.1), right = Math.min(this.view.at(chosen.end), 1.1);
    selection.style.left = `${left * 100}%`;
    selection.style.width = `${(right - left) * 100}%`;
  }

  drawTicks() {
    const width = $("times").clientWidth, height = $("spectrogram").clientHeight;
    const times = timeTicks(this.view.start, this.view.end, Math.max(width / 90, 2)).map(({ time, text }) => {
      const at = this.view.at(time), tick = document.createElement("span");
      tick.textContent = text;
      tick.style.left = `${clamp(at * 100, 100 * (14 / width), 100 - 100 * (18 / width))}%`;
      return tick;
    });
    $("times").replaceChildren(...times);
    const ticks = this.axis.ticks(26 / height).filter(({ at }) => at * height > 26 || this.kind !== "log").map(({ at, text }) => {
      const tick = document.createElement("span");
      tick.textContent = text;
      tick.style.top = `${clamp(at * height, 8, height - 8)}px`;
      return tick;
    });
    $("hertz-ticks").replaceChildren(...ticks);
  }

  drawOverview() {
    const { context, width, height } = fitted($("overview").firstElementChild), whole = this.wave.whole;
    const box = $("window").style;
    box.left = `${(100 * this.view.start) / this.view.duration}%`;
    box.width = `${(100 * this.view.span) / this.view.duration}%`;
    if (!whole) return;
    context.fillStyle = css("--soft");
    for (let x = 0; x < width; x++) {
      const first = Math.floor((x / width) * whole.high.length), last = Math.max(first + 1, Math.floor(((x + 1) / width) * whole.high.length));
      let loud = 0;
      for (let n = first; n < last; n++) loud = Math.max(loud, whole.high[n], -whole.low[n]);
      const tall = Math.max((loud / this.wave.loudest) * height * 0.9, 1);
      context.fillRect(x, (height - tall) / 2, 0.8, tall);
    }
  }

  drawLegend() {
    const { floor, ceiling } = this.spectrogram.range;
    const { context, width, height } = fitted($("legend"));
    const ground = context.createLinearGradient(0, 0, width, 0), colours = ramp(theme());
    for (let n = 0; n <= 16; n++) {
      const bytes = new Uint8Array(colours.buffer, 4 * Math.round((255 * n) / 16), 3);
      ground.addColorStop(n / 16, `rgb(${bytes.join()})`);
    }
    context.fillStyle = ground;
    context.fillRect(0, 0, width, height);
    $("db-low").textContent = floor;
    $("db-high").textContent = ceiling;
  }

  /** What speaks for a label, laid over the picture. */
  setWhy(image, start, end) {
    this.overlayImage = image && { image, start, end };
    this.showsWhy = Boolean(image);
    this.redraw("roll");
  }

  drawWhy() {
    const canvas = $("roll"), context = canvas.getContext("2d"), { image, start, end } = this.overlayImage;
    const left = this.view.at(start) * canvas.clientWidth, right = this.view.at(end) * canvas.clientWidth;
    context.globalAlpha = 1;
    context.drawImage(image, left, 0, right - left, canvas.clientHeight);
    context.strokeStyle = css("--coral");
    context.strokeRect(left, 0.5, right - left, canvas.clientHeight - 1);
  }

  // ---- hands -----------------------------------------------------------------------------------------------------

  share(event, element) {
    const box = element.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  }

  /** Pointer and wheel on a row of the plot; lanes call it too. */
  listen(element, name) {
    element.addEventListener("pointerdown", (event) => this.press(event, element));
    element.addEventListener("pointermove", (event) => this.drag(event, element, name));
    for (const type of ["pointerup", "pointercancel"]) element.addEventListener(type, (event) => this.release(event, element));
    element.addEventListener("pointerleave", () => { $("readout").textContent = ""; });
    element.addEventListener("wheel", (event) => this.wheel(event, element, name), { passive: false });
    if (name === "spectrogram") element.classList.toggle("pans", this.pans);
  }

  wheel(event, element, name) {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (name === "lane" && !sideways && !event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    const amount = event.deltaMode === 1 ? 30 : 1;
    if (sideways) this.setView(this.view.pan(((event.deltaX || event.deltaY) * amount * this.view.span) / 900));
    else this.zoom(Math.exp(clamp(event.deltaY * amount, -150, 150) * (event.ctrlKey ? 0.01 : 0.0022)), this.share(event, element));
  }

  press(event, element) {
    if (event.button > 1) return;
    element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event.clientX);
    const share = this.share(event, element);
    if (this.pointers.size === 2) {
      this.hold = { kind: "pinch", ...this.fingers(), view: this.view, element };
      return;
    }
    const pans = event.button === 1 || event.altKey || (this.pans ? !event.shiftKey : false);
    this.hold = { kind: pans ? "pan" : "select", x: event.clientX, time: this.view.time(share), view: this.view, moved: false };
  }

  fingers() {
    const [a, b] = [...this.pointers.values()];
    return { apart: Math.max(Math.abs(a - b), 20), middle: (a + b) / 2 };
  }

  drag(event, element, name) {
    this.read(event, element, name);
    if (!this.pointers.has(event.pointerId) || !this.hold) return;
    this.pointers.set(event.pointerId, event.clientX);
    const width = element.clientWidth, hold = this.hold;
    if (hold.kind === "pinch") {
      if (this.pointers.size < 2) return;
      const now = this.fingers(), left = element.getBoundingClientRect().left;
      const zoomed = hold.view.zoom(hold.apart / now.apart, clamp((hold.middle - left) / width, 0, 1));
      this.setView(zoomed.pan(((hold.middle - now.middle) / width) * zoomed.span));
      return;
    }
    if (!hold.moved && Math.abs(event.clientX - hold.x) < DRAG_PX) return;
    hold.moved = true;
    if (hold.kind === "pan") this.setView(hold.view.pan(((hold.x - event.clientX) / width) * hold.view.span));
    else this.select(hold.time, this.view.time(clamp(this.share(event, element), 0, 1)));
  }

  release(event, element) {
    const hold = this.hold;
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.hold = null;
    if (event.type === "pointercancel" || !hold || hold.moved || hold.kind === "pinch") return;
    const time = this.view.time(clamp(this.share(event, element), 0, 1));
    if (!element.dispatchEvent(new CustomEvent("tap", { detail: { time, event }, cancelable: true }))) return;
    this.unselect();
    this.put(time);
  }

  /** Somebody puts the cursor somewhere. */
  put(time) {
    this.setTime(clamp(time, 0, this.source.duration));
    this.dispatchEvent(new Event("cursor"));
  }

  read(event, element, name) {
    const time = this.view.time(this.share(event, element)), words = [`${written(Math.round(time * 1000) / 1000)} s`];
    if (name === "spectrogram") {
      const box = element.getBoundingClientRect(), share = clamp((event.clientY - box.top) / box.height, 0, 1);
      const hz = this.axis.hz(share), level = this.spectrogram.decibels(time, share);
      words.push(hertz(hz));
      if (hz > 25 && hz < 4500) words.push(pitchName(Math.round(hzPitch(hz))));
      if (level !== undefined) words.push(`${Math.round(level)} dB`);
    }
    $("readout").textContent = words.join("  ·  ");
  }

  pressKey(event) {
    const box = $("keys").getBoundingClientRect();
    const midi = Math.round(hzPitch(this.axis.hz((event.clientY - box.top) / box.height)));
    this.dispatchEvent(new CustomEvent("strike", { detail: clamp(midi, 21, 108) }));
  }

  listenOverview() {
    const element = $("overview");
    const move = (event) => {
      const time = this.share(event, element) * this.view.duration;
      this.setView(this.view.pan(time - (this.grip ?? 0) - (this.view.start + this.view.end) / 2));
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      const time = this.share(event, element) * this.view.duration, inside = time >= this.view.start && time <= this.view.end;
      this.grip = inside ? time - (this.view.start + this.view.end) / 2 : 0;
      this.gripping = true;
      move(event);
    });
    element.addEventListener("pointermove", (event) => this.gripping && move(event));
    element.addEventListener("pointerup", () => { this.gripping = false; });
    element.addEventListener("wheel", (event) => this.wheel(event, element, "overview"), { passive: false });
  }

  listenEdges() {
    for (const [place, edge] of [...$("selection").children].entries()) {
      edge.addEventListener("wheel", (event) => this.wheel(event, $("overlay"), "edge"), { passive: false });
      edge.addEventListener("pointerdown", (event) => {
        edge.setPointerCapture(event.pointerId);
        this.anchor = place ? this.selection.start : this.selection.end;
      });
      edge.addEventListener("pointermove", (event) => {
        if (edge.hasPointerCapture(event.pointerId)) this.select(this.anchor, this.view.time(clamp(this.share(event, $("overlay")), 0, 1)));
      });
    }
  }
}
