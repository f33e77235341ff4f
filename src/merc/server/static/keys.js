// The keyboard: every edit without the mouse; single keys can be switched off.

import { compare, dialog, exports, history, rename } from "./dialogs.js";
import { byId, h } from "./dom.js";
import { step } from "./list.js";
import { focusOn, giveTo, join, reject, setLabel, showEvidence, split } from "./panel.js";
import { duration, play, position, seek, toggle } from "./player.js";
import { find, names, state, undo } from "./state.js";
import { zoomBy } from "./tracks.js";

const KEPT = "merc-keys";
const on = () => localStorage.getItem(KEPT) !== "off";

const KEYS = [
  ["Space", "play or pause", [" "], toggle],
  ["Enter", "play the utterance", ["Enter"], () => play(find(state.current))],
  ["↑ ↓ or K J", "utterance before, after", ["ArrowUp", "k", "ArrowDown", "j"], (key) => step(key === "ArrowUp" || key === "k" ? -1 : 1)],
  ["← →", "two seconds back, on", ["ArrowLeft", "ArrowRight"], (key) => seek(Math.min(duration(), position() + (key === "ArrowLeft" ? -2 : 2)))],
  ["1 to 9", "set the label", [..."123456789"], (key) => setLabel(+key - 1)],
  ["X", "reject the predicted label", ["x"], reject],
  ["E", "edit the words", ["e"], () => focusOn("words")],
  ["N", "leave a note", ["n"], () => focusOn("note")],
  ["S", "choose the speaker", ["s"], () => focusOn("speaker")],
  ["Shift and 1 to 9", "give it to that speaker", [], null],
  ["R", "rename or merge the speaker", ["r"], () => rename(find(state.current)?.speaker)],
  ["T", "move start and end", ["t"], () => focusOn("start")],
  [".", "split at the position", ["."], split],
  ["G", "join with the speaker’s next", ["g"], join],
  ["V", "evidence by modality", ["v"], showEvidence],
  ["U or Ctrl Z", "undo", ["u"], undo],
  ["+ −", "zoom in, out", ["+", "=", "-"], (key) => zoomBy(key === "-" ? 1 / 1.6 : 1.6)],
  ["H", "all changes", ["h"], history],
  ["C", "compare with another annotator", ["c"], compare],
  ["O", "export", ["o"], exports],
  ["?", "this list", ["?"], () => help()],
];
const ACTIONS = new Map(KEYS.flatMap(([, , keys, action]) => keys.map((key) => [key, action])));

export function help() {
  const single = h("input", { type: "checkbox", checked: on(), onchange: () => localStorage.setItem(KEPT, single.checked ? "on" : "off") });
  dialog("Keyboard", [
    h("dl", { class: "keys" }, KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, what)))),
    h("p", { class: "quiet" }, "In a field, Enter saves and Escape takes back; Shift Enter begins a line."),
    h("p", {}, h("label", {}, single, " single keys (Ctrl Z and ? always work)")),
  ], { wide: true });
}

const typing = (target) => target.closest?.("input:not([type=range], [type=checkbox]), textarea, select, dialog");
const pressing = (target) => target.closest?.("button, summary, a, [type=checkbox], [type=range]");

document.addEventListener("keydown", (event) => {
  if (byId("desk").hidden || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); undo(); return; }
  if (event.ctrlKey || event.metaKey || (!on() && event.key !== "?")) return;
  const control = pressing(event.target);
  if (control && [" ", "Enter"].includes(event.key)) return;
  if (control?.type === "range" && event.key.startsWith("Arrow")) return;
  const digit = event.shiftKey && /^Digit([1-9])$/.exec(event.code);
  const action = digit ? () => names()[+digit[1] - 1] && giveTo(names()[+digit[1] - 1]) : ACTIONS.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (!action) return;
  event.preventDefault();
  action(event.key.length === 1 ? event.key.toLowerCase() : event.key);
});
