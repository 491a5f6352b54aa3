"""The text of a message: somebody's style, in their language, about a topic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from bank_simulator.messages.draws import Draws
from bank_simulator.messages.languages import Language, Phrases
from bank_simulator.messages.topics import TOPICS
from bank_simulator.messages.typos import misspelt

__all__ = ["Occasion", "Style", "written"]

LATER_WORDS = 0.6
"""Share of messages in the words of the drift, where a topic has some."""
VAGUE = 0.04
"""Share of messages that do not say what they are about, as if the bank knew."""
VAGUE_TOPIC = "general"


class Style(IntEnum):
    """The manner in which a message is put."""

    TERSE = 0
    POLITE = 1
    ANGRY = 2
    RAMBLING = 3


@dataclass(frozen=True)
class Occasion:
    """The occasion of a message: what it is written for, and by whom.

    Attributes:
        day: UTC day on which it is written.
        topic: Name of the topic.
        drifted: True since the drift.
        style: How it is put.
        letter: True for a text in paragraphs, as in e-mails.
        language: Language of the writer.
        name: The writer's, as signed.
        careless: Share of words that the writer misspells.
        plain: True for writers who have no keys for accents.
    """

    day: date
    topic: str
    drifted: bool
    style: Style
    letter: bool
    language: Language
    name: str
    careless: float
    plain: bool


def written(occasion: Occasion, draws: Draws) -> str:
    """Write the message, which is never empty."""
    text = _STYLES[occasion.style](_Writer(occasion, draws))
    text = misspelt(text, occasion.careless, occasion.language, draws)
    return text.translate(occasion.language.plain) if occasion.plain else text


class _Writer:
    """Puts phrases together; what a slot says, it says throughout the message."""

    def __init__(self, occasion: Occasion, draws: Draws) -> None:
        self.occasion = occasion
        self.language = occasion.language
        self.draws = draws
        topic = VAGUE_TOPIC if draws.chance(VAGUE) else occasion.topic
        self.phrases = _phrases(occasion, topic, draws)
        self._slots = _Slots(occasion, draws)

    def maybe(self, share: float, phrases: Sequence[str]) -> list[str]:
        """Fill one of the phrases, with a probability; else nothing."""
        return self.one(phrases) if self.draws.chance(share) else []

    def one(self, phrases: Sequence[str]) -> list[str]:
        """Fill one of the phrases."""
        return [self.draws.choice(phrases).format_map(self._slots)]

    def layout(self, greeting: list[str], body: list[str], end: list[str]) -> str:
        """Join the parts without repetitions: a letter has paragraphs, any other text is one."""
        paragraphs = [" ".join(greeting), " ".join(dict.fromkeys(body)), "\n".join(end)]
        text = "\n\n".join(filter(None, paragraphs))
        return text if self.occasion.letter else " ".join(text.split())


def _terse(writer: _Writer) -> str:
    language, draws = writer.language, writer.draws
    parts = [
        *writer.maybe(0.3, language.hellos),
        *writer.one(writer.phrases.short),
        *writer.maybe(0.15, writer.phrases.short),
        *writer.maybe(0.4, language.pleas),
    ]
    text = draws.choice((" ", ", ", ". ", "... ")).join(dict.fromkeys(parts))
    return text.lower() if draws.chance(0.8) else text


def _polite(writer: _Writer) -> str:
    language = writer.language
    body = [
        *writer.maybe(0.5, language.openers),
        *writer.one(writer.phrases.says),
        *writer.maybe(0.6, language.details),
        *writer.maybe(0.8, writer.phrases.asks),
        *writer.maybe(0.6, language.thanks),
    ]
    end = [*writer.one(language.farewells), writer.occasion.name, *writer.maybe(0.15, language.footers)]
    return writer.layout(writer.one(language.greetings), body, end)


def _angry(writer: _Writer) -> str:
    language, draws = writer.language, writer.draws
    says = writer.one(writer.phrases.says)[0]
    if draws.chance(0.35):
        says = says.upper()
    if says.endswith("."):
        says = says[:-1] + draws.choice(("!", "!!", "!!!", "."))
    body = [
        *writer.maybe(0.7, language.complaints),
        says,
        *writer.maybe(0.5, writer.phrases.asks),
        *writer.maybe(0.3, language.complaints),
        *writer.maybe(0.5, language.threats),
    ]
    end = [writer.occasion.name] if draws.chance(0.4) else []
    return writer.layout(writer.maybe(0.3, language.greetings), body, end)


def _rambling(writer: _Writer) -> str:
    language = writer.language
    body = [
        *writer.maybe(0.4, language.openers),
        *writer.one(language.stories),
        *writer.maybe(0.5, language.stories),
        *writer.one(writer.phrases.says),
        *writer.maybe(0.6, language.stories),
        *writer.maybe(0.4, language.asides),
        *writer.maybe(0.5, language.details),
        *writer.maybe(0.7, writer.phrases.asks),
        *writer.maybe(0.4, language.thanks),
    ]
    end = [*writer.maybe(0.8, language.farewells), writer.occasion.name, *writer.maybe(0.1, language.footers)]
    return writer.layout(writer.maybe(0.8, language.greetings), body, end)


_STYLES: dict[Style, Callable[[_Writer], str]] = {
    Style.TERSE: _terse,
    Style.POLITE: _polite,
    Style.ANGRY: _angry,
    Style.RAMBLING: _rambling,
}


def _phrases(occasion: Occasion, topic: str, draws: Draws) -> Phrases:
    later = occasion.language.later.get(topic) if occasion.drifted else None
    return later if later and draws.chance(LATER_WORDS) else occasion.language.topics[topic]


class _Slots(dict[str, str]):
    """The texts for the slots of a message's phrases, drawn when they are first asked for."""

    def __init__(self, occasion: Occasion, draws: Draws) -> None:
        super().__init__()
        self._occasion = occasion
        self._draws = draws

    def __missing__(self, slot: str) -> str:
        self[slot] = _FILLED[slot](self._occasion, self._draws)
        return self[slot]


def _amount(occasion: Occasion, draws: Draws) -> str:
    # Products of uniform numbers: mostly small amounts, some of thousands.
    cents = 500 + int(400_000 * draws.unit() * draws.unit() * draws.unit())
    language = occasion.language
    number = str(cents // 100) if draws.chance(0.4) else f"{cents / 100:.2f}".replace(".", language.decimal)
    return draws.choice(language.money).format(number)


def _date(occasion: Occasion, draws: Draws) -> str:
    day = occasion.day - timedelta(days=draws.below(10))
    language = occasion.language
    return draws.choice(language.dates).format(
        day=day.day, number=day.month, month=language.months[day.month - 1], year=day.year
    )


def _merchant(occasion: Occasion, draws: Draws) -> str:
    return draws.choice(occasion.language.merchants)


def _city(occasion: Occasion, draws: Draws) -> str:
    return draws.choice(occasion.language.cities)


def _digits(_occasion: Occasion, draws: Draws) -> str:
    return f"{draws.below(10_000):04}"


def _person(occasion: Occasion, draws: Draws) -> str:
    return f"{draws.choice(occasion.language.first_names)} {draws.choice(occasion.language.last_names)}"


def _other(occasion: Occasion, draws: Draws) -> str:
    topic = draws.choice([topic.name for topic in TOPICS if occasion.drifted or not topic.new])
    phrases = _phrases(occasion, topic, draws)
    return draws.choice(phrases.short).format_map(_Slots(occasion, draws))


_FILLED: dict[str, Callable[[Occasion, Draws], str]] = {
    "amount": _amount,
    "date": _date,
    "merchant": _merchant,
    "city": _city,
    "digits": _digits,
    "person": _person,
    "other": _other,
}
