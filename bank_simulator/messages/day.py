"""One day of messages, and the resolutions that a day brings."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_simulator.bank import Bank
from bank_simulator.messages.draws import Draws
from bank_simulator.messages.handling import MAX_RESOLUTION_DAYS, NEVER, handling
from bank_simulator.messages.languages import LANGUAGES
from bank_simulator.messages.topics import TEAMS, TOPICS, month_turns, topic_shares
from bank_simulator.messages.voices import CHANNELS, voices_of
from bank_simulator.messages.writing import Occasion, Style, written
from bank_simulator.population import customers_on
from bank_simulator.randomness import Purpose, day_number, generator
from bank_simulator.rhythm import MILLISECONDS_A_DAY, times_of_day, timestamps

__all__ = ["messages", "resolutions", "truth"]

IDS_A_DAY = 10_000_000
"""Room for the messages of the largest bank."""
WEEKDAY_FACTORS = (1.25, 1.15, 1.05, 1.0, 1.05, 0.8, 0.7)
"""Messages relative to the mean day, Monday to Sunday."""
MONTH_TURN_FACTOR = 1.2
USUAL_CHANNEL = 0.75
"""Share of messages by the channel that the customer uses most."""
STYLE_SHARES = np.array([(0.4, 0.25, 0.2, 0.15), (0.05, 0.47, 0.18, 0.3), (0.62, 0.12, 0.16, 0.1)])
"""Shares of the styles in each channel."""
CHANNEL_TYPOS = (1.0, 0.35, 1.3)
"""Misspelt words by channel, relative to the customer's own share."""


@dataclass(frozen=True, eq=False)
class _Day:
    """A day's messages without their texts, ordered by time; arrays have one entry a message.

    Attributes:
        ids: Strings such as `M197450000017`.
        customer: Number of the writer among the day's customers, int64.
        time: Milliseconds since midnight UTC, int64.
        channel: Number in `CHANNELS`, int64.
        style: Values of `Style`, int64.
        topic: Number in `TOPICS`, int64.
        team: Number in `TEAMS` of the one that resolves it in the end, int64.
        handed_over: True when another team had it first.
        resolved_at: timestamp[us, UTC], null when it is never resolved.
    """

    ids: pa.StringArray
    customer: NDArray[np.int64]
    time: NDArray[np.int64]
    channel: NDArray[np.int64]
    style: NDArray[np.int64]
    topic: NDArray[np.int64]
    team: NDArray[np.int64]
    handed_over: NDArray[np.bool_]
    resolved_at: pa.TimestampArray


def messages(bank: Bank, day: date) -> pa.Table:
    """The messages of a UTC day, ordered by time.

    Returns:
        message_id (string), occurred_at (timestamp[us, UTC]), customer_id (string), channel (string: app,
        email or chat), language (string: ISO 639-1), text (string).

    Raises:
        ConfigurationError: The bank was not open on that day.
    """
    bank.require_open(day)
    number = day_number(day)
    people = customers_on(bank.seed, bank.customers, bank.terminals, number)
    voices = voices_of(bank.seed, people)
    drafts = _day(bank, day)
    draws = Draws(generator(bank.seed, Purpose.MESSAGE_TEXTS, number))
    languages, texts = [], []
    for customer, channel, style, topic in zip(
        drafts.customer, drafts.channel.tolist(), drafts.style.tolist(), drafts.topic.tolist(), strict=True
    ):
        voice = voices[customer]
        language = LANGUAGES[voice["language"]]
        first, last = language.first_names, language.last_names
        occasion = Occasion(
            day=day,
            topic=TOPICS[topic].name,
            drifted=bank.drifted(day),
            style=Style(style),
            letter=CHANNELS[channel] == "email",
            language=language,
            name=f"{first[voice['first_name'] % len(first)]} {last[voice['last_name'] % len(last)]}",
            careless=float(voice["careless"]) * CHANNEL_TYPOS[channel],
            plain=bool(voice["plain"]),
        )
        languages.append(language.code)
        texts.append(written(occasion, draws))
    return pa.table(
        {
            "message_id": drafts.ids,
            "occurred_at": timestamps(number * MILLISECONDS_A_DAY + drafts.time),
            "customer_id": people.ids.take(pa.array(drafts.customer)),
            "channel": pa.array(CHANNELS).take(pa.array(drafts.channel)),
            "language": pa.array(languages, pa.string()),
            "text": pa.array(texts, pa.string()),
        }
    )


def resolutions(bank: Bank, day: date) -> pa.Table:
    """The messages resolved on a UTC day, of those since the bank opened, ordered by time of resolution.

    Returns:
        message_id (string), resolved_at (timestamp[us, UTC]), team (string: the one that resolved it).

    Raises:
        ConfigurationError: The bank was not open on that day.
    """
    bank.require_open(day)
    first = max(bank.opened, day - timedelta(days=MAX_RESOLUTION_DAYS))
    candidates = pa.concat_tables(
        [_resolved(bank, first + timedelta(days=n)) for n in range((day - first).days + 1)]
    )
    today = pc.equal(
        candidates["resolved_at"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False), pa.scalar(day)
    )
    return candidates.filter(today).sort_by([("resolved_at", "ascending"), ("message_id", "ascending")])


def truth(bank: Bank, day: date) -> pa.Table:
    """The truth about the day's messages that no bank knows, in their order.

    Returns:
        message_id (string), topic (string), style (string), team (string: would resolve it, also when nobody
        does), handed_over (bool), resolved_at (timestamp[us, UTC]; null when it is never resolved).

    Raises:
        ConfigurationError: The bank was not open on that day.
    """
    bank.require_open(day)
    drafts = _day(bank, day)
    return pa.table(
        {
            "message_id": drafts.ids,
            "topic": pa.array([topic.name for topic in TOPICS]).take(pa.array(drafts.topic)),
            "style": pa.array([style.name.lower() for style in Style]).take(pa.array(drafts.style)),
            "team": pa.array(TEAMS).take(pa.array(drafts.team)),
            "handed_over": drafts.handed_over,
            "resolved_at": drafts.resolved_at,
        }
    )


# Small tables, so that the resolutions of a day do not draw the days before again.
@lru_cache(maxsize=32)
def _resolved(bank: Bank, day: date) -> pa.Table:
    rows = truth(bank, day).select(["message_id", "resolved_at", "team"])
    return rows.filter(rows["resolved_at"].is_valid())


@lru_cache(maxsize=2)
def _day(bank: Bank, day: date) -> _Day:
    number = day_number(day)
    rng = generator(bank.seed, Purpose.MESSAGES, number)
    people = customers_on(bank.seed, bank.customers, bank.terminals, number)
    voices = voices_of(bank.seed, people)
    factor = WEEKDAY_FACTORS[day.weekday()] * (MONTH_TURN_FACTOR if month_turns(day) else 1.0)
    customer = np.repeat(np.arange(len(voices)), rng.poisson(voices["messages_per_day"] * factor))
    time = times_of_day(rng, day, people.profile["later_hours"][customer])
    order = np.argsort(time, kind="stable")
    customer, time = customer[order], time[order]
    n = len(customer)
    usual = rng.random(n) < USUAL_CHANNEL
    channel = np.where(usual, voices["channel"][customer], rng.integers(len(CHANNELS), size=n))
    style = (rng.random(n)[:, None] >= np.cumsum(STYLE_SHARES, axis=1)[channel, :-1]).sum(axis=1)
    topic = rng.choice(len(TOPICS), n, p=topic_shares(day, drifted=bank.drifted(day)))
    fate = handling(generator(bank.seed, Purpose.RESOLUTIONS, number), topic)
    resolved_at = timestamps(number * MILLISECONDS_A_DAY + time + fate.delay)
    numbers = pa.array(number * IDS_A_DAY + np.arange(n)).cast(pa.string())
    return _Day(
        ids=pc.binary_join_element_wise("M", numbers, ""),
        customer=customer,
        time=time,
        channel=channel,
        style=style,
        topic=topic,
        team=fate.team,
        handed_over=fate.handed_over,
        resolved_at=pc.if_else(pa.array(fate.delay == NEVER), None, resolved_at),
    )
