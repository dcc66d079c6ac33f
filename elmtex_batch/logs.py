"""What the package says on standard error: lines for people, or JSON lines for machines."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

Kind = Literal["text", "json"]
_log = logging.getLogger("elmtex_batch")


def show_log(kind: Kind) -> None:
    """What this package has to say goes to standard error; other packages keep their own ways."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if kind == "json" else logging.Formatter("elmtex-batch: %(message)s"))
    _log.handlers[:] = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False


def say(message: str, fields: Mapping[str, object] = MappingProxyType({}), level: int = logging.INFO) -> None:
    """A line of the log; `fields` are shown in JSON only."""
    _log.log(level, message, extra={"fields": fields})


class _JsonLines(logging.Formatter):
    """One object a line: `time` (UTC), `level`, `message` and the fields that go with it."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps({**line, **getattr(record, "fields", {})}, ensure_ascii=False)
