// The list of utterances: what a person decided, and beside it what the model predicted.

import { byId, clock, h, length, mark, moment, percent } from "./dom.js";
import { play } from "./player.js";
import { before, changed, find, names, place, rows, select, state } from "./state.js";

const row = (id) => document.getElementById(`row-${id}`);

function fill() {
  const list = byId("rows");
  const code = state.recording.translated ? "en" : state.recording.language;
  list.replaceChildren(...rows().map((one) => item(one, code)));
  list.classList.toggle("many", rows().length > 200);
  choices();
  filter();
  mark_();
}

function item(utterance, code) {
  const was = state.layer === "corrected" ? before(utterance.id) ?? utterance : utterance;
  const at = utterance.start === null ? "no time" : clock(utterance.start);
  const time = utterance.start === null
    ? h("span", { class: "when quiet" }, "no time")
    : h("button", { type: "button", class: "when", "aria-label": `Play from ${at}`, onclick: () => play(find(utterance.id)) }, at, " ", h("small", {}, length(utterance.end - utterance.start)));
  return h("li", { id: `row-${utterance.id}`, class: "row", tabindex: "-1", "data-id": utterance.id, "data-label": utterance.label ?? "", "data-speaker": utterance.speaker ?? "" },
    time,
    h("p", { class: "who" }, h("bdi", {}, utterance.speaker ?? "unknown"), was.speaker !== utterance.speaker && h("small", { class: "was" }, "predicted ", h("bdi", {}, was.speaker ?? "unknown"))),
    h("div", { class: "text", dir: "auto" },
      utterance.text ? h("p", { lang: code }, utterance.text) : h("p", { class: "quiet" }, "no words"),
      (was.text ?? "") !== (utterance.text ?? "") && h("small", { class: "was" }, "recognised: ", h("bdi", {}, was.text ?? "–")),
      utterance.meta.note && h("small", { class: "note" }, h("span", { class: "quiet" }, "note "), h("bdi", {}, utterance.meta.note))),
    label(utterance));
}

function label(utterance) {
  const { label: name, confidence, correction, reason } = utterance;
  const chip = h("b", { class: name === null ? "chip hollow" : "chip" }, mark(name === null ? -1 : place(name)), name ?? (correction ? "rejected" : "no label"));
  const second = state.other.get(utterance.id);
  const about = correction
    ? h("span", { class: "why" }, h("bdi", {}, correction.by), `, ${moment(correction.at)}. `, correction.predicted ? h("span", { class: "machine" }, `Predicted ${correction.predicted}, ${percent(confidence)}.`) : "No label predicted.")
    : name !== null
      ? h("span", { class: `sure l${place(name)}`, style: { "--p": Math.round(confidence * 100) } }, percent(confidence))
      : h("span", { class: "why" }, reason ? `${reason[0].toUpperCase()}${reason.slice(1)}` : "");
  return h("div", { class: "label" }, chip, about, second && h("span", { class: "why second" }, "other annotator: ", mark(place(second)), second));
}

/** Where the selection is: the row is marked, scrolled to, and takes the focus if a key moved there. */
function mark_(how = {}) {
  for (const other of byId("rows").querySelectorAll("[aria-current]")) { other.removeAttribute("aria-current"); other.tabIndex = -1; }
  const now = row(state.current);
  if (!now) return;
  now.setAttribute("aria-current", "true");
  now.tabIndex = 0;
  if (how.focus) now.focus({ preventScroll: true });
  if (how.last !== undefined && (!how.following || byId("follow").checked)) reveal(now);
}

/** Bring a row into view, between what sticks to the top and to the bottom of the window. */
function reveal(element) {
  const box = element.getBoundingClientRect(), stage = byId("stage"), panel = byId("panel");
  const sticks = getComputedStyle(stage).position === "sticky", lies = getComputedStyle(panel).position === "fixed";
  const top = sticks ? stage.offsetHeight : 0, bottom = innerHeight - (lies ? panel.offsetHeight : 0);
  const covered = sticks ? Math.max(top, stage.getBoundingClientRect().bottom) : 0;
  if (box.top < covered || box.bottom > bottom) scrollTo({ top: scrollY + box.top - top - (bottom - top) * 0.3, behavior: "instant" });
}

function choices() {
  options(byId("only-speaker"), names().map((name) => [name, name]));
  options(byId("only-label"), [...state.labels.map((name) => [`label:${name}`, name]), ["label:", "no label"], ["by:hand", "set by a person"], ["by:note", "with a note"], ["by:other", "second annotator differs"]]);
}

function options(box, listed) {
  const kept = box.value;
  box.replaceChildren(h("option", { value: "" }, "all"), ...listed.map(([value, name]) => h("option", { value }, name)));
  box.value = listed.some(([value]) => value === kept) ? kept : "";
}

const WANTED = {
  "by:hand": (utterance) => utterance.correction !== null,
  "by:note": (utterance) => Boolean(utterance.meta.note),
  "by:other": (utterance) => state.other.has(utterance.id),
};

function filter() {
  const speaker = byId("only-speaker").value, wanted = byId("only-label").value;
  let shown = 0;
  for (const utterance of rows()) {
    const fits = (!speaker || utterance.speaker === speaker)
      && (!wanted || (WANTED[wanted]?.(utterance) ?? `label:${utterance.label ?? ""}` === wanted));
    row(utterance.id).hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = shown === rows().length ? `${shown.toLocaleString("en")} shown` : `${shown.toLocaleString("en")} of ${rows().length.toLocaleString("en")} shown`;
}

/** The utterance so many steps on in the list as it is filtered. */
export function step(by) {
  const shown = [...byId("rows").children].filter((element) => !element.hidden).map((element) => element.dataset.id);
  const at = shown.indexOf(state.current);
  const next = shown[Math.min(Math.max(0, at < 0 ? 0 : at + by), shown.length - 1)];
  if (next) select(next, { focus: true });
}

byId("rows").addEventListener("click", (event) => {
  const now = event.target.closest(".row");
  if (now && !getSelection().toString()) select(now.dataset.id);
});
for (const name of ["only-speaker", "only-label"]) byId(name).addEventListener("change", filter);
changed.addEventListener("loaded", fill);
changed.addEventListener("layer", fill);
changed.addEventListener("compared", fill);
changed.addEventListener("selected", ({ detail }) => mark_(detail));
changed.addEventListener("edited", ({ detail }) => {
  if (detail.order || detail.ids.length > 50) { fill(); return; }
  const code = state.recording.translated ? "en" : state.recording.language, focused = document.activeElement;
  for (const id of detail.ids) {
    const old = row(id), made = item(find(id), code);
    const had = old.contains(focused);
    old.replaceWith(made);
    if (had) { made.tabIndex = 0; made.focus({ preventScroll: true }); }
  }
  choices();
  filter();
  mark_();
});
