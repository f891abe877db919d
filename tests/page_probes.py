"""Working the page as a person does, and scripts (one expression each) that look at it from inside."""

from __future__ import annotations

import json
from pathlib import Path

from tests.devtools import Page

ROOT = Path(__file__).resolve().parent.parent

# An answer or a failure is there.
DONE = """!document.querySelector('#run').disabled
  && (!document.querySelector('#results').hidden || !document.querySelector('#error').hidden)"""

# Every text of the page with a letter in it, but for the article's own and what the service said.
TEXTS = r"""(() => {
  const other = "noscript, textarea, .words, #error-detail, #flow[hidden], #table[hidden]";
  const found = new Set();
  const add = (element, text) => element.closest(other) || found.add(text.trim());
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) add(walker.currentNode.parentElement, walker.currentNode.data);
  for (const name of ["aria-label", "aria-valuetext", "placeholder", "title", "alt"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) add(element, element.getAttribute(name));
  }
  found.add(document.title);
  return [...found].filter((text) => /\p{L}/u.test(text));
})()"""

# Contrast of every visible text with what is behind it, and of borders of controls with what is around them;
# WCAG 2.2's formula. Returns those below what 1.4.3 (4.5) and 1.4.11 (3) ask for, and how many were looked at.
CONTRAST = r"""(() => {
  const channels = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const light = ({ rgb }) => rgb.map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const ratio = (one, other) => {
    const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour.a === 1) return colour;
      if (colour.a !== 0) throw new Error("half transparent: " + one.outerHTML.slice(0, 80));
    }
    throw new Error("nothing opaque behind");
  };
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length;
  const faults = [];
  let seen = 0;
  const check = (element, colour, background, least, what) => {
    seen += 1;
    const value = ratio(channels(colour), background);
    if (value < least) faults.push(`${what} ${value.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !visible(element) || element.closest("noscript, option, .unseen")) continue;
    check(element, getComputedStyle(element).color, behind(element), 4.5, "text");
  }
  const all = (selector) => [...document.querySelectorAll(selector)].filter(visible);
  for (const field of all("textarea, input[type=password], select")) {
    check(field, getComputedStyle(field).color, behind(field), 4.5, "field");
    check(field, getComputedStyle(field, "::placeholder").color, behind(field), 4.5, "placeholder");
  }
  for (const control of all("button, textarea, select, input[type=password]")) {
    check(control, getComputedStyle(control).borderTopColor, behind(control.parentElement), 3, "border");
  }
  for (const fill of all(".fill, .tick")) {
    check(fill, getComputedStyle(fill).backgroundColor, behind(fill.parentElement), 3, "bar");
  }
  for (const sentence of all(".sentence.labelled:not(.dim)")) {
    const [line] = getComputedStyle(sentence).boxShadow.match(/rgba?\([^)]*\)/);
    check(sentence, line, behind(sentence.parentElement), 3, "line");
  }
  return { faults, seen };
})()"""

# What can be reached with Tab (one sentence stands for all), and which of them has the focus: a place in that list,
# a name for the test's messages, the width of the outline, and whether it is in sight.
REACHABLE = r"""[...document.querySelectorAll("button, input, select, textarea, [tabindex='0']")]
  .filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0)"""

FOCUSED = rf"""(() => {{
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const {{ top, bottom }} = one.getBoundingClientRect();
  return {{ place: {REACHABLE}.indexOf(one), name: one.id || one.className || one.textContent,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    inside: top >= -1 && bottom <= innerHeight + 1 }};
}})()"""

SENTENCES = r"""[...document.querySelectorAll(".sentence")].map((one) => ({
  text: one.querySelector(".words").textContent,
  tags: [...one.querySelectorAll(".tag")].map((tag) => tag.textContent),
  dim: one.classList.contains("dim"),
}))"""


def fill(page: Page, text: str) -> None:
    """Put an article into the text field."""
    page.run(f"document.querySelector('#article').value = {json.dumps(text)}")


def label(page: Page, text: str) -> None:
    """Fill an article in and have it labelled."""
    fill(page, text)
    page.run("document.querySelector('#run').click()")
    page.wait(DONE)


def slide(page: Page, key: str, value: float) -> None:
    """Move the threshold of a label."""
    move = f"slider.value = {value}; slider.dispatchEvent(new Event('input', {{bubbles: true}}))"
    page.run(f"((slider) => {{ {move} }})(document.querySelector('#threshold-{key}'))")


def shown(page: Page, selector: str) -> bool:
    """Whether an element is there and can be seen."""
    return bool(page.run(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false"))


def text_of(page: Page, selector: str) -> str:
    return str(page.run(f"document.querySelector({json.dumps(selector)}).textContent"))
