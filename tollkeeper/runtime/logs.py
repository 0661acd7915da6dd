"""Structured logs: JSON lines for programs, coloured lines on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from tollkeeper.runtime.settings import Settings


def configure(process: str, settings: Settings) -> None:
    """Send structlog's and the standard library's records to standard error, in one format."""
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_strangers_tracebacks)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    structlog.contextvars.bind_contextvars(process=process)


# Who sends garbage to a port gets an answer, and we a line; a traceback would only fill the disk.
_STRANGERS_FAULTS = ("aiohttp.http_exceptions", "google.protobuf.message")


def _without_strangers_tracebacks(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and type(error).__module__ in _STRANGERS_FAULTS:
        record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}", ()
        record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
    return True


def _json(record: Any, **_: Any) -> str:
    return orjson.dumps(record, default=str).decode()
