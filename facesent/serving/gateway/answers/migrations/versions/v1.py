"""Answers, corrections, and the classes of versions."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "answers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, index=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("probabilities", sa.JSON, nullable=False),
        sa.Column("box", sa.JSON),
        sa.Column("brightness", sa.Float),
        sa.Column("sharpness", sa.Float),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("latency_ms", sa.Float),
        sa.Column("client", sa.String(32), index=True),
        sa.Column("subject", sa.String(64), index=True),
        sa.Column("audit", sa.Boolean, nullable=False),
        sa.Column("audit_weight", sa.Float),
        sa.Column("photo", sa.Text),
        sa.Column("embedding", sa.LargeBinary),
        sa.Column("content_hmac", sa.String(64), index=True),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_id", sa.String(32), sa.ForeignKey("answers.id"), nullable=False, index=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("client", sa.String(32), index=True),
        sa.Column("status", sa.String(8), nullable=False, index=True),
    )
    op.create_table(
        "versions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("classes", sa.JSON, nullable=False),
    )
