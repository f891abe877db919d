// What the page knows. Everything that is shown follows from ``state``.

import { labelsOf } from "./decide.js";
import { say } from "./words.js";

export const at = (id) => document.getElementById(id);

export const state = {
  language: "nl",
  settings: null, // GET /settings
  thresholds: {}, // by key; may be moved by sliders
  result: null, // see decide.js
  filter: new Set(), // keys to show; empty for all
  view: "article",
  current: null, // the sentence that is pointed at or has the focus
  pinned: null,
  status: null, // what is said: [key, values, or a function that gives them]
  note: null,
  failure: null,
  work: null, // AbortController of what is running
  again: null, // does the last work once more
};

export const words = (key, values) => say(state.language, key, values);

/** The keys of the labels, in their order. */
export const keys = () => state.settings.labels.map((label) => label.key);

/** The thresholds of the bundle. */
export const defaults = () => Object.fromEntries(state.settings.labels.map(({ key, threshold }) => [key, threshold]));

/** The labels of every sentence of a result at given thresholds. */
export const decisions = (result = state.result, thresholds = state.thresholds) =>
  result.sentences.map(({ probabilities }) => labelsOf(probabilities, keys(), thresholds));

/** Take over what the service says of itself. */
export function adopt(settings) {
  state.settings = settings;
  state.thresholds = defaults();
}

/** How many sentences there are, and how many with a label, in words. */
export function summary() {
  const labels = decisions();
  const labelled = labels.filter((given) => given.length).length;
  return { sentences: words("n_sentences", { n: labels.length }), labelled };
}
