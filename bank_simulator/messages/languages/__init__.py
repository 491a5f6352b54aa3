"""The languages in which customers write; another is one file beside these and a line here."""

from bank_simulator.messages.languages.base import Language, Phrases
from bank_simulator.messages.languages.english import ENGLISH
from bank_simulator.messages.languages.french import FRENCH
from bank_simulator.messages.languages.german import GERMAN

__all__ = ["LANGUAGES", "Language", "Phrases"]

LANGUAGES = (ENGLISH, GERMAN, FRENCH)
