// Before there is a result: the results that are open.

import { byId, h } from "./dom.js";

/** Results to choose from. */
export async function start(service) {
  byId("start").replaceChildren(h("h2", {}, "Results"), h("ul", { class: "results" }, service.results.map((name) => h("li", {}, h("a", { href: `#${encodeURIComponent(name)}` }, name)))));
}
