// What the service says of labels over time, in whole numbers.

/** What a service says of labels over time, as decide.js takes it; `model` is its entry in the list of models. */
export function scoresOf(entry, model) {
  const rate = model.sample_rate, { start, end, edges, values } = entry.scores;
  const labels = entry.labels.map((id) => model.labels.find((label) => label.id === id) ?? { id, name: id, kind: "event" });
  const columns = entry.labels.map((id) => values[id]);
  return {
    model: entry.model, labels, sample_rate: rate, duration: entry.duration,
    window: Math.round(entry.window * rate),
    starts: start.map((s) => Math.round(s * rate)), ends: end.map((s) => Math.round(s * rate)),
    edges: edges.map((s) => Math.round(s * rate)),
    probabilities: start.map((_, row) => columns.map((column) => Math.round(column[row] * 10000))),
  };
}
