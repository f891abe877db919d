// Decisions by threshold, counts, and what is taken along. A result is
// {text, sentences: [{text, probabilities, start, end, from, to, said}], local, rest}: start and end are code points as
// the service counts them, from and to UTF-16 units, said the prediction as it came, rest what else was answered.

/** The labels whose probability reaches the threshold, in the order of ``keys``. */
export const labelsOf = (probabilities, keys, thresholds) => keys.filter((key) => probabilities[key] >= thresholds[key]);

/** The key that stands for sentences without any label, in counts and filters. */
export const NONE = "";

/** How many sentences have each label; under NONE how many have none. */
export function countsOf(decisions, keys) {
  const counts = new Map([...keys, NONE].map((key) => [key, 0]));
  for (const labels of decisions) {
    for (const key of labels.length ? labels : [NONE]) counts.set(key, counts.get(key) + 1);
  }
  return counts;
}

/** Whether a filter (a set of keys, empty for no filter) lets a sentence with these labels through. */
export function passes(labels, filter) {
  if (filter.size === 0) return true;
  return labels.length ? labels.some((key) => filter.has(key)) : filter.has(NONE);
}

/** A name short enough for a tag in the text: the name itself, or its first word where no other has the same. */
export function shortNames(names) {
  const first = names.map((name) => (name.length <= 14 ? name : name.split(" ")[0]));
  return first.map((short, number) => (first.indexOf(short) === first.lastIndexOf(short) ? short : names[number]));
}

/** The service's own answer with the labels of the thresholds used, and these thresholds. */
export function asJson(result, decisions, settings, thresholds) {
  const predictions = result.sentences.map(({ said }, number) => ({ ...said, labels: decisions[number] }));
  const { model, sha256, codebook_version } = settings;
  const made = result.local ? { computed: "browser" } : {};
  const document = { ...result.rest, predictions, thresholds, model, sha256, codebook_version, ...made };
  return JSON.stringify(document, null, 1);
}

// A spreadsheet runs a cell that begins like this (CWE-1236); an apostrophe before it keeps it text.
const FORMULA = /^[\s\u0000-\u001f]*[=+\-@|\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/;

/** One cell of CSV (RFC 4180): harmless in a spreadsheet, quoted where needed. */
export function cell(value) {
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row a sentence: number, offsets, labels (keys), a probability for each key, and the sentence. */
export function asCsv(result, decisions, keys) {
  const rows = [["number", "start", "end", "labels", ...keys, "text"]];
  result.sentences.forEach(({ text, probabilities, start, end }, number) => {
    const figures = keys.map((key) => probabilities[key]);
    rows.push([number + 1, start, end, decisions[number].join(" "), ...figures, text]);
  });
  return "\ufeff" + rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}
