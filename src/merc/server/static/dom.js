// Elements and words: all text goes into the page as text, never as HTML.

export const one = (selector, root = document) => root.querySelector(selector);
export const byId = (id) => document.getElementById(id);

/** An element: properties that start with "on" are listeners, others attributes; children are elements or text. */
export function h(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [rule, set] of Object.entries(value)) made.style.setProperty(rule, set);
    else if (key === "value") made.value = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A drawing element. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A time as 0:07, 12:40 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6), two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A duration as 2.4 s, 3:20 min or 1:02:03 h. */
export function length(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return `${clock(Math.round(seconds))} ${Math.round(seconds) >= 3600 ? "h" : "min"}`;
}

/** A share as a percentage that never rounds something to nothing, or almost all to all. */
export function percent(share) {
  if (share > 0 && share < 0.005) return "<1%";
  if (share >= 0.995 && share < 1) return ">99%";
  return `${Math.round(share * 100)}%`;
}

export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** When something was done, in local time. */
export function moment(written) {
  const time = new Date(written);
  return Number.isNaN(+time) ? written : time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** The shape and colour of a label; a dashed circle where there is none. */
export const mark = (place) => h("i", { class: place === undefined || place < 0 ? "m none" : `m l${place}`, "aria-hidden": "true" });

let timer = 0;

/** Say what happened; errors stay until the next message. */
export function say(text, failed = false) {
  const box = byId("message");
  clearTimeout(timer);
  box.textContent = text;
  box.className = `message${text ? " on" : ""}${failed ? " failed" : ""}`;
  box.setAttribute("role", failed ? "alert" : "status");
  if (text && !failed) timer = setTimeout(() => say(""), 5000);
}
