# SPDX-License-Identifier: LGPL-2.1-or-later
"""Throwaway virtual machines: qemu with its own translator (no KVM needed), for what a container cannot show:
cgroup v2 with all controllers, memory limits, coredumps, a real reboot, a power cut under a file system.

A base is a root file system on a raw disk, and a qcow2 image over it that holds the machine as it was just after
boot: a new machine is a copy of that image and goes on from there. Later boots of the same machine are cold ones.
Commands go through an agent in the guest, on a virtio serial port."""
import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time

from . import base, common, enter
from .common import Failure, Process, TimedOut

MEMORY = 1024
DISK = '2G'
SNAPSHOT = 'booted'
SOCKET_NAME_MAX = 107

# One request: "ID LIMIT SCRIPT-BYTES INPUT-BYTES\n", the script, its stdin. One answer: "\n@ID STATUS OUT-BYTES
# ERR-BYTES\n" and both outputs. Without a peer the port reads as ended, without an event for the end of that state. It
# stays open meanwhile: what a peer has sent before the port is closed would be lost. A request cut short is dropped
# when the port reads as ended or nothing comes for 20 s; an answer nobody took comes out at the next peer, which looks
# for its own ID.
AGENT = r'''#!/bin/bash
dir=/run/testhost-agent
mkdir -p "$dir"
[ -p "$dir/never" ] || mkfifo "$dir/never"
exec 3<>/dev/virtio-ports/agent 4<>"$dir/never"
size() { stat -c %s "$dir/$1"; }
while :; do
        if ! IFS=' ' read -r id limit script input <&3; then
                read -r -t 0.2 -u 4
                continue
        fi
        timeout 20 head -c "$script" <&3 >"$dir/script"
        timeout 20 head -c "$input" <&3 >"$dir/in"
        [ "$(size script) $(size in)" = "$script $input" ] || continue
        rc=0
        timeout -k 5 "$limit" bash "$dir/script" <"$dir/in" >"$dir/out" 2>"$dir/err" 3<&- 4<&- || rc=$?
        { printf '\n@%s %d %d %d\n' "$id" "$rc" "$(size out)" "$(size err)"; cat "$dir/out" "$dir/err"; } >&3
done
'''

AGENT_UNIT = '''[Unit]
Description=Commands of the test

[Service]
ExecStart=/usr/local/lib/testhost-agent
Restart=always
'''

# udev finds the port some time during boot
AGENT_RULE = 'SUBSYSTEM=="virtio-ports", ATTR{name}=="agent", TAG+="systemd", ' \
             'ENV{SYSTEMD_WANTS}+="testhost-agent.service"\n'


def write(path, text, opener=None):
  with open(path, 'w', encoding='ascii', opener=opener) as f:
    f.write(text)


class Gone(Failure):
  """qemu ended, or the guest reset the port, before the answer came."""


class VmBase(base.Base):
  def __init__(self, state, suite, packages=()):
    super().__init__(state, suite, packages, 'vm')

  def inputs(self):
    common.need('qemu-system-x86_64', 'qemu-img', 'mke2fs')
    return [*super().inputs(), AGENT, AGENT_UNIT, AGENT_RULE, DISK, command('x', {}),
            common.run('qemu-system-x86_64', '--version').splitlines()[0]]

  def finish(self, directory):
    root = os.path.join(directory, 'root')
    write(os.path.join(root, 'usr/local/lib/testhost-agent'), AGENT, base.executable)
    write(os.path.join(root, 'etc/systemd/system/testhost-agent.service'), AGENT_UNIT)
    write(os.path.join(root, 'etc/udev/rules.d/90-testhost-agent.rules'), AGENT_RULE)
    write(os.path.join(root, 'etc/fstab'), '/dev/vda / ext4 defaults,errors=remount-ro 0 1\n')
    for name in ('vmlinuz', 'initrd.img'):
      # links to the newest in boot/, relative to the root
      shutil.copyfile(os.path.join(root, os.readlink(os.path.join(root, name))), os.path.join(directory, name))
    common.run('mke2fs', '-q', '-t', 'ext4', '-d', root, os.path.join(directory, 'disk.raw'), DISK, timeout=120)
    common.remove_tree(root)
    # The backing file is named relative to the image, as the base moves to its final place after this.
    image = os.path.join(directory, 'booted.qcow2')
    common.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'disk.raw', '-F', 'raw', image)
    machine = Machine(directory, image, directory)
    machine.start()
    try:
      machine.wait_booted(180)
      machine.monitor(f'savevm {SNAPSHOT}')
    finally:
      machine.kill()


def command(directory, options):
  """The same for the snapshot and for those that go on from it: qemu checks."""
  def path(name):
    return os.path.join(directory, name)
  return ['qemu-system-x86_64', '-M', 'q35', '-cpu', 'max', '-accel', 'tcg,thread=multi,tb-size=128', '-smp', '2',
          '-m', str(MEMORY), '-display', 'none', '-no-reboot', '-nic', 'none', '-rtc', 'base=utc',
          '-kernel', options.get('kernel', ''), '-initrd', options.get('initrd', ''),
          '-append', 'root=/dev/vda rw console=ttyS0 quiet psi=1 systemd.show_status=no',
          '-drive', f'file={options.get("disk", "")},if=virtio,format=qcow2,cache=unsafe',
          '-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci',
          '-chardev', f'socket,id=agent,path={path("agent")},server=on,wait=off',
          '-device', 'virtserialport,chardev=agent,name=agent',
          '-qmp', f'unix:{path("qmp")},server=on,wait=off',
          '-serial', f'file:{path("console")}', '-daemonize', '-pidfile', path('pid')]


class Machine:
  """A running qemu: its directory holds the sockets, the console and the pid."""

  def __init__(self, directory, disk, base_path, process=None):
    self.dir, self.disk, self.base, self.process = directory, disk, base_path, process
    if len(self.path('agent')) > SOCKET_NAME_MAX:
      raise Failure(f'{directory} is too long a name for sockets: set SYNOS_TESTHOST_DIR')

  def path(self, name):
    return os.path.join(self.dir, name)

  def start(self, snapshot=False):
    """qemu returns when the sockets are there and, with a snapshot, the machine is loaded."""
    for name in ('agent', 'qmp', 'pid'):
      if os.path.lexists(self.path(name)):
        os.unlink(self.path(name))
    options = {'kernel': os.path.join(self.base, 'vmlinuz'), 'initrd': os.path.join(self.base, 'initrd.img'),
               'disk': self.disk}
    with open(self.path('qemu.log'), 'ab') as log:
      rc = subprocess.run([*command(self.dir, options), *(['-loadvm', SNAPSHOT] if snapshot else [])],
                          stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120, check=False).returncode
    if rc != 0:
      raise Failure(f'qemu ended with {rc}, see {self.path("qemu.log")}')
    with open(self.path('pid'), encoding='ascii') as f:
      self.process = Process(int(f.read()))

  def alive(self):
    return self.process is not None and self.process.alive()

  def kill(self):
    """The power is cut: what the guest has given to its disk stays, what it held in memory is gone."""
    if self.process:
      self.process.kill(9)
      if not self.process.wait(20):
        raise TimedOut('qemu does not die')

  def wait_booted(self, timeout):
    status, out, _ = self.call('systemctl is-system-running --wait', b'', timeout)
    if out.strip() not in (b'running', b'degraded'):
      raise Failure(f'the machine booted to state "{out.decode().strip()}" ({status})')
    return out.decode().strip()

  def call(self, script, data, limit):
    """Run a shell script in the guest: (status, stdout, stderr). The request waits in the port until the agent
    reads it, so there is nothing to wait for before."""
    if not self.alive():
      raise Failure('the machine is not running')
    script, own_id = script.encode(), b'%d-%d' % (os.getpid(), time.monotonic_ns())
    with self.connect('agent', limit + 15) as port, port.makefile('rb') as answers:
      port.sendall(b'%s %d %d %d\n' % (own_id, max(1, limit), len(script), len(data)) + script + data)
      try:
        for line in answers:
          if line.startswith(b'@' + own_id + b' '):
            status, out, err = (int(n) for n in line.split()[1:])
            return status, answers.read(out), answers.read(err)
        raise Gone('the machine went away')
      except TimeoutError:
        raise TimedOut(f'no answer from the machine within {limit} s') from None

  def connect(self, name, timeout):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(self.path(name))
    return s

  def monitor(self, line):
    with self.connect('qmp', 120) as s, s.makefile('rw', encoding='utf-8') as f:
      f.readline()
      for request in ({'execute': 'qmp_capabilities'},
                      {'execute': 'human-monitor-command', 'arguments': {'command-line': line}}):
        f.write(json.dumps(request) + '\n')
        f.flush()
        answer = json.loads(f.readline())
        while 'event' in answer:
          answer = json.loads(f.readline())
      if answer.get('return'):
        raise Failure(f'{line}: {answer["return"].strip()}')
      if 'error' in answer:
        raise Failure(f'{line}: {answer["error"]}')


class Vm:
  """A machine with a name: vms/NAME/vm.json."""

  def __init__(self, state, name):
    self.state, self.name = state, common.check_name(name)
    self.dir = os.path.join(state.vms, name)
    self.file = os.path.join(self.dir, 'vm.json')
    self.reload()

  def reload(self):
    self.data = common.load_json(self.file) or {}
    return self

  def lock(self):
    return self.state.lock(f'vm-{self.name}')

  def exists(self):
    return bool(self.data)

  def require(self):
    if not self.exists():
      raise Failure(f'there is no machine "{self.name}"')
    return self

  def machine(self):
    return Machine(self.dir, os.path.join(self.dir, 'disk.qcow2'), self.data.get('base', ''),
                   Process.load(self.data.get('qemu')))

  def status(self):
    return 'running' if self.machine().alive() else 'off'

  def boot(self, suite, packages, owner, cold, timeout):
    """A new machine goes on from the snapshot of its base, unless a cold boot is wanted; an old one boots cold."""
    with self.lock():
      self.reload()
      if self.machine().alive():
        raise Failure(f'{self.name} is running')
      new = not self.exists()
      if new:
        made = VmBase(self.state, suite, packages).ensure()
        os.makedirs(self.dir, exist_ok=True)
        self.data = {'name': self.name, 'suite': suite, 'base': made.path}
        image = os.path.join(made.path, 'booted.qcow2')
        if not cold:
          common.run('cp', '--sparse=always', '--reflink=auto', image, os.path.join(self.dir, 'disk.qcow2'))
          common.run('qemu-img', 'rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b',
                     os.path.join(made.path, 'disk.raw'), os.path.join(self.dir, 'disk.qcow2'))
        else:
          common.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b',
                     os.path.join(made.path, 'disk.raw'), os.path.join(self.dir, 'disk.qcow2'))
      if owner:
        self.data['owner'] = Process(owner).save()
      common.save_json(self.file, self.data)
      machine = self.machine()
      machine.start(snapshot=new and not cold)
      self.data['qemu'] = machine.process.save()
      common.save_json(self.file, self.data)
      # A machine from the snapshot still has the time, the name and the random state of then.
      machine.call(f'date -s @$(cat) >/dev/null; hostname {self.name}',
                   common.run('date', '+%s.%N').encode(), timeout)
      return machine.wait_booted(timeout)

  def run(self, arguments, limit):
    data = b'' if sys.stdin.isatty() else sys.stdin.buffer.read()
    script = 'cd /\n' + ' '.join(f'{k}={shlex.quote(v)}' for k, v in enter.ENVIRONMENT.items()) \
      + ' exec env ' + shlex.join(arguments)
    status, out, err = self.require().machine().call(script, data, limit)
    sys.stdout.buffer.write(out)
    sys.stderr.buffer.write(err)
    return status

  def put(self, source, target, limit=60):
    """Copy a file or a tree to the target, which is the new name, or a directory when it ends with a slash."""
    name = os.path.basename(source.rstrip('/')) if target.endswith('/') else os.path.basename(target)
    directory = target if target.endswith('/') else os.path.dirname(target) or '/'
    data = subprocess.run(['tar', '-C', os.path.dirname(os.path.abspath(source)), '--owner=root', '--group=root',
                           f'--transform=flags=r;s|^{os.path.basename(source.rstrip("/"))}|{name}|', '-cf', '-',
                           os.path.basename(source.rstrip('/'))], stdout=subprocess.PIPE, check=True).stdout
    quoted = shlex.quote(directory)
    status, _, err = self.require().machine().call(f'mkdir -p {quoted} && tar -C {quoted} -xpf -', data, limit)
    if status != 0:
      raise Failure(f'cannot write {target} in {self.name}: {err.decode(errors="replace")}')

  def poweroff(self, timeout):
    with self.lock():
      machine = self.reload().require().machine()
      if machine.alive():
        with contextlib.suppress(Gone):
          machine.call('systemctl poweroff --no-block', b'', timeout)
        if not machine.process.wait(timeout):
          raise TimedOut(f'{self.name} did not stop within {timeout} s')

  def wait_off(self, timeout):
    """A reboot inside ends qemu, too: boot again."""
    machine = self.require().machine()
    if machine.alive() and not machine.process.wait(timeout):
      raise TimedOut(f'{self.name} did not stop within {timeout} s')

  def power_cut(self):
    with self.lock():
      self.reload().require().machine().kill()

  def destroy(self, only_if=None):
    with self.lock():
      self.reload()
      if only_if and not only_if(self):
        return False
      self.machine().kill()
      common.remove_tree(self.dir)
      return True


def names(state):
  return sorted(n for n in os.listdir(state.vms) if os.path.isdir(os.path.join(state.vms, n)))
