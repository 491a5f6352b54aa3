"""The writers and their voices: what stays the same in all of a customer's messages."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bank_simulator.messages.languages import LANGUAGES
from bank_simulator.population import Customers
from bank_simulator.randomness import Purpose, generator

__all__ = ["CHANNELS", "MESSAGES_PER_DAY", "voices_of"]

CHANNELS = ("app", "email", "chat")
CHANNEL_SHARES = (0.4, 0.35, 0.25)
MESSAGES_PER_DAY = 0.06
"""Messages of a customer on the mean day, on average."""
PLAIN = (0.2, 0.15, 0.35)
"""Share of customers who write without accents, by language; in English few words have any."""

VOICE = np.dtype(
    [
        ("messages_per_day", "f8"),
        ("language", "i1"),  # number in LANGUAGES
        ("channel", "i1"),  # number in CHANNELS of the one used most
        ("careless", "f8"),  # share of words misspelt when typing on a phone
        ("plain", "?"),  # writes no accents
        ("first_name", "i4"),  # modulo the names of the language
        ("last_name", "i4"),
    ]
)


def voices_of(seed: int, people: Customers) -> NDArray[np.void]:
    """The voice of each customer of a day: structured array of `VOICE`, one entry a customer."""
    era = int(people.generation.min())
    voices = _voices(seed, len(people.generation), era).copy()
    followed = people.generation > era
    voices[followed] = _voices(seed, len(voices), era + 1)[followed]
    return voices


@lru_cache(maxsize=4)
def _voices(seed: int, customers: int, era: int) -> NDArray[np.void]:
    rng = generator(seed, Purpose.CUSTOMER_VOICES, era)
    voices = np.zeros(customers, dtype=VOICE)
    voices["messages_per_day"] = rng.gamma(1.0, MESSAGES_PER_DAY, customers)
    voices["language"] = rng.choice(len(LANGUAGES), customers, p=[language.share for language in LANGUAGES])
    voices["channel"] = rng.choice(len(CHANNELS), customers, p=CHANNEL_SHARES)
    voices["careless"] = 0.12 * rng.beta(1.0, 3.0, customers)
    voices["plain"] = rng.random(customers) < np.array(PLAIN)[voices["language"]]
    voices["first_name"] = rng.integers(1000, size=customers)
    voices["last_name"] = rng.integers(1000, size=customers)
    return voices
