"""JSON logs on standard output, one object a line, with whatever is bound to the current request or job."""

import logging
import sys
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

NOISY: Final = ("botocore", "urllib3", "dramatiq", "psycopg.pool", "_granian", "granian")
NOISIEST: Final = "pika"  # it logs each error six times, and then raises it

_own_level = "INFO"  # of the settings: what holds where nobody has asked for another


def configure(level: str, program: str) -> None:
    """Send structlog and every library's log through one JSON renderer."""
    global _own_level  # noqa: PLW0603  (of the process, as the log is)
    _own_level = level
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(shared, program))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger(NOISIEST).setLevel(logging.CRITICAL)


def change(level: str | None) -> str | None:
    """Log at this level from now on, at that of the settings where it is None; the level if it is another one now."""
    wanted, root = level or _own_level, logging.getLogger()
    if logging.getLevelName(root.level) == wanted:
        return None
    root.setLevel(wanted)
    return wanted


def _formatter(shared: list[Any], program: str) -> logging.Formatter:
    def named(_logger: Any, _method: str, event: Any) -> Any:
        return {"program": program, **event}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            named,
            structlog.processors.JSONRenderer(serializer=_line),
        ],
    )


def _line(event: dict[str, Any], **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def write(line: msgspec.Struct) -> None:
    """Write a line of one fixed shape past all processors: for what is said at every request."""
    with suppress(OSError):  # nobody reads any more
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()
