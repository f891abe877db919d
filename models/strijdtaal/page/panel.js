// What stands beside the article: filter with counts, probabilities of one sentence, thresholds.

import { NONE, countsOf } from "./decide.js";
import { element, namesOf } from "./view.js";
import { number as figure, percent, say } from "./words.js";

/** A threshold as people read it: whole percents, or as many digits as it has (at most two more). */
function share(language, value) {
  const hundredths = value * 100;
  const digits = [0, 1].find((places) => Math.abs(hundredths - Number(hundredths.toFixed(places))) < 1e-9) ?? 2;
  return percent(language, value, digits);
}

const coloured = (made, number) => {
  made.style.setProperty("--label", `var(--label-${number % 4})`);
  made.style.setProperty("--tint", `var(--tint-${number % 4})`);
  return made;
};

/** Build the filter's buttons: data-key is a label's key, NONE, or absent for all. */
export function buildFilter(holder, state) {
  const chip = (key, text) => {
    const count = element("span", { class: "count" });
    const made = element("button", { type: "button", class: "chip" }, element("span", { text }), " ", count);
    if (key !== null) made.dataset.key = key;
    return made;
  };
  const names = Object.entries(namesOf(state.settings, state.language));
  const labels = names.map(([key, { full, number }]) => coloured(chip(key, full), number));
  holder.replaceChildren(chip(null, say(state.language, "all")), ...labels, chip(NONE, say(state.language, "no_label")));
}

/** Counts and pressed state of the filter's buttons. */
export function paintFilter(holder, decisions, state) {
  const counts = countsOf(decisions, state.settings.labels.map((label) => label.key));
  for (const chip of holder.querySelectorAll(".chip")) {
    const { key } = chip.dataset;
    const all = key === undefined;
    chip.setAttribute("aria-pressed", String(all ? state.filter.size === 0 : state.filter.has(key)));
    chip.querySelector(".count").textContent = figure(state.language, all ? decisions.length : counts.get(key));
  }
}

/** Build a slider for each label; data-key is its key. */
export function buildSliders(holder, state) {
  const rows = Object.entries(namesOf(state.settings, state.language)).map(([key, { full, number }]) => {
    const slider = element("input", { type: "range", id: `threshold-${key}`, min: 0.01, max: 0.99, step: 0.01 });
    slider.dataset.key = key;
    slider.setAttribute("aria-label", say(state.language, "threshold_of", { label: full }));
    const value = element("span", { class: "value", "aria-hidden": "true" });
    const name = element("label", { for: slider.id, text: full });
    return coloured(element("div", { class: "slider" }, name, value, slider), number);
  });
  holder.replaceChildren(...rows);
}

/** Positions and texts of the sliders. The threshold itself is kept apart: a slider only knows whole percents. */
export function paintSliders(holder, decisions, state) {
  const counts = countsOf(decisions, state.settings.labels.map((label) => label.key));
  for (const slider of holder.querySelectorAll("input")) {
    const { key } = slider.dataset;
    const value = share(state.language, state.thresholds[key]);
    const count = say(state.language, "n_sentences", { n: counts.get(key) });
    slider.value = String(state.thresholds[key]);
    slider.setAttribute("aria-valuetext", say(state.language, "threshold_text", { value, count }));
    slider.parentElement.querySelector(".value").textContent = value;
  }
}

function bar(name, value, threshold, given, language) {
  const shown = percent(language, value);
  const fill = element("span", { class: "fill" });
  const tick = element("span", { class: "tick" });
  fill.style.width = `${value * 100}%`;
  tick.style.left = `${threshold * 100}%`;
  const values = { label: name.full, value: shown, threshold: share(language, threshold) };
  const text = say(language, given ? "bar_given" : "bar", values);
  const track = element("span", { class: "track", role: "img", "aria-label": text }, fill, tick);
  const head = element("span", { class: "name", "aria-hidden": "true", text: name.full });
  const figures = element("span", { class: "value", "aria-hidden": "true", text: shown });
  if (given) head.append(" ✓");
  return coloured(element("div", { class: given ? "row given" : "row" }, head, figures, track), name.number);
}

/** The probabilities of the sentence that is pointed at, or else of the pinned one; a hint without any. */
export function paintDetails(title, holder, decisions, state) {
  const number = state.current ?? state.pinned;
  const item = state.result.sentences[number];
  const words = (key, values) => say(state.language, key, values);
  if (!item) {
    title.textContent = words("details");
    holder.replaceChildren(element("p", { class: "soft", text: words("details_hint") }));
    return;
  }
  const all = state.result.sentences.length;
  title.textContent = words("details_of", { n: number + 1, all });
  const names = Object.entries(namesOf(state.settings, state.language));
  const rows = names.map(([key, name]) =>
    bar(name, item.probabilities[key], state.thresholds[key], decisions[number].includes(key), state.language),
  );
  const { start, end } = item;
  holder.replaceChildren(...rows, element("p", { class: "soft", text: words("place", { start, end }) }));
}
