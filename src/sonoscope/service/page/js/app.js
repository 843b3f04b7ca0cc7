// The page: files come in, recordings are listed, one lies on the desk; the live view is another page of it.

import { hue, theme } from "./colours.js";
import { Desk } from "./desk.js";
import { example, exampleNotes } from "./example.js";
import { csv, save, wav } from "./files.js";
import { listenKeys } from "./keys.js";
import { Live } from "./live.js";
import { Microphone } from "./microphone.js";
import { clock } from "./numbers.js";
import { fitted } from "./picture.js";
import { Service } from "./service.js";
import { Take } from "./take.js";
import { $, count, kept, make, symbol, tell, warn } from "./words.js";

/** The service behind the page, or the browser itself where the page was exported without one. */
async function serviceOf(name) {
  if (name !== "browser") return new Service();
  const { Alone } = await import("./alone.js");
  return new Alone();
}

class App {
  constructor() {
    this.takes = [];
    this.current = null;
    this.showThemeButton();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    $("theme").addEventListener("click", () => this.switchTheme());
    $("help").addEventListener("click", () => $("keys-dialog").showModal());
    addEventListener("hashchange", () => this.route());
    addEventListener("resize", () => this.drawArt());
    this.listen();
    this.ready = this.begin();
  }

  async begin() {
    this.drawArt();
    this.service = await serviceOf(document.documentElement.dataset.service);
    const { models, formats, limits } = await this.service.begin(() => this.enter());
    Object.assign(this, { models, formats, limits });
    this.desk = new Desk(this.service, models, formats);
    if (this.service.socket) this.live = new Live(this);
    else document.querySelector(".views").hidden = true;
    listenKeys(this.desk, this);
    this.fillModels();
    this.showLimits();
    this.route();
    document.documentElement.dataset.ready = "true";
  }

  /** Ask for the token until the service takes it. */
  async enter() {
    for (;;) {
      $("token-dialog").showModal();
      await new Promise((done) => $("token-dialog").addEventListener("close", done, { once: true }));
      try {
        await this.service.send("session", { token: $("token").value });
        return;
      } catch (error) {
        warn(error);
      }
    }
  }

  get atDesk() {
    return Boolean(this.current?.source) && location.hash !== "#live" && $("summary").hidden;
  }

  route() {
    const live = location.hash === "#live" && Boolean(this.live);
    $("recordings-view").hidden = live;
    $("live-view").hidden = !live;
    $(live ? "to-live" : "to-recordings").setAttribute("aria-current", "page");
    $(live ? "to-recordings" : "to-live").removeAttribute("aria-current");
    document.title = live ? "Live – sonoscope" : this.current ? `${this.current.name} – sonoscope` : "sonoscope";
    if (live) {
      this.desk.player.pause();
      this.live.open();
    } else this.live?.leave();
    this.drawArt();
  }

  // ---- looks -----------------------------------------------------------------------------------------------------

  switchTheme() {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    kept.set("theme", next);
    this.recolour();
    tell(next === "dark" ? "Dark" : "Light");
  }

  recolour() {
    this.showThemeButton();
    this.drawArt();
    this.desk?.stage.recolour();
    this.live?.recolour();
  }

  showThemeButton() {
    const dark = theme() === "dark";
    $("theme").firstElementChild.replaceWith(symbol(dark ? "sun" : "moon"));
    $("theme").lastElementChild.textContent = dark ? "Switch to light" : "Switch to dark";
  }

  /** The example's own notes above the words, as they will be seen. */
  drawArt() {
    if (!$("drop-art").clientWidth) return;
    const { context, width, height } = fitted($("drop-art")), notes = exampleNotes(), last = notes.at(-1).end + 0.4;
    notes.forEach((note) => {
      const x = (note.start / last) * width, y = height - ((note.pitch - 38) / 46) * height;
      context.fillStyle = hue(theme(), note.velocity > 100 ? 0 : 1);
      context.globalAlpha = 0.35 + (0.6 * note.velocity) / 127;
      context.beginPath();
      context.roundRect(x, y, ((note.end - note.start) / last) * width - 2, height / 32, height / 64);
      context.fill();
    });
  }

  fillModels() {
    $("models").replaceChildren(...this.models.map((model) => {
      const box = make("input", { type: "checkbox", value: model.name });
      box.addEventListener("change", () => this.wish(box));
      return make("label", { className: "chip", title: model.summary ?? "" }, box, model.name);
    }));
  }

  wish() {
    const wanted = [...$("models").querySelectorAll("input:checked")].map((box) => box.value);
    kept.set("models", wanted);
    this.current?.listen(wanted);
  }

  showLimits() {
    const { max_upload: bytes, max_duration: seconds } = this.limits;
    const here = !this.service.socket || ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    if (!here) document.querySelector(".lead").lastChild.textContent = document.querySelector(".lead").textContent.replace("Nothing leaves this machine.", "Recordings stay on this server.");
    const words = [bytes && `up to ${Math.round(bytes / 2 ** 20).toLocaleString("en")} MB`, seconds && `${clock(seconds)} long`].filter(Boolean);
    $("limits").textContent = words.length ? `Each file ${words.join(", ")}. WAV, FLAC, MP3, Ogg, M4A, MP4 and whatever else holds sound.` : "";
  }

  // ---- recordings ------------------------------------------------------------------------------------------------

  listen() {
    const pick = () => $("files").click();
    $("pick").addEventListener("click", pick);
    $("more").addEventListener("click", pick);
    $("files").addEventListener("change", () => {
      this.add([...$("files").files]);
      $("files").value = "";
    });
    $("example").addEventListener("click", async () => this.add([await example()]));
    for (const id of ["record", "record-more"]) $(id).addEventListener("click", () => this.record($(id)));
    $("summary-save").addEventListener("click", () => this.saveSummary());
    addEventListener("dragover", (event) => {
      event.preventDefault();
      $("drop").classList.add("over");
    });
    addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      $("drop").classList.remove("over");
      location.hash = "#recordings";
      this.add([...event.dataTransfer.files]);
    });
    $("events-as-table").addEventListener("toggle", () => this.desk?.showTables());
  }

  /** Files come in: all are uploaded one after another, the first lies on the desk. Those given early wait for the service. */
  async add(files) {
    if (!files.length) return;
    await this.ready;
    const takes = files.map((file) => new Take(this.service, this.models, file.name, (take) => this.changed(take)));
    this.takes.push(...takes);
    $("welcome").hidden = true;
    $("desk").hidden = false;
    this.choose(takes[0]);
    for (const [place, take] of takes.entries()) {
      if (!this.takes.includes(take) || !(await take.upload(files[place]))) continue;
      // The next one is uploaded while models listen to this one; the service has its own queue.
      const heard = take.listen(this.desk.wanted()).then(() => take === this.current && this.desk.tellDecision());
      if (takes.length > 4) await heard;
    }
  }

  choose(take) {
    this.current = take;
    $("summary").hidden = true;
    $("take").hidden = false;
    this.desk.show(take);
    document.title = `${take.name} – sonoscope`;
    this.list();
  }

  changed(take) {
    this.desk.update(take);
    this.list();
    if (!$("summary").hidden) this.fillSummary();
  }

  list() {
    const state = JSON.stringify([this.takes.map((take) => [take.name, take.state, Boolean(take.progress), Boolean(take.error)]), this.takes.indexOf(this.current), $("summary").hidden]);
    if (state === this.listed) return;
    this.listed = state;
    const focused = document.activeElement?.closest?.("#takes") ? document.activeElement.dataset.place : undefined;
    const tabs = this.takes.map((take, place) => {
      const mark = make("i", { className: take.error ? "failed" : take.progress ? "busy" : "" });
      const tab = make("button", { type: "button", className: "tab small", title: take.name }, mark, make("span", { textContent: take.name }));
      tab.dataset.place = place;
      if (take === this.current && $("summary").hidden) tab.setAttribute("aria-current", "true");
      tab.addEventListener("click", () => this.choose(take));
      const close = make("button", { type: "button", className: "quiet close", title: "Close" }, symbol("cross"));
      close.setAttribute("aria-label", `Close ${take.name}`);
      close.addEventListener("click", () => this.close(take));
      return make("li", {}, tab, close);
    });
    if (this.takes.length > 1) {
      const together = make("button", { type: "button", className: "tab small together", textContent: "Together" });
      together.dataset.place = "together";
      if (!$("summary").hidden) together.setAttribute("aria-current", "true");
      together.addEventListener("click", () => this.showSummary());
      tabs.unshift(make("li", {}, together));
    }
    $("takes").replaceChildren(...tabs);
    if (focused !== undefined) $("takes").querySelector(`[data-place="${focused}"]`)?.focus();
  }

  close(take) {
    take.remove();
    const place = this.takes.indexOf(take);
    this.takes.splice(place, 1);
    if (!this.takes.length) {
      this.current = null;
      this.desk.player.load("");
      $("desk").hidden = true;
      $("welcome").hidden = false;
      document.title = "sonoscope";
      this.drawArt();
    } else if (take === this.current) this.choose(this.takes[Math.min(place, this.takes.length - 1)]);
    else this.list();
  }

  /** Record from the microphone; the same button ends it. */
  async record(button) {
    const words = button.querySelector("span");
    if (this.recording) {
      const { microphone, blocks, timer } = this.recording;
      this.recording = null;
      clearInterval(timer);
      microphone.close();
      button.classList.remove("recording");
      words.textContent = "Record";
      const stamp = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
      this.add([new File([wav(blocks, microphone.sampleRate)], `recording-${stamp}.wav`, { type: "audio/wav" })]);
      return;
    }
    const blocks = [];
    try {
      const microphone = await Microphone.open((block) => blocks.push(block)), began = Date.now();
      button.classList.add("recording");
      words.textContent = "Stop";
      const timer = setInterval(() => { words.textContent = `Stop ${clock((Date.now() - began) / 1000)}`; }, 500);
      this.recording = { microphone, blocks, timer };
    } catch (error) {
      warn(error);
    }
  }

  // ---- all together ------------------------------------------------------------------------------------------------

  showSummary() {
    this.desk.player.pause();
    $("take").hidden = true;
    $("summary").hidden = false;
    this.fillSummary();
    this.list();
  }

  rows() {
    return this.takes.map((take) => ({ take, duration: take.recording?.duration ?? 0, ...take.summary() }));
  }

  fillSummary() {
    const rows = this.rows(), total = rows.reduce((sum, row) => sum + row.duration, 0);
    $("summary-words").textContent = `${count(rows.length, "recording")}, ${clock(total)} in all`;
    const head = make("tr", {}, ...["Recording", "Length", "What sounds, and for how long", "Notes"].map((words, place) =>
      make("th", { textContent: words, scope: "col", className: place === 1 || place === 3 ? "n" : "" })));
    const body = rows.map(({ take, duration, labels, notes }) => {
      const open = make("button", { type: "button", textContent: take.name });
      open.addEventListener("click", () => this.choose(take));
      const told = make("td", {}, ...labels.slice(0, 4).flatMap(({ name, seconds }) => {
        const bar = make("i"), share = make("span", { className: "share" }, bar);
        bar.style.width = `${Math.min(100, (100 * seconds) / Math.max(duration, 0.01))}%`;
        return [make("span", { className: "sounds" }, share, `${name} ${seconds.toFixed(1)} s`), " "];
      }));
      if (!labels.length) told.append(take.error ? make("span", { className: "failure", textContent: take.error.message }) : take.progress ? take.progress.words : "–");
      return make("tr", {}, make("td", {}, open), make("td", { className: "n", textContent: duration ? clock(duration, 1) : "" }), told,
        make("td", { className: "n", textContent: notes ?? "" }));
    });
    $("summary-table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
    // Where the table is narrow it is laid out as cards, and some browsers would then take it for no table.
    for (const [name, role] of [["tbody", "rowgroup"], ["tbody tr", "row"], ["td", "cell"]]) {
      for (const part of $("summary-table").querySelectorAll(name)) part.setAttribute("role", role);
    }
    $("summary-table").setAttribute("role", "table");
  }

  saveSummary() {
    const rows = this.rows(), names = [...new Set(rows.flatMap((row) => row.labels.map((label) => label.name)))].sort();
    const table = rows.map(({ take, duration, labels, notes }) => [take.name, duration.toFixed(3), notes,
      ...names.map((name) => labels.find((label) => label.name === name)?.seconds.toFixed(3) ?? "0.000")]);
    save(csv(["file", "duration", "notes", ...names], table), "summary.csv");
  }
}

export const app = new App();
app.ready.catch(warn);
