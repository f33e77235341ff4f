"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const items = [...document.querySelectorAll(".utterances li")];
  const plot = one(".plot");
  const language = one("[data-language]");
  try {
    language.textContent = new Intl.DisplayNames(["en"], { type: "language" }).of(language.dataset.language);
  } catch { /* the code itself stays */ }

  function filter(form) {
    const status = one("[role=status]", form);
    const apply = () => {
      const { speaker, label, confidence } = form.elements;
      let shown = 0;
      for (const item of items) {
        const { p, l, c } = item.dataset;
        const fits = (!speaker.value || p === speaker.value) && (!label.value || l === label.value) && +c >= +confidence.value;
        item.hidden = !fits;
        shown += fits;
      }
      one("output", form).textContent = `${confidence.value}%`;
      status.textContent = shown === items.length ? `all ${shown} shown` : `${shown} of ${items.length} shown`;
    };
    form.hidden = false;
    form.addEventListener("input", apply);
    form.addEventListener("reset", () => setTimeout(apply));
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  function reveal(item) {
    if (item.hidden) one(".filters").reset();
    setTimeout(() => { location.hash = item.id; });
  }

  function player(box) {
    const { name, kind } = box.dataset;
    const media = document.createElement(kind);
    const places = [name, `../${name}`].map((path) => path.split("/").map((part) => part === ".." ? part : encodeURIComponent(part)).join("/"));
    let current = null;
    media.controls = true;
    media.preload = "metadata";
    media.addEventListener("error", () => places.length ? load(places.shift()) : explain());
    media.addEventListener("loadedmetadata", ready);

    function load(source) { media.src = source; media.load(); }

    function explain() {
      const said = document.createElement("p");
      const choice = document.createElement("input");
      said.textContent = `To hear the utterances, put the recording “${name}” beside this page, or choose it here: `;
      choice.type = "file";
      choice.setAttribute("aria-label", "Choose the recording");
      choice.addEventListener("change", () => choice.files[0] && load(URL.createObjectURL(choice.files[0])));
      said.append(choice);
      box.replaceChildren(said);
      box.hidden = false;
    }

    function ready() {
      const close = document.createElement("button");
      close.type = "button";
      close.textContent = "Close the player";
      close.addEventListener("click", () => { media.pause(); box.hidden = true; });
      box.replaceChildren(media, close);
      box.classList.add("found");
      box.hidden = true;
      plot?.classList.add("live");
      items.forEach(button);
    }

    function button(item) {
      const time = one("time", item);
      if (!time || one("button", item)) return;
      const play = document.createElement("button");
      play.type = "button";
      play.setAttribute("aria-label", `Play ${one(".who", item).textContent} at ${time.textContent}`);
      time.replaceWith(play);
      play.append(time);
      play.addEventListener("click", () => start(item));
    }

    function start(item) {
      current?.classList.remove("playing");
      current = item;
      item.classList.add("playing");
      box.hidden = false;
      media.currentTime = +item.dataset.s;
      media.play().then(() => requestAnimationFrame(follow), () => {});
    }

    function follow() {
      plot?.style.setProperty("--t", media.currentTime / plot.dataset.seconds);
      if (current && media.currentTime >= +current.dataset.e) {
        media.pause();
        current.classList.remove("playing");
        current = null;
      }
      if (!media.paused) requestAnimationFrame(follow);
    }

    media.addEventListener("play", () => requestAnimationFrame(follow));
    load(places.shift());
  }

  plot?.addEventListener("click", (event) => {
    if (!event.target.closest(".band")) return;
    const area = plot.getBoundingClientRect();
    const time = (event.clientX - area.left) / area.width * plot.dataset.seconds;
    const next = items.find((item) => +item.dataset.e > time);
    if (next) reveal(next);
  });
  if (one(".filters")) filter(one(".filters"));
  if (one(".player")) player(one(".player"));
})();
