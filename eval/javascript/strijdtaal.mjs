// A bundle in transformers.js, the same file for Node and browsers. An application may copy it.

const INVISIBLE = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu;
const CONTROL = /[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]/gu;
const BATCH = 16; // sentences of like length; they are padded to the longest of them
// On x64 processors without VNNI instructions the fast path for int8 overflows; this takes the exact one there.
const SESSION = { extra: { session: { x64quantprecision: "1" } } };

/** The form of a sentence that the model reads: what strijdtaal.text.clean does in Python. */
export function clean(text) {
  return text.replace(INVISIBLE, "").replace(CONTROL, " ").replace(/\s+/gu, " ").trim().normalize("NFC");
}

/** transformers.js cuts a sentence that is too long after its closing token is added, and so loses it: put it back. */
function keepClosingToken(tokenizer) {
  const closing = tokenizer("").input_ids.data.at(-1);
  return (texts, options) => {
    const encoded = tokenizer(texts, options);
    const { data, dims } = encoded.input_ids;
    for (let last = dims[1] - 1; dims[1] === tokenizer.model_max_length && last < data.length; last += dims[1]) {
      if (encoded.attention_mask.data[last]) data[last] = closing;
    }
    return encoded;
  };
}

/**
 * Load a bundle.
 *
 * pipeline: the function of transformers.js. model: an absolute path, or a name below env.localModelPath.
 * contract: the content of the bundle's labels.json. options: dtype ("fp32", or "q8" for
 * onnx/model_quantized.onnx) and device. Name the dtype: left out, Node takes fp32 and browsers q8.
 *
 * Gives {encode(texts), predict(texts)}; predict gives {labels, probabilities} for each sentence.
 */
export async function load(pipeline, model, contract, options = { dtype: "fp32" }) {
  const classifier = await pipeline("text-classification", model, { session_options: SESSION, ...options });
  classifier.tokenizer = keepClosingToken(classifier.tokenizer);
  const decide = (scores) => {
    const probabilities = Object.fromEntries(scores.map(({ label, score }) => [label, score]));
    const given = contract.labels.filter(({ key, threshold }) => probabilities[key] >= threshold);
    return { labels: given.map(({ key }) => key), probabilities };
  };
  return {
    /** Token ids of each sentence, cut to the bundle's max_length. */
    encode: (texts) =>
      texts.map((text) => Array.from(classifier.tokenizer(clean(text), { truncation: true }).input_ids.data, Number)),
    async predict(texts) {
      const cleaned = texts.map(clean);
      const order = cleaned.map((_, place) => place).sort((one, other) => cleaned[one].length - cleaned[other].length);
      const found = [];
      for (let start = 0; start < order.length; start += BATCH) {
        const places = order.slice(start, start + BATCH);
        const rows = await classifier(places.map((place) => cleaned[place]), { top_k: null }); // top_k: 1 is the default
        places.forEach((place, number) => (found[place] = decide(rows[number])));
      }
      return found;
    },
  };
}
