"""What a sentence may be made of."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.text import clean
from training.intake.characters import INVISIBLE, MISREAD, NOT_NFC, ODD_SPACES, check_text
from training.intake.sentence import Intake
from training.records import MAX_TEXT


def counts_of(text):
    intake = Intake()
    assert check_text(text, intake) == text
    return dict(intake.counts)


@pytest.mark.parametrize(
    "text",
    [
        "Het leger trekt zich terug.",
        "„Zo’n 20 coöperaties”, zei ’s lands gezant – € 3,5 mln. 🙂",
        "Eerste regel\r\n\ttweede regel\n",
        "  spaties eromheen ",
        "?",
        "Âge en Ãngel zijn namen, Ángel ook.",
        "x" * MAX_TEXT,
    ],
)
def test_usual_text_is_passed_without_a_count(text):
    assert counts_of(text) == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("De wapen\u00adstilstand", INVISIBLE),
        ("Het\u200b leger", INVISIBLE),
        ("De \u202egeneraal\u202c", INVISIBLE),
        ("\ufeffKiev", INVISIBLE),
        ("20\u00a0000 man", ODD_SPACES),
        ("dun\u2009wit", ODD_SPACES),
        ("regel\u2028einde", ODD_SPACES),
        ("Israe\u0308l", NOT_NFC),
        ("OekraÃ¯ne", MISREAD),
        ("BelgiÃ« zei â€œneeâ€\u009d"[:-1], MISREAD),
        ("Oekra\ufffdne", MISREAD),
    ],
)
def test_what_a_reader_does_not_see_is_counted_and_kept(text, what):
    assert counts_of(text) == {what: 1}


def test_one_text_counts_once_for_each_thing():
    assert counts_of("Israe\u0308l\u200b en\u00a0Oekra\u200b\u00efne\u00a0samen") == dict.fromkeys(
        (INVISIBLE, ODD_SPACES, NOT_NFC), 1
    )


@pytest.mark.parametrize("code", [0, 7, 8, 0xB, 0xC, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9F, 0xD800, 0xDFFF])
def test_a_control_character_is_refused_with_its_place(code):
    with pytest.raises(ValueError, match=rf"U\+{code:04X} at position 3"):
        check_text(f"Het{chr(code)}leger", Intake())


def test_cp1252_read_as_latin1_is_named():
    misread = "Hij zei “nee”.".encode("cp1252").decode("latin-1")
    with pytest.raises(ValueError, match=r"U\+0093 at position 8 \(cp1252 read as Latin-1 looks so\)"):
        check_text(misread, Intake())


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u200b\u00ad", "\u00a0", "\ufeff \u2028"])
def test_text_that_is_empty_after_clean_up_is_refused(text):
    intake = Intake()
    with pytest.raises(ValueError, match="empty after clean-up"):
        check_text(text, intake)
    assert not intake.counts


@pytest.mark.parametrize("character", ["a", "é"])
def test_a_text_that_is_too_long_is_refused_with_its_length(character):
    with pytest.raises(ValueError, match="5,001 characters; at most 5,000"):
        check_text(character * (MAX_TEXT + 1), Intake())


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text(max_size=40) | st.text("ae\u0308\u00ad\u200b\u00a0\u2028 \n\x00\x85\ud800Ã¯", max_size=12))
def test_what_passes_has_words_and_no_control_characters_and_what_is_odd_is_counted(text):
    intake = Intake()
    controls = [c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r"]
    if controls or not clean(text):
        with pytest.raises(ValueError, match=r"control character|empty"):
            check_text(text, intake)
        return
    assert check_text(text, intake) == text
    assert bool(intake.counts[NOT_NFC]) == (unicodedata.normalize("NFC", text) != text)
    assert bool(intake.counts[ODD_SPACES]) == any(c.isspace() and c not in " \t\r\n" for c in text)
    if not intake.counts:
        assert clean(text) == " ".join(text.split())
