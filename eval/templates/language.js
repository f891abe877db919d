// Shows the page in English or Dutch. "#nl" at the end of its address opens it in Dutch; nothing is stored.
const dutch = () => document.documentElement.lang === "nl";
const texts = [...document.querySelectorAll("[data-nl]")].map((one) => {
  const attribute = { OPTGROUP: "label", BUTTON: "aria-label", svg: "aria-label" }[one.tagName];
  const put = (text) => (attribute ? one.setAttribute(attribute, text) : (one.textContent = text));
  return { put, nl: one.dataset.nl, en: attribute ? one.getAttribute(attribute) : one.textContent };
});
const speak = (language) => {
  document.documentElement.lang = language;
  for (const text of texts) text.put(text[language]);
  document.dispatchEvent(new Event("language"));
};
const fromAddress = () => speak(location.hash === "#nl" ? "nl" : "en");
for (const button of document.querySelectorAll(".language")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    location.hash = dutch() ? "en" : "nl";
    fromAddress();
  });
}
addEventListener("hashchange", fromAddress);
fromAddress();
