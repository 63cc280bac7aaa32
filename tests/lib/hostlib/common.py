# SPDX-License-Identifier: LGPL-2.1-or-later
"""What containers, networks and virtual machines share: the state directory, errors, locks, processes, time limits."""
import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

EXIT_TIMEOUT = 124
EXIT_FAILURE = 125
EXIT_SKIP = 77

GUEST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
GUEST_ENV = ['env', '-i', 'PATH=' + GUEST_PATH, 'HOME=/root', 'LANG=C.UTF-8', 'TERM=dumb']


class Failure(Exception):
  """The tool could not do what it was asked; the text is for a person."""
  code = EXIT_FAILURE


class TimedOut(Failure):
  code = EXIT_TIMEOUT


class Unsupported(Failure):
  """This machine cannot run such hosts: a test skips."""
  code = EXIT_SKIP


def note(text):
  print(f'testhost: {text}', file=sys.stderr)


class State:
  """The state directory, and the prefix that keeps parallel users of different directories apart.

  Cgroups, network namespaces, machine names and mounts are global to the machine, so each of ours starts
  with a prefix made from the inode of the directory."""

  def __init__(self):
    self.root = os.environ.get('SYNOS_TESTHOST_DIR', '/var/tmp/synos-testhost')
    self.bases, self.hosts, self.vms, self.nets, self.locks = (
      os.path.join(self.root, d) for d in ('bases', 'hosts', 'vms', 'nets', 'locks'))
    for d in (self.bases, self.hosts, self.vms, self.nets, self.locks):
      os.makedirs(d, exist_ok=True)
    self.prefix = f'sth{os.stat(self.hosts).st_ino}'

  def unique(self, name):
    return f'{self.prefix}-{name}'

  @contextlib.contextmanager
  def lock(self, name, timeout=300):
    """Hold the named lock; whoever waits longer than the limit fails. The file goes away with its last user."""
    path = os.path.join(self.locks, name)
    end = time.monotonic() + timeout
    while True:
      fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
      flock_until(fd, end, name)
      if same_file(fd, path):
        break
      os.close(fd)
    try:
      yield
    finally:
      with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
      os.close(fd)


def same_file(fd, path):
  try:
    return os.path.samestat(os.fstat(fd), os.stat(path))
  except FileNotFoundError:
    return False


def flock_until(fd, end, name):
  """flock() has no time limit of its own: an alarm interrupts it."""
  def expired(signo, frame):
    raise TimedOut(f'lock {name} is held by somebody else')
  left = end - time.monotonic()
  if left <= 0:
    expired(None, None)
  before = signal.signal(signal.SIGALRM, expired)
  signal.setitimer(signal.ITIMER_REAL, left)
  try:
    fcntl.flock(fd, fcntl.LOCK_EX)
  except BaseException:
    os.close(fd)
    raise
  finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def check_name(name):
  """Names become cgroups, interfaces, host names and files."""
  if not re.fullmatch(r'[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?', name):
    raise Failure(f'bad name "{name}": use a-z, 0-9 and -, 32 characters at most')
  return name


def save_json(path, data):
  with open(path + '.new', 'w', encoding='utf-8') as f:
    json.dump(data, f, indent=2)
    f.write('\n')
  os.rename(path + '.new', path)


def load_json(path):
  try:
    with open(path, encoding='utf-8') as f:
      return json.load(f)
  except FileNotFoundError:
    return None


def run(*command, timeout=60, check=True, **kwargs):
  """A short command on this machine: its output, or Failure with its error text."""
  try:
    r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=timeout, check=False, **kwargs)
  except subprocess.TimeoutExpired:
    raise TimedOut(f'{command[0]} did not end within {timeout} s') from None
  except FileNotFoundError:
    raise Unsupported(f'{command[0]} is not installed') from None
  if check and r.returncode != 0:
    raise Failure(f'{" ".join(command)}: {r.stderr.strip() or r.stdout.strip() or r.returncode}')
  return r.stdout


def need(*programs):
  for p in programs:
    if not shutil.which(p):
      raise Unsupported(f'{p} is not installed (tools/install-deps --test)')


class Process:
  """A process by pid and start time, so that a reused pid is never mistaken for it. A zombie counts as dead."""

  def __init__(self, pid, start=None):
    self.pid = pid
    self.start = start if start is not None else self.stat()[1]

  def stat(self):
    """Its state letter and start time now, (None, None) when the pid is free."""
    try:
      with open(f'/proc/{self.pid}/stat', encoding='ascii', errors='replace') as f:
        fields = f.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
      return None, None
    return fields[0], int(fields[19])

  def alive(self):
    state, start = self.stat()
    return start is not None and start == self.start and state not in ('Z', 'X')

  def kill(self, signo):
    if self.alive():
      with contextlib.suppress(ProcessLookupError):
        os.kill(self.pid, signo)

  def wait(self, timeout):
    """Wait until it is dead (event from its pidfd, no polling). False when it still lives after the limit."""
    try:
      fd = os.pidfd_open(self.pid)
    except ProcessLookupError:
      return True
    try:
      if not self.alive():
        return True
      poller = select.poll()
      poller.register(fd, select.POLLIN)
      return bool(poller.poll(timeout * 1000))
    finally:
      os.close(fd)

  def save(self):
    return [self.pid, self.start]

  @classmethod
  def load(cls, saved):
    return cls(*saved) if saved else None


def mounted_below(path):
  """Mount points at or below the path, innermost first."""
  found = []
  with open('/proc/self/mountinfo', encoding='utf-8', errors='replace') as f:
    for line in f:
      point = line.split()[4].encode().decode('unicode_escape')
      if point == path or point.startswith(path + '/'):
        found.append(point)
  return sorted(found, reverse=True)


def unmount_below(path):
  for point in mounted_below(path):
    if subprocess.run(['umount', point], stderr=subprocess.DEVNULL, check=False).returncode != 0:
      run('umount', '-l', point, check=False)


def remove_tree(path):
  """Never follows a mount: what is still mounted must be unmounted first, or the removal fails."""
  if os.path.lexists(path):
    run('rm', '-rf', '--one-file-system', '--', path, timeout=120)
