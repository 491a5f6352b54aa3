"""The files of the support desk, and the rules that their rows must keep."""

from ml_platform.ingestion.source import RawColumn, RawSource

__all__ = ["MESSAGES", "RESOLUTIONS"]

MESSAGES = RawSource(
    name="messages",
    owner="team:support",
    description="Messages of customers; the folder's day is the UTC day of occurred_at.",
    columns={
        "message_id": RawColumn(kind="identifier", description="Identifies the message."),
        "occurred_at": RawColumn(kind="timestamp", description="When it was sent."),
        "customer_id": RawColumn(kind="identifier", description="Who sent it."),
        "channel": RawColumn(kind="text", description="app, email or chat."),
        "language": RawColumn(kind="text", description="Two letters, by ISO 639-1."),
        "text": RawColumn(kind="text", description="What was written."),
    },
    partition_of="occurred_at",
    unique="message_id",
)

RESOLUTIONS = RawSource(
    name="resolutions",
    owner="team:support",
    description="Messages that were resolved, and by which team; the folder's day is the UTC day of resolved_at.",
    columns={
        "message_id": RawColumn(kind="identifier", description="The message that was resolved."),
        "resolved_at": RawColumn(kind="timestamp", description="When it was."),
        "team": RawColumn(kind="text", description="The team that resolved it in the end."),
    },
    partition_of="resolved_at",
    unique="message_id",
    max_duplicate_share=1.0,
)
