// What takes time: settings, labelling by the service or in this browser, the example. One thing at a time.

import { computeArticle } from "./local.js";
import { paintAll, paintInput, present, tell } from "./paint.js";
import { Failure, predictArticle, settingsOf } from "./service.js";
import { adopt, at, decisions, defaults, keys, state, summary } from "./state.js";
import { codePoints, wellFormed } from "./text.js";

function fail(error) {
  state.failure = error instanceof Failure ? error : new Failure("error_page", {}, String(error?.message ?? error));
  tell(null);
  if (state.failure.key.startsWith("error_key")) {
    at("key-field").hidden = false;
    at("key").focus();
  }
}

/** Run ``task(signal)``, unless something runs already; its failure is shown. */
export async function working(task) {
  if (state.work) return;
  state.work = new AbortController();
  state.failure = null;
  state.again = () => working(task);
  paintInput();
  try {
    await task(state.work.signal);
  } catch (error) {
    if (error.name === "AbortError") tell("cancelled");
    else fail(error);
  } finally {
    state.work = null;
    at("progress").hidden = true;
    paintInput();
  }
}

/** Start the page: settings of the service, or why there are none. */
export async function start() {
  state.failure = null;
  state.again = start;
  try {
    await configure();
  } catch (error) {
    fail(error);
  }
}

/** Ask the service for its labels, thresholds and limits. */
async function configure(signal) {
  tell("loading");
  adopt(await settingsOf(at("key").value, signal));
  tell(null);
  paintAll();
}

/** Whether the service decided as its settings say; it may have been started anew with another bundle. */
function agrees(result) {
  const labels = decisions(result, defaults());
  return result.sentences.every(({ said }, place) => String(said.labels) === String(labels[place]));
}

async function byService(text, signal) {
  const key = at("key").value;
  tell("busy");
  const result = await predictArticle(text, keys(), { key, signal });
  if (agrees(result)) return result;
  adopt(await settingsOf(key, signal));
  if (!agrees(result)) throw new Failure("error_unreadable");
  return result;
}

function byBrowser(text, signal) {
  const progress = ({ step, values, share }) => {
    tell(step, values);
    at("progress").hidden = false;
    if (share === undefined) at("progress").removeAttribute("value");
    else at("progress").value = share;
  };
  tell("busy_model");
  return computeArticle(text, state.settings, {
    key: at("key").value,
    dtype: state.settings.quantized ? at("precision").value : "fp32",
    progress,
    signal,
  });
}

/** Label what stands in the text field. */
export async function label(signal) {
  const text = wellFormed(at("article").value);
  if (state.settings === null) {
    await configure(signal);
    if (!text.trim()) return; // the key was given, the text is still to come
  }
  const length = codePoints(text);
  const most = state.settings.limits?.article_characters;
  if (!text.trim()) throw new Failure("error_empty");
  if (length > most) throw new Failure("error_length", { n: length, most });
  const local = state.settings.in_browser && at("in-browser").checked;
  const result = await (local ? byBrowser(text, signal) : byService(text, signal));
  state.status = ["summary", summary];
  present(result);
  at("results").scrollIntoView({ block: "nearest" });
}

/** Fill in the example. */
export async function example(signal) {
  let answer;
  try {
    answer = await fetch("/example.txt", { signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Failure("error_offline");
  }
  if (!answer.ok) throw new Failure("error_failed", { status: answer.status });
  at("article").value = await answer.text();
  tell("example_loaded");
}
