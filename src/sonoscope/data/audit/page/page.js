"use strict";

// What a decision is in the file of overrides: [action, labels].
function overrideOf(issue, decision) {
  if (decision.act === "accept") return ["relabel", issue.suggested];
  if (decision.act === "edit") return ["relabel", decision.labels];
  if (decision.act === "unknown") return ["unknown", doubtful(issue)];
  return [decision.act, ""];
}

// The labels that only one of given and suggested has.
function doubtful(issue) {
  const given = names(issue.given), suggested = names(issue.suggested);
  const once = (some, others) => some.filter((label) => !others.includes(label));
  return [...once(given, suggested), ...once(suggested, given)].join(";");
}

function names(text) {
  return [...new Set(text.split(/[;,]/).map((name) => name.trim()).filter(Boolean))];
}

function cell(text) {
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

// The file: a header, and a line for each decided issue, in order.
function overridesCsv(issues, decisions) {
  const lines = [["path", "start_s", "action", "labels"]];
  for (const issue of issues) {
    const decision = decisions[keyOf(issue)];
    if (decision) lines.push([issue.path, issue.start, ...overrideOf(issue, decision)]);
  }
  return lines.map((line) => line.map(cell).join(",") + "\n").join("");
}

// A decision is about what was given: after a correction the row is a new question.
function keyOf(issue) {
  return [issue.path, issue.start, issue.given].join("\u0000");
}

function start() {
  const cards = [...document.querySelectorAll(".issue")];
  const issues = cards.map((card) => ({ ...card.dataset }));
  const place = "sonoscope-audit " + location.pathname;
  let decisions = {}, undo = [], current = -1;
  try { decisions = JSON.parse(localStorage.getItem(place)) || {}; } catch { /* a browser that keeps nothing */ }
  const element = (id) => document.getElementById(id);

  function keep() {
    try { localStorage.setItem(place, JSON.stringify(decisions)); } catch { /* as above */ }
  }

  function show(number) {
    const decision = decisions[keyOf(issues[number])];
    const output = cards[number].querySelector("output");
    if (decision) {
      const [action, labels] = overrideOf(issues[number], decision);
      cards[number].dataset.decision = action;
      output.textContent = action + (action === "relabel" || labels ? ": " + (labels || "nothing") : "");
    } else {
      delete cards[number].dataset.decision;
      output.textContent = "";
    }
  }

  function filter() {
    const label = element("label").value, state = element("state").value;
    issues.forEach((issue, number) => {
      const given = names(issue.given), done = keyOf(issue) in decisions;
      const fits = !label || given.includes(label) || (label === "nothing" && !given.length);
      cards[number].hidden = !fits || (state === "open" && done) || (state === "done" && !done);
    });
    count();
  }

  function count() {
    const done = issues.filter((issue) => keyOf(issue) in decisions).length;
    element("count").textContent = done + " of " + issues.length + " decided";
  }

  function pause() {
    document.querySelectorAll("audio").forEach((audio) => audio.pause());
  }

  function go(number, play) {
    if (number < 0 || number >= cards.length) return;
    if (current >= 0) cards[current].classList.remove("current");
    current = number;
    cards[current].classList.add("current");
    cards[current].focus({ preventScroll: true });
    cards[current].scrollIntoView({ block: "nearest" });
    pause();
    if (play && element("play").checked) cards[current].querySelector("audio").play().catch(() => {});
  }

  function move(step) {
    let next = current + step;
    while (next >= 0 && next < cards.length && cards[next].hidden) next += step;
    go(next, true);
  }

  function decide(number, act) {
    const key = keyOf(issues[number]);
    let decision = { act };
    if (act === "edit") {
      const labels = prompt("What sounds (names, ; between them)?", issues[number].given);
      if (labels === null) return;
      decision = { act, labels: names(labels).join(";") };
    }
    undo.push([number, decisions[key]]);
    decisions[key] = decision;
    keep();
    show(number);
    count();
    if (number === current) move(1);
  }

  function takeBack() {
    const last = undo.pop();
    if (!last) return;
    const [number, before] = last;
    if (before) decisions[keyOf(issues[number])] = before; else delete decisions[keyOf(issues[number])];
    keep();
    show(number);
    count();
    cards[number].hidden = false;
    go(number, false);
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([overridesCsv(issues, decisions)], { type: "text/csv" }));
    link.download = "overrides.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function toggle() {
    if (current < 0) return go(0, true);
    const audio = cards[current].querySelector("audio");
    if (audio.paused) audio.play().catch(() => {}); else audio.pause();
  }

  const ACTS = { a: "accept", r: "keep", u: "unknown", x: "remove", e: "edit" };
  const KEYS = { j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), " ": toggle,
    z: takeBack, s: save };
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "AUDIO" && event.key === " ") return;
    if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key in ACTS && current >= 0) decide(current, ACTS[event.key]);
    else if (event.key in KEYS) KEYS[event.key]();
    else return;
    event.preventDefault();
  });
  cards.forEach((card, number) => {
    card.addEventListener("click", (event) => {
      const act = event.target.closest("button")?.dataset.act;
      if (current !== number) go(number, false);
      if (act) decide(number, act);
    });
    show(number);
  });
  // The keys are the page's again as soon as something was chosen.
  ["label", "state", "play"].forEach((id) => element(id).addEventListener("change", (event) => {
    event.target.blur();
    filter();
  }));
  element("export").addEventListener("click", save);
  count();
}

if (typeof module !== "undefined") module.exports = { overridesCsv, doubtful, names };
else start();
