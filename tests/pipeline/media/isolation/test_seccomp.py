"""The filter of calls, read as the kernel reads it: also that of machines which are not at hand."""

import os
from collections.abc import Sequence

import pytest

from models import kernel
from pipeline.media.isolation import seccomp
from pipeline.media.isolation.seccomp import ALLOW, KILL, NOT_PERMITTED, UNKNOWN, Instruction

PROCESS = 4711
THREAD_OF_GLIBC, FORK_OF_GLIBC = 0x3D0F00, 0x1200011


def answer(filter_: Sequence[Instruction], number: int, *arguments: int, machine: int) -> int:
    """What the kernel does about a call."""
    place = held = 0
    while True:
        what, there, otherwise, value = filter_[place]
        place += 1
        if what == seccomp.RETURN:
            return value
        if what == seccomp.LOAD:
            seen = {seccomp.NUMBER: number, seccomp.MACHINE: machine}
            held = seen[value] if value in seen else arguments[(value - seccomp.ARGUMENTS) // 8]
        elif what == seccomp.JUMP:
            place += value
        else:
            holds = {seccomp.EQUAL: held == value, seccomp.AT_LEAST: held >= value, seccomp.ANY_BIT: held & value}[what]
            place += there if holds else otherwise


@pytest.fixture(params=seccomp.MACHINES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_call_is_answered_as_the_table_says(kind: str) -> None:
    column, machine = seccomp.MACHINES[kind]
    filter_ = seccomp.program(kind, PROCESS)
    refused = set(seccomp.numbers(seccomp.REFUSED, column).values())
    looked_into = set(seccomp.numbers(seccomp.CALLS, column).values())
    assert all(max(one[1:3]) < 256 for one in filter_)
    for number in set(range(600)) - looked_into:
        new = number in (seccomp.CLONE3, *range(seccomp.NEWEST + 1, 600))
        wanted = UNKNOWN if new else NOT_PERMITTED if number in refused else ALLOW
        assert answer(filter_, number, machine=machine) == wanted, number


@pytest.mark.parametrize(
    ("call", "arguments", "wanted"),
    [
        ("clone", (THREAD_OF_GLIBC,), ALLOW),
        ("clone", (FORK_OF_GLIBC,), NOT_PERMITTED),
        ("clone", (0,), NOT_PERMITTED),
        ("clone", (THREAD_OF_GLIBC | 0x40000000,), NOT_PERMITTED),
        ("tgkill", (PROCESS, 1, 6), ALLOW),
        ("tgkill", (PROCESS + 1, 1, 6), NOT_PERMITTED),
        ("tgkill", (0xFFFFFFFF, 1, 6), NOT_PERMITTED),
        ("prlimit64", (0, 0), ALLOW),
        ("prlimit64", (PROCESS + 1, 0), NOT_PERMITTED),
        ("fcntl", (3, 1030), ALLOW),
        ("fcntl", (3, 8), NOT_PERMITTED),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), NOT_PERMITTED),
        ("ioctl", (0, 0x541C), NOT_PERMITTED),
        ("prctl", (15,), ALLOW),
        ("prctl", (1,), NOT_PERMITTED),
        ("prctl", (4,), NOT_PERMITTED),
    ],
)
def test_a_call_that_is_looked_into_is_answered_by_its_arguments(
    kind: str, call: str, arguments: tuple[int, ...], wanted: int
) -> None:
    column, machine = seccomp.MACHINES[kind]
    number = seccomp.numbers(seccomp.CALLS, column)[call]
    assert answer(seccomp.program(kind, PROCESS), number, *arguments, machine=machine) == wanted


def test_calls_of_another_kind_of_machine_kill_and_those_with_other_numbers_are_refused(kind: str) -> None:
    machine = seccomp.MACHINES[kind][1]
    filter_ = seccomp.program(kind, PROCESS)
    assert answer(filter_, 1, machine=0x40000003) == KILL
    assert answer(filter_, seccomp.X32 | 1, machine=machine) == NOT_PERMITTED


def test_this_machine_is_one_that_is_known() -> None:
    assert os.uname().machine in seccomp.MACHINES
    assert kernel.seccomp()
