// The selected utterance: its label, words, speaker, times and note, and the evidence of each modality.

import { signed, newSpeaker } from "./dialogs.js";
import { byId, clock, h, mark, moment, one, percent, say, svg } from "./dom.js";
import { play, position } from "./player.js";
import { before, changed, correct, find, names, place, rows, select, state } from "./state.js";

let evidence = false;

const round = (seconds) => Math.round(seconds * 1000) / 1000;
const readOnly = () => state.layer !== "corrected";

/** Correct the selected utterance, once it is known who does. */
export async function change(fields, id = state.current) {
  if (readOnly()) { say("The predicted layer stays as it is: choose the corrected layer to make edits.", true); return false; }
  return await signed() && correct(id, fields);
}

export const setLabel = (at) => state.labels[at] !== undefined && change({ label: state.labels[at] });
export const reject = () => change({ reject: true });
export const giveTo = (name) => name !== find(state.current)?.speaker && change({ speaker: name });
export const split = () => change({ split: round(position()) });

/** Make the utterance one with the next of the same speaker. */
export function join() {
  const listed = rows(), at = listed.findIndex((row) => row.id === state.current);
  const next = listed.slice(at + 1).find((row) => row.speaker === listed[at].speaker);
  if (next) change({ join: next.id });
  else say(`No utterance of ${listed[at].speaker ?? "this speaker"} comes after this one.`, true);
}

export function focusOn(name) {
  unfold(true);
  const field = one(`[name=${name}]`, byId("panel"));
  field?.focus({ preventScroll: true });
  field?.scrollIntoView({ block: "nearest" });
  field?.select?.();
}

export function showEvidence() {
  evidence = !evidence;
  unfold(true);
  const box = one("details", byId("panel"));
  if (box) box.open = evidence;
}

function fill() {
  const row = find(state.current), panel = byId("panel");
  if (!row) { panel.replaceChildren(h("p", { class: "quiet" }, "This recording has no utterance.")); return; }
  panel.replaceChildren(head(row), h("div", { class: "body" }, labels(row), words(row), speaker(row), note(row), times(row), reasons(row)));
  for (const field of panel.querySelectorAll(".body button, .body textarea, .body select, .body input")) field.disabled = readOnly();
}

function head(row) {
  const button = h("button", { type: "button", class: "unfold", title: "The fields of this utterance", onclick: () => unfold(!opened()) });
  unfold(opened(), button);
  const at = rows().indexOf(row);
  const to = (by) => rows()[at + by] && select(rows()[at + by].id, {});
  return h("div", { class: "head-line" },
    h("h2", {}, h("span", { class: "brief" }, mark(row.label === null ? -1 : place(row.label)), row.label ?? "no label"), h("small", {}, `${row.id} · ${at + 1} of ${rows().length.toLocaleString("en")}`)),
    h("span", { class: "steps-by" },
      h("button", { type: "button", "aria-label": "Previous utterance", title: "Previous (↑ or K)", disabled: at === 0, onclick: () => to(-1) }, "↑"),
      h("button", { type: "button", "aria-label": "Play this utterance", title: "Play it (Enter)", onclick: () => play(row) }, "▸"),
      h("button", { type: "button", "aria-label": "Next utterance", title: "Next (↓ or J)", disabled: at === rows().length - 1, onclick: () => to(1) }, "↓"),
      button));
}

const opened = () => byId("panel").classList.contains("open");

/** On a narrow page the fields are folded away. */
function unfold(open, button = one(".unfold", byId("panel"))) {
  byId("panel").classList.toggle("open", open);
  if (!button) return;
  button.textContent = open ? "Close" : "Edit";
  button.setAttribute("aria-expanded", String(open));
}

function labels(row) {
  const was = predicted(row);
  const button = (name, at) => h("button", {
    type: "button", class: `pick l${at}`, "aria-pressed": String(row.label === name), title: `${name} (${at + 1})`,
    style: { "--p": Math.round(100 * (row.probabilities?.[name] ?? 0)) }, onclick: () => setLabel(at),
  }, mark(at), h("span", {}, name), row.probabilities && h("small", {}, percent(row.probabilities[name] ?? 0)), h("kbd", {}, at < 9 ? String(at + 1) : ""));
  return h("fieldset", { class: "labels" }, h("legend", {}, "Label"),
    h("div", { class: "picks" }, state.labels.map(button),
      h("button", { type: "button", class: "pick none", "aria-pressed": String(row.correction !== null && row.label === null), title: "Reject the predicted label (X)", onclick: reject }, mark(-1), h("span", {}, "reject"), h("kbd", {}, "X"))),
    h("p", { class: "quiet" }, was, row.correction && [" ", h("b", {}, row.label === null ? "Rejected by " : "Set by ", h("bdi", {}, row.correction.by)), `, ${moment(row.correction.at)}.`]));
}

function predicted(row) {
  const label = row.correction ? row.correction.predicted : row.label;
  if (label) return `Predicted ${label}, confidence ${percent(row.confidence)}.`;
  return `No label predicted${row.reason && !row.correction ? `: ${row.reason}` : ""}.`;
}

/** A field that saves when it is left or Enter is pressed, and Escape takes back. */
function field(name, title, value, save) {
  const box = h("textarea", { name, rows: "2", spellcheck: "true", value, "aria-label": title });
  const commit = () => { if (box.value.trim() !== value.trim()) save(box.value.trim()); };
  box.addEventListener("change", commit);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); box.blur(); byId(`row-${state.current}`)?.focus({ preventScroll: true }); }
    if (event.key === "Escape") { box.value = value; box.blur(); byId(`row-${state.current}`)?.focus({ preventScroll: true }); }
  });
  return box;
}

function words(row) {
  const was = before(row.id);
  return h("div", { class: "field" }, h("span", { class: "name" }, "Words ", h("kbd", {}, "E")),
    field("words", "Words", row.text ?? "", (text) => change({ words: text }, row.id)),
    was && (was.text ?? "") !== (row.text ?? "") && h("small", {}, "Recognised: ", h("bdi", {}, was.text ?? "–")));
}

function note(row) {
  return h("div", { class: "field" }, h("span", { class: "name" }, "Note ", h("kbd", {}, "N")),
    field("note", "Note", row.meta.note ?? "", (text) => change({ note: text }, row.id)));
}

function speaker(row) {
  const was = before(row.id);
  const NEW = "\u0000new";
  const box = h("select", { name: "speaker", "aria-label": "Speaker", onchange: async () => {
    const name = box.value === NEW ? await newSpeaker() : box.value;
    if (!name || !await change({ speaker: name }, row.id)) box.value = row.speaker ?? "";
  } }, row.speaker === null && h("option", { value: "" }, "unknown"), names().map((name) => h("option", { value: name }, name)), h("option", { value: NEW }, "a new speaker …"));
  box.value = row.speaker ?? "";
  return h("div", { class: "field" }, h("span", { class: "name" }, "Speaker ", h("kbd", {}, "S")), box,
    was && was.speaker !== row.speaker && h("small", {}, "Predicted: ", h("bdi", {}, was.speaker ?? "unknown")));
}

function times(row) {
  if (row.start === null) return null;
  const box = (name, value) => h("input", { type: "number", name, value, min: "0", step: "0.01", "aria-label": `${name === "start" ? "Start" : "End"} in seconds`, onchange: () => {
    const fields = { start: row.start, end: row.end, [name]: round(+one(`[name=${name}]`, byId("panel")).value) };
    change(fields, row.id);
  } });
  return h("div", { class: "field" }, h("span", { class: "name" }, "Times in seconds"),
    h("div", { class: "times" }, box("start", row.start), " to ", box("end", row.end)),
    h("div", { class: "times" },
      h("button", { type: "button", title: "Split at the position (.)", onclick: split }, `Split at the position`, h("kbd", {}, ".")),
      h("button", { type: "button", title: "Join with the speaker’s next (G)", onclick: join }, "Join with next", h("kbd", {}, "G"))));
}

/** What each modality says alone, in percent; where one is missing, why. */
function reasons(row) {
  if (!row.evidence.length) return null;
  const box = h("details", { open: evidence, ontoggle: () => { evidence = box.open; if (box.open && !one("table", box)) box.append(table(row), ...row.evidence.filter((e) => e.steps).map((e) => strip(row, e))); } },
    h("summary", {}, "Evidence by modality ", h("kbd", {}, "V")));
  return box;
}

function table(row) {
  const all = [{ modality: "together", probabilities: row.probabilities, missing: row.reason, detail: {} }, ...row.evidence];
  return h("table", {}, h("thead", {}, h("tr", {}, h("td"), all.map((one) => h("th", { scope: "col" }, one.modality, detail(one.detail))))),
    h("tbody", {}, state.labels.map((name, at) => h("tr", { class: `l${at}` }, h("th", { scope: "row" }, mark(at), name),
      all.map((one) => one.probabilities
        ? h("td", { style: { "--p": Math.round(100 * (one.probabilities[name] ?? 0)) } }, String(Math.round(100 * (one.probabilities[name] ?? 0))))
        : at === 0 && h("td", { class: "missing", rowspan: String(state.labels.length) }, one.missing ?? "no evidence"))))));
}

function detail(values) {
  const said = Object.entries(values).map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "number" ? +value.toFixed(3) : Array.isArray(value) || typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
  return said ? h("small", {}, said) : null;
}

/** How a modality changes within the utterance, half second by half second. */
function strip(row, { modality, steps }) {
  const wide = row.end - row.start || 1, drawing = svg("svg", { viewBox: "0 0 1000 24", preserveAspectRatio: "none", "aria-hidden": "true" });
  steps.start.forEach((start, at) => {
    const from = 1000 * (start - row.start) / wide, to = 1000 * (steps.end[at] - row.start) / wide;
    let level = 24;
    for (const look of state.stack) {
      const part = 24 * (steps.probabilities[look.name]?.[at] ?? 0);
      level -= part;
      if (part > 0.2) drawing.append(svg("rect", { class: `l${place(look.name)}`, x: from, y: level, width: Math.max(0, to - from), height: part }));
    }
  });
  const tops = steps.start.map((start, at) => `${clock(start)} ${state.labels.reduce((best, name) => (steps.probabilities[name]?.[at] ?? 0) > (steps.probabilities[best]?.[at] ?? 0) ? name : best)}`);
  return h("div", { class: "strip" }, h("small", {}, `${modality} by time`), drawing, h("p", { class: "quiet only-read" }, tops.join(", ")));
}

for (const name of ["loaded", "layer", "selected", "edited", "refused"]) {
  changed.addEventListener(name, ({ detail: how }) => {
    const within = byId("panel").contains(document.activeElement) ? document.activeElement.name || document.activeElement.title : "";
    if (name === "selected" && how?.last === state.current) return;
    fill();
    if (within) [...byId("panel").querySelectorAll("[name], [title]")].find((other) => (other.name || other.title) === within)?.focus({ preventScroll: true });
  });
}
