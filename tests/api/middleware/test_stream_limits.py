"""Connections that stay: how many streams may be open, how long they last, and how long anybody may keep us waiting."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import httpx2
import jwt
import pytest

from api.middleware import response_timeout
from models import dev_issuer
from tests import work
from tests.eventually import eventually
from tests.resources import GUEST, SHOW
from tests.stack import PLAIN, Stack, serving

JOBS = "/api/v1/ingest"
PER_CALLER, TOTAL, IDLE_SECONDS = 2, 3, 2
SHORT = {"Host": "x", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def strict(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API that is short of patience, alone: no job of it goes on."""
    settings = {"STREAMS_PER_CALLER": PER_CALLER, "STREAMS_TOTAL": TOTAL, "IDLE_SECONDS": IDLE_SECONDS}
    with serving(
        services, tmp_path_factory.mktemp("strict"), **{name: str(number) for name, number in settings.items()}
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def job(strict: Stack) -> str:
    """A job that waits."""
    with strict.client() as client:
        return str(work.post(client, f"s3://episodes-media/clip/{uuid4()}-none.jpg")["job_id"])


@contextmanager
def watching(strict: Stack, job: str, subject: str, token: str | None = None) -> Iterator[httpx2.Response]:
    """A stream of this caller."""
    headers = {"Authorization": f"Bearer {token or strict.token('viewer', subject)}"}
    with httpx2.stream("GET", f"{strict.url}{JOBS}/{job}/events", headers=headers, timeout=20, **PLAIN) as answer:
        yield answer


def refusal(strict: Stack, job: str, subject: str) -> tuple[int, bool]:
    """The status of one more stream, and whether it says when to come back."""
    with watching(strict, job, subject) as answer:
        return answer.status_code, answer.headers.get("Retry-After", "").isdecimal()


def test_a_caller_has_so_many_streams_and_all_together_so_many_until_some_are_left(strict: Stack, job: str) -> None:
    with ExitStack() as first, ExitStack() as second:
        for _ in range(PER_CALLER):
            assert first.enter_context(watching(strict, job, "ana")).status_code == 200
        assert refusal(strict, job, "ana") == (429, True)
        assert second.enter_context(watching(strict, job, "ben")).status_code == 200
        assert refusal(strict, job, "cleo") == (429, True)
        with strict.client("viewer", "ana") as client:
            assert client.get(SHOW.path).status_code == 200
        first.close()
        eventually(lambda: refusal(strict, job, "ana")[0] == 200, within=5)


def test_a_stream_ends_with_its_token_and_says_so(strict: Stack, job: str) -> None:
    token = dev_issuer.sign(strict.home, role="viewer", subject="short", lifetime_seconds=2)
    with watching(strict, job, "short", token) as answer:
        assert answer.status_code == 200
        text = answer.read().decode()
    assert "event: queued" in text
    assert text.rstrip().endswith(": the token has expired or is no longer good: come with another")


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\x00b", "a\nb", "\u202egnp.exe", "\ud800"])
def test_a_subject_has_1_to_255_printable_characters(strict: Stack, subject: str) -> None:
    claims = jwt.decode(strict.token("viewer"), options={"verify_signature": False})
    key, header = dev_issuer.key(strict.home), {"kid": dev_issuer.KEY_ID}
    token = jwt.encode(claims | {"sub": subject}, key, algorithm="RS256", headers=header)
    answer = httpx2.get(f"{strict.url}{SHOW.path}", headers={"Authorization": f"Bearer {token}"}, **PLAIN)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    longest = "Å" * 255
    with strict.client("viewer", longest) as client:
        assert client.get(SHOW.path).status_code == 200


def body(strict: Stack, length: int, token: str = "") -> bytes:
    """A request of which the body does not come."""
    head = f"POST {SHOW.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    return f"{head}{f'Authorization: Bearer {token}' if token else 'Accept: */*'}\r\n\r\n{{".encode()


WAYS: dict[str, tuple[Callable[[Stack], bytes], bytes]] = {
    "silent": (lambda _: b"", b""),
    "half a header": (lambda _: b"GET /health HTTP/1.1\r\nHost: x\r\n", b""),
    "silent after an answer": (lambda _: b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200"),
    "half a body": (lambda stack: body(stack, 60_000, stack.token("editor")), b"HTTP/1.1 408"),
    "half a large body": (lambda stack: body(stack, 900_000, stack.token("editor")), b"HTTP/1.1 408"),
    "half a body of nobody": (lambda stack: body(stack, 900_000), b"HTTP/1.1 401"),
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_keeps_us_waiting_is_hung_up_on_also_drop_by_drop(strict: Stack, way: str) -> None:
    first, answer = WAYS[way]
    drops = b"X" if b"header" in way.encode() else b" " if "body" in way else b""
    with socket.create_connection(("127.0.0.1", strict.port)) as connection:
        connection.sendall(first(strict))
        got, seconds = told(connection, drops)
    assert got.startswith(answer)
    assert seconds < 2 * IDLE_SECONDS + 2


def told(connection: socket.socket, drops: bytes) -> tuple[bytes, float]:
    """All that comes until the connection ends, and when that was; a drop is sent ten times a second."""
    connection.settimeout(0.1)
    got, started = b"", time.monotonic()
    while time.monotonic() - started < 20:
        try:
            connection.sendall(drops)
            piece = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if not piece:
            break
        got += piece
    return got, time.monotonic() - started


def asking(strict: Stack, path: str, token: str = "") -> socket.socket:
    """A connection that asks for something and reads none of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", strict.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return connection


def test_whoever_reads_none_of_what_was_asked_for_is_hung_up_on(strict: Stack) -> None:
    with asking(strict, "/schema/assets/swagger-ui-bundle.js") as connection:
        eventually(lambda: is_refused(connection), within=6 * IDLE_SECONDS)


def is_refused(connection: socket.socket) -> bool:
    """Whether nobody is there any more for what is sent: the kernel says so only then."""
    try:
        connection.sendall(b"\r\n")
    except OSError:
        return True
    return False


@pytest.mark.chaos
def test_a_caller_has_so_many_large_answers_under_way_and_others_are_answered(server: Stack) -> None:
    tag, long = uuid4().hex, {"of": "x" * 60_000}
    with server.client() as client:
        for _ in range(50):
            row = {"name": "large", "tags": [tag], "metadata": long, "social_links": long}
            assert client.post(GUEST.path, json=row).status_code == 201
    path = f"{GUEST.path}?tag={tag}"
    with ExitStack() as held, server.client("viewer", "greedy") as greedy, server.client("viewer", "modest") as modest:
        for _ in range(
            response_timeout.PER_CALLER + 4
        ):  # one that is asked for below may come before the last of these
            held.enter_context(asking(server, path, server.token("viewer", "greedy")))
        refused = eventually(lambda: one if (one := greedy.get(path)).status_code == 429 else None, within=30)
        assert refused.headers["Retry-After"].isdecimal()
        assert greedy.get(SHOW.path).status_code == 200
        assert len(modest.get(path).json()["data"]) == 50
        held.close()
        eventually(lambda: greedy.get(path).status_code == 200, within=5)


def test_a_slow_line_that_goes_on_is_waited_for(strict: Stack) -> None:
    text = b'{"name": "%b"}' % uuid4().hex.encode() + b" " * 100_000
    head = body(strict, len(text), strict.token("editor"))[:-1]
    with socket.create_connection(("127.0.0.1", strict.port)) as connection:
        connection.sendall(head)
        for start in range(0, len(text), 4000):  # 40,000 bytes a second
            connection.sendall(text[start : start + 4000])
            time.sleep(0.1)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
