// Before there is a result: give a recording, watch its analysis, or open an earlier one.

import { ask, get, upload } from "./api.js";
import { dialog } from "./dialogs.js";
import { byId, clock, h, moment, percent, say } from "./dom.js";

let file = null, recorder = null, watched = null, about = null;

const show = (...parts) => byId("start").replaceChildren(...parts.filter(Boolean));

export async function start(service) {
  watched?.close();
  if (!service.uploads) {
    show(h("h2", {}, "Results"), h("ul", { class: "results" }, service.results.map((name) => h("li", {}, h("a", { href: `#${encodeURIComponent(name)}` }, name)))));
    return;
  }
  let analyses;
  [{ analyses }, about] = await Promise.all([get("/v1/analyses"), get("/v1/about")]);
  show(give(), analyses.length > 0 && earlier(analyses));
}

/** Drop, choose or record, then options, then go. */
function give() {
  const chosen = h("p", { class: "chosen", "aria-live": "polite" });
  const go = h("button", { class: "main", disabled: true }, "Analyse");
  const pick = h("input", { type: "file", accept: "audio/*,video/*", id: "recording", class: "only-read", onchange: () => take(pick.files[0]) });
  const take = (given) => {
    if (!given) return;
    file = given;
    chosen.replaceChildren(h("bdi", {}, file.name), ` · ${size(file.size)}`);
    go.disabled = false;
    go.focus();
  };
  const zone = h("div", { class: "drop" },
    h("p", { class: "lede" }, "Drop a recording of a conversation here."),
    h("p", { class: "ways" }, pick, h("label", { for: "recording", class: "as-button" }, "Choose a file"), record(take)), chosen);
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.remove("over"); });
  zone.addEventListener("drop", (event) => take(event.dataTransfer.files[0]));
  const form = h("form", { class: "give", onsubmit: (event) => { event.preventDefault(); send(form); } }, zone, options(), h("p", { class: "buttons" }, go));
  return form;
}

function options() {
  const field = (title, input, about) => h("label", { class: "field" }, h("span", { class: "name" }, title), input, h("small", {}, about));
  return h("div", { class: "options" },
    field("Speakers", h("input", { type: "number", name: "speakers", min: "1", max: "100" }), "Empty: estimated."),
    field("Language", h("input", { name: "language", maxlength: "20", placeholder: "en, de, es …" }), "Empty: detected."),
    field("Transcript", h("input", { type: "file", name: "transcript" }), "If there is one: srt, vtt, csv, eaf, TextGrid, txt …"),
    about.systems.length > 0 && field("System", h("select", { name: "system" }, h("option", { value: "" }, "merc's own"), about.systems.map((name) => h("option", {}, name))), "What predicts the labels."),
    about.voices && field("Names", h("input", { type: "checkbox", name: "voices", value: "true" }), "By the voices stored on this server."));
}

const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** A button that records from the microphone until it is pressed again. */
function record(take) {
  if (!navigator.mediaDevices || !window.MediaRecorder) return null;
  const button = h("button", { type: "button", id: "record" }, "Record");
  let timer = 0;
  const begin = async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts = [], since = Date.now();
    recorder = new MediaRecorder(stream);
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", () => {
      clearInterval(timer);
      for (const track of stream.getTracks()) track.stop();
      button.textContent = "Record again";
      button.classList.remove("live");
      const [type] = recorder.mimeType.split(";"), end = type.includes("mp4") ? "m4a" : type.includes("ogg") ? "ogg" : "webm";
      take(new File(parts, `recording-${new Date(since).toISOString().slice(0, 19).replaceAll(":", "")}.${end}`, { type }));
      recorder = null;
    });
    recorder.start();
    button.classList.add("live");
    const tick = () => { button.textContent = `Stop ${clock((Date.now() - since) / 1000)}`; };
    tick();
    timer = setInterval(tick, 250);
  };
  button.addEventListener("click", () => recorder ? recorder.stop() : begin().catch((error) => say(`The microphone cannot be used: ${error.message}`, true)));
  return button;
}

async function send(form) {
  const body = new FormData();
  for (const [name, value] of new FormData(form)) if (value instanceof File ? value.size : value.trim()) body.append(name, value);
  body.append("file", file, file.name);
  const bar = stage("upload");
  show(h("h2", {}, h("bdi", {}, file.name)), h("ol", { class: "stages" }, bar.line));
  try {
    const made = await upload("/v1/analyses", body, bar.set);
    bar.set(1);
    location.hash = encodeURIComponent(made.id);
  } catch (error) {
    say(error.message, true);
    show(give());
  }
}

function stage(name) {
  const bar = h("progress", { max: "1", value: "0", "aria-label": name }), share = h("span", {}, "");
  return {
    line: h("li", {}, h("span", { class: "name" }, name), bar, share),
    set: (done) => { bar.value = done; share.textContent = percent(done); },
  };
}

/** Show how far an analysis is; false if it is done. */
export async function running(id) {
  const path = `/v1/analyses/${encodeURIComponent(id)}`;
  const job = await get(path);
  watched?.close();
  if (job.state === "done") return false;
  const state = h("p", { class: "about", role: "status" }), list = h("ol", { class: "stages" }), lines = new Map();
  const progress = ({ stage: name, done, total }) => {
    if (!lines.has(name)) { lines.set(name, stage(name)); list.append(lines.get(name).line); }
    lines.get(name).set(total ? done / total : 0);
  };
  const tell = (now, reason) => { state.textContent = { queued: "Waits for its turn.", running: "Is being analysed.", failed: reason ?? "Failed." }[now] ?? now; };
  show(h("h2", {}, h("bdi", {}, job.name)), state, list, h("p", { class: "ways" }, h("a", { href: "#" }, "All analyses"), h("button", { type: "button", onclick: () => remove(id, job.name) }, "Remove")));
  tell(job.state, job.reason);
  job.progress.forEach(progress);
  if (job.state === "failed") return true;
  watched = new EventSource(`${path}/events`);
  watched.addEventListener("progress", (event) => progress(JSON.parse(event.data)));
  watched.addEventListener("state", (event) => {
    const { state: now, reason } = JSON.parse(event.data);
    tell(now, reason);
    if (["done", "failed", "removed"].includes(now)) watched.close();
    if (now === "done") dispatchEvent(new HashChangeEvent("hashchange"));
  });
  return true;
}

async function remove(id, name) {
  const sure = await dialog("Remove", [h("p", {}, "The recording ", h("bdi", {}, name), " and its results, with all corrections, are removed from the server.")], { action: "Remove them" });
  if (!sure) return;
  try {
    await ask(`/v1/analyses/${encodeURIComponent(id)}`, { method: "DELETE" });
  } catch (error) {
    say(error.message, true);
  }
  if (location.hash.length > 1) location.hash = "";
  else dispatchEvent(new HashChangeEvent("hashchange"));
}

function earlier(analyses) {
  return h("section", { "aria-labelledby": "earlier" }, h("h2", { id: "earlier" }, "Analyses"),
    h("ul", { class: "results" }, analyses.map((one) => h("li", {},
      h("a", { href: `#${encodeURIComponent(one.id)}` }, h("bdi", {}, one.name)),
      h("small", {}, `${one.state} · ${moment(one.created)}`),
      h("button", { type: "button", "aria-label": `Remove ${one.name}`, onclick: () => remove(one.id, one.name) }, "Remove")))));
}
