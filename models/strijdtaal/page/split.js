// Sentence spans for the in-browser option: paragraphs and the joining after titles as strijdtaal/text.py has them;
// the split itself is the browser's own (Intl.Segmenter, Unicode's rules), where the service uses syntok.
// Offsets are UTF-16 units.

import { SPACE, clean } from "./text.js";

const LINE_END = new RegExp(`\\n[${SPACE}]*`, "g");
const LEADING = new RegExp(`^[${SPACE}]+`);
const TRAILING = new RegExp(`[${SPACE}]+$`);
const WORD_BEFORE = new RegExp(`[^${SPACE}]+$`);
const WRAPPED = 55; // characters; a line this long without a final stop was cut by its width
const STOP = /[.!?:;…"'”’»)]$/;

export const supported = () => typeof Intl.Segmenter === "function";

/** Titles and abbreviations after which a sentence goes on; ``source`` is the content of abbreviations.txt. */
export function titlesOf(source) {
  const lines = source.split("\n").map((line) => line.trim());
  return new Set(lines.filter((line) => line && !line.startsWith("#")));
}

/** Spans between hard breaks: a blank line, or a line end after which the text does not run on. */
export function paragraphs(text) {
  const spans = [];
  let start = 0;
  let line = 0;
  for (const match of text.matchAll(LINE_END)) {
    const before = text.slice(line, match.index).replace(TRAILING, "");
    line = match.index + match[0].length;
    const next = line < text.length ? String.fromCodePoint(text.codePointAt(line)) : "";
    const runsOn = /^\p{Lowercase}$/u.test(next) || ([...before].length >= WRAPPED && !STOP.test(before));
    if (match[0].split("\n").length > 2 || !runsOn) {
      spans.push([start, match.index]);
      start = line;
    }
  }
  spans.push([start, text.length]);
  return spans;
}

function endsInTitle(text, titles) {
  const word = text.replace(TRAILING, "").match(WORD_BEFORE);
  return word !== null && titles.has(word[0].replace(/^[("'“‘„]+|[("'“‘„]+$/g, "").toLowerCase());
}

/** Sentences as [start, end] offsets into ``text``, in order, no overlap; none that holds nothing to read. */
export function sentenceSpans(text, titles) {
  const segmenter = new Intl.Segmenter("nl", { granularity: "sentence" });
  const spans = [];
  for (const [start, end] of paragraphs(text)) {
    const own = [];
    const part = text.slice(start, end).replace(/\n/g, " "); // the browser would end a sentence at each line
    for (const { segment, index } of segmenter.segment(part)) {
      const last = own.at(-1);
      if (last && endsInTitle(part.slice(last[0], last[1]), titles)) last[1] = index + segment.length;
      else own.push([index, index + segment.length]);
    }
    for (const [first, last] of own) {
      const sentence = part.slice(first, last);
      if (!clean(sentence)) continue;
      const from = start + last - sentence.replace(LEADING, "").length;
      spans.push([from, start + first + sentence.replace(TRAILING, "").length]);
    }
  }
  return spans;
}
