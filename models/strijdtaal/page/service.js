// Requests to the service, and its refusals as errors for people.

import { toUnits } from "./text.js";

/** What went wrong: ``key`` is a text of words.js, ``values`` fill it in, ``detail`` is what the other side said. */
export class Failure extends Error {
  constructor(key, values = {}, detail = "") {
    super(key);
    Object.assign(this, { key, values, detail });
  }
}

const BY_STATUS = { 413: "error_too_large", 408: "error_timeout", 504: "error_timeout" };

/** Seconds that a Retry-After header asks for (a number or a date); 5 without a readable one. */
export function secondsOf(header, now = Date.now()) {
  if (/^\s*\d+\s*$/.test(header ?? "")) return Math.max(1, Number(header));
  const seconds = Math.ceil((Date.parse(header ?? "") - now) / 1000);
  return Number.isFinite(seconds) ? Math.max(1, seconds) : 5;
}

/** The text of a refusal: FastAPI and pydantic give a string, or a list of faults. */
async function detailOf(answer) {
  try {
    const { detail, error } = await answer.json();
    const said = Array.isArray(detail) ? detail.map(({ msg }) => msg).join(" ") : (detail ?? error);
    return typeof said === "string" ? said.slice(0, 500) : "";
  } catch {
    return "";
  }
}

async function failureOf(answer, hadKey) {
  const { status } = answer;
  if (status === 401 || status === 403) return new Failure(hadKey ? "error_key_refused" : "error_key_needed");
  if (status === 429 || (status === 503 && answer.headers.has("retry-after"))) {
    return new Failure("error_busy", { seconds: secondsOf(answer.headers.get("retry-after")) });
  }
  if (status in BY_STATUS) return new Failure(BY_STATUS[status]);
  if (status === 422 || status === 400) return new Failure("error_refused", {}, await detailOf(answer));
  return new Failure("error_failed", { status });
}

/** Ask the service; returns the parsed JSON. Throws a Failure, or an AbortError when ``signal`` says so. */
export async function ask(path, { key = "", body, signal } = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  const options = { method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error" };
  let answer;
  try {
    answer = await fetch(path, body === undefined ? options : { ...options, body: JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("error_offline");
  }
  if (!answer.ok) throw await failureOf(answer, key !== "");
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("error_unreadable");
  }
}

const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;

/** GET /settings, checked. */
export async function settingsOf(key, signal) {
  const settings = await ask("/settings", { key, signal });
  const whole =
    Array.isArray(settings?.labels) &&
    settings.labels.length > 0 &&
    settings.labels.every((label) => label?.key && label.dutch && label.english && isShare(label.threshold)) &&
    typeof settings.sha256 === "string";
  if (!whole) throw new Failure("error_unreadable");
  return settings;
}

/** POST /predict_article; returns a result (see decide.js). Offsets and probabilities are checked. */
export async function predictArticle(text, keys, options) {
  const answer = await ask("/predict_article", { ...options, body: { text } });
  const { predictions, ...rest } = answer ?? {};
  if (!Array.isArray(predictions)) throw new Failure("error_unreadable");
  const units = toUnits(text);
  let before = 0;
  const sentences = predictions.map((said) => {
    const { start, end, probabilities } = said ?? {};
    const ordered = Number.isInteger(start) && Number.isInteger(end) && start >= before && end > start;
    if (!ordered || !keys.every((key) => isShare(probabilities?.[key]))) throw new Failure("error_unreadable");
    before = end;
    const [from, to] = [units(start), units(end)];
    if (text.slice(from, to) !== said.text) throw new Failure("error_unreadable");
    return { text: said.text, probabilities, start, end, from, to, said };
  });
  return { text, sentences, local: false, rest };
}
