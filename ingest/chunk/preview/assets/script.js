"use strict";
(() => {
  document.documentElement.classList.add("js");
  const number = (value) => Number(value);

  for (const section of document.querySelectorAll(".document")) {
    const aside = section.querySelector("aside");
    if (!aside) continue;
    const stretches = [...section.querySelectorAll(".text span")];
    const pins = [...section.querySelectorAll(".pin")];
    let shown = -1;

    const show = (chunk) => {
      if (chunk < 0 || chunk === shown || chunk >= pins.length) return;
      shown = chunk;
      const row = document.getElementById(section.id + "r" + chunk);
      const first = number(row.dataset.parentFirst), last = number(row.dataset.parentLast);
      for (const s of stretches) {
        const from = number(s.dataset.first), to = number(s.dataset.last);
        s.classList.toggle("current", from <= chunk && chunk <= to);
        s.classList.toggle("family", first < last && from <= to && from <= last && first <= to);
      }
      const title = document.createElement("h3");
      title.textContent = "Chunk " + chunk;
      const list = document.createElement("dl");
      for (const cell of row.querySelectorAll("td")) {
        if (!cell.textContent) continue;
        const name = document.createElement("dt");
        name.textContent = cell.dataset.name;
        const value = document.createElement("dd");
        value.append(...[...cell.childNodes].map((n) => n.cloneNode(true)));
        const entry = document.createElement("div");
        entry.append(name, value);
        list.append(entry);
      }
      aside.replaceChildren(title, list);
      aside.hidden = false;
    };

    section.querySelector(".text").addEventListener("mouseover", (event) => {
      const at = event.target;
      if (at.dataset.last !== undefined) {
        if (number(at.dataset.first) <= number(at.dataset.last)) show(number(at.dataset.last));
      } else if (at.classList.contains("pin")) show(number(at.textContent));
    });
    pins.forEach((pin, i) => pin.addEventListener("focus", () => show(i)));
    section.step = (by) => {
      const pin = pins[Math.min(Math.max(shown + by, 0), pins.length - 1)];
      pin.focus({ preventScroll: true });
      pin.scrollIntoView({ block: "nearest" });
    };
    show(0);
  }

  let section = document.querySelector(".document");
  const within = (event) => {
    const s = event.target.closest && event.target.closest(".document");
    if (s && s.step) section = s;
  };
  document.addEventListener("focusin", within);
  document.addEventListener("mouseover", within);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !section || !section.step) return;
    if (event.key === "j" || event.key === "J") section.step(1);
    else if (event.key === "k" || event.key === "K") section.step(-1);
  });
})();
