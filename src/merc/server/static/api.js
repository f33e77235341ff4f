// Requests to this server; it alone is asked, with the token that it wants.

const KEPT = "merc-token";
let token = sessionStorage.getItem(KEPT) ?? "";

export class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

/** Keep a token for this tab. */
export function useToken(value) {
  token = value.trim();
  if (token) sessionStorage.setItem(KEPT, token);
  else sessionStorage.removeItem(KEPT);
}

export const headers = (more = {}) => token ? { ...more, Authorization: `Bearer ${token}` } : more;

/** The response to a request; a problem document becomes an error with its sentence. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers(options.headers) });
  } catch {
    throw new Refused(0, "The server does not answer: is it still running?");
  }
  if (!response.ok) throw new Refused(response.status, await reason(response));
  return response;
}

async function reason(response) {
  try {
    return (await response.json()).detail ?? response.statusText;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

export const get = async (path) => (await ask(path)).json();

export const send = (method, path, body, more = {}) =>
  ask(path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...more } });

/** Save what a path gives as a file, under the name that the server gives it. */
export async function download(path) {
  const response = await ask(path);
  const named = /filename\*=utf-8''([^;]+)/i.exec(response.headers.get("Content-Disposition") ?? "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = named ? decodeURIComponent(named[1]) : "results";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return link.download;
}

/** Server-sent events, by fetch so that they carry the token; goes on where a connection broke off. */
export async function* events(path, done) {
  let last = "";
  while (!done()) {
    try {
      const response = await ask(path, { headers: last ? { "Last-Event-ID": last } : {} });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done: ended } = await reader.read();
        if (ended) break;
        const parts = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const event = parsed(part);
          if (event.id) last = event.id;
          if (event.data) yield event;
        }
      }
    } catch (error) {
      if (error.status >= 400) throw error;
    }
    await new Promise((wake) => setTimeout(wake, 1000));
  }
}

function parsed(part) {
  const event = { id: "", event: "message", data: "" };
  for (const line of part.split("\n")) {
    const at = line.indexOf(":");
    if (at < 1) continue;
    const name = line.slice(0, at), value = line.slice(at + 1).replace(/^ /, "");
    if (name === "data") event.data += (event.data ? "\n" : "") + value;
    else if (name in event) event[name] = value;
  }
  return event;
}
