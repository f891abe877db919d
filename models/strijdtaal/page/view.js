// The article in its own flow and the table. Text goes in as text, never as markup.

import { labelsOf, passes, shortNames } from "./decide.js";
import { clean } from "./text.js";
import { NAME_FIELD, percent, say } from "./words.js";

/** A new element with a class, attributes and children. */
export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** Names of all labels in the page's language, by key: {key: {full, short, number}}. */
export function namesOf(settings, language) {
  const full = settings.labels.map((label) => label[NAME_FIELD[language]]);
  const short = shortNames(full);
  return Object.fromEntries(
    settings.labels.map(({ key }, number) => [key, { full: full[number], short: short[number], number }]),
  );
}

/** What every sentence is given at the thresholds of ``state``. */
export function decisionsOf(state) {
  const keys = state.settings.labels.map((label) => label.key);
  return state.result.sentences.map(({ probabilities }) => labelsOf(probabilities, keys, state.thresholds));
}

const COLOURS = 4; // --label-0 to --label-3 in page.css

/** The tag of a label; its colour is by place in the label set. */
export function tag(name, language) {
  const made = element("span", { class: "tag", lang: language, title: name.full, text: name.short });
  made.style.setProperty("--label", `var(--label-${name.number % COLOURS})`);
  return made;
}

/** Lines under a sentence in the colours of its labels, and a tint in that of the first. */
function mark(span, labels, names) {
  span.classList.toggle("labelled", labels.length > 0);
  ["--first", "--second", "--third", "--fourth"].forEach((property, place) => {
    const label = names[labels[place]];
    if (label) span.style.setProperty(property, `var(--label-${label.number % COLOURS})`);
    else span.style.removeProperty(property);
  });
  if (labels.length) span.style.setProperty("--tint", `var(--tint-${names[labels[0]].number % COLOURS})`);
}

/** Build the article: a paragraph wherever the text has a line end between two sentences. Returns the sentences. */
export function buildFlow(flow, result) {
  const spans = [];
  let paragraph = element("p");
  let before = 0;
  flow.replaceChildren(paragraph);
  result.sentences.forEach(({ from, to }, number) => {
    const gap = result.text.slice(before, from);
    if (number > 0 && gap.includes("\n")) {
      paragraph = element("p", gap.split("\n").length > 2 ? {} : { class: "close" });
      flow.append(paragraph);
    } else if (number > 0) paragraph.append(" ");
    const words = element("span", { class: "words", text: clean(result.text.slice(from, to)) });
    const span = element("span", { class: "sentence", role: "button", "data-number": number }, words);
    span.setAttribute("aria-describedby", "bars");
    span.tabIndex = number === 0 ? 0 : -1;
    paragraph.append(span);
    spans.push(span);
    before = to;
  });
  return spans;
}

/** Bring tags, colours and dimming of the article in line with decisions and filter. */
export function paintFlow(spans, decisions, state) {
  const names = namesOf(state.settings, state.language);
  spans.forEach((span, number) => {
    const labels = decisions[number];
    const dim = !passes(labels, state.filter);
    mark(span, labels, names);
    span.classList.toggle("dim", dim);
    span.classList.toggle("current", number === state.current);
    span.setAttribute("aria-pressed", String(number === state.pinned));
    const shown = dim ? [] : labels.map((key) => tag(names[key], state.language));
    // a space that does not break: a tag stays on the line of the last word
    span.replaceChildren(span.firstChild, ...shown.flatMap((one) => ["\u00a0", one]));
  });
}

function row(item, number, labels, names, state) {
  const cells = [
    element("td", { class: "number", role: "cell", text: number + 1 }),
    element("td", { class: "words", role: "cell", lang: "nl", text: clean(item.text) }),
  ];
  const tags = labels.map((key) => tag(names[key], state.language));
  cells.push(element("td", { class: "tags", role: "cell" }, ...tags.flatMap((one) => [one, " "])));
  for (const [key, name] of Object.entries(names)) {
    const given = labels.includes(key);
    const short = element("span", { class: "short", "aria-hidden": "true", text: `${name.short} ` });
    const value = element(given ? "strong" : "span", { text: percent(state.language, item.probabilities[key]) });
    cells.push(element("td", { class: given ? "figure given" : "figure", role: "cell" }, short, value));
  }
  return element("tr", { role: "row" }, ...cells);
}

/** The table of all sentences that the filter lets through, every probability in figures. */
export function buildTable(holder, decisions, state) {
  const names = namesOf(state.settings, state.language);
  const words = (key) => say(state.language, key);
  const heads = [words("column_number"), words("column_sentence"), words("column_labels")];
  heads.push(...Object.values(names).map((name) => name.full));
  const head = element("tr", { role: "row" });
  head.append(...heads.map((text) => element("th", { scope: "col", role: "columnheader", text })));
  const body = element("tbody", { role: "rowgroup" });
  state.result.sentences.forEach((item, number) => {
    if (passes(decisions[number], state.filter)) body.append(row(item, number, decisions[number], names, state));
  });
  const caption = element("caption", { class: "unseen", text: words("table_caption") });
  holder.replaceChildren(
    element("table", { role: "table" }, caption, element("thead", { role: "rowgroup" }, head), body),
  );
}
