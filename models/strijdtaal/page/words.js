// Every text of the page, in Dutch and in English. Names of labels come from the service (GET /settings).
// {name} stands for a value; a key with _one beside it has a form for exactly one (value n).

const nl = {
  title: "strijdtaal: conflicttaal, zin voor zin",
  subtitle: "Conflicttaal in Nederlands nieuws, zin voor zin",
  language: "Taal van deze pagina",
  article: "Artikel",
  placeholder: "Plak hier de tekst van een nieuwsbericht.",
  hint: "Platte tekst in het Nederlands. Een witregel begint een nieuwe alinea.",
  counter: "{n} van {most} tekens",
  characters: "{n} tekens",
  characters_one: "1 teken",
  in_browser: "Bereken in deze browser",
  in_browser_hint:
    "De tekst verlaat deze browser dan niet; het model wordt eerst hierheen gehaald. Zinnen kunnen op een andere plaats eindigen dan bij de dienst.",
  precision: "Model",
  precision_full: "volledige precisie",
  precision_small: "kleiner (8 bits, iets andere kansen)",
  key: "Sleutel van de dienst",
  key_hint: "Wordt alleen onthouden zolang deze pagina open is.",
  run: "Label de zinnen",
  keys: "of Ctrl+Enter",
  cancel: "Stop",
  example: "Voorbeeld",
  clear: "Wissen",
  again: "Probeer opnieuw",
  progress: "Voortgang",
  sentences: "Zinnen",
  view: "Weergave",
  view_article: "Artikel",
  view_table: "Tabel",
  filter: "Toon alleen zinnen met",
  all: "alle zinnen",
  no_label: "geen label",
  local_note:
    "Berekend in deze browser; de tekst is niet verstuurd. De zinnen zijn door de browser gescheiden en kunnen op een andere plaats eindigen dan bij de dienst.",
  no_sentences: "In deze tekst staat geen zin.",
  flow: "Zinnen van het artikel; met de pijltjestoetsen van zin naar zin, Enter zet een zin vast",
  details: "Kansen",
  details_of: "Zin {n} van {all}",
  details_hint: "Wijs een zin aan, of ga er met de pijltjestoetsen heen, om de kans op elk label te zien.",
  place: "tekens {start} tot {end}",
  close: "Sluiten",
  bar: "{label}: {value}, drempel {threshold}",
  bar_given: "{label}: {value}, drempel {threshold}, toegekend",
  thresholds: "Drempels",
  thresholds_hint: "Een zin krijgt een label als de kans de drempel haalt.",
  threshold_of: "Drempel van {label}",
  threshold_text: "{value}, {count}",
  reset: "Herstel",
  export: "Meenemen",
  copy_json: "Kopieer als JSON",
  save_json: "Bewaar JSON",
  save_csv: "Bewaar CSV",
  copied: "Gekopieerd: {sentences}, met de drempels zoals ze nu staan.",
  not_copied: "Kopiëren lukte niet. Bewaar het bestand in plaats daarvan.",
  saved: "Bewaard als {name}.",
  table_caption: "Alle zinnen met de kans op elk label",
  column_number: "nr.",
  column_sentence: "zin",
  column_labels: "labels",
  caution: "Een model kent kansen toe en vergist zich; lees altijd de zin zelf.",
  model: "Model {model} ({sha256}), codeboek {version}",
  loading: "De pagina wordt ingesteld …",
  busy: "De zinnen worden gelabeld …",
  busy_model: "Het model wordt opgehaald …",
  busy_checking: "Het model wordt nagerekend op zijn proefzinnen …",
  busy_batch: "{done} van {total} zinnen berekend …",
  cancelled: "Gestopt.",
  summary: "{sentences}, waarvan {labelled} met een label.",
  summary_shown: "{shown} van {sentences} getoond.",
  n_sentences: "{n} zinnen",
  n_sentences_one: "1 zin",
  example_loaded: "Het voorbeeld is ingevuld.",
  cleared: "Het tekstvak is leeg.",
  error_empty: "Er staat nog geen tekst. Plak een artikel, of neem het voorbeeld.",
  error_length: "De tekst heeft {n} tekens; de dienst neemt er hoogstens {most}. Kort de tekst in.",
  error_key_needed: "De dienst vraagt om een sleutel. Vul die hierboven in.",
  error_key_refused: "De dienst aanvaardt deze sleutel niet. Kijk hem na.",
  error_too_large: "De tekst is te lang voor de dienst. Kort de tekst in.",
  error_refused: "De dienst kan deze tekst niet verwerken. Hij zegt:",
  error_busy: "De dienst is bezig met ander werk. Probeer het over {seconds} s opnieuw.",
  error_timeout: "De dienst had te veel tijd nodig en is gestopt. Probeer het opnieuw, of kort de tekst in.",
  error_failed: "Er ging iets mis bij de dienst (HTTP {status}). Probeer het opnieuw.",
  error_offline: "De dienst is niet te bereiken. Draait hij nog, en werkt het netwerk?",
  error_unreadable: "Het antwoord van de dienst is niet te begrijpen, en is niet gebruikt. Laad de pagina opnieuw.",
  error_unsupported: "Deze browser kan geen zinnen scheiden. Zet ‘Bereken in deze browser’ uit.",
  error_library: "transformers.js is niet te laden. Reken via de dienst, of geef de dienst de map ervan.",
  error_model: "Het model is in deze browser niet te laden. Reken via de dienst. De browser zegt:",
  error_other_bundle: "De dienst heeft intussen een ander model. Laad de pagina opnieuw.",
  error_golden:
    "Dit model geeft in deze browser andere kansen dan bij het inpakken (verschil {difference}). Er is niets berekend; reken via de dienst.",
  error_tokens:
    "Deze browser leest de proefzinnen van het model anders dan bij het inpakken. Er is niets berekend; reken via de dienst.",
  error_page: "Er ging iets mis in deze pagina. De browser zegt:",
  error_worker: "De berekening in deze browser is afgebroken. De browser zegt:",
};

const en = {
  title: "strijdtaal: the language of conflict, sentence by sentence",
  subtitle: "The language of conflict in Dutch news, sentence by sentence",
  language: "Language of this page",
  article: "Article",
  placeholder: "Paste the text of a news article here.",
  hint: "Plain text in Dutch. A blank line begins a new paragraph.",
  counter: "{n} of {most} characters",
  characters: "{n} characters",
  characters_one: "1 character",
  in_browser: "Compute in this browser",
  in_browser_hint:
    "The text then does not leave this browser; the model is fetched first. Sentences may end at other places than with the service.",
  precision: "Model",
  precision_full: "full precision",
  precision_small: "smaller (8 bits, slightly other probabilities)",
  key: "Key of the service",
  key_hint: "Kept only as long as this page is open.",
  run: "Label the sentences",
  keys: "or Ctrl+Enter",
  cancel: "Cancel",
  example: "Example",
  clear: "Clear",
  again: "Try again",
  progress: "Progress",
  sentences: "Sentences",
  view: "View",
  view_article: "Article",
  view_table: "Table",
  filter: "Show only sentences with",
  all: "all sentences",
  no_label: "no label",
  local_note:
    "Computed in this browser; the text was not sent. The browser split the sentences, which may end at other places than with the service.",
  no_sentences: "There is no sentence in this text.",
  flow: "Sentences of the article; arrow keys go from sentence to sentence, Enter pins one",
  details: "Probabilities",
  details_of: "Sentence {n} of {all}",
  details_hint: "Point at a sentence, or go there with the arrow keys, to see the probability of each label.",
  place: "characters {start} to {end}",
  close: "Close",
  bar: "{label}: {value}, threshold {threshold}",
  bar_given: "{label}: {value}, threshold {threshold}, given",
  thresholds: "Thresholds",
  thresholds_hint: "A sentence gets a label when its probability reaches the threshold.",
  threshold_of: "Threshold of {label}",
  threshold_text: "{value}, {count}",
  reset: "Reset",
  export: "Take along",
  copy_json: "Copy as JSON",
  save_json: "Save JSON",
  save_csv: "Save CSV",
  copied: "Copied: {sentences}, with the thresholds as they are now.",
  not_copied: "Copying failed. Save the file instead.",
  saved: "Saved as {name}.",
  table_caption: "All sentences with the probability of each label",
  column_number: "no.",
  column_sentence: "sentence",
  column_labels: "labels",
  caution: "A model gives probabilities and makes mistakes; always read the sentence itself.",
  model: "Model {model} ({sha256}), codebook {version}",
  loading: "Setting up the page …",
  busy: "Labelling the sentences …",
  busy_model: "Fetching the model …",
  busy_checking: "Checking the model on its golden sentences …",
  busy_batch: "{done} of {total} sentences computed …",
  cancelled: "Cancelled.",
  summary: "{sentences}, {labelled} with a label.",
  summary_shown: "{shown} of {sentences} shown.",
  n_sentences: "{n} sentences",
  n_sentences_one: "1 sentence",
  example_loaded: "The example is filled in.",
  cleared: "The text field is empty.",
  error_empty: "There is no text yet. Paste an article, or take the example.",
  error_length: "The text has {n} characters; the service takes {most} at most. Shorten the text.",
  error_key_needed: "The service asks for a key. Give it above.",
  error_key_refused: "The service does not accept this key. Check it.",
  error_too_large: "The text is too long for the service. Shorten it.",
  error_refused: "The service cannot process this text. It says:",
  error_busy: "The service is busy with other work. Try again in {seconds} s.",
  error_timeout: "The service needed too much time and stopped. Try again, or shorten the text.",
  error_failed: "Something went wrong in the service (HTTP {status}). Try again.",
  error_offline: "The service cannot be reached. Is it still running, and is there a network?",
  error_unreadable: "The answer of the service makes no sense and was not used. Reload the page.",
  error_unsupported: "This browser cannot split sentences. Switch ‘Compute in this browser’ off.",
  error_library: "transformers.js cannot be loaded. Use the service, or give the service its folder.",
  error_model: "The model cannot be loaded in this browser. Use the service. The browser says:",
  error_other_bundle: "The service has another model by now. Reload the page.",
  error_golden:
    "In this browser the model gives other probabilities than when it was packaged (difference {difference}). Nothing was computed; use the service.",
  error_tokens:
    "This browser reads the golden sentences of the model otherwise than when it was packaged. Nothing was computed; use the service.",
  error_page: "Something went wrong in this page. The browser says:",
  error_worker: "The computation in this browser broke off. The browser says:",
};

export const WORDS = { nl, en };

// The field of /settings that names a label in each language.
export const NAME_FIELD = { nl: "dutch", en: "english" };

/** The text of ``key`` in ``language``, with its values filled in. */
export function say(language, key, values = {}) {
  const words = WORDS[language];
  const form = values.n === 1 && `${key}_one` in words ? `${key}_one` : key;
  if (!(form in words)) throw new Error(`No text '${form}' in '${language}'.`);
  const shown = (value) => (typeof value === "number" ? number(language, value) : String(value));
  return words[form].replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

/** A number as people of that language write it. */
export const number = (language, value) => new Intl.NumberFormat(language).format(value);

/** A share from 0 to 1 in percents. */
export function percent(language, value, digits = 1) {
  const style = { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, style).format(value);
}

/** Fill in all texts below ``root``: data-t is the text itself, data-t-NAME an attribute. */
export function translate(root, language) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = say(language, element.dataset.t);
  for (const name of ["aria-label", "placeholder"]) {
    for (const element of root.querySelectorAll(`[data-t-${name}]`)) {
      element.setAttribute(name, say(language, element.getAttribute(`data-t-${name}`)));
    }
  }
}
