"""Everything that a project keeps in databases, moved to PostgreSQL and back."""

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow.entities import Metric, ViewType
from mlflow.tracking import MlflowClient
from sqlalchemy import MetaData, create_engine, select

from facesent.cli import main
from facesent.registry import decisions, runs
from facesent.registry.versions import version_with_alias, versions
from facesent.serving.answers.deciding import decide, waiting
from facesent.serving.gateway.answers.correcting import Correction, correct
from facesent.serving.gateway.answers.log import AnswerLog
from facesent.serving.gateway.answers.rows import Answered
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, Store
from facesent.serving.gateway.settings import CorrectionLimits
from facesent.stores.addresses import at, configured
from facesent.stores.copying import copy
from tests.helpers import promoters
from tests.helpers.answering import KEPT

pytestmark = pytest.mark.slow
