// Dialogs: who edits, renaming and merging speakers, all changes, export, comparison, keys.

import { download, get, send } from "./api.js";
import { byId, h, mark, moment, percent, say } from "./dom.js";
import { changed, edit, names, place, select, sentence, signAs, state, undo } from "./state.js";

/** Show a dialog until it is closed; gives what `read` makes of it, or null if it was cancelled. */
export function dialog(title, body, { action = "Close", read = () => true, wide = false } = {}) {
  return new Promise((done) => {
    const form = h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), ...body,
      h("p", { class: "buttons" }, action !== "Close" && h("button", { type: "button", onclick: () => box.close("") }, "Cancel"), h("button", { value: "yes", class: "main" }, action)));
    const box = h("dialog", { "aria-labelledby": "dialog-title", class: wide ? "wide" : "" }, form);
    form.addEventListener("submit", (event) => { event.preventDefault(); box.close("yes"); });
    box.addEventListener("click", (event) => { if (event.target === box) box.close(""); });
    box.addEventListener("close", () => { box.remove(); done(box.returnValue === "yes" ? read() : null); });
    document.body.append(box);
    box.showModal();
  });
}

/** The name of whoever edits; asked for once. */
export async function signed() {
  if (state.by) return true;
  const name = h("input", { name: "by", required: true, autocomplete: "name", maxlength: "200", value: "" });
  const given = await dialog("Who makes the edits?", [h("p", { class: "about" }, "Each edit is kept with your name and the time, beside what the model predicted."), h("label", { class: "field" }, h("span", { class: "name" }, "Your name"), name)], { action: "Begin", read: () => name.value });
  if (given?.trim()) signAs(given);
  return Boolean(state.by);
}

export async function newSpeaker() {
  const name = h("input", { name: "speaker", required: true, maxlength: "200" });
  return dialog("A new speaker", [h("label", { class: "field" }, h("span", { class: "name" }, "Name"), name)], { action: "Give the utterance", read: () => name.value.trim() });
}

/** Rename a speaker, or make another one the same. */
export async function rename(old) {
  if (state.layer !== "corrected" || !names().includes(old)) return;
  const name = h("input", { name: "new", required: true, maxlength: "200", value: old });
  const others = names().filter((other) => other !== old);
  const same = h("select", { name: "merge" }, h("option", { value: "" }, "nobody"), others.map((other) => h("option", { value: other }, other)));
  same.addEventListener("change", () => { name.disabled = same.value !== ""; });
  const body = [h("label", { class: "field" }, h("span", { class: "name" }, "Name"), name)];
  if (others.length) body.push(h("label", { class: "field" }, h("span", { class: "name" }, "Is the same person as"), same, h("small", {}, "All utterances of both then have that name.")));
  const made = dialog(old, body, { action: "Save", read: () => same.value ? { kind: "merge", speakers: [same.value, old] } : { kind: "rename", old, new: name.value.trim() } });
  name.select();
  const change = await made;
  if (change && change.new !== old && await signed()) edit(change);
}

export function history() {
  const rows = [...state.edits].reverse().map((one) => h("tr", {}, h("td", {}, moment(one.at)), h("td", {}, h("bdi", {}, one.by)), h("td", {}, sentence(one.change))));
  const name = h("input", { name: "by", maxlength: "200", value: state.by, "aria-label": "Your name", onchange: () => name.value.trim() && signAs(name.value) });
  dialog("Changes", [
    h("label", { class: "field" }, h("span", { class: "name" }, "Your name"), name),
    rows.length
      ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All changes" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "when"), h("th", { scope: "col" }, "who"), h("th", { scope: "col" }, "what"))), h("tbody", {}, rows)))
      : h("p", { class: "quiet" }, "Nobody has changed anything yet. What the model predicted always stays."),
    rows.length > 0 && h("p", {}, h("button", { type: "button", onclick: (event) => { event.target.closest("dialog").close(""); undo(); } }, "Undo the last change")),
  ].filter(Boolean), { wide: true });
}

let formats = [];
export const offer = (names_) => { formats = names_; };

export async function exports() {
  const radio = (value, title, checked) => h("label", {}, h("input", { type: "radio", name: "layer", value, checked }), ` ${title}`);
  const box = h("select", { name: "format" }, formats.map((name) => h("option", { value: name }, name)));
  const layers = h("fieldset", {}, h("legend", {}, "Layer"), radio("corrected", "corrected by people", true), radio("predicted", "as predicted"), radio("", "both, with all edits (json and html)"));
  const pseudonyms = h("input", { type: "checkbox", name: "pseudonyms" });
  const path = await dialog("Export", [
    h("label", { class: "field" }, h("span", { class: "name" }, "Format"), box), layers,
    h("p", {}, h("label", {}, pseudonyms, " pseudonyms for the speakers")),
    h("p", {}, h("a", { href: `${state.path}/report`, target: "_blank", rel: "noopener" }, "Open the report"), " as a page to print or keep."),
  ], { action: "Save the file", read: () => {
    const layer = layers.querySelector(":checked").value;
    const asked = new URLSearchParams({ ...(layer ? { layer } : {}), ...(pseudonyms.checked ? { pseudonyms: "true" } : {}) });
    return `${state.path}/timeline.${box.value}?${asked}`;
  } });
  if (!path) return;
  try {
    say(`Saved ${await download(path)}.`);
  } catch (error) {
    say(error.message, true);
  }
}

const figure = (value) => value === null ? "not defined: only one label was given" : value.toFixed(3);

/** Agreement with another annotator's timeline, or with the model. */
export function compare() {
  const result = h("div", { class: "agreement", "aria-live": "polite" });
  const hand = h("input", { type: "checkbox", name: "by_hand" });
  const file = h("input", { type: "file", accept: ".json,application/json", name: "other" });
  const differ = (pairs) => {
    state.other = new Map(pairs.map(([id, , other]) => [id, other]));
    changed.dispatchEvent(new CustomEvent("compared"));
  };
  let latest = 0; // an answer that comes after that of a later question is dropped
  const run = async () => {
    const own = ++latest;
    if (!file.files.length && !state.edits.length) {
      differ([]);
      result.replaceChildren(h("p", { class: "quiet" }, "Nobody has changed anything yet: all labels are the model’s."));
      return;
    }
    result.replaceChildren(h("p", { class: "quiet" }, "Comparing …"));
    try {
      const query = `?by_hand=${hand.checked}`;
      const [chosen] = file.files;
      const found = chosen
        ? await (await send("POST", `${state.path}/agreement${query}`, slim(JSON.parse(await chosen.text())))).json()
        : await get(`${state.path}/agreement${query}`);
      if (own !== latest) return;
      differ(found.different);
      result.replaceChildren(...agreed(found, chosen?.name ?? "the model"));
    } catch (error) {
      if (own !== latest) return;
      differ([]);
      result.replaceChildren(h("p", { class: "failed" }, error instanceof SyntaxError ? `${file.files[0].name} is not JSON: choose the timeline.json of the other annotator` : error.message));
    }
  };
  file.addEventListener("change", run);
  hand.addEventListener("change", run);
  dialog("Compare the labels", [
    h("label", { class: "field" }, h("span", { class: "name" }, "timeline.json of a second annotator"), file, h("small", {}, "Without one, the labels are compared with the model’s.")),
    h("p", {}, h("label", {}, hand, " only labels that people set or rejected")), result,
  ], { wide: true });
  run();
}

/** Of a timeline what the comparison needs, so that no more is sent. */
function slim(timeline) {
  const utterances = Array.isArray(timeline.utterances) ? timeline.utterances.map((one) => ({ ...one, evidence: [], words: [], probabilities: null })) : timeline.utterances;
  return { ...timeline, utterances };
}

function agreed(found, other) {
  const row = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  const interval = found.interval ? ` (95 % interval ${found.interval.map((value) => value.toFixed(3)).join(" to ")})` : "";
  const go = (id) => (event) => { event.target.closest("dialog").close(""); select(id, { last: state.current, focus: true }); };
  return [
    h("p", { class: "about" }, `This result against `, h("bdi", {}, other), `: ${found.utterances} utterances with a label in both; only in one: ${found.unmatched[0]} and ${found.unmatched[1]}.`),
    found.recordings && h("p", { class: "failed" }, "The recordings are not the same file: ", h("bdi", {}, found.recordings[0]), " and ", h("bdi", {}, found.recordings[1]), "."),
    h("dl", { class: "facts" }, h("div", {}, row("same label", percent(found.agreed))), h("div", {}, row("Cohen’s κ", figure(found.kappa))), h("div", {}, row("Krippendorff’s α", figure(found.alpha)), h("small", {}, interval))),
    found.different.length > 0 && h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Utterances that differ" }, h("table", { class: "list" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "utterance"), h("th", { scope: "col" }, "here"), h("th", { scope: "col" }, "there"))),
      h("tbody", {}, found.different.map(([id, one, two]) => h("tr", {}, h("td", {}, h("button", { type: "button", class: "link", onclick: go(id) }, id)), h("td", {}, mark(place(one)), one), h("td", {}, mark(place(two)), two)))))),
  ].filter(Boolean);
}
