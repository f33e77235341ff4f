// Emotion tracks: one lane a speaker, each utterance a column of its probabilities, drawn for what is in view.

import { byId, clock, counted, h, length, mark, percent } from "./dom.js";
import { rename } from "./dialogs.js";
import { duration, onMove, position, seek } from "./player.js";
import { changed, find, names, place, rows, select, state } from "./state.js";

const AXIS = 22, MOST = 64;
const dark = matchMedia("(prefers-color-scheme: dark)");
let zoom = 1, scroller, space, canvas, head, now, lanes = [], waiting = 0;

const width = () => scroller.clientWidth;
const total = () => width() * zoom;
const x = (seconds) => seconds / (duration() || 1) * total();

export function zoomBy(factor) {
  const centre = position();
  zoom = Math.min(Math.max(1, zoom * factor), Math.max(1, duration() / 4));
  space.style.width = `${zoom * 100}%`;
  scroller.scrollLeft = x(centre) - width() / 2;
  byId("zoom-out").disabled = zoom === 1;
  draw();
}

function build() {
  zoom = 1;
  canvas = h("canvas", { role: "img", tabindex: "-1" });
  head = h("i", { class: "head", "aria-hidden": "true" });
  now = h("i", { class: "now", "aria-hidden": "true" });
  space = h("div", { class: "space" }, h("div", { class: "sheet" }, canvas, now, head));
  scroller = h("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": "Emotion tracks" }, space);
  scroller.addEventListener("scroll", draw, { passive: true });
  scroller.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("click", clicked);
  byId("tracks").replaceChildren(h("div", { class: "names" }), scroller);
  byId("zoom-out").disabled = true;
  new ResizeObserver(draw).observe(scroller);
  lay();
}

/** Lanes by speaker, each with a button that names it. */
function lay() {
  const said = Map.groupBy ? Map.groupBy(rows(), (row) => row.speaker) : grouped();
  const listed = [...names(), ...(said.has(null) ? [null] : [])].filter((name) => said.has(name));
  const step = listed.length <= 3 ? MOST : listed.length <= 6 ? 48 : 34;
  lanes = listed.map((name, at) => ({ name, rows: said.get(name), top: at * step, height: step }));
  canvas.style.height = `${lanes.length * step + AXIS}px`;
  byId("tracks").firstChild.replaceChildren(...lanes.map((lane) => label(lane)));
  canvas.setAttribute("aria-label", lanes.map((lane) => `${lane.name ?? "unknown speaker"}: ${described(lane.rows)}`).join(" "));
  legend();
  draw();
}

function grouped() {
  const found = new Map();
  for (const row of rows()) found.set(row.speaker, [...found.get(row.speaker) ?? [], row]);
  return found;
}

function label(lane) {
  const seconds = lane.rows.reduce((sum, row) => sum + (row.start === null ? 0 : row.end - row.start), 0);
  const about = `${lane.rows.length} · ${length(seconds)}`;
  const shown = lane.name === null ? h("span", {}, "unknown speaker") : h("button", { type: "button", title: "Rename or merge this speaker", onclick: () => rename(lane.name) }, h("bdi", {}, lane.name));
  return h("div", { class: "lane", style: { top: `${lane.top}px` } }, shown, h("small", { title: `${counted(lane.rows.length, "utterance")}, ${length(seconds)}` }, about));
}

function described(own) {
  const counts = new Map();
  for (const row of own) counts.set(row.label ?? "no label", (counts.get(row.label ?? "no label") ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${percent(count / own.length)}`).join(", ") + ".";
}

function legend() {
  byId("legend").replaceChildren(
    ...state.looks.map((look, at) => h("li", {}, mark(at), look.name)), h("li", {}, mark(-1), "no label"),
    h("li", {}, h("i", { class: "by-hand", "aria-hidden": "true" }), "set by a person"),
  );
}

function wheel(event) {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
}

function clicked(event) {
  const box = canvas.getBoundingClientRect();
  const seconds = (event.clientX - box.left + scroller.scrollLeft) / total() * duration();
  const lane = lanes.findLast((one) => one.top <= event.clientY - box.top);
  const near = 4 / total() * duration();
  const hit = lane?.rows.find((row) => row.start !== null && row.start - near <= seconds && seconds < row.end + near);
  seek(hit ? hit.start : seconds);
  if (hit) select(hit.id);
}

export function draw() {
  if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; paint(); });
}

function paint() {
  if (!canvas?.isConnected || !state.recording) return;
  const ratio = devicePixelRatio || 1, wide = width(), high = canvas.clientHeight;
  canvas.width = wide * ratio;
  canvas.height = high * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink"), soft = style.getPropertyValue("--soft"), line = style.getPropertyValue("--line");
  const colours = state.looks.map((look) => dark.matches ? look.dark : look.light);
  const left = scroller.scrollLeft;
  axis(pen, { wide, high, left, soft, line });
  for (const lane of lanes) {
    pen.fillStyle = line;
    pen.fillRect(0, lane.top + lane.height - 5.5, wide, 1);
    for (const row of lane.rows) {
      if (row.start === null) continue;
      const from = x(row.start) - left, to = Math.max(x(row.end) - left, from + 1.5);
      if (to >= 0 && from <= wide) column(pen, row, { from, to: Math.max(from + 1, to - (to - from > 4 ? 1 : 0)), top: lane.top + 20, bottom: lane.top + lane.height - 6, ink, soft, colours });
    }
  }
  follow();
}

/** One utterance: stacked probabilities, as strong as it is certain; a person's label fills it; hollow without one. */
function column(pen, row, { from, to, top, bottom, ink, soft, colours }) {
  const high = bottom - top, wide = to - from;
  pen.save();
  if (row.correction && row.label !== null) {
    pen.fillStyle = colours[place(row.label)];
    pen.fillRect(from, top, wide, high);
  } else if (row.probabilities && row.label !== null) {
    pen.globalAlpha = 0.4 + 0.6 * row.confidence;
    stack(pen, row, { from, wide, bottom, high, colours });
  } else {
    pen.globalAlpha = 0.16;
    if (row.probabilities) stack(pen, row, { from, wide, bottom, high, colours });
    pen.globalAlpha = 1;
    pen.strokeStyle = soft;
    pen.setLineDash([3, 3]);
    if (wide > 3) pen.strokeRect(from + 0.5, top + 0.5, wide - 1, high - 1);
  }
  pen.restore();
  pen.fillStyle = ink;
  if (row.correction) pen.fillRect(from, bottom + 1, wide, 3);
}

function stack(pen, row, { from, wide, bottom, high, colours }) {
  let level = bottom;
  for (const look of state.stack) {
    const part = (row.probabilities[look.name] ?? 0) * high;
    pen.fillStyle = colours[place(look.name)];
    pen.fillRect(from, level - part, wide, part);
    level -= part;
  }
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

function axis(pen, { wide, high, left, soft, line }) {
  const step = STEPS.find((one) => x(one) >= 70) ?? 14400;
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "center";
  const first = Math.floor(left / x(step));
  for (let at = first; x(at * step) - left <= wide; at++) {
    const to = Math.round(x(at * step) - left) + 0.5;
    pen.fillStyle = line;
    pen.fillRect(to - 0.5, 0, 1, high - AXIS + 4);
    pen.fillStyle = soft;
    if (to > 16 && to < wide - 20) pen.fillText(clock(at * step), to, high - 5);
    else if (at === 0 && to >= 0) { pen.textAlign = "left"; pen.fillText("0:00", to, high - 5); pen.textAlign = "center"; }
  }
}

/** The box around the selected utterance. */
function box() {
  const row = find(state.current), lane = row && lanes.find((one) => one.name === row.speaker);
  now.hidden = !lane || row.start === null;
  if (now.hidden) return;
  const from = x(row.start) - scroller.scrollLeft;
  Object.assign(now.style, { left: `${from - 2}px`, top: `${lane.top + 18}px`, width: `${Math.max(x(row.end) - x(row.start), 2) + 3}px`, height: `${lane.height - 22}px` });
}

/** The line at the position, and the box. */
function follow() {
  box();
  const to = x(position()) - scroller.scrollLeft;
  head.style.transform = `translateX(${to}px)`;
  head.hidden = to < -1 || to > width() + 1;
}

onMove((seconds) => {
  if (!scroller) return;
  const to = x(seconds) - scroller.scrollLeft;
  if (zoom > 1 && byId("follow").checked && (to < 0 || to > width() * 0.9)) scroller.scrollLeft = x(seconds) - width() * 0.1;
  follow();
});
changed.addEventListener("loaded", build);
changed.addEventListener("edited", lay);
changed.addEventListener("layer", lay);
changed.addEventListener("selected", () => {
  const row = find(state.current);
  if (zoom > 1 && row && row.start !== null && (x(row.end) < scroller.scrollLeft || x(row.start) > scroller.scrollLeft + width())) scroller.scrollLeft = x(row.start) - width() / 3;
  box();
});
dark.addEventListener("change", draw);
byId("zoom-in").addEventListener("click", () => zoomBy(1.6));
byId("zoom-out").addEventListener("click", () => zoomBy(1 / 1.6));
