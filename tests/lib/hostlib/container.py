# SPDX-License-Identifier: LGPL-2.1-or-later
"""Throwaway containers with systemd as PID 1: systemd-nspawn over an overlay of a cached base.

The overlay outlives poweroff, reboot and power cut, so a test can look at what was kept. A host is a directory
below hosts/: host.json (how it boots, what runs), root (the mount), up (its changes), console (boot messages)."""
import io
import os
import select
import socket
import subprocess
import sys
import tarfile
import time

from . import cgroup, common, enter, network
from .base import Base
from .common import GUEST_ENV, Failure, Process, TimedOut, Unsupported

SIGRTMIN = 34
HALT_SIGNALS = {'poweroff': SIGRTMIN + 4, 'reboot': SIGRTMIN + 5}
CAP_SYS_ADMIN = 21


def check_supported():
  if os.geteuid() != 0:
    raise Unsupported('it needs root')
  with open('/proc/self/status', encoding='ascii') as f:
    effective = next(int(line.split()[1], 16) for line in f if line.startswith('CapEff:'))
  if not effective >> CAP_SYS_ADMIN & 1:
    raise Unsupported('it needs CAP_SYS_ADMIN')
  common.need('systemd-nspawn', 'nsenter', 'ip', 'setsid')


class Container:
  def __init__(self, state, name):
    self.state, self.name = state, common.check_name(name)
    self.dir = os.path.join(state.hosts, name)
    self.root = os.path.join(self.dir, 'root')
    self.file = os.path.join(self.dir, 'host.json')
    self.machine = state.unique(name)
    self.data = common.load_json(self.file) or {}

  # what it is

  def exists(self):
    return bool(self.data)

  def lock(self):
    return self.state.lock(f'host-{self.name}')

  def save(self):
    common.save_json(self.file, self.data)

  def reload(self):
    """Read again what another process may have changed; for use under the lock."""
    self.data = common.load_json(self.file) or {}
    return self

  def nspawn(self):
    return Process.load(self.data.get('nspawn'))

  def running(self):
    p = self.nspawn()
    return p is not None and p.alive()

  def leader(self):
    """PID 1 of the host, as this machine sees it."""
    p = Process.load(self.data.get('leader'))
    if p is None or not p.alive():
      raise Failure(f'{self.name} is not running')
    return p

  def require(self):
    if not self.exists():
      raise Failure(f'there is no host "{self.name}"')
    return self

  def status(self):
    if self.running():
      return 'running'
    return 'dirty' if any(cgroup.pids(d) for d in self.data.get('cgroups', [])) else 'off'

  # boot and power

  def boot(self, suite, packages, mode, net, owner, timeout):
    """Boot a new host, or one that is off: then as it was, and the arguments say nothing."""
    with self.lock():
      if self.reload().running():
        raise Failure(f'{self.name} is running')
      if not self.exists():
        base = Base(self.state, suite, packages).ensure()
        self.data = {'name': self.name, 'suite': suite, 'base': base.path, 'cgroup': mode, 'net': net}
        os.makedirs(self.dir, exist_ok=True)
      if owner:
        self.data['owner'] = Process(owner).save()
      self.save()
      self.kill_rest()
      self.mount()
      return self.start(time.monotonic() + timeout)

  def mount(self):
    if common.mounted_below(self.root):
      return
    upper, work = os.path.join(self.dir, 'up', 'upper'), os.path.join(self.dir, 'up', 'work')
    for d in (upper, work, self.root):
      os.makedirs(d, exist_ok=True)
    lower = os.path.join(self.data['base'], 'root')
    common.run('mount', '-t', 'overlay', self.machine, '-o', f'lowerdir={lower},upperdir={upper},workdir={work}',
               self.root)

  def command(self):
    net = self.data['net']
    network_arg = ('--network-namespace-path=' + network.attach(self.state, net, self.name) if net
                   else '--private-network')
    v1 = self.data['cgroup'] == 'v1'
    # bpf: systemd inside attaches its IP accounting and device programs.
    return ['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--kill-signal=SIGRTMIN+3',
            '--notify-ready=yes', '--console=read-only', '--resolv-conf=off', '--timezone=off', '--link-journal=no',
            '--system-call-filter=bpf', '--capability=CAP_BPF', network_arg, '--directory=' + self.root,
            '--machine=' + self.machine, '--hostname=' + self.name, *(['/v1-init'] if v1 else ['--boot'])]

  def start(self, end):
    v1 = self.data['cgroup'] == 'v1'
    if v1 and not cgroup.has_v1():
      raise Unsupported('this machine has no v1 controllers')
    self.data['cgroups'] = groups = cgroup.create(self.machine, v1)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = f'{self.machine}-{os.getpid()}'
    notify.bind('\0' + address)
    env = {k: v for k, v in os.environ.items() if not k.startswith(('SYSTEMD_', 'NOTIFY_'))}
    env['NOTIFY_SOCKET'] = '@' + address
    if not v1:
      env['SYSTEMD_NSPAWN_UNIFIED_HIERARCHY'] = '1'
    command = self.command()
    with open(os.path.join(self.dir, 'console'), 'ab') as console:
      child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=env,
                               start_new_session=True, preexec_fn=lambda: cgroup.join(groups))
    nspawn = Process(child.pid)
    self.data.update(nspawn=nspawn.save(), leader=None)
    self.save()
    leader = self.wait_ready(notify, child, end)
    self.data['leader'] = leader.save()
    self.save()
    return self.wait_running(end)

  def wait_ready(self, notify, child, end):
    """nspawn announces the pid of PID 1 first, and READY=1 when systemd inside has finished booting."""
    leader = None
    pidfd = os.pidfd_open(child.pid)
    poller = select.poll()
    poller.register(notify, select.POLLIN)
    poller.register(pidfd, select.POLLIN)
    try:
      while True:
        events = poller.poll(max(0, end - time.monotonic()) * 1000)
        if not events:
          raise TimedOut(f'{self.name} did not boot in time; console in {self.dir}/console')
        if notify.fileno() not in (fd for fd, _ in events):
          self.show_console()
          raise Failure(f'{self.name}: systemd-nspawn ended with {child.wait()}')
        for line in notify.recv(4096).decode(errors='replace').splitlines():
          key, _, value = line.partition('=')
          if key == 'X_NSPAWN_LEADER_PID':
            leader = Process(int(value))
          elif key == 'READY' and value == '1' and leader:
            return leader
    finally:
      os.close(pidfd)
      notify.close()

  def show_console(self):
    with open(os.path.join(self.dir, 'console'), encoding='utf-8', errors='replace') as f:
      sys.stderr.write(''.join(f.readlines()[-10:]))

  def wait_running(self, end):
    left = max(1, end - time.monotonic())
    state = common.run(*self.enter('systemctl', 'is-system-running', '--wait'), timeout=left, check=False).strip()
    if state not in ('running', 'degraded'):
      raise Failure(f'{self.name} booted to state "{state}"')
    return state

  def halt(self, verb, timeout):
    """Ask systemd inside to power off or reboot, and wait until the host is off."""
    with self.lock():
      if not self.reload().require().running():
        return
      nspawn = self.nspawn()
      self.leader().kill(HALT_SIGNALS[verb])
      if not nspawn.wait(timeout):
        raise TimedOut(f'{self.name} did not stop within {timeout} s')
      self.kill_rest()

  def wait_off(self, timeout):
    self.require()
    if self.running() and not self.nspawn().wait(timeout):
      raise TimedOut(f'{self.name} did not stop within {timeout} s')

  def power_cut(self, only_if=None):
    """SIGKILL to everything in the host at one moment; what it has written stays."""
    with self.lock():
      self.reload().require()
      if only_if and not only_if(self):
        return False
      self.kill_rest()
      return True

  def kill_rest(self):
    """Leave no process and no cgroup of it. Also right when nspawn was killed and systemd runs on without it."""
    groups = self.data.get('cgroups') or cgroup.find(self.machine)
    groups = [d for d in groups if os.path.basename(d) == self.machine]
    if not cgroup.kill(groups):
      raise TimedOut(f'processes of {self.name} do not die')
    if self.running() and not self.nspawn().wait(10):
      raise TimedOut(f'systemd-nspawn of {self.name} does not die')
    left = cgroup.remove(groups)
    if left:
      raise Failure(f'cannot remove {", ".join(left)}')
    for d in ('propagate', 'unix-export'):
      directory = f'/run/systemd/nspawn/{d}/{self.machine}'
      if os.path.isdir(directory):
        common.unmount_below(directory)
        os.rmdir(directory)
    if self.exists():
      self.data.update(nspawn=None, leader=None, cgroups=[])
      self.save()

  def destroy(self, only_if=None):
    """Leave nothing of it. False when the condition, asked under the lock, says no."""
    with self.lock():
      self.reload()
      if only_if and not only_if(self):
        return False
      self.kill_rest()
      common.unmount_below(self.root)
      if self.data.get('net'):
        network.detach(self.state, self.data['net'], self.name)
      network.remove_namespace(self.machine)
      common.remove_tree(self.dir)
      return True

  # commands and files

  def call(self, command, limit):
    """Run a command inside, the last thing this process does: its exit status."""
    return enter.call(self.leader(), command, limit)

  def enter(self, *command, namespaces='-a'):
    """The command line that runs a command inside, on a host that is on."""
    return ['nsenter', '-t', str(self.leader().pid), namespaces, '--', *GUEST_ENV, *command]

  def inside(self, *command):
    """The command line that reads or writes files of the host, on or off."""
    self.require()
    if self.running():
      return self.enter(*command, namespaces='-m')
    self.mount()
    return ['chroot', self.root, *GUEST_ENV, *command]

  def call_unit(self, command, limit, uid=None, unit=None, properties=()):
    """As call(), in a unit of its own: with its cgroup, and as another user. systemd-run expands $: doubled."""
    if limit:
      # systemd-run leaves the unit behind when it is killed at the limit
      properties = [f'RuntimeMaxSec={limit + 10}', *properties]
    return self.call(['systemd-run', '--quiet', '--pipe', '--wait', '--collect', '--service-type=exec',
                      *([f'--uid={uid}'] if uid else []), *([f'--unit={unit}'] if unit else []),
                      *(f'--property={p}' for p in properties), '--', *(a.replace('$', '$$') for a in command)], limit)

  def put(self, sources, target, mode=None, timeout=60):
    """Copy files or trees into the host, owned by root. A target that is a directory gets them inside."""
    for source in sources:
      if source != '-' and not os.path.lexists(source):
        raise Failure(f'there is no {source}')
    into = target.endswith('/') or len(sources) > 1 or self.is_directory(target)
    directory = target if into else os.path.dirname(target) or '/'
    child = subprocess.Popen(self.inside('sh', '-c', 'mkdir -p "$1" && exec timeout "$2" tar -C "$1" -xpf -', 'sh',
                                         directory, str(timeout)), stdin=subprocess.PIPE)

    def as_root(member):
      member.uid = member.gid = 0
      member.uname = member.gname = 'root'
      if mode is not None:
        member.mode = mode
      return member

    with tarfile.open(fileobj=child.stdin, mode='w|', format=tarfile.GNU_FORMAT) as tar:
      for source in sources:
        name = os.path.basename(source.rstrip('/')) if into else os.path.basename(target)
        if source == '-':
          data = sys.stdin.buffer.read()
          member = tarfile.TarInfo(os.path.basename(target))
          member.size, member.mode, member.mtime = len(data), 0o644, int(time.time())
          tar.addfile(as_root(member), io.BytesIO(data))
        else:
          tar.add(source, arcname=name, filter=as_root)
    child.stdin.close()
    if child.wait() != 0:
      raise Failure(f'cannot write {target} in {self.name}')

  def is_directory(self, path):
    return subprocess.run(self.inside('test', '-d', path), check=False).returncode == 0

  def get(self, source, target, timeout=60):
    """Copy a file or tree out of the host, owned by us."""
    name = os.path.basename(source.rstrip('/'))
    into = target.endswith('/') or os.path.isdir(target)
    directory, new_name = (target, name) if into else (os.path.dirname(target) or '.', os.path.basename(target))
    child = subprocess.Popen(self.inside('timeout', str(timeout), 'tar', '-C', os.path.dirname(source) or '/', '-cf',
                                         '-', name), stdout=subprocess.PIPE)
    try:
      with tarfile.open(fileobj=child.stdout, mode='r|') as tar:
        for member in tar:
          member.name = new_name + member.name[len(name):]
          member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), '', ''
          tar.extract(member, directory, set_attrs=not member.issym())
    except tarfile.ReadError:
      pass
    child.stdout.close()
    if child.wait() != 0:
      raise Failure(f'cannot read {source} in {self.name}')

  def install(self, debs, timeout):
    """dpkg -i of local packages, all in one call; what they depend on must be in the base."""
    with self.lock():
      self.require()
      spool = '/var/cache/testhost/'
      self.put(debs, spool)
      files = [spool + os.path.basename(d) for d in debs]
    return self.call(['env', 'DEBIAN_FRONTEND=noninteractive', 'sh', '-c',
                      'dpkg --install --force-confdef --force-confold "$@" </dev/null && rm -f "$@"', 'sh', *files],
                     timeout)


def names(state):
  return sorted(n for n in os.listdir(state.hosts) if os.path.isdir(os.path.join(state.hosts, n)))
