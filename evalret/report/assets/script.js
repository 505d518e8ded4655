"use strict";
(() => {
  document.documentElement.classList.add("js");
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const d of closed) d.open = true;
  });
  window.addEventListener("afterprint", () => { for (const d of closed) d.open = false; });

  const form = document.querySelector(".controls");
  if (!form) return;
  const table = document.getElementById(form.dataset.for);
  const rows = [...table.tBodies];
  const field = (name) => form.elements.namedItem(name);
  const textOf = (row, selector) => [...row.rows[0].querySelectorAll(selector)].map((n) => n.textContent);
  const facts = new Map(rows.map((row) => [row, {
    search: (row.dataset.search || textOf(row, ".q, .id").join(" ")).toLowerCase(),
    tags: textOf(row, ".tag"),
  }]));

  const fold = (row, open) => {
    const button = row.querySelector("button.open");
    if (!button) return;
    row.classList.toggle("unfolded", open);
    button.setAttribute("aria-expanded", String(open));
  };
  for (const row of rows) {
    fold(row, false);
    const line = row.querySelector("tr.query");
    if (!line || !row.querySelector("button.open")) continue;
    line.addEventListener("click", (event) => {
      if (event.target.closest("a") || String(window.getSelection())) return;
      fold(row, !row.classList.contains("unfolded"));
    });
  }

  const all = field("fold");
  if (all) all.addEventListener("click", () => {
    const open = all.textContent === "Open all";
    for (const row of rows) if (!row.classList.contains("away")) fold(row, open);
    all.textContent = open ? "Close all" : "Open all";
  });

  const filter = () => {
    const words = field("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const tag = field("tag") ? field("tag").value : "";
    const show = field("show") ? field("show").value : "";
    let shown = 0;
    for (const row of rows) {
      const known = facts.get(row);
      const fits = words.every((w) => known.search.includes(w)) &&
        (!tag || known.tags.includes(tag)) && (!show || row.dataset.state === show);
      row.classList.toggle("away", !fits);
      if (fits) shown++;
    }
    field("count").textContent = shown === rows.length ? String(rows.length) : shown + " of " + rows.length;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      field("text").focus();
    }
  });
  if (field("tag")) for (const tag of document.querySelectorAll("#tags .tag")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "tag";
    button.textContent = tag.textContent;
    button.addEventListener("click", () => {
      field("tag").value = button.textContent;
      filter();
      form.scrollIntoView();
      field("tag").focus({ preventScroll: true });
    });
    tag.replaceWith(button);
  }

  const heads = [...table.tHead.querySelectorAll("th")];
  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const h of heads) h.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.rows[0].cells[column];
        const value = cell.dataset.value || cell.textContent;
        if (head.dataset.sort === "text") return value;
        const n = Number(value.replaceAll(",", ""));
        return Number.isFinite(n) ? n : -Infinity;
      };
      const sorted = rows.map((row, i) => [key(row), i, row]);
      sorted.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1) || a[1] - b[1]);
      table.append(...sorted.map((s) => s[2]));
    });
  });

  form.hidden = false;
  filter();
})();
