// The in-browser option, inside its worker: transformers.js and the bundle, both from the service itself.
// Before it computes anything it proves itself on the bundle's golden sentences, as the Python loader does.

import { clean } from "./text.js";

const LIBRARY = "/transformers/transformers.min.js";
// The plain build of ONNX Runtime: half the size of the default one, which also holds WebGPU.
const RUNTIME = {
  mjs: new URL("/transformers/ort-wasm-simd-threaded.mjs", location.origin).href,
  wasm: new URL("/transformers/ort-wasm-simd-threaded.wasm", location.origin).href,
};
const AT_ONCE = 16; // sentences of like length in one run
// What the golden sentences say of each version of the model, and the largest difference allowed, as in
// strijdtaal/classifier.py: in 8 bits a rounding moves a whole step.
const GOLDEN = {
  fp32: { field: "probabilities", tolerance: 1e-4 },
  q8: { field: "probabilities_int8", tolerance: 2e-2 },
};

let model = null; // {run, tokenizer, Tensor, keys, segments, maxLength}

class Refusal extends Error {
  constructor(failure, values = {}, detail = "") {
    super(failure);
    this.message_ = { failure, values, detail };
  }
}

/**
 * Token ids of a cleaned sentence. A long one is cut before its last special token, as the tokenizers library does;
 * the truncation of transformers.js 4.3 cuts that token off too.
 */
function idsOf(sentence) {
  const ids = model.tokenizer.encode(sentence);
  return ids.length > model.maxLength ? [...ids.slice(0, model.maxLength - 1), ids.at(-1)] : ids;
}

/** Probabilities of rows of token ids, an array of numbers a row. */
async function run(rows) {
  const width = Math.max(...rows.map((row) => row.length));
  const filled = (value) => {
    const data = new BigInt64Array(rows.length * width);
    rows.forEach((row, number) => row.forEach((id, place) => (data[number * width + place] = value(id))));
    return new model.Tensor("int64", data, [rows.length, width]);
  };
  const feed = { input_ids: filled(BigInt), attention_mask: filled(() => 1n) };
  if (model.segments) feed.token_type_ids = filled(() => 0n);
  const { logits } = await model.run(feed);
  return logits.sigmoid().tolist();
}

/** Probabilities of cleaned sentences, [{key: probability}], in their order. */
async function compute(sentences, report) {
  const ids = sentences.map(idsOf);
  const order = ids.map((_, number) => number).sort((a, b) => ids[a].length - ids[b].length);
  const rows = new Array(ids.length);
  for (let start = 0; start < order.length; start += AT_ONCE) {
    const chunk = order.slice(start, start + AT_ONCE);
    const answers = await run(chunk.map((number) => ids[number]));
    chunk.forEach((number, place) => {
      rows[number] = Object.fromEntries(model.keys.map((key, column) => [key, answers[place][column]]));
    });
    report(Math.min(start + AT_ONCE, order.length), order.length);
  }
  return rows;
}

/** Refuse a model that does not compute here what it computed when it was packaged. */
async function prove(golden, dtype) {
  const texts = golden.map(({ text }) => clean(text));
  const same = golden.every(({ input_ids: ids }, number) => String(ids) === String(idsOf(texts[number])));
  if (!same) throw new Refusal("error_tokens");
  const rows = await compute(texts, () => {});
  const { field, tolerance } = GOLDEN[dtype];
  const differences = golden.flatMap((entry, number) =>
    model.keys.map((key) => Math.abs(rows[number][key] - (entry[field]?.[key] ?? NaN))),
  );
  const difference = Math.max(...differences.map((value) => (Number.isNaN(value) ? Infinity : value)));
  if (!(difference <= tolerance)) throw new Refusal("error_golden", { difference: difference.toPrecision(2) });
}

async function library() {
  try {
    return await import(LIBRARY);
  } catch {
    throw new Refusal("error_library");
  }
}

/** Set transformers.js up to take everything from the service, and nothing from elsewhere. */
function settle(env, fetcher) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/";
  env.fetch = fetcher;
  // The browser's HTTP cache asks whether a file has changed; the library's own would keep an old bundle's.
  env.useBrowserCache = false;
  env.useWasmCache = false;
  env.backends.onnx.wasm.wasmPaths = RUNTIME;
  env.backends.onnx.wasm.numThreads = 1; // more need a cross-origin isolated page
}

/** The answer, with progress posted while its body comes in. (The library's own progress fetches the model twice.) */
function watched(answer) {
  const total = Number(answer.headers.get("content-length"));
  if (!answer.ok || !total) return answer;
  let loaded = 0;
  let percent = 0;
  const count = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.length;
      controller.enqueue(chunk);
      if (loaded >= total * (percent / 100)) {
        postMessage({ step: "busy_model", share: Math.min(1, loaded / total) });
        percent = Math.floor((100 * loaded) / total) + 1;
      }
    },
  });
  return new Response(answer.body.pipeThrough(count), answer);
}

async function load({ dtype, key, keys }) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const fetcher = async (address, init = {}) => {
    const answer = await fetch(address, { ...init, headers: { ...init.headers, ...headers } });
    return String(address).endsWith(".onnx") ? watched(answer) : answer;
  };
  const json = async (name) => (await fetcher(`/bundle/${name}`)).json();
  postMessage({ step: "busy_model" });
  const { env, AutoModelForSequenceClassification, AutoTokenizer, Tensor } = await library();
  settle(env, fetcher);
  const [tokenizer, run, labels, golden] = await Promise.all([
    AutoTokenizer.from_pretrained("bundle"),
    AutoModelForSequenceClassification.from_pretrained("bundle", { dtype, device: "wasm" }),
    json("labels.json"),
    json("golden.json"),
  ]);
  const segments = run.sessions.model.inputNames.includes("token_type_ids");
  model = { run, tokenizer, Tensor, keys, segments, maxLength: labels.max_length };
  postMessage({ step: "busy_checking" });
  await prove(golden, dtype);
}

onmessage = async ({ data }) => {
  try {
    if (data.load) {
      await load(data.load);
      postMessage({ done: true });
      return;
    }
    const report = (done, total) => postMessage({ step: "busy_batch", values: { done, total }, share: done / total });
    postMessage({ done: true, rows: await compute(data.run, report) });
  } catch (error) {
    const failure = data.load ? "error_model" : "error_worker";
    postMessage(error instanceof Refusal ? error.message_ : { failure, values: {}, detail: String(error.message ?? error) });
  }
};
