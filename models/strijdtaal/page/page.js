// The controls of the page and what each of them does.

import { asCsv, asJson } from "./decide.js";
import { stop } from "./local.js";
import { paintAll, paintCurrent, paintInput, paintMessages, paintResult } from "./paint.js";
import { present, repaint, sentenceElements, tell } from "./paint.js";
import { at, decisions, defaults, keys, state, words } from "./state.js";
import { copy, save } from "./take.js";
import { WORDS } from "./words.js";
import { example, label, start, working } from "./work.js";

const click = (id, task) => at(id).addEventListener("click", task);

// ---- language: in the address, so that a link keeps it ----

const languageOf = () => (location.hash.slice(1) in WORDS ? location.hash.slice(1) : "nl");

function speak(language) {
  state.language = language;
  paintAll();
}

function listenForLanguage() {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      history.replaceState(null, "", `#${button.dataset.language}`);
      speak(button.dataset.language);
    });
  }
  addEventListener("hashchange", () => speak(languageOf()));
}

// ---- the form ----

function listenToForm() {
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    working(label);
  });
  at("form").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    working(label);
  });
  at("article").addEventListener("input", paintInput);
  click("cancel", () => state.work?.abort());
  click("again", () => state.again());
  click("example", () => working(example));
  click("clear", () => {
    at("article").value = "";
    state.failure = null;
    present(null);
    tell("cleared");
    at("article").focus();
  });
  at("in-browser").addEventListener("change", () => at("in-browser").checked || state.work || stop());
}

// ---- the sentences: one tab stop, arrow keys within ----

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

function point(place) {
  if (state.current === place || state.result === null) return;
  state.current = place;
  paintCurrent();
}

function pin(place) {
  state.pinned = state.pinned === place ? null : place;
  paintResult();
}

function go(place) {
  const spans = sentenceElements();
  const next = Math.min(Math.max(place, 0), spans.length - 1);
  for (const span of spans) span.tabIndex = -1;
  spans[next].tabIndex = 0;
  spans[next].focus();
}

function listenToSentences() {
  const flow = at("flow");
  const placeOf = (event) => {
    const span = event.target.closest(".sentence");
    return span ? Number(span.dataset.number) : null;
  };
  flow.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch" && placeOf(event) !== null) point(placeOf(event));
  });
  flow.addEventListener("focusin", (event) => point(placeOf(event)));
  // Outside the text the pinned sentence is shown again; without one, the last stays.
  for (const kind of ["pointerleave", "focusout"]) flow.addEventListener(kind, () => state.pinned === null || point(null));
  flow.addEventListener("click", (event) => placeOf(event) === null || pin(placeOf(event)));
  flow.addEventListener("keydown", (event) => {
    const place = placeOf(event);
    if (place === null || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in STEPS) go(place + STEPS[event.key]);
    else if (event.key === "Enter" || event.key === " ") pin(place);
    else if (event.key === "Escape" && state.pinned !== null) pin(state.pinned);
    else return;
    event.preventDefault();
  });
  click("unpin", () => {
    const place = state.pinned;
    pin(place);
    if (state.view === "article") go(place);
  });
}

// ---- filter, view, thresholds, taking along ----

function listenToPanel() {
  at("filter").addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    const { key } = chip.dataset;
    if (key === undefined) state.filter.clear();
    else if (!state.filter.delete(key)) state.filter.add(key);
    repaint();
  });
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => {
      state.view = button.dataset.view;
      paintResult();
    });
  }
  at("sliders").addEventListener("input", (event) => {
    state.thresholds[event.target.dataset.key] = Number(event.target.value);
    repaint();
  });
  click("reset", () => {
    state.thresholds = defaults();
    repaint();
    at("sliders").querySelector("input").focus(); // the button that had the focus can no longer be pressed
  });
}

function listenToExport() {
  const json = () => asJson(state.result, decisions(), state.settings, state.thresholds);
  const note = (key, values) => {
    state.note = [key, values];
    paintMessages();
  };
  const keep = (name, type, text) => {
    save(name, type, text);
    note("saved", { name });
  };
  click("copy", async () => {
    const count = () => ({ sentences: words("n_sentences", { n: state.result.sentences.length }) });
    note(...((await copy(json())) ? ["copied", count] : ["not_copied"]));
  });
  click("save-json", () => keep("strijdtaal.json", "application/json", json()));
  click("save-csv", () => keep("strijdtaal.csv", "text/csv;charset=utf-8", asCsv(state.result, decisions(), keys())));
}

listenForLanguage();
listenToForm();
listenToSentences();
listenToPanel();
listenToExport();
speak(languageOf());
start();
