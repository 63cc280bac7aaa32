# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run a command inside a container, as its parent.

nsenter(1) would stand between us and the command: killed at a time limit it leaves the command behind, as a zombie
nobody reaps, and the host's shutdown waits for that. So we join the namespaces ourselves (setns() takes a pidfd
since Linux 5.8), fork the command, pass signals on to its process group, and reap it."""
import contextlib
import ctypes
import os
import select
import signal
import sys

from . import common
from .common import EXIT_TIMEOUT, Failure

NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # mnt cgroup uts ipc pid net
PR_SET_PDEATHSIG = 1
ENVIRONMENT = {'PATH': common.GUEST_PATH, 'HOME': '/root', 'LANG': 'C.UTF-8', 'TERM': 'dumb'}
KILL_AFTER = 5


def call(leader, command, limit):
  """The exit status of the command, 124 at the time limit (0: none). The process stays in the host's namespaces."""
  libc = ctypes.CDLL(None, use_errno=True)
  pidfd = os.pidfd_open(leader.pid)
  if not leader.alive() or libc.setns(pidfd, NAMESPACES) != 0:
    raise Failure(f'cannot enter the host: {os.strerror(ctypes.get_errno())}')
  os.close(pidfd)
  own_group = not sys.stdin.isatty()
  passed_on = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
  signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
  child = os.fork()
  if child == 0:
    become(libc, command, own_group, passed_on)

  def send(signo):
    with contextlib.suppress(ProcessLookupError):
      if own_group:
        os.killpg(child, signo)
      else:
        os.kill(child, signo)

  if own_group:
    with contextlib.suppress(PermissionError, ProcessLookupError):
      os.setpgid(child, child)
  for signo in passed_on:
    signal.signal(signo, lambda s, frame: send(s))
  signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
  if wait(child, limit or None):
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status
  send(signal.SIGTERM)
  if not wait(child, KILL_AFTER):
    send(signal.SIGKILL)
  os.waitpid(child, 0)
  return EXIT_TIMEOUT


def become(libc, command, own_group, blocked):
  """In the child: never returns."""
  try:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if own_group:
      os.setpgid(0, 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
    os.chdir('/')
    os.execvpe(command[0], command, ENVIRONMENT)
  except FileNotFoundError:
    common.note(f'there is no {command[0]} in the host')
    os._exit(127)
  except BaseException as e:
    common.note(f'cannot run {command[0]}: {e}')
    os._exit(126)


def wait(child, seconds):
  """True when it has ended (it is not reaped yet)."""
  pidfd = os.pidfd_open(child)
  try:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(None if seconds is None else seconds * 1000))
  finally:
    os.close(pidfd)

