"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const themes = ["system", "light", "dark"];
  const store = {
    get() { try { return localStorage.getItem("weighbridge-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("weighbridge-theme", value); } catch { /* a file may have no storage */ } },
  };
  const show = (theme) => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
    button.textContent = "Theme: " + theme;
    button.setAttribute("aria-pressed", String(theme !== "system"));
  };
  let theme = themes.includes(store.get()) ? store.get() : "system";
  show(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    store.set(theme);
    show(theme);
  });

  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim().replace(/,/g, "");
    const number = Number.parseFloat(text);
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b);
  };
  const sort = (table, column) => {
    const header = table.tHead.rows[0].cells[column];
    const order = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const sums = rows.filter((row) => row.classList.contains("sum"));
    const others = rows.filter((row) => !row.classList.contains("sum"));
    const sign = order === "ascending" ? 1 : -1;
    others.sort((a, b) => sign * compare(value(a, column), value(b, column)));
    body.append(...others, ...sums);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      if (header.querySelector(".visually-hidden")) return;
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.append(...header.childNodes);
      header.append(sorter);
      sorter.addEventListener("click", () => sort(table, column));
    });
  }

  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
  const all = document.querySelectorAll("details");
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...all].filter((details) => !details.open);
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
})();
