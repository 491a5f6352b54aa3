"""Typing errors."""

from bank_simulator.messages.draws import Draws
from bank_simulator.messages.languages import Language

__all__ = ["misspelt"]

SHORTEST = 4
"""Shorter words are typed correctly."""


def misspelt(text: str, rate: float, language: Language, draws: Draws) -> str:
    """Return the text with about a share `rate` of its words misspelt; words with digits stay as they are."""
    written: list[str] = []
    for word in text.split(" "):
        if len(word) < SHORTEST or not draws.chance(rate) or any(letter.isdigit() for letter in word):
            written += (word, " ")
        elif draws.chance(0.15):
            written.append(word)  # and no space
        else:
            written += (_spoilt(word, language, draws), " ")
    return "".join(written).rstrip(" ")


def _spoilt(word: str, language: Language, draws: Draws) -> str:
    # The first letter is rarely the wrong one, and pairs of letters keep signs and ends of lines out of it.
    places = [n for n in range(1, len(word) - 1) if word[n].isalpha() and word[n + 1].isalpha()]
    if not places:
        return word
    n = draws.choice(places)
    return draws.choice(_KINDS)(word, n, language, draws)


def _swapped(word: str, n: int, _language: Language, _draws: Draws) -> str:
    return word[:n] + word[n + 1] + word[n] + word[n + 2 :]


def _dropped(word: str, n: int, _language: Language, _draws: Draws) -> str:
    return word[:n] + word[n + 1 :]


def _doubled(word: str, n: int, _language: Language, _draws: Draws) -> str:
    return word[:n] + word[n] + word[n:]


def _neighbour(word: str, n: int, language: Language, draws: Draws) -> str:
    for row in language.keyboard:
        at = row.find(word[n].lower())
        if at >= 0:
            beside = row[max(at - 1, 0) : at] + row[at + 1 : at + 2]
            return word[:n] + draws.choice(beside) + word[n + 1 :]
    return _dropped(word, n, language, draws)


_KINDS = (_swapped, _dropped, _doubled, _neighbour)
