// Labels over time: a lane each, with its score, its threshold, and the events that follow from them.

import { css, hue, theme } from "./colours.js";
import { find, soundingSeconds, withThreshold } from "./decide.js";
import { fitted } from "./picture.js";
import { make } from "./words.js";

const SHOWN_AT_LEAST = 3;

export class Lanes extends EventTarget {
  // Tells of itself by "decided" (events changed), "chosen" (an event was pointed at).
  constructor(place, stage) {
    super();
    this.place = place;
    this.stage = stage;
    this.groups = [];
    stage.addEventListener("drawn", () => this.draw());
  }

  /** `takes`: [{scores, given, decision}], one for each model that scores labels over time. */
  show(models) {
    this.groups = models;
    for (const group of this.groups) group.events = find(group.scores, group.decision);
    this.build();
  }

  /** What a label is called. */
  nameOf(id) {
    return this.groups.flatMap((group) => group.scores.labels).find((label) => label.id === id)?.name || id;
  }

  get events() {
    return this.groups.flatMap((group) => group.events.map((event) => ({ ...event, model: group.scores.model })));
  }

  /** Decide again with what was changed; `change` maps a decision to another. */
  decide(change) {
    for (const group of this.groups) {
      group.decision = change(group.decision, group);
      group.events = find(group.scores, group.decision);
    }
    this.tellAll();
    this.draw();
  }

  tellAll() {
    for (const group of this.groups) {
      const seconds = soundingSeconds(group.events);
      for (const lane of group.lanes) {
        const { id } = lane.label, threshold = group.decision.thresholds[id];
        lane.told.textContent = seconds[id] ? `${seconds[id].toFixed(1)} s` : "";
        lane.slider.value = threshold;
        lane.output.textContent = threshold.toFixed(2);
        lane.slider.setAttribute("aria-valuetext",
          `${threshold.toFixed(2)}, ${group.events.filter((event) => event.label === id).length} events`);
      }
    }
    this.dispatchEvent(new Event("decided"));
  }

  build() {
    this.place.replaceChildren();
    for (const group of this.groups) {
      const seconds = soundingSeconds(group.events), peaks = group.scores.labels.map((_, column) =>
        group.scores.probabilities.reduce((most, row) => Math.max(most, row[column]), 0));
      const order = group.scores.labels.map((label, column) => ({ label, column, score: (seconds[label.id] ?? 0) * 1e5 + peaks[column] }))
        .filter(({ label }) => (label.kind ?? "event") === "event").sort((a, b) => b.score - a.score);
      const count = Math.max(order.filter(({ label }) => seconds[label.id]).length, Math.min(SHOWN_AT_LEAST, order.length));
      group.lanes = order.map((one) => this.lane(group, one));
      this.place.append(make("div", { className: "lanes-head" }, make("h2", { textContent: group.title })));
      for (const lane of group.lanes.slice(0, count)) this.place.append(lane.name, lane.cell);
      const rest = group.lanes.slice(count);
      if (!rest.length) continue;
      const more = make("button", { className: "others small", type: "button", textContent: `${rest.length} more labels` });
      more.setAttribute("aria-expanded", "false");
      for (const lane of rest) lane.name.hidden = lane.cell.hidden = true;
      more.addEventListener("click", () => {
        const opens = rest[0].name.hidden;
        for (const lane of rest) lane.name.hidden = lane.cell.hidden = !opens;
        more.textContent = opens ? "Fewer labels" : `${rest.length} more labels`;
        more.setAttribute("aria-expanded", opens);
        this.draw();
      });
      for (const lane of rest) this.place.append(lane.name, lane.cell);
      this.place.append(more);
    }
    this.tellAll();
    this.draw();
  }

  lane(group, { label, column }) {
    const swatch = make("i", { className: "swatch" }), told = make("span");
    const title = label.name || label.id;
    const slider = make("input", { type: "range", min: 0.01, max: 0.99, step: 0.01, title: "Threshold; double-click for the model’s own" });
    slider.setAttribute("aria-label", `Threshold for ${title}`);
    slider.dataset.label = label.id;
    const output = make("output");
    const name = make("div", { className: "lane-name" },
      make("div", { className: "name" }, swatch, make("b", { textContent: title, title }), told),
      make("div", { className: "threshold" }, slider, output));
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title} over time`);
    const cell = make("div", { className: "cell lane" }, canvas);
    cell.dataset.label = label.id;
    const lane = { label, column, swatch, told, slider, output, name, cell, canvas };
    slider.addEventListener("input", () => this.move(group, label.id, Number(slider.value)));
    slider.addEventListener("dblclick", () => this.move(group, label.id, group.given.thresholds[label.id]));
    this.stage.listen(cell, "lane");
    cell.addEventListener("tap", (tapped) => {
      const { time } = tapped.detail, reach = (3 / cell.clientWidth) * this.stage.view.span;
      const event = group.events.find((one) => one.label === label.id && one.start - reach <= time && time < one.end + reach);
      if (!event) return;
      tapped.preventDefault();
      this.dispatchEvent(new CustomEvent("chosen", { detail: { ...event, name: title, model: group.scores.model } }));
    });
    return lane;
  }

  move(group, label, threshold) {
    this.decide((decision, one) => (one === group ? withThreshold(decision, group.given, label, threshold) : decision));
  }

  draw() {
    for (const group of this.groups) {
      for (const lane of group.lanes ?? []) if (!lane.cell.hidden) this.drawLane(group, lane);
    }
  }

  drawLane(group, { label, column, canvas, swatch }) {
    const { context, width, height } = fitted(canvas), view = this.stage.view;
    const colour = hue(theme(), group.scores.labels.findIndex((one) => one.id === label.id)), { edges, probabilities, sample_rate: rate } = group.scores;
    swatch.style.background = colour;
    const x = (seconds) => view.at(seconds) * width, y = (share) => height - 4 - share * (height - 8);
    const threshold = group.decision.thresholds[label.id];
    for (const event of group.events) {
      if (event.label !== label.id || event.end < view.start || event.start > view.end) continue;
      const left = x(event.start), wide = Math.max(x(event.end) - left, 2);
      context.globalAlpha = 0.28;
      context.fillStyle = colour;
      context.fillRect(left, 0, wide, height);
      context.globalAlpha = 1;
      context.fillRect(left, height - 4, wide, 4);
    }
    const first = Math.max(edges.findIndex((edge) => edge / rate > view.start) - 1, 0);
    context.beginPath();
    context.moveTo(x(edges[first] / rate), height);
    let row = first;
    // Where many scores share a pixel the highest is drawn.
    for (; row < probabilities.length && edges[row] / rate < view.end; row++) {
      let most = probabilities[row][column];
      const left = x(edges[row] / rate);
      while (row + 1 < probabilities.length && x(edges[row + 2] / rate) - left < 1) most = Math.max(most, probabilities[++row][column]);
      const right = x(edges[row + 1] / rate);
      context.lineTo(left, y(most / 10000));
      context.lineTo(right, y(most / 10000));
    }
    context.lineTo(x((edges[row] ?? edges.at(-1)) / rate), height);
    context.globalAlpha = 0.35;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = colour;
    context.lineWidth = 1.4;
    context.lineJoin = "round";
    context.stroke();
    context.setLineDash([3, 4]);
    context.lineWidth = 1;
    context.strokeStyle = css("--soft");
    context.beginPath();
    context.moveTo(0, y(threshold));
    context.lineTo(width, y(threshold));
    context.stroke();
    context.setLineDash([]);
  }
}
