"""The texts of messages: styles, languages, noise and typing errors."""

import re
import string
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bank_simulator.messages.draws import Draws
from bank_simulator.messages.languages import LANGUAGES, Language
from bank_simulator.messages.languages.base import phrases_of
from bank_simulator.messages.topics import TEAMS, TOPICS
from bank_simulator.messages.typos import misspelt
from bank_simulator.messages.writing import Occasion, Style, written

ENGLISH = LANGUAGES[0]
SLOTS = {"amount", "date", "merchant", "city", "digits", "person"}
LETTER = Occasion(
    day=date(2024, 3, 1),
    topic="charged_twice",
    drifted=False,
    style=Style.POLITE,
    letter=True,
    language=ENGLISH,
    name="Alice Archer",
    careless=0.0,
    plain=False,
)


def draws(seed: int = 0) -> Draws:
    return Draws(np.random.default_rng(seed))


def many(occasion: Occasion, n: int = 300) -> list[str]:
    stream = draws()
    return [written(occasion, stream) for _ in range(n)]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_each_language_has_phrases_for_every_topic_with_known_slots(language: Language) -> None:
    assert set(language.topics) == {topic.name for topic in TOPICS}
    assert set(language.later) <= set(language.topics)
    for phrases in (*language.topics.values(), *language.later.values()):
        assert phrases.short
        assert phrases.says
        assert phrases.asks
        for phrase in (*phrases.short, *phrases.says, *phrases.asks):
            assert {slot for _, slot, _, _ in string.Formatter().parse(phrase) if slot} <= SLOTS
    noise = (*language.details, *language.stories, *language.openers, *language.asides)
    for phrase in noise:
        assert {slot for _, slot, _, _ in string.Formatter().parse(phrase) if slot} <= SLOTS | {"other"}
    assert len(language.months) == 12


def test_languages_and_teams_have_shares_that_add_up() -> None:
    assert sum(language.share for language in LANGUAGES) == pytest.approx(1)
    for topic in TOPICS:
        assert sum(topic.teams.values()) == pytest.approx(1)
        assert set(topic.teams) <= set(TEAMS)
        assert next(iter(topic.teams.values())) == max(topic.teams.values())


def test_a_line_without_a_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with none of"):
        phrases_of("# pin\n- forgot it\nforgot it")
    with pytest.raises(ValueError, match="begins with none of"):
        phrases_of("- forgot it")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
@pytest.mark.parametrize("style", Style)
def test_every_topic_can_be_written_about_in_every_style(language: Language, style: Style) -> None:
    for topic in TOPICS:
        for text in many(replace(LETTER, language=language, style=style, topic=topic.name, drifted=True), 10):
            assert text.strip() == text
            assert text
            assert "{" not in text


def test_a_polite_letter_greets_and_is_signed_in_paragraphs() -> None:
    for text in many(LETTER):
        greeting, _, end = text.split("\n\n")
        assert greeting in ENGLISH.greetings
        assert end.splitlines()[0] in ENGLISH.farewells
        assert end.splitlines()[1] == "Alice Archer"


def test_the_same_elsewhere_is_one_paragraph() -> None:
    for text in many(replace(LETTER, letter=False)):
        assert "\n" not in text
        assert "Alice Archer" in text


def test_styles_differ() -> None:
    def length(style: Style) -> float:
        return float(np.median([len(text) for text in many(replace(LETTER, style=style))]))

    assert length(Style.TERSE) < 60 < length(Style.POLITE) < length(Style.RAMBLING)
    angry = many(replace(LETTER, style=Style.ANGRY))
    assert sum("!" in text for text in angry) > 0.8 * len(angry)
    assert sum(bool(re.search(r"[A-Z]{4,} [A-Z]{4,}", text)) for text in angry) > 0.2 * len(angry)
    assert all("[" not in text for text in angry)


def test_amounts_dates_and_merchants_are_noise_in_the_languages_formats() -> None:
    by_code = {
        language.code: " ".join(many(replace(LETTER, style=Style.RAMBLING, language=language)))
        for language in LANGUAGES
    }
    assert re.search(r"€\d+\.\d\d", by_code["en"])
    assert re.search(r"\d+,\d\d Euro", by_code["de"])
    assert re.search(r"\d+,\d\d euros", by_code["fr"])
    assert re.search(r"\d+\. (Februar|März)", by_code["de"])
    assert re.search(r"\d+ (février|mars)", by_code["fr"])
    assert "29 February" in by_code["en"], "a date of the days before"
    for language in LANGUAGES:
        assert all(merchant in by_code[language.code] for merchant in language.merchants)


def test_what_a_slot_says_it_says_throughout_a_message() -> None:
    for text in many(replace(LETTER, style=Style.RAMBLING)):
        assert len({merchant for merchant in ENGLISH.merchants if merchant in text}) <= 2, (
            "one, and an aside's"
        )


def test_words_of_the_drift_are_new_in_every_language() -> None:
    for language in LANGUAGES:
        usual = words(
            " ".join(
                phrase
                for topic in TOPICS
                if not topic.new
                for phrases in [language.topics[topic.name]]
                for phrase in (*phrases.short, *phrases.says, *phrases.asks)
            )
        )
        later = words(" ".join(phrase for phrases in language.later.values() for phrase in phrases.says))
        assert {"passkey", "qr"} <= later - usual
        assert "novapay" not in usual


def test_some_words_are_misspelt_in_several_ways() -> None:
    text = " ".join(["transfer statement mortgage"] * 700)
    correct = set(text.split())
    typed = misspelt(text, 0.1, ENGLISH, draws()).split()
    wrong = [word for word in typed if word not in correct]
    assert 0.07 < len(wrong) / len(typed) < 0.13
    assert {"tranfser", "transfr", "statemment", "statementmortgage"} <= set(wrong), "swapped, dropped, …"
    neighbours = {word for word in wrong if len(word) == len("transfer") and set(word) - set("transfer")}
    assert neighbours, "a key beside the right one"


def test_nothing_else_is_misspelt() -> None:
    text = "hi the PIN\n\n12.50€ of 2024-03-01 iban12345"
    assert misspelt(text, 1.0, ENGLISH, draws()) == text
    letter = "Dear team,\n\nmy transfer is missing.\n\nKind regards\nAlice"
    assert misspelt(letter, 0.0, ENGLISH, draws()) == letter
    assert misspelt(letter, 1.0, ENGLISH, draws()).count("\n") == letter.count("\n")


def test_careless_writers_misspell_and_careful_ones_do_not() -> None:
    known = set().union(*(words(text) for text in many(LETTER, 2000)))
    unknown = [words(text) - known for text in many(replace(LETTER, careless=0.1))]
    assert sum(map(bool, unknown)) > 0.5 * len(unknown)


def test_some_write_without_accents() -> None:
    german = replace(LETTER, language=LANGUAGES[1], plain=True)
    assert all(text.isascii() for text in many(german))
    assert any("ae" in text for text in many(german))
    french = replace(LETTER, language=LANGUAGES[2], plain=True)
    assert all(text.isascii() for text in many(french))
