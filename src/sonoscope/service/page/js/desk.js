// The desk: the recording that is looked at, with everything that can be done to it.

import { Lanes } from "./lanes.js";
import { clock, pitchName, written } from "./numbers.js";
import { Parts, Why, fillDownloads, fillEvents } from "./panels.js";
import { Player } from "./player.js";
import { Stage } from "./stage.js";
import { $, count, kept, make, settled, symbol, tell, warn } from "./words.js";

export class Desk {
  constructor(service, models, formats) {
    Object.assign(this, { service, models, formats, take: null });
    this.stage = new Stage();
    this.lanes = new Lanes($("lanes"), this.stage);
    this.player = new Player((time) => this.sounds(time), () => this.showPlaying());
    this.player.failed = () => warn("The browser cannot play this recording");
    this.parts = new Parts(this);
    this.why = new Why(this);
    this.tellDecision = settled(500, () => {
      const { events } = this.lanes;
      if (this.lanes.groups.length) tell(count(events.length, "event"));
    });
    this.fillTables = settled(250, () => this.showTables());
    this.noteWish = settled(160, () => this.decideNotes());
    this.listen();
  }

  // ---- which recording -------------------------------------------------------------------------------------------

  /** Put a recording on the desk. */
  show(take) {
    if (this.take && this.take !== take) this.take.view = this.stage.view;
    const fresh = this.take !== take;
    this.take = take;
    $("take-name").textContent = take.name;
    if (fresh) {
      this.player.load(take.source ? this.service.sound(take.recording.id) : "");
      if (take.source) this.open(take);
      this.shown = "";
    }
    this.update(take);
  }

  open(take) {
    this.opened = take;
    this.stage.show(take.source);
    if (take.view) this.stage.setView(take.view);
    this.parts.show(take);
    this.why.clear();
    this.showRange();
  }

  /** Something about a recording changed; nothing is done for one that is not on the desk. */
  update(take) {
    if (take !== this.take) return;
    if (take.source && this.opened !== take) {
      this.player.load(this.service.sound(take.recording.id));
      this.open(take);
    }
    const { recording } = take, facts = recording && [clock(recording.duration, recording.duration < 100 ? 1 : 0),
      `${(recording.sample_rate / 1000).toLocaleString("en")} kHz`, count(recording.channels, "channel")];
    $("take-facts").textContent = facts ? facts.join(" · ") : "";
    $("take").classList.toggle("empty", !take.source);
    document.querySelector(".columns").hidden = !take.source;
    $("progress").hidden = !take.progress;
    if (take.progress) {
      const { share, words } = take.progress;
      if (share === null || share === undefined) $("bar").removeAttribute("value");
      else $("bar").value = share;
      const text = share ? `${words}, ${Math.round(100 * share)} %` : `${words} …`;
      if ($("progress-words").textContent !== text) $("progress-words").textContent = text;
      $("cancel").hidden = take.state === "uploading";
    }
    const remarks = [take.error?.message, ...take.remarks].filter(Boolean);
    $("remark").hidden = !remarks.length;
    $("remark").textContent = remarks.join(" · ");
    for (const box of $("models").querySelectorAll("input")) box.checked = take.asked.has(box.value) || this.wanted().includes(box.value);
    const state = `${take.tags.size}/${take.notes?.entry ? "notes" : ""}/${[...take.asked]}`;
    if (state !== this.shown && take.source) {
      this.shown = state;
      this.showResults();
    }
  }

  wanted() {
    const first = this.models.filter((model) => ["instruments", "notes"].includes(model.name)).map((model) => model.name);
    const wished = kept.get("models", first).filter((name) => this.models.some((model) => model.name === name));
    return wished.length ? wished : this.models.slice(0, 1).map((model) => model.name);
  }

  // ---- what models said ------------------------------------------------------------------------------------------

  showResults() {
    const { tags, notes } = this.take;
    this.lanes.show([...tags.values()]);
    $("decision-panel").hidden = !tags.size;
    $("note-panel").hidden = !notes;
    $("explain").hidden = !this.models.some(({ name, explains }) => explains && (tags.has(name) || notes?.model === name));
    const first = [...tags.values()][0];
    if (first) {
      $("min-duration").value = first.decision.min_duration;
      $("max-gap").value = first.decision.max_gap;
    }
    if (notes) {
      $("onset").value = notes.options.onset ?? notes.given.onset ?? 0.5;
      $("shortest-note").value = notes.options["min-length"] ?? notes.given.min_length_s ?? notes.given.min_length ?? 0;
      $("mono").checked = Boolean(notes.options.mono);
    }
    const names = new Set([...tags.values()].flatMap(({ scores }) => scores.labels.map((label) => label.id)));
    $("label-names").replaceChildren(...[...names].map((name) => make("option", { value: name })));
    fillDownloads(this);
    this.showNotes();
    this.showOutputs();
    this.showTables();
  }

  showNotes() {
    const list = this.take.notes?.list ?? [];
    $("note-count").textContent = list.length ? list.length.toLocaleString("en") : "";
    this.stage.setNotes(list);
    this.player.setNotes(list);
    this.fillTables();
  }

  showOutputs() {
    $("onset-out").textContent = Number($("onset").value).toFixed(2);
    $("shortest-note-out").textContent = `${Number($("shortest-note").value).toFixed(2)} s`;
    $("min-duration-out").textContent = `${Number($("min-duration").value).toFixed(1)} s`;
    $("max-gap-out").textContent = `${Number($("max-gap").value).toFixed(1)} s`;
  }

  showTables() {
    fillEvents(this);
  }

  async decideNotes() {
    const { notes } = this.take ?? {}, take = this.take;
    if (!notes) return;
    const onset = Number($("onset").value), shortest = Number($("shortest-note").value);
    const own = (value, name) => (Math.abs(value - (notes.given[name] ?? -1)) < 1e-9 ? null : value);
    try {
      await take.decideNotes({ onset: own(onset, "onset"), "min-length": own(shortest, "min_length_s"), mono: $("mono").checked || null });
      if (take === this.take) {
        this.showNotes();
        tell(count(take.notes.list.length, "note"));
      }
    } catch (error) {
      warn(error);
    }
  }

  // ---- playing ---------------------------------------------------------------------------------------------------

  sounds(time) {
    this.stage.setTime(time, true);
    this.showTime();
  }

  showTime() {
    const { time } = this.stage, [clockPlace, secondsPlace] = $("now").children;
    clockPlace.textContent = clock(time, 3);
    secondsPlace.textContent = `${written(Math.round(time * 1000) / 1000)} s`;
  }

  async play() {
    if (!this.take?.source) return;
    try {
      if (this.player.playing) this.player.pause();
      else {
        this.player.loops = $("loop").getAttribute("aria-pressed") === "true";
        await this.player.play(this.stage.selection);
      }
    } catch (error) {
      if (error.name !== "AbortError") warn(`It cannot be played: ${error.message}`);
    }
  }

  showPlaying() {
    const { playing } = this.player;
    $("play").firstElementChild.replaceWith(symbol(playing ? "pause" : "play"));
    $("play").lastElementChild.textContent = playing ? "Pause" : "Play";
  }

  /** Select an event, or go to the next one (by 1) or the one before (by -1). */
  step(by) {
    const starts = [...this.lanes.events, ...(this.lanes.groups.length ? [] : this.take.notes?.list ?? [])].map((one) => one.start).sort((a, b) => a - b);
    const at = this.stage.time;
    const next = by > 0 ? starts.find((start) => start > at + 1e-3) : starts.findLast((start) => start < at - 1e-3);
    if (next !== undefined) this.goTo(next);
  }

  goTo(time) {
    this.player.seek(time);
    this.stage.setView(this.stage.view.showing(time));
    this.stage.setTime(time);
    this.showTime();
  }

  choose({ start, end, label, name }) {
    this.stage.select(start, end);
    this.goTo(start);
    this.parts.label(label);
    tell(`${name}, ${written(start)} to ${written(end)} s`);
  }

  /** A note that is tapped is chosen, and heard. */
  tapNote(tapped) {
    const { stage } = this, { time, event } = tapped.detail, box = $("spectrogram").getBoundingClientRect();
    const note = stage.noteAt(time, (event.clientY - box.top) / box.height, (4 / box.width) * stage.view.span);
    if (!note) return;
    tapped.preventDefault();
    const name = pitchName(Math.round(note.pitch));
    this.choose({ ...note, label: name, name });
    this.player.strike(note.pitch);
    this.why.of({ ...note, model: this.take.notes.model });
  }

  toggle(id) {
    const on = $(id).getAttribute("aria-pressed") !== "true";
    $(id).setAttribute("aria-pressed", on);
    return on;
  }

  // ---- what people do --------------------------------------------------------------------------------------------

  listen() {
    const { stage, lanes } = this;
    const on = (id, type, action) => $(id).addEventListener(type, action);
    stage.addEventListener("cursor", () => {
      this.player.part = null;
      this.player.seek(stage.time);
      this.showTime();
    });
    stage.addEventListener("selection", () => this.player.playing && (this.player.part = stage.selection));
    stage.addEventListener("strike", (event) => this.player.strike(event.detail));
    lanes.addEventListener("chosen", (event) => this.choose(event.detail));
    $("spectrogram").addEventListener("tap", (tapped) => this.tapNote(tapped));
    lanes.addEventListener("decided", () => {
      this.tellDecision();
      this.fillTables();
      this.take?.changed(this.take);
    });
    on("play", "click", () => this.play());
    on("loop", "click", () => { this.player.loops = this.toggle("loop"); });
    on("zoom-in", "click", () => stage.zoom(0.5));
    on("zoom-out", "click", () => stage.zoom(2));
    on("fit", "click", () => stage.zoom(Infinity));
    on("drag", "click", () => this.dragging());
    on("cancel", "click", () => this.take.cancel());
    on("axis", "change", () => this.setAxis($("axis").value));
    for (const id of ["low", "high"]) on(id, "change", () => this.setRange());
    for (const id of ["floor", "ceiling"]) on(id, "input", () => this.setDecibels());
    on("level-sound", "input", () => this.player.setLevel({ sound: Number($("level-sound").value) }));
    on("level-notes", "input", () => this.player.setLevel({ notes: Number($("level-notes").value) }));
    on("show-notes", "change", () => this.setNotesShown());
    for (const id of ["onset", "shortest-note", "mono"]) {
      on(id, "input", () => {
        this.showOutputs();
        this.noteWish();
      });
    }
    for (const id of ["min-duration", "max-gap"]) on(id, "input", () => this.decideLengths());
    on("reset", "click", () => this.reset());
    stage.recolour();
    this.dragging(stage.pans);
  }

  decideLengths() {
    this.showOutputs();
    const [least, most] = ["min-duration", "max-gap"].map((id) => Number($(id).value));
    this.lanes.decide((decision) => ({ ...decision, min_duration: least, max_gap: most }));
  }

  reset() {
    this.lanes.decide((decision, group) => group.given);
    this.showResults();
  }

  dragging(pans = !this.stage.pans) {
    this.stage.pans = pans;
    $("drag").setAttribute("aria-pressed", pans);
    $("drag").lastElementChild.textContent = pans ? "Dragging moves the picture" : "Dragging selects";
    $("drag").title = $("drag").lastElementChild.textContent;
    $("spectrogram").classList.toggle("pans", pans);
  }

  setAxis(kind) {
    $("axis").value = kind;
    this.stage.setAxis(kind);
    this.showRange();
  }

  nextAxis() {
    const kinds = [...$("axis").options].map((option) => option.value);
    this.setAxis(kinds[(kinds.indexOf(this.stage.kind) + 1) % kinds.length]);
    tell(`Frequency axis: ${this.stage.kind}`);
  }

  setRange() {
    this.stage.setRange(Number($("low").value), Number($("high").value));
    this.showRange();
  }

  showRange() {
    $("low").value = Math.round(this.stage.lowHz);
    $("high").value = Math.round(this.stage.highHz);
    $("part-start").max = $("part-end").max = this.stage.source.duration;
    this.showTime();
  }

  setDecibels() {
    const floor = Number($("floor").value), ceiling = Math.max(Number($("ceiling").value), floor + 10);
    this.stage.setDecibels(floor, ceiling);
  }

  setNotesShown(shown = $("show-notes").checked) {
    $("show-notes").checked = this.stage.showNotes = shown;
    this.stage.redraw("roll");
  }
}
