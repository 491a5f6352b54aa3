"""Customers' messages: the same however they are asked for, resolved later, and fit to learn from."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_simulator import messages, population
from bank_simulator.bank import Bank
from bank_simulator.messages import day as day_module
from bank_simulator.messages import voices
from bank_simulator.messages.topics import TEAMS, TOPICS, topic_shares
from ml_platform.errors import ConfigurationError

OPENED = date(2024, 2, 1)
DAYS = [OPENED + timedelta(days=n) for n in range(60)]
DRIFT = DAYS[45]
SMALL = Bank(customers=100, terminals=25, seed=3, opened=OPENED, drift_from=DAYS[20])
LARGE = Bank(customers=2500, terminals=50, seed=1, opened=OPENED, drift_from=DRIFT)
NEW_WORDS = r"(?i)novapay|passkey|smartwatch|\bqr\b"


def forget() -> None:
    """Empties every cache, as a new process would."""
    for cached in (
        day_module._day,
        day_module._resolved,
        voices._voices,
        population.customers_on,
        population._profiles,
    ):
        cached.cache_clear()


def everything(bank: Bank, day: date) -> list[pa.Table]:
    return [messages.messages(bank, day), messages.resolutions(bank, day), messages.truth(bank, day)]


@pytest.fixture(scope="module")
def in_order() -> dict[date, list[pa.Table]]:
    forget()
    return {day: everything(SMALL, day) for day in DAYS[:40]}


def _rows(bank: Bank, days: list[date]) -> pd.DataFrame:
    written = pa.concat_tables([messages.messages(bank, day) for day in days]).to_pandas()
    known = pa.concat_tables([messages.resolutions(bank, day) for day in days]).to_pandas()
    truth = pa.concat_tables([messages.truth(bank, day) for day in days]).to_pandas()
    truth = truth.drop(columns=["team", "resolved_at"])
    rows = written.merge(known, on="message_id", how="left", validate="one_to_one")
    rows = rows.merge(truth, on="message_id", validate="one_to_one")
    rows["day"] = rows["occurred_at"].dt.date
    return rows


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Sixty days of messages, with the team where it is known by then, and the truth."""
    return _rows(LARGE, DAYS)


@pytest.fixture(scope="module")
def before(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["day"] < DRIFT]


@pytest.fixture(scope="module")
def after(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["day"] >= DRIFT]


@given(days=st.lists(st.sampled_from(DAYS[:40]), min_size=1, max_size=4))
@settings(max_examples=4, deadline=None)
def test_a_day_is_the_same_whatever_was_asked_before(
    in_order: dict[date, list[pa.Table]], days: list[date]
) -> None:
    forget()
    for day in days:
        assert everything(SMALL, day) == in_order[day]


def test_another_seed_writes_other_messages() -> None:
    other = SMALL.model_copy(update={"seed": 4})
    assert messages.messages(SMALL, OPENED) != messages.messages(other, OPENED)


def test_the_drift_changes_nothing_before_it(in_order: dict[date, list[pa.Table]]) -> None:
    steady = SMALL.model_copy(update={"drift_from": None})
    for day in DAYS[:20]:
        assert everything(steady, day) == in_order[day]
    assert messages.messages(steady, DAYS[20]) != in_order[DAYS[20]][0]


def test_the_drift_changes_no_payment() -> None:
    steady = SMALL.model_copy(update={"drift_from": None})
    for day in (DAYS[19], DAYS[21]):
        assert steady.payments(day) == SMALL.payments(day)
        assert steady.fraud_reports(day) == SMALL.fraud_reports(day)


def test_columns_and_types() -> None:
    text, utc = pa.string(), pa.timestamp("us", tz="UTC")
    assert messages.messages(SMALL, OPENED).schema == pa.schema(
        [
            ("message_id", text),
            ("occurred_at", utc),
            ("customer_id", text),
            ("channel", text),
            ("language", text),
            ("text", text),
        ]
    )
    assert messages.resolutions(SMALL, OPENED).schema == pa.schema(
        [("message_id", text), ("resolved_at", utc), ("team", text)]
    )


def test_a_day_without_messages_has_tables_without_rows() -> None:
    bank = Bank(customers=1, terminals=1, seed=0, opened=OPENED)
    days = [everything(bank, day) for day in DAYS[:20]]
    assert any(day[0].num_rows == 0 for day in days)
    assert {table.schema for table, _, _ in days} == {messages.messages(SMALL, OPENED).schema}


def test_days_before_the_bank_opened_are_refused_and_hidden(in_order: dict[date, list[pa.Table]]) -> None:
    later = SMALL.model_copy(update={"opened": DAYS[10]})
    for ask in (messages.messages, messages.resolutions, messages.truth):
        with pytest.raises(ConfigurationError, match="opened on 2024-02-11"):
            ask(later, DAYS[9])
    known = pa.concat_tables([messages.messages(later, day) for day in DAYS[10:40]])["message_id"]
    resolved = pa.concat_tables([messages.resolutions(later, day) for day in DAYS[10:40]])["message_id"]
    assert set(resolved.to_pylist()) <= set(known.to_pylist())
    assert messages.resolutions(later, DAYS[30]) == in_order[DAYS[30]][1]


def test_messages_lie_in_their_day_in_order_with_ids_of_their_own(rows: pd.DataFrame) -> None:
    assert rows["message_id"].is_unique
    for day in (DAYS[0], DAYS[30]):
        times = messages.messages(LARGE, day)["occurred_at"].to_pylist()
        assert times == sorted(times)
        assert {time.astimezone(UTC).date() for time in times} == {day}


def test_everyone_who_writes_was_announced_by_that_day() -> None:
    customers: set[str] = set()
    for day in DAYS:
        customers |= set(LARGE.customers_news(day)["customer_id"].to_pylist())
        assert set(messages.messages(LARGE, day)["customer_id"].to_pylist()) <= customers


def test_a_few_hundred_messages_a_day_at_the_default_size() -> None:
    bank = Bank(opened=OPENED)
    for day in DAYS[:7]:
        assert 150 < messages.messages(bank, day).num_rows < 600


def test_a_resolution_follows_its_message_by_hours_to_ten_days(rows: pd.DataFrame) -> None:
    delay = (rows["resolved_at"] - rows["occurred_at"]).dropna() / timedelta(hours=1)
    assert delay.min() >= 1
    assert 150 < delay.max() < 240
    assert 15 < delay.median() < 40
    due = rows[rows["day"] < DAYS[49]]
    assert 0.01 < due["team"].isna().mean() < 0.035, "a few are never resolved"
    handed, kept = delay[rows["handed_over"]], delay[~rows["handed_over"]]
    assert 0.1 < rows["handed_over"].mean() < 0.3
    assert handed.median() > 1.5 * kept.median()
    for day in DAYS[::20]:
        times = messages.resolutions(LARGE, day)["resolved_at"].to_pylist()
        assert times == sorted(times)
        assert {time.date() for time in times} == {day}


def test_every_resolution_is_the_truth(rows: pd.DataFrame) -> None:
    truth = pa.concat_tables([messages.truth(LARGE, day) for day in DAYS]).to_pandas()
    known = rows.dropna(subset="team").merge(truth, on="message_id", suffixes=("", "_true"))
    assert (known["team"] == known["team_true"]).all()
    assert (known["resolved_at"] == known["resolved_at_true"]).all()
    end = datetime(2024, 4, 1, tzinfo=UTC)
    assert len(known) == (truth["resolved_at"] < end).sum(), "none is lost, and none told twice"


def test_teams_languages_channels_and_styles_have_their_shares(before: pd.DataFrame) -> None:
    teams = before["team"].value_counts(normalize=True)
    assert set(teams.index) == set(TEAMS)
    assert teams.index[0] == "cards"
    assert 0.25 < teams.iloc[0] < 0.35
    assert 0.03 < teams.iloc[-1] < 0.1
    languages = before["language"].value_counts(normalize=True)
    assert 0.35 < languages["en"] < 0.55
    assert 0.25 < languages["de"] < 0.45
    assert 0.1 < languages["fr"] < 0.3
    assert set(before["channel"]) == {"app", "email", "chat"}
    assert before["channel"].value_counts(normalize=True).min() > 0.15
    styles = before.groupby("channel")["style"].value_counts(normalize=True)
    assert styles["chat", "terse"] > 0.5
    assert styles["email", "polite"] > 0.35
    assert (before.groupby("customer_id")["language"].nunique() == 1).all()


def test_topics_have_seasons() -> None:
    def share(name: str, day: date) -> float:
        shares = topic_shares(day, drifted=False)
        assert shares.sum() == pytest.approx(1)
        return float(shares[[topic.name for topic in TOPICS].index(name)])

    tax, travel = "tax_certificate", "card_abroad"
    assert share(tax, date(2025, 3, 12)) > 3 * share(tax, date(2025, 9, 10))
    assert share(travel, date(2025, 7, 16)) > 2 * share(travel, date(2025, 11, 12))
    assert share("standing_order", date(2025, 2, 28)) > 2 * share("standing_order", date(2025, 2, 12))
    assert share("mortgage", date(2025, 3, 12)) > 2 * share("mortgage", date(2025, 3, 15)), "a Saturday"
    assert share("wallet", date(2025, 3, 12)) == 0


def test_the_week_has_a_rhythm(rows: pd.DataFrame) -> None:
    weekdays = rows["occurred_at"].dt.day_of_week.value_counts()
    assert weekdays[0] > 1.3 * weekdays[6]


def test_the_drift_brings_new_words_and_other_topics(before: pd.DataFrame, after: pd.DataFrame) -> None:
    assert not before["text"].str.contains(NEW_WORDS).any()
    new = after["text"].str.contains(NEW_WORDS)
    assert 0.1 < new.mean() < 0.3
    assert new[after["day"] == DRIFT].any(), "from the first day on"
    assert set(after.loc[new, "language"]) == {"en", "de", "fr"}
    earlier = before["topic"].value_counts(normalize=True)
    later = after["topic"].value_counts(normalize=True)
    assert set(later.index) - set(earlier.index) == {"wallet"}
    assert later["phishing"] > 1.5 * earlier["phishing"]
    assert later["pin"] < 0.6 * earlier["pin"]
    assert set(after["team"].dropna()) == set(TEAMS), "no team is new"


def _accuracy(training: pd.DataFrame, tests: list[pd.DataFrame]) -> Iterator[float]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(min_df=2, sublinear_tf=True), RidgeClassifier())
    model.fit(training["text"], training["team"])
    for test in tests:
        labelled = test.dropna(subset="team")
        yield model.score(labelled["text"], labelled["team"])


def test_a_linear_model_of_the_words_learns_them_and_suffers_from_the_drift(
    before: pd.DataFrame, after: pd.DataFrame
) -> None:
    known = before[before["resolved_at"] < pd.Timestamp(DAYS[37], tz="UTC")]
    majority = (before["team"] == known["team"].mode()[0]).sum() / before["team"].notna().sum()
    before_drift, after_drift = _accuracy(known, [before[before["day"] >= DAYS[37]], after])
    assert 0.25 < majority < 0.35
    assert 0.8 < before_drift < 0.93
    assert after_drift < before_drift - 0.05
