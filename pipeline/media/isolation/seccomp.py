"""seccomp: what a decoder never asks of the kernel is refused to it, for good and for all its threads.

Files are Landlock's matter; here is what Landlock does not see: processes, signals, sockets, the owner and mode of
files, and the corners of the kernel that exploits begin with. See seccomp(2).
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from models import kernel

# In threes: a call, its number on x86_64 and on aarch64; - where there is none.
REFUSED: Final = """
socket 41 198  socketpair 53 199  connect 42 203  bind 49 200  listen 50 201  accept 43 202  accept4 288 242
sendto 44 206  sendmsg 46 211  sendmmsg 307 269  recvfrom 45 207  recvmsg 47 212  recvmmsg 299 243  shutdown 48 210
getsockopt 55 209  setsockopt 54 208  getsockname 51 204  getpeername 52 205

execve 59 221  execveat 322 281  fork 57 -  vfork 58 -  setsid 112 157  setpgid 109 154  ptrace 101 117
process_vm_readv 310 270  process_vm_writev 311 271  process_madvise 440 440  process_mrelease 448 448  kcmp 312 272
pidfd_open 434 434  pidfd_getfd 438 438  pidfd_send_signal 424 424  kill 62 129  tkill 200 130
rt_sigqueueinfo 129 138  rt_tgsigqueueinfo 297 240  setpriority 141 140  ioprio_set 251 30  migrate_pages 256 238
move_pages 279 239  sched_setscheduler 144 119  sched_setparam 142 118  sched_setattr 314 274
sched_setaffinity 203 122

setuid 105 146  setgid 106 144  setreuid 113 145  setregid 114 143  setresuid 117 147  setresgid 119 149
setgroups 116 159  setfsuid 122 151  setfsgid 123 152  capset 126 91  seccomp 317 277  personality 135 92

chmod 90 -  fchmod 91 52  fchmodat 268 53  chown 92 -  fchown 93 55  lchown 94 -  fchownat 260 54
utime 132 -  utimes 235 -  futimesat 261 -  utimensat 280 88  truncate 76 45
setxattr 188 5  lsetxattr 189 6  fsetxattr 190 7  removexattr 197 14  lremovexattr 198 15  fremovexattr 199 16
link 86 -  linkat 265 37  symlink 88 -  symlinkat 266 36  mknod 133 -  mknodat 259 33
name_to_handle_at 303 264  open_by_handle_at 304 265  memfd_create 319 279  memfd_secret 447 447
inotify_init 253 -  inotify_init1 294 26  inotify_add_watch 254 27  fanotify_init 300 262  fanotify_mark 301 263

chroot 161 51  pivot_root 155 41  mount 165 40  umount2 166 39  open_tree 428 428  move_mount 429 429
fsopen 430 430  fsconfig 431 431  fsmount 432 432  fspick 433 433  mount_setattr 442 442  unshare 272 97  setns 308 268
quotactl 179 60  quotactl_fd 443 443  swapon 167 224  swapoff 168 225  acct 163 89  sysfs 139 -  uselib 134 -

shmget 29 194  shmat 30 196  shmctl 31 195  semget 64 190  semop 65 193  semctl 66 191  semtimedop 220 192
msgget 68 186  msgsnd 69 189  msgrcv 70 188  msgctl 71 187  mq_open 240 180  mq_unlink 241 181

bpf 321 280  perf_event_open 298 241  userfaultfd 323 282  keyctl 250 219  add_key 248 217  request_key 249 218
io_uring_setup 425 425  io_uring_enter 426 426  io_uring_register 427 427  init_module 175 105  finit_module 313 273
delete_module 176 106  kexec_load 246 104  kexec_file_load 320 294  reboot 169 142  iopl 172 -  ioperm 173 -
modify_ldt 154 -  syslog 103 116  sethostname 170 161  setdomainname 171 162  settimeofday 164 170
clock_settime 227 112  clock_adjtime 305 266  adjtimex 159 171  vhangup 153 58  _sysctl 156 -  lookup_dcookie 212 18
nfsservctl 180 42
"""
NEWEST: Final = 451  # whatever the kernel learns after that is refused until somebody has looked at it
CLONE3: Final = 435  # its flags are out of sight here; refused as unknown, so that libraries take clone
CALLS: Final = "clone 56 220  prctl 157 167  fcntl 72 25  ioctl 16 29  tgkill 234 131  prlimit64 302 261"

THREAD: Final = 0x00010000
NAMESPACES: Final = 0x7E020000
NAMES: Final = (15, 16, 0x53564D41)  # of prctl: a thread's name, read and set, and that of its memory
LOCKS_AND_FLAGS: Final = (*range(8), 1030)  # of fcntl: not who is sent signals about a file
ASKING: Final = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # of ioctl: a terminal? how much is there?

MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, name in the kernel's audit
X32: Final = 0x40000000  # a second set of numbers for the same calls

SET_MODE_FILTER, ALL_THREADS = 1, 1
PR_SET_NO_NEW_PRIVS: Final = 38
LOAD, JUMP, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, ARGUMENTS = 0, 4, 16  # where they stand in what a filter is shown
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
NOT_PERMITTED, UNKNOWN = ERROR | errno.EPERM, ERROR | errno.ENOSYS

LIBC: Final = ctypes.CDLL(None, use_errno=True)

Instruction = tuple[int, int, int, int]  # what to do; how far to jump where it holds, and where not; with what


def restrict() -> bool:
    """Refuse those calls to this process from now on; False where the kernel cannot.

    Raises:
        OSError: it can, and does not.
    """
    if not kernel.seccomp():
        return False
    install(program(os.uname().machine, os.getpid()))
    return True


def program(kind: str, process: int) -> list[Instruction]:
    """The filter for a kind of machine and a process."""
    column, machine = MACHINES[kind]
    calls, refused = numbers(CALLS, column), numbers(REFUSED, column)
    return [
        (LOAD, 0, 0, MACHINE),
        (EQUAL, 1, 0, machine),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        (RETURN, 0, 0, NOT_PERMITTED),
        *answered(UNKNOWN, (CLONE3,)),
        (AT_LEAST, 0, 1, NEWEST + 1),
        (RETURN, 0, 0, UNKNOWN),
        *_threads_only(calls["clone"]),
        *_one_of(calls["prctl"], 0, NAMES),
        *_one_of(calls["fcntl"], 1, LOCKS_AND_FLAGS),
        *_one_of(calls["ioctl"], 1, ASKING),
        *_one_of(calls["tgkill"], 0, (process,)),
        *_one_of(calls["prlimit64"], 0, (0, process)),
        *answered(NOT_PERMITTED, refused.values()),
        (RETURN, 0, 0, ALLOW),
    ]


def answered(what: int, calls: Iterable[int]) -> list[Instruction]:
    """These calls are answered so; all others go on."""
    wanted = list(calls)
    jumps = [(EQUAL, len(wanted) - place, 0, number) for place, number in enumerate(wanted)]
    return [*jumps, (JUMP, 0, 0, 1), (RETURN, 0, 0, what)]


def install(instructions: Sequence[Instruction]) -> None:
    """Put a filter over all threads of this process, for good.

    Raises:
        OSError: the kernel does not take it.
    """
    code = b"".join(struct.pack("=HBBI", *one) for one in instructions)
    held = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("@HP", len(instructions), ctypes.addressof(held))
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if LIBC.syscall(kernel.SECCOMP[os.uname().machine], SET_MODE_FILTER, ALL_THREADS, filter_) != 0:
        raise OSError(ctypes.get_errno(), "seccomp refused")


def numbers(table: str, column: int) -> dict[str, int]:
    """The calls of a table by their names."""
    words = table.split()
    found = zip(words[::3], words[column + 1 :: 3], strict=True)
    return {name: int(number) for name, number in found if number != "-"}


def _threads_only(clone: int) -> list[Instruction]:
    """A thread may be made, a process or a namespace not."""
    return [
        (EQUAL, 0, 5, clone),
        (LOAD, 0, 0, ARGUMENTS),
        (ANY_BIT, 2, 0, NAMESPACES),
        (ANY_BIT, 0, 1, THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, NOT_PERMITTED),
    ]


def _one_of(number: int, argument: int, values: Sequence[int]) -> list[Instruction]:
    """A call is allowed with these values of one argument, of which the kernel looks at 32 bits."""
    jumps = [(EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [
        (EQUAL, 0, len(values) + 3, number),
        (LOAD, 0, 0, ARGUMENTS + 8 * argument),
        *jumps,
        (RETURN, 0, 0, NOT_PERMITTED),
        (RETURN, 0, 0, ALLOW),
    ]
