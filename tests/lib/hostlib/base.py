# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cached root file systems, built by mmdebstrap and never changed afterwards.

A base is named by its suite and a hash of everything that goes into it, so a changed package list or recipe makes
a new one, and old hosts keep theirs."""
import hashlib
import json
import os
import shlex
import subprocess
import sys

from . import common
from .common import Failure, Unsupported

SUITES = ('bookworm', 'trixie')
PACKAGES = ('systemd', 'systemd-sysv', 'dbus', 'polkitd', 'procps', 'iproute2', 'iputils-ping', 'curl', 'socat',
            'libpam-systemd', 'libsqlite3-0', 'libjson-c5', 'sqlite3', 'bash-completion', 'passwd', 'adduser')
VM_PACKAGES = ('linux-image-cloud-amd64', 'udev', 'e2fsprogs', 'systemd-coredump', 'socat')
MASKED = ('apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'fstrim.timer',
          'systemd-networkd-wait-online.service')

# Runs on this machine with the new root as $1. The machine id is empty, so that each host makes its own; the
# journal is kept, so that it can be read after a power cut.
RECIPE = r'''
set -e
root=$1
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash alice
rm -f "$root/etc/hostname" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/usr/sbin/policy-rc.d"
: >"$root/etc/machine-id"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
printf 'nameserver 127.0.0.1\n' >"$root/etc/resolv.conf"
mkdir -p "$root/var/log/journal"
for unit in $MASKED; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
'''

# PID 1 of a host with v1 controllers: make those writable in which the host has a cgroup of its own (not memory),
# then become systemd.
V1_INIT = r'''#!/bin/sh
for c in cpu cpuacct blkio pids freezer cpuset; do
        [ -d /sys/fs/cgroup/$c ] && mount -o remount,bind,rw /sys/fs/cgroup/$c 2>/dev/null
done
exec /lib/systemd/systemd "$@"
'''


class Base:
  def __init__(self, state, suite, packages=(), kind='container'):
    if suite not in SUITES:
      raise Failure(f'unknown suite "{suite}": one of {", ".join(SUITES)}')
    self.state, self.suite, self.kind = state, suite, kind
    self.packages = sorted(set(PACKAGES) | set(packages) | (set(VM_PACKAGES) if kind == 'vm' else set()))
    self.recipe = RECIPE
    self.name = f'{suite}-{kind}-{self.hash()}'
    self.path = os.path.join(state.bases, self.name)

  def hash(self):
    return hashlib.sha256(json.dumps(self.inputs()).encode()).hexdigest()[:12]

  def inputs(self):
    """All that the result depends on, besides the versions in the archive."""
    return [self.suite, self.kind, self.packages, self.recipe, V1_INIT, MASKED]

  @property
  def root(self):
    return os.path.join(self.path, 'root')

  def ready(self):
    return os.path.exists(os.path.join(self.path, 'info.json'))

  def ensure(self, timeout=900):
    """Build it unless it is there. Two callers at the same time build it once."""
    if self.ready():
      return self
    with self.state.lock(f'base-{self.name}', timeout=timeout):
      if not self.ready():
        self.build(timeout)
    return self

  def build(self, timeout):
    common.need('mmdebstrap')
    new = self.path + '.new'
    common.unmount_below(new)
    common.remove_tree(new)
    common.remove_tree(self.path)
    os.makedirs(new)
    common.note(f'building base {self.name} ({len(self.packages)} packages and what they need), log in {new}.log')
    self.bootstrap(os.path.join(new, 'root'), new + '.log', timeout)
    with open(os.path.join(new, 'root', 'v1-init'), 'w', encoding='ascii', opener=executable) as f:
      f.write(V1_INIT)
    self.finish(new)
    common.save_json(os.path.join(new, 'info.json'),
                     {'suite': self.suite, 'kind': self.kind, 'packages': self.packages})
    os.rename(new, self.path)
    os.unlink(new + '.log')

  def finish(self, directory):
    """A subclass turns the root into what it boots."""

  def bootstrap(self, root, log, timeout):
    command = ['mmdebstrap', '--variant=minbase', '--format=directory', '--include=' + ','.join(self.packages),
               '--dpkgopt=force-unsafe-io', '--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Retries "3"',
               '--aptopt=APT::Install-Recommends "false"',
               *(f'--aptopt={line}' for line in apt_transport_options()),
               f'--customize-hook=MASKED={shlex.quote(" ".join(MASKED))} sh -c {shlex.quote(self.recipe)} sh "$1"',
               self.suite, root, apt_mirror()]
    with open(log, 'wb') as out:
      try:
        rc = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=timeout,
                            check=False).returncode
      except subprocess.TimeoutExpired:
        raise common.TimedOut(f'mmdebstrap did not end within {timeout} s, see {log}') from None
    if rc != 0:
      with open(log, encoding='utf-8', errors='replace') as f:
        sys.stderr.write(''.join(f.readlines()[-15:]))
      raise Failure(f'mmdebstrap failed, see {log}')


def executable(path, flags):
  return os.open(path, flags, 0o755)


def apt_mirror():
  """Where this machine gets its own Debian packages: the same place has the other suites."""
  with open('/etc/os-release', encoding='utf-8') as f:
    release = dict(line.rstrip().split('=', 1) for line in f if '=' in line)
  codename = release.get('VERSION_CODENAME', '').strip('"')
  targets = common.run('apt-get', 'indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)')
  for line in targets.splitlines():
    fields = line.split()
    if fields[1:] == [codename, 'main', 'Packages']:
      return fields[0]
  raise Unsupported(f'no apt source for {codename} main on this machine')


def apt_transport_options():
  """Proxies and certificates of this machine's apt, which mmdebstrap does not take over by itself."""
  lines = common.run('apt-config', 'dump', '--no-empty', '--format', '%f "%v";%n').splitlines()
  return [line for line in lines if line.startswith(('Acquire::http::', 'Acquire::https::', 'Acquire::Check-'))]
