// Filters and sorts the sentence tables: one .browser a table, rows with data-kind and data-labels.
for (const browser of document.querySelectorAll(".browser")) {
  const rows = [...browser.querySelectorAll("tbody tr")];
  const body = browser.querySelector("tbody");
  const [kind, label, search, count] = ["kind", "label", "search", "count"].map((name) => browser.querySelector("." + name));
  const show = () => {
    const words = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const keep = (!kind.value || row.dataset.kind === kind.value)
        && (!label.value || row.dataset.labels.split(" ").includes(label.value))
        && (!words || row.cells[0].textContent.toLowerCase().includes(words));
      row.hidden = !keep;
      shown += keep;
    }
    count.textContent = dutch() ? `${shown} van ${rows.length} zinnen` : `${shown} of ${rows.length} sentences`;
  };
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim();
    return /^[\d.]+%$/.test(text) ? parseFloat(text) : text;
  };
  const heads = [...browser.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
      rows.sort((a, b) => (down ? -1 : 1) * order(value(a, column), value(b, column)));
      body.append(...rows);
    });
  });
  for (const control of [kind, label, search]) control.addEventListener("input", show);
  document.addEventListener("language", show);
  show();
}
