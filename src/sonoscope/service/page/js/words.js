// Small things that every part of the page uses: finding elements, making them, telling people what happened.

export const $ = (id) => document.getElementById(id);

/** An element with properties and what is inside. */
export function make(name, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}

/** One of the page's symbols. */
export function symbol(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg"), use = document.createElementNS(made.namespaceURI, "use");
  use.setAttribute("href", `#i-${name}`);
  made.setAttribute("aria-hidden", "true");
  made.append(use);
  return made;
}

const timers = new Map();

function show(id, text, ms) {
  const place = $(id);
  place.textContent = text;
  place.classList.toggle("shown", Boolean(text));
  clearTimeout(timers.get(id));
  if (text) timers.set(id, setTimeout(() => place.classList.remove("shown"), ms));
}

/** Say what happened, to the eye and to screen readers. */
export const tell = (text) => show("told", text, 3500);

/** Say what went wrong; stays longer. */
export function warn(error) {
  if (error?.name === "AbortError") return;
  show("wrong", typeof error === "string" ? error : error.message, 9000);
}

/** Only the last of calls that come quickly after each other. */
export function settled(ms, action) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), ms);
  };
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** Choices that outlive the page; storage may be forbidden. */
export const kept = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`sonoscope-${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`sonoscope-${name}`, JSON.stringify(value));
    } catch {
      // The choice then lasts as long as the page.
    }
  },
};
