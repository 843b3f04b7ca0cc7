// Beside the picture: parts to keep as clips, why a label is heard, events as a table, files to download.

import { View } from "./axes.js";
import { css } from "./colours.js";
import { save } from "./files.js";
import { clock, pitchName, written } from "./numbers.js";
import { $, count, make, symbol, tell, warn } from "./words.js";

const MOST_ROWS = 500;

/** The selection in numbers, and the labelled parts that were kept of a recording. */
export class Parts {
  constructor(desk) {
    this.desk = desk;
    desk.stage.addEventListener("selection", () => this.showSelection());
    for (const id of ["part-start", "part-end"]) {
      $(id).addEventListener("change", () => this.setSelection(id));
      $(id).addEventListener("keydown", (event) => event.key === "Enter" && this.setSelection(id));
    }
    $("keep").addEventListener("click", () => this.keep());
    $("part-label").addEventListener("keydown", (event) => event.key === "Enter" && this.keep());
    $("save-parts").addEventListener("click", () => this.save());
  }

  show(take) {
    this.take = take;
    this.showSelection();
    this.list();
  }

  showSelection() {
    const chosen = this.desk.stage.selection;
    $("part-start").value = chosen ? chosen.start.toFixed(3) : "";
    $("part-end").value = chosen ? chosen.end.toFixed(3) : "";
  }

  /** From the fields; an end that the other one was moved past moves along with it. */
  setSelection(changed) {
    let [start, end] = ["part-start", "part-end"].map((id) => parseFloat($(id).value));
    if (!Number.isFinite(start) || !Number.isFinite(end)) return;
    const { stage } = this.desk, length = stage.selection ? stage.selection.end - stage.selection.start : 1;
    if (end <= start && changed === "part-start") end = start + length;
    else if (end <= start) start = end - length;
    stage.select(start, end);
  }

  label(name) {
    $("part-label").value = name;
  }

  keep() {
    const chosen = this.desk.stage.selection, label = $("part-label").value.trim();
    if (!chosen) return warn("Nothing is selected: drag over the picture, or set start and end");
    if (!label) {
      $("part-label").focus();
      return warn("Which label? Write one beside the button");
    }
    this.take.parts.push({ start: Number(chosen.start.toFixed(6)), end: Number(chosen.end.toFixed(6)), label });
    this.take.parts.sort((a, b) => a.start - b.start);
    tell(`Kept ${label}`);
    return this.list();
  }

  list() {
    const { parts } = this.take;
    $("parts").replaceChildren(...parts.map((part, place) => {
      const words = `${part.label} · ${clock(part.start, 2)} – ${clock(part.end, 2)}`;
      const go = make("button", { className: "quiet", type: "button", title: "Select and play" }, symbol("play"));
      const drop = make("button", { className: "quiet", type: "button", title: "Remove" }, symbol("cross"));
      go.setAttribute("aria-label", `Play ${words}`);
      drop.setAttribute("aria-label", `Remove ${words}`);
      go.addEventListener("click", () => {
        this.desk.stage.select(part.start, part.end);
        this.desk.goTo(part.start);
        this.desk.player.pause();
        this.desk.play();
      });
      drop.addEventListener("click", () => {
        parts.splice(place, 1);
        this.list();
      });
      return make("li", {}, make("span", { textContent: words, title: words }), go, drop);
    }));
    $("save-parts").hidden = !parts.length;
    $("save-parts").lastElementChild.textContent = `Save ${count(parts.length, "clip")}`;
  }

  save() {
    return download(this.desk.service.clips(this.take.recording.id, this.take.parts));
  }
}

/** What in the picture speaks for an event or a note. */
export class Why {
  constructor(desk) {
    this.desk = desk;
    this.event = null;
    desk.lanes.addEventListener("chosen", (event) => this.of(event.detail));
    $("explain").addEventListener("click", () => this.toggle());
  }

  /** An event, or a note, was chosen. */
  of(chosen) {
    this.event = chosen;
    if (this.on) this.show();
  }

  clear() {
    this.event = null;
    this.on = false;
    $("explain").setAttribute("aria-pressed", false);
    this.desk.stage.setWhy(null);
  }

  toggle() {
    this.on = this.desk.toggle("explain");
    if (this.on) this.show();
    else this.desk.stage.setWhy(null);
  }

  async show() {
    const { stage, take, models, lanes } = this.desk;
    const notes = (take.notes?.list ?? []).map((note) => ({ ...note, model: take.notes.model }));
    const all = [...lanes.events, ...notes].filter((one) => models.find((model) => model.name === one.model)?.explains);
    const chosen = this.event ?? all.find((one) => one.start <= stage.time && stage.time < one.end) ?? all[0];
    if (!chosen) {
      this.clear();
      return warn("There is nothing to explain: no event, no note");
    }
    const { window } = models.find((one) => one.name === chosen.model), isNote = chosen.pitch !== undefined, { axis } = stage;
    const label = isNote ? String(Math.round(chosen.pitch)) : chosen.label;
    const name = isNote ? pitchName(Math.round(chosen.pitch)) : lanes.nameOf(label);
    const start = isNote ? chosen.start : Math.max(chosen.start, Math.min(stage.time, chosen.end - window), 0);
    tell(`What speaks for ${name} …`);
    try {
      const { blob, start: first, end: last } = await this.desk.service.explained(take.recording.id, {
        model: chosen.model, label, start: start.toFixed(3), width: 512, height: 256, scale: axis.kind, low: axis.lowHz, high: axis.highHz,
      });
      const image = await tinted(blob);
      if (take !== this.desk.take || !this.on) return undefined;
      // So close that the map can be read.
      const { span, duration } = stage.view, reach = Math.min(span, 8 * (last - first)) / 2, middle = (first + last) / 2;
      stage.setView(reach < span / 2 ? new View(duration, middle - reach, middle + reach) : stage.view.showing(first));
      stage.setWhy(image, first, last);
      return tell(`Bright: what speaks for ${name}`);
    } catch (error) {
      this.clear();
      return warn(error);
    }
  }
}

/** A grey picture as a veil: what matters stays clear, the rest is dimmed, and the most is edged in colour. */
async function tinted(blob) {
  const image = await createImageBitmap(blob), canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height), [r, g, b] = css("--coral").match(/\w\w/g).map((x) => parseInt(x, 16));
  const dark = css("--wave-ground").match(/\w\w/g).map((x) => parseInt(x, 16));
  for (let n = 0; n < pixels.data.length; n += 4) {
    const level = pixels.data[n] / 255, veil = level < 0.5;
    const colour = veil ? dark : [r, g, b];
    for (let part = 0; part < 3; part++) pixels.data[n + part] = colour[part];
    pixels.data[n + 3] = veil ? 190 * (1 - 2 * level) : 150 * (2 * level - 1);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Every event in words: for who cannot see the lanes, and to go from one to the next. */
export function fillEvents(desk) {
  const { lanes, take } = desk, names = new Map();
  for (const group of lanes.groups) for (const label of group.scores.labels) names.set(label.id, label.name || label.id);
  const rows = [...lanes.events.map((event) => ({ ...event, words: names.get(event.label) })),
    ...(take?.notes?.list ?? []).map((note) => ({ ...note, label: "note", words: pitchName(note.pitch) }))];
  rows.sort((a, b) => a.start - b.start);
  $("event-count").textContent = rows.length ? `(${rows.length.toLocaleString("en")})` : "";
  if (!$("events-as-table").open) return;
  const head = make("tr", {}, ...["Start, s", "End, s", "What", "Score"].map((words, place) =>
    make("th", { textContent: words, scope: "col", className: place === 2 ? "" : "n" })), make("td"));
  const body = rows.slice(0, MOST_ROWS).map((row) => {
    const go = make("button", { type: "button", textContent: "Go" });
    go.setAttribute("aria-label", `Go to ${row.words} at ${written(row.start)} seconds`);
    go.addEventListener("click", () => desk.choose({ ...row, name: row.words }));
    const cells = [written(row.start), written(row.end), row.words, row.score === undefined ? "" : row.score.toFixed(2)];
    return make("tr", {}, ...cells.map((text, place) => make("td", { textContent: text, className: place === 2 ? "" : "n" })), make("td", {}, go));
  });
  const caption = rows.length > MOST_ROWS ? make("caption", { textContent: `The first ${MOST_ROWS}; a download has all` }) : "";
  $("events").replaceChildren(caption, make("thead", {}, head), make("tbody", {}, ...body));
}

// What can hold what: notes have pitches, labels have none; the others hold both.
const FOR_NOTES = new Set(["midi", "notes"]), FOR_LABELS = new Set(["birdnet", "kaleidoscope", "buzzdetect", "buzzr", "dcase"]);
const TITLES = { csv: "CSV", jsonl: "JSON lines", raven: "Raven", audacity: "Audacity", jams: "JAMS", midi: "MIDI", notes: "Note table", parquet: "Parquet",
  birdnet: "BirdNET", kaleidoscope: "Kaleidoscope", dcase: "DCASE", buzzdetect: "buzzdetect", buzzr: "buzzr" };

/** A button for every format, for each model; what is saved is what is shown. */
export function fillDownloads(desk) {
  const { take, formats } = desk, groups = [];
  const models = [...[...take.tags].map(([model, { title }]) => ({ model, title, notes: false })),
    ...(take.notes ? [{ model: take.notes.model, title: "Notes", notes: true }] : [])];
  for (const { model, title, notes } of models) {
    const fitting = formats.filter(({ name }) => !(notes ? FOR_LABELS : FOR_NOTES).has(name));
    if (notes) fitting.sort((a, b) => FOR_NOTES.has(b.name) - FOR_NOTES.has(a.name));
    const { service } = desk, { id } = take.recording;
    const buttons = fitting.map((format) => button(TITLES[format.name] ?? format.name, `${title} as ${format.name} (${format.suffix})`,
      () => download(service.written(id, { ...take.options(model), format: format.name }))));
    if (notes) buttons.push(button("Sound", "The notes as sound (.wav)", () => download(service.sonified(id, take.options(model), take.name))));
    for (const [place, one] of buttons.entries()) one.dataset.format = fitting[place]?.name ?? "wav";
    groups.push(make("h3", { textContent: title }), make("div", {}, ...buttons));
  }
  if (!groups.length) groups.push(make("p", { className: "soft", textContent: "Files appear here when a model has listened." }));
  $("downloads").replaceChildren(...groups);
}

function button(words, title, action) {
  const made = make("button", { type: "button", textContent: words, title });
  made.addEventListener("click", action);
  return made;
}

async function download(file) {
  try {
    const { blob, name } = await file;
    save(blob, name);
    tell(`Saved ${name}`);
  } catch (error) {
    warn(error);
  }
}
