"""A decoder that a stranger has taken over: it tries the deed that the file's name asks for, and tells how it went."""

import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import termios
import threading
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from models import dev_issuer
from models.media.types import Media
from pipeline.media.decoder import main, perform
from pipeline.media.protocol import DecodeTask, Done, Inspect

LIBC = ctypes.CDLL(None, use_errno=True)
WORKER = os.getppid()
Told = dict[str, str]  # home, url of the database and of the API, another task's file


def read(path: str | Path) -> str:
    return Path(path).read_bytes()[:40].decode(errors="replace") or "empty"


def done(result: int) -> str:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused by the kernel")
    return "done"


def call(*arguments: Any) -> str:
    return done(LIBC.syscall(*arguments))


def connected(family: int, kind: int, address: Any) -> str:
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        try:
            one.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):  # nobody listens there, but it could have been one
            return "tried"
    return "connected"


def inside(name: str) -> Path:
    return Path(os.environ["TMPDIR"], name)


def forks(_: Told) -> str:
    children = [os.fork() or os._exit(0) for _ in range(3)]
    for child in children:
        os.waitpid(child, 0)
    return f"{len(children)} processes"


def queries(told: Told) -> str:
    with psycopg.connect(told["database"], connect_timeout=2) as connection:
        return str(connection.execute("select current_user").fetchone())


def walks(told: Told) -> str:
    def refused(error: OSError) -> None:
        raise error

    return str([name for _, _, names in os.walk(told["home"], onerror=refused) for name in names])


def traces(_: Told) -> str:
    return call(101 if os.uname().machine == "x86_64" else 117, 16, WORKER, 0, 0)


def reads_memory(_: Told) -> str:
    here, there = (ctypes.c_size_t * 2)(), (ctypes.c_size_t * 2)()
    return call(310 if os.uname().machine == "x86_64" else 270, WORKER, here, 0, there, 0, 0)


def types_into_the_terminal(_: Told) -> str:
    fcntl.ioctl(os.open(os.devnull, os.O_RDWR), termios.TIOCSTI, b"x")
    return "typed"


def signals_by_a_file(_: Told) -> str:
    fcntl.fcntl(os.open(os.devnull, os.O_RDWR), fcntl.F_SETOWN, WORKER)
    return "owned"


def old_numbers(_: Told) -> str:
    return call(0x40000000 + 39) if os.uname().machine == "x86_64" else call(435, 0, 0)


def leads_a_session(_: Told) -> str:
    os.setpgid(0, 0)
    return "led"


DEEDS: dict[str, Callable[[Told], object]] = {
    "read the worker's environment": lambda _: read(f"/proc/{WORKER}/environ"),
    "read the worker's memory": lambda _: os.open(f"/proc/{WORKER}/mem", os.O_RDONLY),
    "read the worker's command line": lambda _: read(f"/proc/{WORKER}/cmdline"),
    "read the worker's descriptors": lambda _: os.listdir(f"/proc/{WORKER}/fd"),  # noqa: PTH208
    "read what the worker has mapped": lambda _: read(f"/proc/{WORKER}/maps"),
    "follow the worker's root": lambda _: os.listdir(f"/proc/{WORKER}/root/"),  # noqa: PTH208
    "read memory by a call": reads_memory,
    "trace the worker": traces,
    "read the issuer's key": lambda told: read(f"{told['home']}/issuer/key.pem"),
    "sign a token": lambda told: dev_issuer.sign(Path(told["home"]), role="admin"),
    "read the passwords": lambda told: read(f"{told['home']}/services.json"),
    "read where the database is": lambda told: read(f"{told['home']}/server.json"),
    "list the home": lambda told: os.listdir(told["home"]),  # noqa: PTH208
    "list the scratch files": lambda told: os.listdir(Path(told["other"]).parent),  # noqa: PTH208
    "walk through everything": walks,
    "read another task's file": lambda told: read(told["other"]),
    "read another task's file through its own root": lambda told: read(f"/proc/self/root{told['other']}"),
    "cut another task's file": lambda told: os.truncate(told["other"], 0),
    "open another task's file": lambda told: os.chmod(told["other"], 0o777),  # noqa: PTH101
    "give another task's file away": lambda told: os.chown(told["other"], os.getuid(), os.getgid()),
    "touch another task's file": lambda told: os.utime(told["other"]),
    "mark another task's file": lambda told: os.setxattr(told["other"], "user.mark", b"1"),
    "remove another task's file": lambda told: os.unlink(told["other"]),  # noqa: PTH108
    "move another task's file": lambda told: os.rename(told["other"], inside("taken")),  # noqa: PTH104
    "link another task's file": lambda told: os.link(told["other"], inside("linked")),
    "watch another task's folder": lambda _: done(LIBC.inotify_init1(0)),
    "lay a link that leads out": lambda told: inside("link").symlink_to(told["other"]),
    "lay a pipe": lambda _: os.mkfifo(inside("pipe")),
    "make a folder": lambda _: inside("folder").mkdir(),
    "write beside its folder": lambda _: Path(os.environ["TMPDIR"], "..", "written").write_text("x"),
    "write into the home": lambda told: Path(told["home"], "written").write_text("x"),
    "write into the code": lambda _: Path(dev_issuer.__file__).with_name("written.py").write_text("x"),
    "write for everybody": lambda _: Path("/tmp/written-by-a-decoder").write_text("x"),
    "change the file that it works on": lambda told: Path(told["path"]).open("r+b").close(),
    "remove the file that it works on": lambda told: os.unlink(told["path"]),  # noqa: PTH108
    "read who has an account": lambda _: read("/etc/passwd"),
    "read who has an account through its own root": lambda _: read("/proc/self/root/etc/passwd"),
    "connect to the API": lambda told: connected(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(told["port"]))),
    "connect to the database as its owner": queries,
    "ask a name server": lambda _: connected(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 53)),
    "open a raw socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "talk to the kernel": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "connect to a socket that is a file": lambda told: connected(socket.AF_UNIX, socket.SOCK_STREAM, told["socket"]),
    "connect to a socket without a file": lambda _: connected(socket.AF_UNIX, socket.SOCK_STREAM, b"\0somebody"),
    "make a pair of sockets": lambda _: socket.socketpair(),
    "ask whether the worker lives": lambda _: os.kill(WORKER, 0),
    "signal the worker's thread": lambda _: call(234 if os.uname().machine == "x86_64" else 131, WORKER, WORKER, 0),
    "have the worker signalled about a file": signals_by_a_file,
    "hold the worker": lambda _: os.pidfd_open(WORKER),
    "slow the worker down": lambda _: os.setpriority(os.PRIO_PROCESS, WORKER, os.getpriority(os.PRIO_PROCESS, WORKER)),
    "bound the worker": lambda _: resource.prlimit(WORKER, resource.RLIMIT_CORE),
    "start a shell": lambda _: subprocess.run(["/bin/sh", "-c", "echo sh"], capture_output=True, check=True).stdout,
    "start processes": forks,
    "become another program": lambda _: os.execv("/bin/true", ["true"]),
    "leave its group": leads_a_session,
    "outlive the worker": lambda _: done(LIBC.prctl(1, 0, 0, 0, 0)),
    "have memory that is a file": lambda _: os.memfd_create("x"),
    "share memory with strangers": lambda _: call(29 if os.uname().machine == "x86_64" else 194, 0, 4096, 0o1600),
    "have namespaces of its own": lambda _: call(272 if os.uname().machine == "x86_64" else 97, 0x10000000),
    "type into a terminal": types_into_the_terminal,
    "use the kernel's keys": lambda _: call(250 if os.uname().machine == "x86_64" else 219, 0, -3, 1),
    "load a program into the kernel": lambda _: call(321 if os.uname().machine == "x86_64" else 280, 0, 0, 0),
    "use a ring of calls": lambda _: call(425, 1, ctypes.create_string_buffer(120)),
    "watch the processor": lambda _: call(298 if os.uname().machine == "x86_64" else 241, bytes(128), 0, -1, -1, 0),
    "call by other numbers": old_numbers,
    "call what nobody knows yet": lambda _: call(452, -100, b"/nowhere", 0, 0),
}


def late_codec(_: Told) -> str:
    return "ж".encode("koi8-r").decode("koi8-r") + "語".encode("shift_jis").decode("shift_jis")


def runs_threads(_: Told) -> str:
    told: list[str] = []
    threads = [threading.Thread(target=told.append, args=("x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "".join(told)


def contents(folder: Path) -> list[str]:
    return [f"{part}/{file.name}" for part in ("in", "out") for file in (folder / part).iterdir()]


def writes_inside(_: Told) -> str:
    inside("draft").write_text("kept")
    inside("draft").rename(inside("final"))
    text = inside("final").read_text()
    inside("final").unlink()
    return text


# What a decoder does need.
NEEDS: dict[str, Callable[[Told], object]] = {
    "read its file": lambda told: read(told["path"]),
    "write, rename and remove in its folder": writes_inside,
    "start threads": runs_threads,
    "import what it has not needed yet": lambda _: (
        __import__("sqlite3").__name__ + __import__("xml.dom.minidom").__name__
    ),
    "use a codec that it has not needed yet": late_codec,
    "hash by OpenSSL": lambda _: __import__("hashlib").new("sha256").name + __import__("ssl").OPENSSL_VERSION,
    "know the time elsewhere": lambda _: zoneinfo.ZoneInfo("Asia/Tokyo").key,
    "have random bytes": lambda _: len(os.urandom(8)) + len(os.read(os.open("/dev/urandom", os.O_RDONLY), 1)),
    "write to nowhere": lambda _: Path(os.devnull).write_text("x"),
    "map memory": lambda _: len(mmap.mmap(-1, 4096)),
    "tell which file it has": lambda told: os.stat(told["path"]).st_ino,  # noqa: PTH116
    "tell what is in its folder": lambda told: " ".join(contents(Path(told["path"]).parents[1])),
    "leave something behind": lambda _: inside("left").write_text("x") and "left",
    "limit itself": lambda _: resource.prlimit(0, resource.RLIMIT_CORE, (0, 0)),
    "raise a signal": lambda _: signal.pthread_kill(threading.get_ident(), signal.SIGCHLD),
    "count the processors": lambda _: os.cpu_count(),
    "tell its privileges": lambda _: told_privileges(),
}


def told_privileges() -> str:
    header, sets = struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    LIBC.capget(header, sets)
    effective = struct.unpack_from("=I", sets)[0]
    return json.dumps({"effective": effective, "threads": resource.getrlimit(resource.RLIMIT_NPROC)[0]})


def behave(task: DecodeTask) -> Done:
    if not (isinstance(task, Inspect) and task.name.startswith("{")):
        return perform(task)
    told: Told = json.loads(task.name)
    try:
        outcome = f"{(DEEDS | NEEDS)[told['deed']](told | {'path': task.path})}"
    except Exception as error:
        outcome = f"refused: {type(error).__name__} {error}"
    return Done(media=Media(mime_type="text/plain", kind="document", codec=outcome))


if __name__ == "__main__":
    main(behave)
