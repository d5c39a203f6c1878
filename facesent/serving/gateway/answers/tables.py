"""The tables of the log; ``migrations`` makes them, and a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData()

WAITING, ACCEPTED, REJECTED = "waiting", "accepted", "rejected"
UNREGISTERED = 0
"""The version of a model that is not from the registry."""


class Utc(TypeDecorator[datetime]):
    """A moment in UTC, also where the database keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What is stored."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """What was stored."""
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


answers = Table(
    "answers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("time", Utc, nullable=False, index=True),
    # server, or app: there only answers that were corrected are kept.
    Column("source", String(8), nullable=False),
    Column("version", Integer, nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    # Of the labels that were asked for, which may be the likeliest alone.
    Column("probabilities", JSON, nullable=False),
    # Of the face in the upright photo, in its pixels; null for the whole photo.
    Column("box", JSON(none_as_null=True)),
    Column("brightness", Float),
    Column("sharpness", Float),
    Column("width", Integer),
    Column("height", Integer),
    Column("latency_ms", Float),
    # A pseudonym that changes each day.
    Column("client", String(32), index=True),
    # As the client names the person.
    Column("subject", String(64), index=True),
    Column("audit", Boolean, nullable=False),
    # How many answers this one stands for, if it is marked.
    Column("audit_weight", Float),
    # Below the folder of the log.
    Column("photo", Text),
    # float16, little-endian.
    Column("embedding", LargeBinary),
    Column("content_hmac", String(64), index=True),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", Utc, nullable=False),
    Column("answer_id", String(32), ForeignKey("answers.id"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("note", Text),
    # client, app or cli.
    Column("source", String(8), nullable=False),
    Column("client", String(32), index=True),
    Column("status", String(8), nullable=False, index=True),
)

versions = Table(
    "versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("classes", JSON, nullable=False),
)
