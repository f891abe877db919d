// The in-browser option, seen from the page: sentences are split here and computed in a worker. No text is sent.

import { Failure, ask } from "./service.js";
import { sentenceSpans, supported, titlesOf } from "./split.js";
import { clean, toPoints } from "./text.js";

let worker = null;
let loaded = ""; // what the worker holds: bundle and precision
let titles = null;

// The one address of a script that the page's policy (Trusted Types) lets through.
const policy = globalThis.trustedTypes?.createPolicy("strijdtaal", { createScriptURL: () => "/worker.js" });
const ADDRESS = policy ? policy.createScriptURL("/worker.js") : "/worker.js";

/** End the worker, and with it whatever it is doing. */
export function stop() {
  worker?.terminate();
  worker = null;
  loaded = "";
}

/** Send one message and wait for its answer; messages on the way go to ``progress``. */
function call(message, progress, signal) {
  return new Promise((resolve, reject) => {
    const fail = (error) => {
      stop();
      reject(error);
    };
    worker.onmessage = ({ data }) => {
      if (data.failure) fail(new Failure(data.failure, data.values, data.detail));
      else if (data.done) resolve(data.rows);
      else progress(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(new Failure("error_worker", {}, event.message ?? ""));
    };
    const abort = () => fail(new DOMException("cancelled", "AbortError"));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    worker?.postMessage(message);
  });
}

async function abbreviations(signal) {
  const answer = await fetch("/abbreviations.txt", { signal });
  if (!answer.ok) throw new Failure("error_failed", { status: answer.status });
  return titlesOf(await answer.text());
}

/** Have the worker hold the bundle that ``settings`` speak of. */
async function load(settings, dtype, key, progress, signal) {
  const wanted = `${settings.sha256} ${dtype}`;
  if (loaded === wanted) return;
  stop();
  worker = new Worker(ADDRESS, { type: "module" });
  const keys = settings.labels.map((label) => label.key);
  await call({ load: { dtype, key, keys } }, progress, signal);
  const { sha256 } = await ask("/settings", { key, signal }); // after the files: the service may have been started anew
  if (sha256 !== settings.sha256) {
    stop();
    throw new Failure("error_other_bundle");
  }
  loaded = wanted;
}

/** Split and label an article in this browser; returns a result (see decide.js). */
export async function computeArticle(text, settings, { key, dtype, progress, signal }) {
  if (!supported()) throw new Failure("error_unsupported");
  try {
    titles ??= await abbreviations(signal);
  } catch (error) {
    throw error instanceof TypeError ? new Failure("error_offline") : error;
  }
  await load(settings, dtype, key, progress, signal);
  const spans = sentenceSpans(text, titles);
  const cleaned = spans.map(([from, to]) => clean(text.slice(from, to)));
  const rows = await call({ run: cleaned }, progress, signal);
  const points = toPoints(text);
  const sentences = spans.map(([from, to], number) => {
    const [start, end] = [points(from), points(to)];
    const said = { text: text.slice(from, to), labels: [], probabilities: rows[number], start, end };
    return { ...said, from, to, said };
  });
  return { text, sentences, local: true, rest: {} };
}
