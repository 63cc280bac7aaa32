# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cgroups a container lives in.

systemd-nspawn --keep-unit puts its payload below its own cgroup: two hosts started from one cgroup would share
it, and their systemds would kill each other's services. So each host gets a cgroup of its own, named after it,
below the caller's. The memory hierarchy is left alone: whoever started us may use it to end us."""
import contextlib
import os
import select
import time

ROOT = '/sys/fs/cgroup'
V1_CONTROLLERS = ('cpu', 'cpuacct', 'blkio', 'pids', 'freezer', 'cpuset')


def is_unified():
  return os.path.exists(f'{ROOT}/cgroup.controllers')


def has_v1():
  return all(os.path.isdir(f'{ROOT}/{c}') for c in ('cpu', 'cpuacct', 'pids'))


def own_paths():
  """Our own path in each hierarchy: { 'cpu': '/x', 'name=systemd': '/y', '': '/z' (unified) }."""
  paths = {}
  with open('/proc/self/cgroup', encoding='utf-8') as f:
    for line in f:
      _, names, path = line.rstrip('\n').split(':', 2)
      for name in names.split(','):
        paths[name] = path
  return paths


def hierarchies(writable_v1):
  """(name in /proc/self/cgroup, mount point) of each hierarchy a host needs a cgroup in."""
  if is_unified():
    return [('', ROOT)]
  wanted = [('', f'{ROOT}/unified'), ('name=systemd', f'{ROOT}/systemd')]
  if writable_v1:
    wanted += [(c, f'{ROOT}/{c}') for c in V1_CONTROLLERS]
  return [(n, d) for n, d in wanted if os.path.isdir(d)]


def create(name, writable_v1):
  """Create the cgroups called name; returns their directories."""
  own, made = own_paths(), []
  for hierarchy, mount in hierarchies(writable_v1):
    if hierarchy not in own:
      continue
    parent = mount + own[hierarchy].rstrip('/')
    directory = f'{parent}/{name}'
    os.makedirs(directory, exist_ok=True)
    made.append(directory)
    if hierarchy == 'cpuset':
      for f in ('cpuset.cpus', 'cpuset.mems'):
        with open(f'{parent}/{f}', encoding='ascii') as src, open(f'{directory}/{f}', 'w', encoding='ascii') as dst:
          dst.write(src.read())
      with open(f'{directory}/cgroup.clone_children', 'w', encoding='ascii') as f:
        f.write('1')
  return made


def join(directories):
  for d in directories:
    with open(f'{d}/cgroup.procs', 'w', encoding='ascii') as f:
      f.write(str(os.getpid()))


def find(prefix):
  """All cgroup directories whose name starts with the prefix, wherever they were made."""
  found = []
  for directory, children, _ in os.walk(ROOT):
    depth = directory.count('/') - ROOT.count('/')
    for child in list(children):
      if child.startswith(prefix):
        found.append(f'{directory}/{child}')
        children.remove(child)
    if depth >= 6:
      children.clear()
  return found


def pids(directory):
  found = set()
  for d, _, _ in os.walk(directory):
    with contextlib.suppress(OSError), open(f'{d}/cgroup.procs', encoding='ascii') as f:
      found.update(int(line) for line in f)
  found.discard(0)
  return found


def kill(directories, timeout=10):
  """SIGKILL everything in them, at one moment where the kernel can (cgroup.kill), and wait until they are empty."""
  end = time.monotonic() + timeout
  for d in directories:
    with contextlib.suppress(OSError), open(f'{d}/cgroup.kill', 'w', encoding='ascii') as f:
      f.write('1')
  for d in directories:
    for pid in pids(d):
      with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)
  return all([wait_empty(d, end) for d in directories])


def wait_empty(directory, end):
  """Wait for "populated 0" (the kernel announces the change of cgroup.events); v1 has no such event."""
  try:
    f = open(f'{directory}/cgroup.events', encoding='ascii')
  except OSError:
    return True
  with f:
    poller = select.poll()
    poller.register(f, select.POLLPRI | select.POLLERR)
    while True:
      f.seek(0)
      try:
        if 'populated 0' in f.read():
          return True
      except OSError:
        return True
      left = end - time.monotonic()
      if left <= 0:
        return False
      poller.poll(left * 1000)


def remove(directories, timeout=10):
  """Remove them with their children. The kernel may hold a dying cgroup of v1 for some milliseconds, without any
  event when it lets go, hence the retries."""
  end, pause = time.monotonic() + timeout, 0.01
  while True:
    for d in directories:
      for directory, _, _ in os.walk(d, topdown=False):
        with contextlib.suppress(OSError):
          os.rmdir(directory)
    left = [d for d in directories if os.path.isdir(d)]
    if not left or time.monotonic() > end:
      return left
    time.sleep(pause)
    pause = min(pause * 2, 0.5)
