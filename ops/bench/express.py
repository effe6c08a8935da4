"""The stack that Episodes replaces: Express 4 with pg, jsonwebtoken, winston, helmet and Joi, as one Node process."""

import http.client
import os
import shutil
import subprocess
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from models import dev_issuer
from ops.bench.thumbnails import CACHE
from ops.stack import ports
from ops.stack.processes import Command, Process
from ops.stack.system import System

PEER: Final = Path(__file__).parent / "peers" / "express"
HOME: Final = CACHE / "express"


@cache
def installed() -> bool:
    """Whether the peer is there, fetched by npm where need be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return False
    shutil.copytree(PEER, HOME, dirs_exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    return subprocess.run(command, cwd=HOME, check=False, capture_output=True).returncode == 0


def server(beside: System) -> tuple[Process, int]:
    """The peer on the same database, for the same tokens, and its port; not started."""
    (port,) = ports.free(1)
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_ENV": "production",
        "DATABASE_URL": beside.environ["DATABASE_URL"],
        "DATABASE_POOL_MAX": beside.environ["DATABASE_POOL_MAX"],
        "PORT": str(port),
        "PUBLIC_KEY_FILE": str(_public_key(beside.home)),
        "JWT_ISSUER": dev_issuer.ISSUER,
        "LOG_FILE": str(beside.home / "logs" / "express-requests.log"),
    }
    program = Command(
        name="express",
        command=(shutil.which("node") or "node", str(HOME / "server.js")),
        environment=environment,
        log=beside.home / "logs" / "express.log",
        ready=partial(_answers, port),
    )
    return Process(program), port


def _public_key(home: Path) -> Path:
    path = home / "issuer" / "public.pem"
    path.write_bytes(dev_issuer.key(home).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=10)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
