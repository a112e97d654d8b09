"use strict";
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Colours: as the system has them, light or dark. A page from disk may not be allowed to remember which.
const theme = document.getElementById("theme");
const THEMES = { system: "◐ auto", light: "☀ light", dark: "☾ dark" };
const remembered = () => { try { return localStorage.getItem("ranksuite-theme"); } catch { return null; } };
const colour = (name) => {
  if (name === "system") delete root.dataset.theme; else root.dataset.theme = name;
  theme.textContent = THEMES[name];
  theme.setAttribute("aria-label", `Colours: ${THEMES[name].slice(2)}`);
  try { localStorage.setItem("ranksuite-theme", name); } catch { /* The choice holds for this visit. */ }
};
theme.addEventListener("click", () => {
  const names = Object.keys(THEMES);
  colour(names[(names.indexOf(root.dataset.theme || "system") + 1) % names.length]);
});
colour(remembered() in THEMES ? remembered() : "system");
theme.hidden = false;

// Contents: open beside the text where there is room, and saying where the reader is.
const contents = document.querySelector("nav details");
const roomy = matchMedia("(min-width: 1180px)");
const settle = () => { contents.open = roomy.matches; };
roomy.addEventListener("change", settle);
settle();
const places = all("nav a").map((link) => [link, document.querySelector(link.hash)]).filter(([, at]) => at);
const follow = () => {
  // The last sections are too short to come up to the reader's eye.
  const eye = scrollY + innerHeight > root.scrollHeight - 4 ? innerHeight : innerHeight / 3;
  const passed = places.filter(([, at]) => at.getBoundingClientRect().top < eye);
  const [now] = passed.length ? passed[passed.length - 1] : places[0];
  if (now.hasAttribute("aria-current")) return;
  const list = now.closest("nav");
  list.scrollTop = now.offsetTop - list.clientHeight / 2;
  for (const [link] of places) {
    if (link === now) link.setAttribute("aria-current", "location"); else link.removeAttribute("aria-current");
  }
};
let waiting = false;
addEventListener("scroll", () => {
  if (!waiting) requestAnimationFrame(() => { waiting = false; follow(); });
  waiting = true;
}, { passive: true });
follow();

// Sorting: by the exact value behind each cell; cells without one go last.
for (const table of all("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const now = head.getAttribute("aria-sort");
      const descending = now ? now === "ascending" : numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        if (!numeric) return cell.textContent;
        return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
      };
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        const sign = typeof x === "number" ? x - y : x.localeCompare(y);
        return descending ? -sign : sign;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    });
  });
}

// Only what can be scrolled is a stop of the tab key.
const reach = new ResizeObserver((boxes) => boxes.forEach(({ target }) => {
  if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute("tabindex");
}));
all(".scroll").forEach((box) => reach.observe(box));

// Long tables: only the rows that hold every word asked for.
const LONG = 25;
for (const table of all("table").filter((one) => one.tBodies[0].rows.length > LONG)) {
  const box = document.createElement("input");
  box.type = "search";
  box.placeholder = "Filter rows";
  box.setAttribute("aria-label", `Filter rows of ${table.parentElement.getAttribute("aria-label")}`);
  box.addEventListener("input", () => {
    const asked = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !asked.every((word) => text.includes(word));
    }
  });
  table.parentElement.previousElementSibling.append(box);
}

// The numbers behind a table or figure, unpacked when they are asked for.
for (const button of all("button.csv")) {
  button.hidden = false;
  button.title = `Download ${button.dataset.name}`;
  button.setAttribute("aria-label", button.title);
  button.addEventListener("click", async () => {
    const packed = Uint8Array.from(atob(button.dataset.csv), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await new Response(stream).arrayBuffer()], { type: "text/csv" }));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

// Values of a figure: the nearest point under the pointer, or one after the other by the arrow keys.
const value = document.getElementById("value");
const NEAR = 26;
for (const drawing of all(".drawing")) {
  const spots = JSON.parse(drawing.dataset.spots);
  if (!spots.length) continue;
  const ring = document.createElement("span");
  ring.className = "ring";
  ring.hidden = true;
  drawing.append(ring);
  drawing.tabIndex = 0;
  drawing.setAttribute("role", "group");
  drawing.setAttribute("aria-label", "Values of this figure: the arrow keys lead from one to the next");
  let chosen = -1;
  const show = (index) => {
    chosen = index;
    const [x, y, text] = spots[index];
    const box = drawing.getBoundingClientRect();
    ring.style.left = `${x / 100}%`;
    ring.style.top = `${y / 100}%`;
    ring.hidden = value.hidden = false;
    value.textContent = text;
    const left = box.left + (x / 10000) * box.width;
    const top = box.top + (y / 10000) * box.height;
    const room = document.documentElement.clientWidth - value.offsetWidth - 8;
    value.style.left = `${Math.max(8, Math.min(left - value.offsetWidth / 2, room))}px`;
    value.style.top = `${top - value.offsetHeight - 14 < 4 ? top + 16 : top - value.offsetHeight - 14}px`;
  };
  const hide = () => { ring.hidden = value.hidden = true; };
  const point = (event) => {
    const box = drawing.getBoundingClientRect();
    let best = -1;
    let least = NEAR;
    spots.forEach(([x, y], index) => {
      const far = Math.hypot(box.left + (x / 10000) * box.width - event.clientX, box.top + (y / 10000) * box.height - event.clientY);
      if (far < least) [best, least] = [index, far];
    });
    if (best < 0) hide(); else show(best);
  };
  drawing.addEventListener("pointermove", point);
  drawing.addEventListener("pointerdown", point);
  drawing.addEventListener("pointerleave", hide);
  drawing.addEventListener("blur", hide);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    show((chosen + step + spots.length) % spots.length);
  });
}
addEventListener("scroll", () => { value.hidden = true; all(".ring").forEach((ring) => { ring.hidden = true; }); }, { passive: true });

const copy = document.getElementById("copy");
if (copy) copy.hidden = false;
copy?.addEventListener("click", () => {
  const text = document.getElementById("bibtex");
  getSelection().selectAllChildren(text);
  // A page from disk may have no clipboard; then the text stands selected.
  navigator.clipboard?.writeText(text.textContent).then(() => { copy.textContent = "Copied"; }, () => {});
});

// A link into a folded table opens it; on paper all are open.
const open = () => document.querySelector(location.hash || "#none")?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", open);
open();
addEventListener("beforeprint", () => all("main details").forEach((part) => { part.open = true; }));
