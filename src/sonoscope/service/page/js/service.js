// Talking to the service: one place for its addresses, its errors and its jobs.

import { Remote } from "./sources.js";

/** What the service answered when it did not do what was asked: words for people. */
export class Refused extends Error {
  constructor(status, told) {
    super([told.message, told.remedy].filter(Boolean).join(" – "));
    this.name = "Refused";
    this.status = status;
    this.code = told.code;
  }
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export class Service {
  constructor(base = document.baseURI) {
    this.base = base;
  }

  address(path) {
    return new URL(path, this.base).href;
  }

  async ask(path, options = {}) {
    let answer;
    try {
      answer = await fetch(this.address(path), options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, { code: "offline", message: "The service does not answer", remedy: "is `sonoscope serve` still running?" });
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, told.error ?? { code: "error", message: `The service said ${answer.status}` });
  }

  async json(path, options) {
    const answer = await this.ask(path, options);
    return answer.status === 204 ? null : answer.json();
  }

  async blob(path, options) {
    return (await this.ask(path, options)).blob();
  }

  send(path, body, method = "POST", headers = {}) {
    return this.json(path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
  }

  /** Upload a file; `told` hears how much of it is up, 0 to 1. Answers when the recording is ready. */
  async upload(file, name, told) {
    let { recording } = await this.uploaded(file, name, told);
    while (recording.state === "preparing") {
      await wait(300);
      ({ recording } = await this.json(`recordings/${recording.id}`));
      told?.(1, recording.progress);
    }
    if (recording.state === "failed") throw new Refused(422, recording.error);
    return recording;
  }

  uploaded(file, name, told) {
    // fetch says nothing of how far an upload is.
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest(), form = new FormData();
      form.append("file", file, name);
      request.open("POST", this.address("recordings"));
      request.responseType = "json";
      request.upload.onprogress = (event) => event.lengthComputable && told?.(event.loaded / event.total);
      request.onload = () => {
        if (request.status < 300) return done(request.response);
        fail(new Refused(request.status, request.response?.error ?? { message: `The service said ${request.status}` }));
      };
      request.onerror = () => fail(new Refused(0, { code: "offline", message: "The service does not answer" }));
      request.send(form);
    });
  }

  /** Analyse a recording; `told` hears jobs as they go on. Answers with what `files` holds: an entry for each model. */
  async analyze(id, options, told, signal) {
    const query = new URLSearchParams(options);
    const first = await this.ask(`recordings/${id}/analyze?${query}`, { method: "POST", signal });
    let body = await first.json();
    if (body.job) body = await this.finished(body.job, told, signal);
    if (body.errors?.length) throw new Refused(422, { message: body.errors[0].reason, remedy: body.errors[0].remedy });
    return body.files;
  }

  async finished(job, told, signal) {
    const mine = `jobs/${job.id}`;
    for (let pause = 80; ["queued", "running"].includes(job.state); pause = Math.min(pause * 1.3, 700)) {
      told?.(job);
      await wait(pause);
      if (signal?.aborted) {
        await this.json(mine, { method: "DELETE" }).catch(() => null);
        throw new DOMException("cancelled", "AbortError");
      }
      ({ job } = await this.json(mine));
    }
    if (job.state !== "done") throw new Refused(422, job.error ?? { message: `The analysis was ${job.state}` });
    const result = await this.json(`${mine}/result`);
    await this.json(mine, { method: "DELETE" }).catch(() => null);
    return result;
  }

  /** The same scores decided otherwise, at once. */
  async decided(id, options, signal) {
    const answer = await this.json(`recordings/${id}/analyze?${new URLSearchParams(options)}`,
      { method: "POST", headers: { Prefer: "wait" }, signal });
    return answer.job ? (await this.finished(answer.job, null, signal)).files : answer.files;
  }

  /** A file of a format: its bytes and its name. */
  async file(path, options, otherwise = "result") {
    const answer = await this.ask(path, options);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? otherwise;
    return { blob: await answer.blob(), name };
  }

  /** What the page starts with: whether a token is asked for, models, formats, limits. */
  async begin(enter) {
    const health = await this.json("health");
    if (health.auth && !health.authorised) await enter();
    const [{ models }, { formats }] = await Promise.all([this.json("models"), this.json("formats")]);
    return { models, formats, limits: health.limits ?? {} };
  }

  source(recording) {
    return new Remote(this, recording);
  }

  /** Where the browser plays a recording from. */
  sound(id) {
    return this.address(`recordings/${id}/audio`);
  }

  /** What a model found, as a file of a format. */
  written(id, options) {
    return this.file(`recordings/${id}/analyze?${new URLSearchParams(options)}`, { method: "POST", headers: { Prefer: "wait" } });
  }

  /** The notes as sound. */
  sonified(id, options, name) {
    return this.file(`recordings/${id}/notes.wav?${new URLSearchParams({ ...options, how: "notes" })}`, {}, `${name}.notes.wav`);
  }

  clips(id, clips) {
    return this.file(`recordings/${id}/clips`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ clips }),
    });
  }

  /** What speaks for a label: a grey picture, and the seconds that it covers. */
  async explained(id, options) {
    const answer = await this.ask(`recordings/${id}/explain?${new URLSearchParams(options)}`);
    return { blob: await answer.blob(), start: Number(answer.headers.get("X-Start")), end: Number(answer.headers.get("X-End")) };
  }

  forget(id) {
    return this.json(`recordings/${id}`, { method: "DELETE" }).catch(() => null);
  }

  socket(path) {
    return new WebSocket(this.address(path).replace(/^http/, "ws"));
  }
}
