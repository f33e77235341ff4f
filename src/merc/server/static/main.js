// The page: what this server is for, then either a new recording or the work in a result.

import { get, useToken } from "./api.js";
import { compare, dialog, exports, history, offer } from "./dialogs.js";
import { byId, counted, h, length, say } from "./dom.js";
import { help } from "./keys.js";
import "./list.js";
import "./panel.js";
import { open } from "./player.js";
import { running, start } from "./start.js";
import { changed, load, names, showLayer, signAs, state, undo } from "./state.js";

let service = null;

/** The styles of labels: a colour and a shape each, for a light and a dark page. */
function looks() {
  const rules = (name) => state.looks.map((look, at) => `.l${at}{--c:${look[name]};--s:${look.shape}}`).join("");
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`${rules("light")}@media (prefers-color-scheme: dark){${rules("dark")}}`);
  document.adoptedStyleSheets = [sheet];
}

/** The name of a language; its code where the browser has none. */
function spelled(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code;
  }
}

function facts() {
  const { name, duration, language } = state.recording;
  const count = state.corrected.length;
  document.title = `${name} – merc`;
  byId("name").textContent = name;
  byId("facts").textContent = [length(duration), counted(names().length, "speaker"), counted(count, "utterance"), language && spelled(language)].filter(Boolean).join(" · ");
  byId("notes").hidden = !state.notes.length;
  byId("notes").replaceChildren(h("summary", {}, counted(state.notes.length, "note"), " on this analysis"), h("ul", {}, state.notes.map((note) => h("li", {}, note))));
  byId("edit-count").textContent = state.edits.length;
  byId("undo").disabled = !state.edits.length;
}

async function show() {
  const id = decodeURIComponent(location.hash.slice(1));
  const one = id || (service.results.length === 1 && !service.uploads ? service.results[0] : "");
  try {
    const waits = one && service.uploads && await running(one);
    byId("start").hidden = Boolean(one) && !waits;
    for (const name of ["desk", "actions"]) byId(name).hidden = !one || waits;
    if (one && !waits) await load(one);
    else {
      document.title = "merc";
      byId("name").textContent = "Predicted emotion labels";
      byId("facts").textContent = "";
      if (!waits) await start(service);
    }
  } catch (error) {
    if (error.status === 401) return askForToken(error.message);
    say(error.message, true);
    if (one && one === id) window.history.replaceState(null, "", "/");
    byId("start").hidden = false;
    for (const name of ["desk", "actions"]) byId(name).hidden = true;
    await start(service).catch((failed) => say(failed.message, true));
  }
}

async function askForToken(why) {
  const box = h("input", { type: "password", name: "token", required: true, autocomplete: "current-password" });
  const given = await dialog("Token", [h("p", { class: "about" }, why), h("label", { class: "field" }, h("span", { class: "name" }, "Token"), box, h("small", {}, "It is kept until the browser is closed."))], { action: "Open", read: () => box.value });
  if (!given) return;
  useToken(given);
  show();
}

async function begin() {
  service = await get("/page.json");
  byId("notice").textContent = service.notice;
  byId("version").textContent = `merc ${service.version}`;
  byId("purpose").textContent = service.purpose ?? "";
  offer(service.formats);
  if (!state.by && service.by) signAs(service.by);
  await show();
}

new ResizeObserver(([stage]) => document.documentElement.style.setProperty("--stage", `${stage.target.offsetHeight}px`)).observe(byId("stage"));
changed.addEventListener("loaded", () => { looks(); facts(); open(); byId("layer").value = "corrected"; });
changed.addEventListener("edited", facts);
changed.addEventListener("layer", () => byId("desk").classList.toggle("predicted", state.layer === "predicted"));
byId("layer").addEventListener("change", () => showLayer(byId("layer").value));
byId("undo").addEventListener("click", () => undo());
byId("show-history").addEventListener("click", history);
byId("show-compare").addEventListener("click", compare);
byId("show-export").addEventListener("click", exports);
byId("show-keys").addEventListener("click", help);
byId("home").addEventListener("click", (event) => { event.preventDefault(); location.hash = ""; });
addEventListener("hashchange", () => { scrollTo(0, 0); show(); });
begin().catch((error) => say(error.message, true));
