// The results that are open: both layers, who edits, what is selected. Changes are told as events.

import { ask, get, Refused, send } from "./api.js";
import { say } from "./dom.js";

export const changed = new EventTarget();
const tell = (name, detail) => changed.dispatchEvent(new CustomEvent(name, { detail }));

export const state = {
  id: "", path: "", tag: "", recording: null, labels: [], looks: [], places: new Map(), first: new Map(), heard: [], stack: [], notes: [],
  predicted: [], corrected: [], speakers: [], edits: [], layer: "corrected", current: "", other: new Map(),
  by: localStorage.getItem("merc-by") ?? "",
};

/** The utterances of the layer that is shown. */
export const rows = () => state.layer === "corrected" ? state.corrected : state.predicted;
export const find = (id) => rows().find((row) => row.id === id);
/** What the model made of an utterance; undefined for one that a person cut off. */
export const before = (id) => state.first.get(id);
export const place = (label) => state.places.get(label) ?? -1;

/** Names of all speakers: those that are listed, then others in order. */
export function names() {
  const listed = state.layer === "corrected" ? state.speakers : state.heard;
  return [...new Set([...listed.map((one) => one.id), ...rows().map((row) => row.speaker).filter((name) => name !== null)])];
}

export function signAs(name) {
  state.by = name.trim();
  localStorage.setItem("merc-by", state.by);
  tell("by");
}

/** Read both layers of an analysis. */
export async function load(id) {
  const path = `/v1/analyses/${encodeURIComponent(id)}`;
  const [made, predicted, looks] = await Promise.all([ask(`${path}/edits`), get(`${path}/timeline.json`), get(`${path}/labels`)]);
  const outcome = await made.json();
  const kept = state.id === id ? state.current : "";
  Object.assign(state, {
    id, path, tag: made.headers.get("ETag"), recording: predicted.recording, labels: predicted.labels, looks, edits: outcome.edits,
    predicted: predicted.utterances, corrected: merged(predicted.utterances, outcome), speakers: outcome.speakers, heard: predicted.speakers,
    stack: [...looks].sort((a, b) => a.place - b.place),
    first: new Map(predicted.utterances.map((row) => [row.id, row])),
    notes: predicted.notes, places: new Map(predicted.labels.map((label, at) => [label, at])), layer: "corrected", other: new Map(),
  });
  state.current = state.corrected.some((row) => row.id === kept) ? kept : state.corrected[0]?.id ?? "";
  tell("loaded");
}

export function select(id, how = {}) {
  if (!id) return;
  const last = state.current;
  state.current = id;
  tell("selected", { last, ...how });
}

export function showLayer(name) {
  state.layer = name;
  if (!find(state.current)) state.current = rows()[0]?.id ?? "";
  tell("layer");
}

let queue = Promise.resolve();

/** Edits are made one after the other, each for the state that the one before left. */
function queued(request) {
  const result = queue.then(request);
  queue = result.catch(() => {});
  return result;
}

/** Utterances with those that an edit changed. */
function merged(utterances, outcome) {
  const known = new Map([...utterances, ...outcome.utterances].map((row) => [row.id, row]));
  return outcome.ids.map((id) => known.get(id));
}

async function apply(request, undoing) {
  try {
    const response = await request();
    const outcome = await response.json();
    state.tag = response.headers.get("ETag");
    const order = outcome.ids.join("\n") !== state.corrected.map((row) => row.id).join("\n");
    state.corrected = merged(state.corrected, outcome);
    state.speakers = outcome.speakers;
    state.edits = undoing ? state.edits.slice(0, outcome.count) : [...state.edits, ...outcome.edits];
    if (!outcome.ids.includes(state.current)) state.current = outcome.ids[0] ?? "";
    tell("edited", { order, ids: outcome.utterances.map((row) => row.id) });
    say(outcome.edits.map((edit) => `${undoing ? "Undone: " : ""}${sentence(edit.change)}`).join("; "));
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, true);
    if (error.status === 412) await load(state.id);
    else tell("refused");
    return false;
  }
}

const match = () => ({ "If-Match": state.tag });

/** Correct one utterance: words, label, reject, speaker, note, start and end, split, join. */
export const correct = (id, fields) => queued(() => apply(() => send("PATCH", `${state.path}/utterances/${encodeURIComponent(id)}`, { by: state.by, ...fields }, match())));

/** Make changes such as renaming a speaker. */
export const edit = (...changes) => queued(() => apply(() => send("POST", `${state.path}/edits`, { by: state.by, changes }, match())));

export const undo = () => queued(() => apply(() => ask(`${state.path}/edits/last`, { method: "DELETE", headers: match() }), true));

/** What an edit does, in words. */
export function sentence(change) {
  const at = (seconds) => `${seconds.toFixed(2)} s`;
  return {
    rename: () => `speaker “${change.old}” is “${change.new}”`,
    merge: () => `speakers ${change.speakers.map((name) => `“${name}”`).join(", ")} are one, “${change.speakers[0]}”`,
    label: () => `${change.utterance}: label ${change.label ?? "rejected"}`,
    words: () => `${change.utterance}: words “${change.text}”`,
    speaker: () => `${change.utterance}: speaker “${change.speaker}”`,
    times: () => `${change.utterance}: from ${at(change.start)} to ${at(change.end)}`,
    note: () => change.text ? `${change.utterance}: note “${change.text}”` : `${change.utterance}: note removed`,
    split: () => `${change.utterance}: split at ${at(change.at)}`,
    join: () => `${change.utterances.join(", ")}: joined`,
  }[change.kind]();
}
