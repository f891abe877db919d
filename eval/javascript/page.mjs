// The page fetches job.json {contract, dtype, texts} and posts {encoded, predictions, version} or {error} to result.

const runtime = new URL("npm/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify", document.baseURI).href;

async function run() {
  const { env, pipeline } = await import("./npm/@huggingface/transformers/dist/transformers.min.js");
  const { load } = await import("./strijdtaal.mjs");
  const { contract, dtype, texts } = await (await fetch("job.json")).json();
  env.allowLocalModels = true; // off by default in browsers
  env.allowRemoteModels = false;
  env.localModelPath = new URL(".", document.baseURI).pathname;
  env.useBrowserCache = false; // keyed by address alone: a new bundle at an old address would not be seen
  env.useWasmCache = false; // it would run the factory from a blob:, which the page's policy refuses
  env.backends.onnx.wasm.wasmPaths = { mjs: `${runtime}.mjs`, wasm: `${runtime}.wasm` }; // default: a public server
  env.backends.onnx.wasm.numThreads = 1;
  const bundle = await load(pipeline, "bundle", contract, { dtype, device: "wasm" });
  const answer = { encoded: bundle.encode(texts), predictions: await bundle.predict(texts), version: env.version };
  return { ...answer, requests: performance.getEntriesByType("resource").map((entry) => entry.name) };
}

const refused = [];
addEventListener("securitypolicyviolation", (event) => refused.push(`${event.violatedDirective} ${event.blockedURI}`));
const answer = await run().catch((error) => ({ error: `${error}` }));
await fetch("result", { method: "POST", body: JSON.stringify({ ...answer, refused }) });
