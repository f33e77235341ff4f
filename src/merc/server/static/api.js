// Requests to this server and no other.

export class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

/** Keep a token until the browser is closed: in a cookie, because media and events cannot send it otherwise. */
export function useToken(value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `merc_token=${value.trim()}; path=/v1; samesite=strict${secure}`;
}

/** The response to a request; a problem document becomes an error with its sentence. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
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

/** Upload a form; `told` hears the share that has been sent. */
export function upload(path, form, told) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && told(event.loaded / event.total));
    request.addEventListener("load", () => request.status < 400 ? done(request.response) : failed(new Refused(request.status, request.response?.detail ?? request.statusText)));
    request.addEventListener("error", () => failed(new Refused(0, "The upload broke off: is the server still running?")));
    request.send(form);
  });
}
