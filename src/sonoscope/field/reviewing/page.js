"use strict";
// Clips one after another, judged by one key each. Server mode: every verdict is saved before the next clip is shown.
// File mode: verdicts stay in this browser's storage and are downloaded as the CSV that the command reads.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const clips = data.clips;
const verdicts = new Map(Object.entries(data.verdicts));
const given = [];                       // clips judged in this sitting, for undo
let place = 0, shown = "", busy = false, dirty = false, reviewer = data.reviewer;
let buffer = null, source = null, began = 0, offset = 0, rate = 1, until = 0, gain = 1, facts = null, picture = null;
let context = null, started = 0;
const KEY = `sonoscope-${data.id}`;
const dark = matchMedia("(prefers-color-scheme: dark)");

// ---- which clips, and where we are ----------------------------------------------------------------------------

const listed = () => clips.filter((clip) => !shown || clip.label === shown);
const current = () => listed()[place];
const left = (label) => clips.filter((clip) => (!label || clip.label === label) && !verdicts.has(clip.id)).length;
const name = (label) => data.names[label] || label;

function firstOpen(from) {
  const all = listed();
  for (let step = 0; step < all.length; step++) {
    const at = (from + step) % all.length;
    if (!verdicts.has(all[at].id)) return at;
  }
  return -1;
}

function fillClasses() {
  const labels = [...new Set(clips.map((clip) => clip.label))];
  const entries = labels.map((label) => [label, `${name(label)} – ${left(label)} left`]);
  if (labels.length > 1) entries.unshift(["", `all – ${left("")} left`]);
  $("class").replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, value === shown)));
  $("class").parentElement.hidden = labels.length < 2;
}

function showProgress() {
  const all = listed(), done = all.filter((clip) => verdicts.has(clip.id)).length;
  $("count").textContent = `${done} of ${all.length} judged`;
  $("progress").setAttribute("aria-valuemax", all.length);
  $("progress").setAttribute("aria-valuenow", done);
  $("progress").firstElementChild.style.width = `${100 * done / Math.max(all.length, 1)}%`;
  fillClasses();
  const finished = left("") === 0;
  $("done").hidden = !finished;
  if (finished) {
    const counts = {};
    for (const verdict of verdicts.values()) counts[verdict] = (counts[verdict] || 0) + 1;
    $("summary").textContent = Object.entries(counts).map(([what, many]) => `${many} ${what}`).join(", ");
    $("next").innerHTML = data.mode === "file"
      ? "Download your verdicts (<kbd>D</kbd>) and send the file back."
      : "Every verdict is saved. You can close this page and press Ctrl-C in the terminal; then: <code></code>";
    const code = $("next").querySelector("code");
    if (code) code.textContent = `sonoscope thresholds verdicts ${data.title}`;
  }
}

// ---- a clip ---------------------------------------------------------------------------------------------------

async function go(to, play) {
  const all = listed();
  place = Math.max(0, Math.min(to, all.length - 1));
  const clip = current();
  stop();
  buffer = null; picture = null; facts = null;
  $("question").innerHTML = "Is <em></em> in the marked part?";
  $("question").querySelector("em").textContent = name(clip.label);
  document.querySelectorAll("[data-verdict]").forEach((button) => {
    const mine = verdicts.get(clip.id) === button.dataset.verdict;
    button.classList.toggle("given", mine);
    button.setAttribute("aria-pressed", mine);
  });
  $("back").disabled = place === 0;
  $("on").disabled = place === all.length - 1;
  $("undo").disabled = !given.length;
  showProgress();
  caption();
  try {
    const [told, image] = await Promise.all([clip.facts || fetchJson(`facts/${clip.id}`), loadImage(clip.image)]);
    if (clip !== current()) return;
    facts = told; picture = image;
    draw();
    caption();
    if (play && pressed("auto")) await start(false);
  } catch (error) {
    tell(`This clip cannot be shown: ${error.message}`, true);
  }
  const next = all[place + 1];
  if (next && data.mode === "server") { new Image().src = next.image; fetch(next.audio).catch(() => 0); }
}

async function fetchJson(url) {
  const answer = await fetch(url);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error || answer.statusText);
  return body;
}

function loadImage(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("its picture is missing"));
    image.src = url;
  });
}

function caption() {
  const clip = current(), at = place + 1;
  let text = `Clip ${at} of ${listed().length}`;
  if (verdicts.has(clip.id)) text += ` · judged: ${verdicts.get(clip.id)}`;
  if (pressed("info")) {
    text += ` · score ${clip.score.toFixed(2)} · ${clip.file} at ${clip.start.toFixed(2)} s`;
    if (clip.site) text += ` · ${clip.site}`;
    if (clip.time) text += ` · begins ${clip.time}`;
  }
  $("caption").textContent = text;
}

// ---- the picture ----------------------------------------------------------------------------------------------

const LIGHT = [[255, 255, 255], [214, 226, 230], [120, 160, 175], [58, 82, 120], [40, 22, 62]];
const DARK = [[12, 14, 22], [52, 30, 92], [150, 50, 110], [236, 120, 70], [252, 236, 170]];
const hzToMel = (hz) => hz < 1000 ? 3 * hz / 200 : 15 + 27 * Math.log(hz / 1000) / Math.log(6.4);

function palette() {
  const stops = dark.matches ? DARK : LIGHT, table = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const at = i / 255 * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2), part = at - low;
    for (let c = 0; c < 3; c++) table[4 * i + c] = stops[low][c] * (1 - part) + stops[low + 1][c] * part;
    table[4 * i + 3] = 255;
  }
  return table;
}

function height(hz) {                     // 0 at the bottom, 1 at the top
  return pressed("axis") ? hz / facts.top_hz : hzToMel(hz) / hzToMel(facts.top_hz);
}

function draw() {
  if (!picture) return;
  const canvas = $("spectrogram"), wide = picture.naturalWidth, tall = picture.naturalHeight;
  canvas.width = wide; canvas.height = tall;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.drawImage(picture, 0, 0);
  const grey = pen.getImageData(0, 0, wide, tall), out = pen.createImageData(wide, tall), colours = palette();
  for (let row = 0; row < tall; row++) {
    let from = row;
    if (pressed("axis")) {
      const hz = (1 - (row + .5) / tall) * facts.top_hz;
      from = Math.max(0, Math.min(tall - 1, Math.floor((1 - hzToMel(hz) / hzToMel(facts.top_hz)) * tall)));
    }
    for (let column = 0; column < wide; column++) {
      const value = grey.data[4 * (from * wide + column)], to = 4 * (row * wide + column);
      for (let c = 0; c < 4; c++) out.data[to + c] = colours[4 * value + c];
    }
  }
  pen.putImageData(out, 0, 0);
  axes();
}

function axes() {
  const clip = current(), top = facts.top_hz, length = facts.seconds;
  const choices = pressed("axis")
    ? ticks(0, top, 6)
    : [100, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000].filter((hz) => hz < top * .93);
  $("ylabels").replaceChildren(...choices.map((hz) => {
    const mark = document.createElement("span");
    mark.textContent = hz >= 1000 ? `${+(hz / 1000).toFixed(1)} kHz` : `${hz} Hz`;
    mark.style.top = `${100 * (1 - height(hz))}%`;
    return mark;
  }).filter((mark) => { const y = parseFloat(mark.style.top); return y > 1 && y < 99.5; }));
  const across = ticks(0, length, 8);
  $("xlabels").replaceChildren(...across.map((second, i) => {
    const mark = document.createElement("span");
    mark.textContent = i === across.length - 1 ? `${+second.toFixed(2)} s` : `${+second.toFixed(2)}`;
    mark.style.left = `${100 * second / length}%`;
    if (second === 0) mark.className = "first";
    if (second > .97 * length) mark.className = "last";
    return mark;
  }));
  const from = 100 * clip.from / length, to = Math.min(100 * clip.to / length, 100);
  Object.assign($("before").style, {left: 0, width: `${from}%`});
  Object.assign($("after").style, {left: `${to}%`, right: 0});
  Object.assign($("marked").style, {left: `${from}%`, width: `${to - from}%`});
  $("spectrogram").setAttribute("aria-label",
    `Spectrogram of ${length.toFixed(1)} seconds up to ${Math.round(top / 100) / 10} kilohertz; `
    + `marked from ${clip.from.toFixed(1)} to ${clip.to.toFixed(1)} seconds`);
}

function ticks(low, high, most) {
  let step = 10 ** Math.floor(Math.log10((high - low) / most));
  step *= [1, 2, 5, 10].find((k) => (high - low) / (step * k) <= most);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + 1e-9; at += step) found.push(+at.toFixed(6));
  return found;
}

// ---- the sound ------------------------------------------------------------------------------------------------

async function start(part) {
  const clip = current();
  stop();
  const mine = ++started;                 // what began later, or was stopped meanwhile, goes before
  context = context || new AudioContext();
  if (context.state === "suspended") {
    await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, 300))]);
    if (mine !== started) return;
    if (context.state !== "running") return tell("Press Space to hear it.");
  }
  if (!buffer) {
    const content = await (await fetch(clip.audio)).arrayBuffer();
    const decoded = await context.decodeAudioData(content);
    if (mine !== started) return;
    buffer = decoded;
  }
  rate = pressed("slow") ? .5 : 1;
  gain = pressed("loud") ? Math.min(.7 / Math.max(facts.peak, 1e-4), 100) : 1;
  const volume = context.createGain();
  volume.gain.value = gain;
  source = context.createBufferSource();
  source.buffer = buffer;
  source.playbackRate.value = rate;
  source.connect(volume).connect(context.destination);
  offset = part ? clip.from : 0;
  until = part ? clip.to : buffer.duration;
  const playing = source;
  source.onended = () => { if (source === playing) stop(); };
  source.start(0, offset, until - offset);
  began = context.currentTime;
  $("stage").classList.add("playing");
  $("play").querySelector("span").textContent = "Stop";
  requestAnimationFrame(follow);
}

function stop() {
  started++;
  if (source) { const old = source; source = null; try { old.stop(); } catch { /* it had ended */ } }
  $("stage").classList.remove("playing");
  $("play").querySelector("span").textContent = "Play";
}

function follow() {
  if (!source) return;
  const at = Math.min(offset + (context.currentTime - began) * rate, until);
  $("cursor").style.left = `${100 * at / facts.seconds}%`;
  requestAnimationFrame(follow);
}

// ---- verdicts -------------------------------------------------------------------------------------------------

async function judge(verdict) {
  if (busy) return;
  const clip = current();
  if (!await keep(clip.id, verdict)) return;
  given.push({id: clip.id, before: verdicts.get(clip.id) || ""});
  verdicts.set(clip.id, verdict);
  const next = firstOpen(place + 1);
  tell(`${name(clip.label)}: ${verdict}.` + (next < 0 ? (left("") ? " This class is done." : " All are judged.") : ""));
  await go(next < 0 ? place : next, next >= 0);
}

async function undo() {
  if (busy || !given.length) return;
  const last = given[given.length - 1];
  if (!await keep(last.id, last.before)) return;
  given.pop();
  if (last.before) verdicts.set(last.id, last.before); else verdicts.delete(last.id);
  const clip = clips.find((one) => one.id === last.id);
  if (shown && clip.label !== shown) shown = clip.label;
  tell("Taken back.");
  await go(listed().indexOf(clip), true);
}

async function keep(id, verdict) {
  if (data.mode === "file") {
    const kept = JSON.parse(localStorage.getItem(KEY) || "{}");
    if (verdict) kept[id] = {verdict, at: new Date().toISOString().slice(0, 19) + "+00:00"}; else delete kept[id];
    try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch (error) {
      tell(`The browser did not keep it (${error.message}): download your verdicts now.`, true);
    }
    memory = kept; dirty = true;
    return true;
  }
  busy = true;
  try {
    const answer = await fetch("verdict", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({clip: id, verdict}),
    });
    if (!answer.ok) throw new Error((await answer.json()).error || answer.statusText);
    return true;
  } catch (error) {
    const why = error instanceof TypeError ? "the command in the terminal has ended; start it again" : error.message;
    tell(`Not saved: ${why}.`, true);
    return false;
  } finally { busy = false; }
}

let memory = {};

function download() {
  const quoted = (text) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = ["clip,label,verdict,reviewer,at"];
  for (const clip of clips) {
    const kept = memory[clip.id];
    if (kept) lines.push([clip.id, clip.label, kept.verdict, reviewer, kept.at].map(quoted).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"}));
  link.download = `verdicts-${reviewer}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  dirty = false;
  tell(`${lines.length - 1} verdicts downloaded as ${link.download}.`);
}

function tell(text, wrong = false) {
  $("told").textContent = text;
  $("told").classList.toggle("wrong", wrong);
}

// ---- keys and buttons -----------------------------------------------------------------------------------------

const pressed = (id) => $(id).getAttribute("aria-pressed") === "true";

function toggle(id) {
  $(id).setAttribute("aria-pressed", !pressed(id));
  if (id === "axis") draw();
  if (id === "info") caption();
  if ((id === "slow" || id === "loud") && source) start(until < buffer.duration);
}

const actions = {
  y: () => judge("yes"), n: () => judge("no"), o: () => judge("other"), u: () => judge("unsure"),
  " ": () => source ? stop() : start(false), m: () => start(true),
  z: undo, backspace: undo, arrowleft: () => go(place - 1, true), arrowright: () => go(place + 1, true),
  s: () => toggle("slow"), g: () => toggle("loud"), f: () => toggle("axis"), a: () => toggle("auto"),
  i: () => toggle("info"), d: () => data.mode === "file" && download(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("name").open) return;
  if (/^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  const key = event.key.toLowerCase();
  if (!(key in actions) || (event.repeat && !key.startsWith("arrow"))) return;
  // A focused button would be pressed by Space as well.
  if (event.target.tagName === "BUTTON") event.target.blur();
  event.preventDefault();
  actions[key]();
});

const clicks = {
  play: actions[" "], part: actions.m, slow: actions.s, loud: actions.g, axis: actions.f, auto: actions.a,
  info: actions.i, undo, back: actions.arrowleft, on: actions.arrowright, save: actions.d, stage: actions[" "],
};
for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
document.querySelectorAll("[data-verdict]").forEach((button) =>
  button.addEventListener("click", () => judge(button.dataset.verdict)));
$("class").addEventListener("change", (event) => {
  shown = event.target.value;
  event.target.blur();
  go(Math.max(firstOpen(0), 0), true);
});
dark.addEventListener("change", draw);
addEventListener("beforeunload", (event) => { if (data.mode === "file" && dirty) event.preventDefault(); });

function begin() {
  go(Math.max(firstOpen(0), 0), true);
}

if (data.mode === "file") {
  $("save").hidden = false;
  memory = JSON.parse(localStorage.getItem(KEY) || "{}");
  for (const [id, kept] of Object.entries(memory)) verdicts.set(id, kept.verdict);
  reviewer = reviewer || localStorage.getItem(`${KEY}-name`) || "";
  if (!reviewer) {
    $("name").addEventListener("close", () => {
      reviewer = $("who").value.trim();
      localStorage.setItem(`${KEY}-name`, reviewer);
      begin();
    });
    $("name").addEventListener("cancel", (event) => event.preventDefault());
    $("name").showModal();
  } else begin();
} else begin();
