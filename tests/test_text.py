"""Clean-up of sentences and the split of an article into spans."""

import itertools
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.text import MAX_ARTICLE, MAX_RUN, clean, read_text, sentence_spans

ARTICLES = Path(__file__).resolve().parent.parent / "seeds" / "articles"
LINKED = re.compile(r"\w")

thorough = settings(max_examples=300, deadline=None, derandomize=True)
pieces = st.lists(
    st.sampled_from(
        [
            *["Het leger vertrekt", "dr.", "bijv.", "A.", "J.P.", "18.00", "1.200", "'s", "Kiev", "stad"],
            *[",,", "''", '"', "„", "”", "’", "(", ")", "…", "...", "!", "?", ".", ";", ":", "•", "-", "–", "_"],
            *[" ", "\n", "\n\n", "\r\n", "\t", "\u2028", "\u00a0", "\u00ad", "\u200b", "\ufeff"],
            *["é", "e\u0301", "ĳ", "İ", "ß", "ﬁ", "²", "🙂", "a@b.nl", "http://x.nl/a.b", "can't", "cannot"],
        ]
    ),
    max_size=30,
).map("".join)
texts = pieces | st.text(max_size=80)


def sentences(text):
    return [text[start:end] for start, end in sentence_spans(text)]


def uncovered(text, spans):
    """Letters and digits that lie in no span."""
    inside = {place for start, end in spans for place in range(start, end)}
    return [match.group() for match in LINKED.finditer(text) if match.start() not in inside]


class TestClean:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("  Het leger \t trekt\n\nzich terug. ", "Het leger trekt zich terug."),
            ("De\u00a0rebellen\u2009dreigen.", "De rebellen dreigen."),
            ("De wapen\u00adstilstand hield\u200b stand.", "De wapenstilstand hield stand."),
            ("\ufeffKiev vraagt hulp.", "Kiev vraagt hulp."),
            ("De \u202egeneraal\u202c en \u2066zijn\u2069 staf", "De generaal en zijn staf"),
            ("Het leger\x00\x1btrekt op.", "Het leger trekt op."),
            ("Het\ud800leger", "Het leger"),
            ("Israe\u0308l", "Israël"),
            ("", ""),
            (" \u200b\n\x07 ", ""),
        ],
    )
    def test_removes_what_a_reader_does_not_see(self, given, expected):
        assert clean(given) == expected

    def test_keeps_dutch_letters_quotes_and_signs(self):
        text = "„Zo’n 20 à 30 coöperaties”, zei ’s lands gezant – € 3,5 mln. 🙂"
        assert clean(text) == text

    def test_composes_a_letter_and_accent_with_an_invisible_mark_between_them(self):
        assert clean("caf\u0065\u200b\u0301") == "café"

    @thorough
    @given(texts)
    def test_a_second_time_changes_nothing(self, text):
        assert clean(clean(text)) == clean(text)

    @thorough
    @given(texts)
    def test_gives_composed_printable_text_with_single_spaces(self, text):
        result = clean(text)
        assert unicodedata.is_normalized("NFC", result)
        assert result == " ".join(result.split())
        assert not {unicodedata.category(character) for character in result} & {"Cc", "Cs"}


# Each entry: the sentences of one paragraph, put together with single spaces.
ONE_PARAGRAPH = {
    "stacked titles": ["Prof. dr. A. de Wit waarschuwt voor escalatie.", "Volgens hem dreigt oorlog."],
    "title before a name": ["Drs. Jansen en mr. Pietersen steunen de opstand.", "De rest zwijgt."],
    "military ranks": ["Kol. Smit, sgt. Bakker en gen. Vos vertrokken.", "Hun troepen bleven achter."],
    "mevr. and dhr.": ["Het plan van dhr. Mulder en mevr. Postma is van tafel.", "Kabul stuurt geen hulp."],
    "bijv. before lower case": ["Zij kregen hulp, bijv. brandstof en wapens.", "Het leger keek toe."],
    "bijv. before a capital": ["Zij kregen hulp, bijv. Turkse drones.", "Het leger keek toe."],
    "o.a. before a capital": ["Hulp kwam van o.a. Qatar en Turkije.", "Egypte weigerde."],
    "d.w.z.": ["De brigade gaat naar huis, d.w.z. Zintan.", "Daar wacht rust."],
    "ca. before a number": ["Het bestand duurt ca. 24 uur.", "Dan beginnen de gevechten weer."],
    "nr. before a number": ["De grenspost nr. 7 is ontruimd.", "Niemand hield stand."],
    "straight quote after the stop": ['De generaal zei: "Wij trekken ons terug."', "Daarna vertrok hij."],
    "straight quote before the comma": ['"Wij trekken ons terug", zei de generaal.', "Daarna vertrok hij."],
    "curly single quotes": ["De gezant zei: ‘Wij geven niet op.’", "De zaal zweeg."],
    "low and high quotes": ["De gezant zei: „Wij geven niet op.”", "De zaal zweeg."],
    "old low quotes at the end": ["De minister zei: ,,Wij slaan terug.''", "Het parlement juichte."],
    "old low quotes at the start": [",,Wij slaan terug'', zei de minister.", "Het parlement juichte."],
    "exclamation inside quotes": ['Hij riep: "Stop met schieten!" en vertrok.', "Niemand volgde hem."],
    "thousands with a point": ["Er zijn 1.200 militairen vertrokken.", "De kosten zijn € 3.500.000."],
    "decimal comma": ["Zeker 3,5 miljoen mensen vluchtten.", "Tsjaad opent de grens."],
    "time inside a sentence": ["Het bestand gaat om 18.00 uur in.", "Daarna volgt overleg."],
    "time at the end": ["De wapens zwegen om 18.00 uur.", "Daarna volgde overleg."],
    "time with u.": ["Om 6.30 u. begon de aanval.", "Het werd snel stil."],
    "joined initials": ["Generaal J.P. van Dam dreigde met vergelding.", "De VS reageerden niet."],
    "one initial": ["Volgens J. Bakker is de stad gevallen.", "Het leger ontkent."],
    "abbreviated country": ["De Verenigde Staten (V.S.) leveren wapens.", "Moskou is boos."],
    "three points": ["We wachten af...", "Het leger trekt op."],
    "three points within a sentence": ["De president aarzelde ... en koos voor vrede.", "Het volk juichte."],
    "date": ["Op 22 mei 2020 vertrokken zij.", "In 2021 keerden zij terug."],
    "abbreviated month": ["De aanval was op 3 jan. 2015.", "Er vielen doden."],
    "ordinal": ["Het 3e bataljon trok zich terug.", "De 4e brigade bleef."],
    "title within brackets": ["De VN-gezant (dhr. De Vries) riep op tot kalmte.", "Niemand luisterde."],
    "'s at the start": ["'s Nachts werd de stad beschoten.", "'s Ochtends was het stil."],
    "question and exclamation": ["Trekken zij zich terug?", "Dat is nu de vraag!", "Niemand weet het."],
    "name with a point": ["Hij heeft de steun van St. Petersburg.", "Dat is zeker."],
    "web address": ["De beelden staan op www.voorbeeld.nl en elders.", "De strijd gaat door."],
    "semicolon": ["De rebellen rukken op; het leger vlucht.", "De president zwijgt."],
}


@pytest.mark.parametrize("expected", ONE_PARAGRAPH.values(), ids=ONE_PARAGRAPH.keys())
def test_dutch_paragraph_is_split_where_a_reader_would(expected):
    assert sentences(" ".join(expected)) == expected


class TestLines:
    def test_a_heading_does_not_run_on_after_a_blank_line(self):
        text = "Bestand in Jemen\n\nDe partijen legden de wapens neer. Dat meldt de VN."
        assert sentences(text) == ["Bestand in Jemen", "De partijen legden de wapens neer.", "Dat meldt de VN."]

    def test_a_heading_does_not_run_on_after_a_single_line_end(self):
        text = "Bestand in Jemen\nDe partijen legden de wapens neer."
        assert sentences(text) == ["Bestand in Jemen", "De partijen legden de wapens neer."]

    def test_a_line_that_goes_on_in_lower_case_is_the_same_sentence(self):
        assert sentences("Het leger trok zich\nterug uit de stad.") == ["Het leger trok zich\nterug uit de stad."]

    def test_a_blank_line_ends_a_sentence_even_before_lower_case(self):
        assert sentences("Bestand in Jemen\n \nde partijen praten") == ["Bestand in Jemen", "de partijen praten"]

    def test_every_line_of_a_list_is_a_sentence(self):
        text = "- Het leger vertrekt\n- De rebellen blijven\n- De VN kijkt toe"
        assert sentences(text) == text.split("\n")

    def test_a_title_at_the_end_of_a_paragraph_does_not_reach_into_the_next(self):
        assert sentences("Zij spraken met de prof.\n\nDe stad viel.") == ["Zij spraken met de prof.", "De stad viel."]

    def test_windows_line_ends_give_the_same_sentences(self):
        text = "Bestand in Jemen\n\nDe partijen legden\nde wapens neer. Dat meldt de VN.\nHet is stil."
        windows = sentences(text.replace("\n", "\r\n"))
        assert [clean(sentence) for sentence in windows] == [clean(sentence) for sentence in sentences(text)]

    @pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b\n\ufeff", "\x00"])
    def test_text_without_words_has_no_sentence(self, text):
        assert sentence_spans(text) == []


class TestSeedArticle:
    text = read_text(ARTICLES / "turkije-libie.txt")

    def test_has_eighteen_sentences(self):
        assert len(sentence_spans(self.text)) == 18

    def test_spans_are_ordered_and_apart(self):
        spans = sentence_spans(self.text)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))

    def test_no_word_is_lost(self):
        assert uncovered(self.text, sentence_spans(self.text)) == []

    def test_gives_the_sentences_that_were_annotated(self):
        lines = (ARTICLES / "turkije-libie.jsonl").read_text("utf-8").splitlines()
        assert sentences(self.text) == [json.loads(line)["text"] for line in lines]


class TestProperties:
    @thorough
    @given(texts)
    def test_spans_are_ordered_disjoint_inside_and_not_empty(self, text):
        last = 0
        for start, end in sentence_spans(text):
            assert last <= start < end <= len(text)
            assert clean(text[start:end])
            last = end

    @thorough
    @given(pieces)
    def test_every_letter_and_digit_is_in_a_span(self, text):
        assert uncovered(text, sentence_spans(text)) == []

    @thorough
    @given(pieces)
    def test_the_same_text_gives_the_same_spans(self, text):
        assert sentence_spans(text) == sentence_spans(text)

    @thorough
    @given(st.lists(st.sampled_from(list(ONE_PARAGRAPH.values())), min_size=1, max_size=5))
    def test_paragraphs_do_not_influence_one_another(self, paragraphs):
        text = "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)
        assert sentences(text) == [sentence for paragraph in paragraphs for sentence in paragraph]


class TestHostileInput:
    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "text",
        [
            *["(" * 20_000, ")" * 20_000, "[(" * 10_000, "." * 20_000, "…" * 20_000, "!?" * 10_000],
            *['"' * 20_000, "''" * 10_000, ",," * 10_000, "A." * 10_000, "1." * 10_000, "a-" * 10_000],
            *["_" * 20_000, "@" * 20_000, "a" * 20_000, "dr. " * 5_000, "\n" * 20_000, "\n \n" * 7_000],
            *["\r" * 20_000, "e" + "\u0301" * 20_000, "\u200b" * 20_000, " " * 20_000 + "a"],
        ],
        ids=lambda text: f"{text[:3]!a}..{text[-1]!a}",
    )
    def test_is_split_in_bounded_time(self, text):
        spans = sentence_spans(text)
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert uncovered(text, spans) == []

    @pytest.mark.timeout(60)
    def test_the_longest_article_allowed_is_split_in_bounded_time(self):
        text = ("Het leger trekt zich terug uit de stad. " * (MAX_ARTICLE // 40 + 1))[:MAX_ARTICLE]
        assert uncovered(text, sentence_spans(text)) == []

    def test_a_longer_text_is_refused_with_both_lengths_and_a_remedy(self):
        with pytest.raises(DataError, match=r"1,000,001 .*at most 1,000,000.*one article at a time"):
            sentence_spans("a" * (MAX_ARTICLE + 1))

    def test_a_paragraph_longer_than_the_splitter_takes_at_once_keeps_its_sentences_whole(self):
        sentence = "De woordvoerder van het leger zei dat de troepen de stad niet zullen verlaten."
        text = " ".join([sentence] * (2 * MAX_RUN // len(sentence)))
        assert set(sentences(text)) == {sentence}


class TestReadText:
    def test_drops_the_byte_order_mark(self, tmp_path):
        path = tmp_path / "artikel.txt"
        path.write_bytes(b"\xef\xbb\xbf" + "Één bataljon vertrekt.".encode())
        assert read_text(path) == "Één bataljon vertrekt."

    def test_names_the_byte_that_is_not_utf8_and_the_remedy(self, tmp_path):
        path = tmp_path / "artikel.txt"
        path.write_bytes("Oekraïne".encode("cp1252"))
        with pytest.raises(DataError) as caught:
            read_text(path)
        assert str(path) in str(caught.value)
        assert "0xef at position 5" in str(caught.value)
        assert "iconv" in str(caught.value)

    @pytest.mark.parametrize("content", ["", " \n\t", "\ufeff", "\u200b"])
    def test_a_file_without_words_is_refused(self, tmp_path, content):
        path = tmp_path / "leeg.txt"
        path.write_text(content, "utf-8")
        with pytest.raises(DataError, match=r"leeg\.txt is empty"):
            read_text(path)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"Cannot read .*weg\.txt: .*Check the path"):
            read_text(tmp_path / "weg.txt")

    def test_a_folder_is_not_an_article(self, tmp_path):
        with pytest.raises(DataError, match="Cannot read"):
            read_text(tmp_path)


def test_text_wrapped_at_a_width_is_not_cut_at_line_ends():
    text = (
        "De troepen van generaal Haftar trokken zich woensdag terug uit\n"
        "Tripoli en lieten volgens de burgemeester van de voorstad om\n"
        "18.00 uur de laatste stellingen achter.\n"
        "Volgende zin.\n"
    )
    assert [text[a:b].split()[-1] for a, b in sentence_spans(text)] == ["achter.", "zin."]


def test_a_short_heading_line_stands_alone():
    text = "Terugtocht bij Tripoli\nDe troepen gingen naar huis."
    assert [text[a:b] for a, b in sentence_spans(text)] == ["Terugtocht bij Tripoli", "De troepen gingen naar huis."]


def test_spans_hold_no_white_space_at_their_ends():
    text = "Kop zonder punt \r\n\r\n  Het leger wacht \n\nEinde"
    assert [text[start:end] for start, end in sentence_spans(text)] == ["Kop zonder punt", "Het leger wacht", "Einde"]
