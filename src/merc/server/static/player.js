// The recording: sound or video, its position, and what is being said there.

import { byId, clock, h, length } from "./dom.js";
import { rows, select, state } from "./state.js";

let media = null, until = null, playing = "";
const listeners = new Set();

export const position = () => media?.currentTime ?? +byId("seek").value;
export const duration = () => state.recording?.duration ?? 0;
/** Call with the position whenever it changes. */
export const onMove = (listener) => listeners.add(listener);

/** The element for a new recording; without one the page says how to give it. */
export async function open() {
  media?.pause();
  media = null;
  const { has_video: video, name } = state.recording;
  byId("length").textContent = `/ ${length(duration())}`;
  byId("seek").max = duration();
  byId("seek").value = 0;
  byId("picture").replaceChildren();
  byId("picture").hidden = true;
  explain("");
  button();
  moved();
  const found = await there();
  if (found) use(`${state.path}/media`, video);
  else explain(`The recording “${name}” is not next to the results.`, true);
}

async function there() {
  try {
    const response = await fetch(`${state.path}/media`, { headers: { Range: "bytes=0-0" } });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function use(source, video) {
  const made = h(video ? "video" : "audio", { src: source, preload: "metadata", playsinline: true, "aria-label": "Recording" });
  made.playbackRate = +byId("speed").value;
  made.addEventListener("error", () => explain("This browser cannot play the recording’s format.", true));
  made.addEventListener("loadedmetadata", () => { media = made; explain(""); show(made, video); });
  for (const name of ["play", "pause", "ended"]) made.addEventListener(name, () => { button(); if (name === "play") requestAnimationFrame(frame); });
  made.addEventListener("seeked", moved);
  made.addEventListener("click", toggle);
}

function show(made, video) {
  byId("picture").replaceChildren(made);
  byId("picture").hidden = !video;
  made.currentTime = +byId("seek").value;
  button();
}

function explain(text, choose = false) {
  const note = byId("media-note");
  const file = h("input", { type: "file", accept: "audio/*,video/*", "aria-label": "Choose the recording", onchange: () => file.files[0] && use(URL.createObjectURL(file.files[0]), state.recording.has_video) });
  note.replaceChildren(text, ...(choose ? [" Choose it here: ", file] : []));
  note.hidden = !text;
}

export function seek(seconds) {
  const to = Math.min(Math.max(0, seconds), duration());
  until = null;
  if (media) media.currentTime = to;
  byId("seek").value = to;
  moved();
}

export function toggle() {
  until = null;
  if (!media) return;
  if (media.paused) media.play().catch(() => {});
  else media.pause();
}

/** Play one utterance. */
export function play(row) {
  if (row?.start === null || !row) return;
  seek(row.start);
  until = row.end;
  media?.play().catch(() => {});
}

function button() {
  const paused = !media || media.paused;
  byId("play").classList.toggle("on", !paused);
  byId("play").setAttribute("aria-label", paused ? "Play" : "Pause");
  byId("play").disabled = !media;
}

function frame() {
  if (!media || media.paused) return;
  if (until !== null && media.currentTime >= until) { media.pause(); until = null; }
  byId("seek").value = media.currentTime;
  moved();
  requestAnimationFrame(frame);
}

/** The utterance at the position: the last that has begun and is not over. */
function heard(seconds) {
  return rows().findLast((row) => row.start !== null && row.start <= seconds && seconds < row.end)?.id ?? "";
}

function moved() {
  const seconds = position();
  byId("now").textContent = clock(seconds);
  byId("seek").setAttribute("aria-valuetext", clock(seconds));
  const now = heard(seconds);
  if (now !== playing) {
    document.querySelector(".row.playing")?.classList.remove("playing");
    document.getElementById(`row-${now}`)?.classList.add("playing");
    playing = now;
    if (now && media && !media.paused && byId("follow").checked && until === null) select(now, { following: true });
  }
  for (const listener of listeners) listener(seconds);
}

byId("play").addEventListener("click", toggle);
byId("seek").addEventListener("input", () => seek(+byId("seek").value));
byId("speed").addEventListener("change", () => { if (media) media.playbackRate = +byId("speed").value; });
