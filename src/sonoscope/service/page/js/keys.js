// The keyboard: every key, what it does, and the page that lists them.

import { $, make } from "./words.js";

/** `[keys, words, action]`; keys as `event.key` has them. `desk` answers for the recordings, `app` for the page. */
const table = (desk, app) => [
  [[" "], "Play, pause", () => desk.play()],
  [["ArrowLeft"], "Cursor back", (event) => step(desk, event, -1)],
  [["ArrowRight"], "Cursor on", (event) => step(desk, event, 1)],
  [["Home"], "To the beginning", () => desk.goTo(0)],
  [["End"], "To the end", () => desk.goTo(desk.stage.source.duration)],
  [["+", "="], "Zoom in", () => desk.stage.zoom(0.5)],
  [["-"], "Zoom out", () => desk.stage.zoom(2)],
  [["0"], "Show all of it", () => desk.stage.zoom(Infinity)],
  [["z"], "Zoom to the selection", () => zoomTo(desk)],
  [["["], "Selection begins at the cursor", () => edge(desk, "start")],
  [["]"], "Selection ends at the cursor", () => edge(desk, "end")],
  [["Escape"], "No selection", () => desk.stage.unselect()],
  [["l"], "Repeat the selection", () => $("loop").click()],
  [["s"], "Keep the selection as a clip", () => $("part-label").value.trim() ? $("keep").click() : $("part-label").focus()],
  [["j"], "Event before", () => desk.step(-1)],
  [["k"], "Next event", () => desk.step(1)],
  [["a"], "Frequency axis: log, mel, linear", () => desk.nextAxis()],
  [["n"], "Show or hide the notes", () => desk.setNotesShown(!$("show-notes").checked)],
  [["e"], "Why? What speaks for the event", () => $("explain").hidden || $("explain").click()],
  [["v"], "Dragging selects, or moves the picture", () => desk.dragging()],
  [["t"], "Dark or light", () => app.switchTheme()],
  [["?"], "This list", () => $("keys-dialog").showModal()],
];

const GESTURES = [
  ["Drag", "select (on touch: move)"], ["Wheel, pinch", "zoom"], ["Shift + wheel, alt + drag", "move"], ["Shift + ← →", "move the picture"],
  ["Click a lane’s event", "select it"], ["Double-click a threshold", "the model’s own"], ["Click a piano key", "hear it"],
];

const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

function step(desk, event, by) {
  const { view } = desk.stage;
  if (event.shiftKey) desk.stage.setView(view.pan((by * view.span) / 4));
  else desk.goTo(Math.max(0, Math.min(desk.stage.time + (by * view.span) / 40, desk.stage.source.duration)));
}

function zoomTo({ stage }) {
  if (!stage.selection) return;
  const { start, end } = stage.selection, room = 0.08 * (end - start), whole = stage.view.zoom(Infinity);
  stage.setView(whole.zoom((end - start + 2 * room) / whole.span, 0).pan(start - room));
}

function edge({ stage }, which) {
  const { selection, time, source } = stage, other = selection ?? { start: 0, end: source.duration };
  if (which === "start") stage.select(time, other.end > time ? other.end : source.duration);
  else stage.select(other.start < time ? other.start : 0, time);
}

/** Heed the keyboard, and fill the page that lists the keys. */
export function listenKeys(desk, app) {
  const keys = table(desk, app);
  $("keys-list").replaceChildren(
    ...keys.map(([names, words]) => make("div", {}, make("span", { textContent: words }), make("kbd", { textContent: NAMES[names[0]] ?? names[0].toUpperCase() }))),
    ...GESTURES.map(([gesture, words]) => make("div", {}, make("span", { textContent: gesture }), make("span", { className: "soft", textContent: words }))),
  );
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const { target } = event, field = target.closest("input, select, textarea");
    // Keys that a field needs are the field's; a slider needs the arrows and their like, a button the space bar.
    if (field && (field.type === "text" || field.type === "number" || field.type === "password" || field.tagName === "SELECT")) return;
    if (field?.type === "range" && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    if (event.key === " " && target.closest("button, a, summary, input[type=checkbox]")) return;
    if (target.closest(".scroll") && /^(Arrow|Home|End)/.test(event.key)) return;
    const found = keys.find(([names]) => names.includes(event.key.length === 1 ? event.key.toLowerCase() : event.key));
    if (!found || (!app.atDesk && !["?", "t"].includes(found[0][0]))) return;
    event.preventDefault();
    found[2](event);
  });
}
