// Brings the page in line with ``state``.

import { passes } from "./decide.js";
import { buildFilter, buildSliders, paintDetails, paintFilter, paintSliders } from "./panel.js";
import { at, decisions, defaults, keys, state, summary, words } from "./state.js";
import { codePoints } from "./text.js";
import { buildFlow, buildTable, paintFlow } from "./view.js";
import { translate } from "./words.js";

// Failures that the same request would only bring again.
const FINAL = /^error_(empty|length|key_needed|key_refused|too_large|refused|unsupported)$/;

let spans = [];

/** The sentences of the article, as elements. */
export const sentenceElements = () => spans;

const textOf = ([key, values]) => words(key, typeof values === "function" ? values() : values);

/** Progress, failures and notes. */
export function paintMessages() {
  at("status").textContent = state.status ? textOf(state.status) : "";
  at("export-note").textContent = state.note ? textOf(state.note) : "";
  at("error").hidden = state.failure === null;
  at("again-line").hidden = state.failure === null || FINAL.test(state.failure.key);
  at("error-text").textContent = state.failure ? words(state.failure.key, state.failure.values) : "";
  at("error-detail").textContent = state.failure?.detail ?? "";
}

/** The form: count of characters, what can be pressed. */
export function paintInput() {
  const length = codePoints(at("article").value);
  const most = state.settings?.limits?.article_characters;
  at("counter").textContent = words(most ? "counter" : "characters", { n: length, most });
  at("counter").classList.toggle("over", length > most);
  at("run").disabled = state.work !== null;
  at("cancel").hidden = state.work === null;
  at("local").hidden = !state.settings?.in_browser;
  at("precision-field").hidden = !state.settings?.quantized;
}

const press = (button, on) => button.setAttribute("aria-pressed", String(on));

/** Everything below the form. */
export function paintResult() {
  at("results").hidden = state.result === null;
  document.body.classList.toggle("answered", state.result !== null);
  if (state.result === null) return;
  const given = decisions();
  const table = state.view === "table";
  paintFilter(at("filter"), given, state);
  paintSliders(at("sliders"), given, state);
  paintDetails(at("details-title"), at("bars"), given, state);
  at("none").hidden = state.result.sentences.length > 0;
  at("flow").hidden = at("details").hidden = table;
  at("table").hidden = !table;
  if (table) buildTable(at("table"), given, state);
  else paintFlow(spans, given, state);
  for (const button of document.querySelectorAll("[data-view]")) press(button, button.dataset.view === state.view);
  at("local-note").hidden = !state.result.local;
  at("unpin").hidden = state.pinned === null;
  at("details").classList.toggle("pinned", state.pinned !== null);
  at("reset").disabled = keys().every((key) => state.thresholds[key] === defaults()[key]);
}

/** Only what follows the sentence that is pointed at. */
export function paintCurrent() {
  spans.forEach((span, place) => span.classList.toggle("current", place === state.current));
  paintDetails(at("details-title"), at("bars"), decisions(), state);
}

/** Everything, after a change of language or settings. */
export function paintAll() {
  document.documentElement.lang = state.language;
  document.title = words("title");
  translate(document, state.language);
  for (const button of document.querySelectorAll("[data-language]")) {
    press(button, button.dataset.language === state.language);
  }
  if (state.settings) {
    const { model, sha256, codebook_version: version } = state.settings;
    at("model").textContent = words("model", { model, sha256: sha256.slice(0, 12), version });
    buildFilter(at("filter"), state);
    buildSliders(at("sliders"), state);
  }
  paintMessages();
  paintInput();
  paintResult();
}

/** Say something in the status line. */
export function tell(key, values) {
  state.status = key ? [key, values] : null;
  paintMessages();
}

/** Show a new result, or none. */
export function present(result) {
  Object.assign(state, { result, current: null, pinned: null, note: null, filter: new Set() });
  spans = result ? buildFlow(at("flow"), result) : [];
  paintAll();
}

/** After a change of thresholds or filter. */
export function repaint() {
  const shown = decisions().filter((labels) => passes(labels, state.filter)).length;
  state.note = null;
  state.status = state.filter.size
    ? ["summary_shown", () => ({ ...summary(), shown })]
    : ["summary", summary];
  paintResult();
  paintMessages();
}
