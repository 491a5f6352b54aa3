"""A language in which customers write: its phrases for each topic, its manners and its formats."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Language", "Phrases", "listed", "phrases_of"]


@dataclass(frozen=True)
class Phrases:
    """Ways to speak of one topic; slots such as `{amount}` are filled by the writer.

    Attributes:
        short: Fragments of somebody in a hurry.
        says: Whole sentences that state the matter.
        asks: Whole sentences that ask for something.
    """

    short: tuple[str, ...]
    says: tuple[str, ...]
    asks: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """Everything that the writer needs of a language.

    Attributes:
        code: ISO 639-1, such as `en`.
        share: Share of customers who write in it.
        topics: Phrases for each topic, by its name.
        later: Further phrases for some topics, used since the drift.
        money: Formats of an amount, where `{0}` is the number.
        decimal: What separates the cents.
        dates: Formats of a date from `{day}`, `{month}` (its name), `{number}` (of the month) and `{year}`.
        months: Names of the months.
        keyboard: Rows of letters; neighbours in a row are taken for one another.
        plain: What people write who have no keys for accents, by the code of the letter.
        merchants: Shops, which say nothing about the topic; so do cities and people.
        greetings: Beginnings of a letter.
        hellos: Beginnings of a short message.
        openers: Polite sentences before the matter.
        details: Sentences that fit any matter.
        stories: Sentences that lead away from the matter.
        asides: Sentences about another matter, whose fragment fills `{other}`.
        complaints: What angry people begin with.
        threats: What angry people end with.
        pleas: What people in a hurry end with.
        thanks: Polite sentences after the matter.
        farewells: Last lines before the name.
        footers: Lines that programs add below a letter.
    """

    code: str
    share: float
    topics: Mapping[str, Phrases]
    later: Mapping[str, Phrases]
    money: tuple[str, ...]
    decimal: str
    dates: tuple[str, ...]
    months: tuple[str, ...]
    keyboard: tuple[str, ...]
    plain: Mapping[int, str]
    merchants: tuple[str, ...]
    cities: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    greetings: tuple[str, ...]
    hellos: tuple[str, ...]
    openers: tuple[str, ...]
    details: tuple[str, ...]
    stories: tuple[str, ...]
    asides: tuple[str, ...]
    complaints: tuple[str, ...]
    threats: tuple[str, ...]
    pleas: tuple[str, ...]
    thanks: tuple[str, ...]
    farewells: tuple[str, ...]
    footers: tuple[str, ...]


def listed(names: str) -> tuple[str, ...]:
    """Read names that commas separate."""
    return tuple(names.split(", "))


def phrases_of(text: str) -> dict[str, Phrases]:
    """Read phrases by topic: `# topic`, below it `- fragment`, `. sentence` and `? request`, one a line.

    Raises:
        ValueError: A line begins otherwise, or comes before the first topic.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for line in filter(None, text.splitlines()):
        mark, _, words = line.partition(" ")
        if mark == "#":
            kinds = found[words] = {"-": [], ".": [], "?": []}
        elif not found or mark not in kinds:
            raise ValueError(f"{line!r} begins with none of '# ', '- ', '. ' and '? '")
        else:
            kinds[mark].append(words)
    return {
        topic: Phrases(tuple(kinds["-"]), tuple(kinds["."]), tuple(kinds["?"]))
        for topic, kinds in found.items()
    }
