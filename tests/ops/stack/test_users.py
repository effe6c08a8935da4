"""Whom a home belongs to, and what of a machine is left alone."""

import os
from pathlib import Path

import pytest

from models import dev_issuer
from ops.stack import users

ROOT = os.geteuid() == 0


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_home_is_closed_to_others_and_belongs_to_its_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "objects" / "bucket").mkdir(parents=True)
    (tmp_path / "objects" / "bucket" / "object").touch()
    (tmp_path / "objects" / "link").symlink_to("/etc/hostname")
    users.settle(tmp_path)
    assert mode(tmp_path) == 0o700
    wanted = users.owner_of(tmp_path).pw_uid if ROOT else os.geteuid()
    assert {path.lstat().st_uid for path in (tmp_path, *(tmp_path / "objects").rglob("*"))} == {wanted}
    assert Path("/etc/hostname").stat().st_uid == 0


@pytest.mark.parametrize(("permissions", "stranger"), [(0o755, "diary"), (0o1777, "")])
def test_a_folder_that_others_use_as_well_is_left_as_it_is(tmp_path: Path, permissions: int, stranger: str) -> None:
    tmp_path.chmod(permissions)
    if stranger:
        (tmp_path / stranger).touch()
    owner = tmp_path.stat().st_uid
    users.settle(tmp_path)
    assert (mode(tmp_path), tmp_path.stat().st_uid) == (permissions, owner)
    assert mode(tmp_path / "scratch") == 0o700


def test_a_key_that_root_makes_belongs_to_whom_its_folder_belongs_to(tmp_path: Path) -> None:
    users.settle(tmp_path)
    dev_issuer.key(tmp_path)
    assert (tmp_path / "issuer" / "key.pem").stat().st_uid == (tmp_path / "issuer").stat().st_uid


@pytest.mark.skipif(not ROOT, reason="only root gives way to another user")
def test_root_gives_way_to_a_user_who_passes_through_closed_directories_only_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.settle(tmp_path)
    closed = users.user_of(tmp_path)
    assert closed is not None
    assert (closed.uid, closed.passage) == (users.owner_of(tmp_path).pw_uid, True), "pytest's folder is root's alone"
    open_ = users.user_of(Path("/"), Path("/bin/sh"), ports=(80, 3000))
    assert open_ is not None
    assert (open_.passage, open_.low_ports, str(open_)) == (False, True, f"{open_.uid}:{open_.gid}:low-ports")
    monkeypatch.setattr("ops.stack.launch.held", lambda *_: False)
    assert users.of_python(tmp_path) is None
    assert "run as root" in users.told(None)
