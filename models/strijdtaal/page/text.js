// Text clean-up and offsets, as strijdtaal/text.py has them. Offsets of the service are code points, those of
// JavaScript strings UTF-16 units.

const INVISIBLE = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu;
// With the flag u, d800-dfff means a surrogate without its other half, as in Python.
const CONTROL = /[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]/gu;

// White space as Python's str.isspace() has it; JavaScript's \s differs at 1c-1f, 85 and feff.
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "g");

/** The form of a sentence that the model reads: NFC, no invisible or control marks, single spaces. */
export function clean(text) {
  const plain = text.replace(INVISIBLE, "").replace(CONTROL, " ").replace(SPACES, " ");
  return plain.replace(/^ | $/g, "").normalize("NFC");
}

/** The text with a replacement character for each half of a surrogate pair that stands alone (JSON has no such). */
export const wellFormed = (text) => text.replace(/[\ud800-\udfff]/gu, "\ufffd");

/** How many code points a text has: what Python's len() says. */
export function codePoints(text) {
  let pairs = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 0xd800 && code < 0xdc00 && at + 1 < text.length) {
      const next = text.charCodeAt(at + 1);
      if (next >= 0xdc00 && next < 0xe000) {
        pairs += 1;
        at += 1;
      }
    }
  }
  return text.length - pairs;
}

/** Converts offsets of one kind to the other; offsets must be asked for in ascending order. */
function walker(text, fromPoints) {
  let unit = 0;
  let point = 0;
  return (offset) => {
    while ((fromPoints ? point : unit) < offset && unit < text.length) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    return fromPoints ? unit : point;
  };
}

/** Code point -> UTF-16 offsets, as a function to be called in ascending order. */
export const toUnits = (text) => walker(text, true);

/** UTF-16 -> code point offsets, as a function to be called in ascending order. */
export const toPoints = (text) => walker(text, false);
