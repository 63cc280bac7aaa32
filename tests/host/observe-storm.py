#!/usr/bin/python3 -SB
# SPDX-License-Identifier: LGPL-2.1-or-later
"""observe-storm TESTHOST HOST KILLS SEED [calm|disturbed] - a storm of kills, as synd-observe tells it

200 units with Restart=always and one SIGKILL every 20 ms; disturbed: daemon-reload, daemon-reexec, a restarted bus, a
restarted and a killed journald, a rotated journal come in between. What synd-observe printed is then compared with the
journal (every invocation and every failure told once, in order) and its last states with systemctl show.
Prints one line of figures; exit status 1 and what is missing when something is."""
import json
import random
import subprocess
import sys
import threading
import time

UNITS = ['storm-%d.service' % i for i in range(200)]
MARKER = 'storm-marker.service'
STARTED = '39f53479d3a045ac8e11786248231fbf'
FAILED = 'd9b373ed55a64feb8242e02dbe79a49c'
LIMIT = 60
DISTURBANCES = [
    ['systemctl', 'daemon-reload'],
    ['systemctl', 'daemon-reexec'],
    ['systemctl', 'restart', 'dbus.service'],
    ['systemctl', 'restart', 'systemd-journald.service'],
    ['journalctl', '--rotate'],
    ['systemctl', 'kill', '-s', 'KILL', 'systemd-journald.service'],
]
SETUP = '''
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\\nRateLimitBurst=0\\n' >/run/systemd/journald.conf.d/storm.conf
for u in %s; do
        printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nExecStart=/bin/sleep infinity\\nRestart=always\\nRestartSec=0\\n' \\
                >/run/systemd/system/$u
done
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/run/systemd/system/%s
systemctl restart systemd-journald
systemctl daemon-reload
systemctl start %s
'''


class Host:
  def __init__(self, tool, name):
    self.base = [tool, 'run', name, '--']

  def run(self, *command, **kw):
    return subprocess.run(self.base + list(command), stdout=subprocess.PIPE, text=True, timeout=2 * LIMIT, **kw)

  def start(self, *command):
    return subprocess.Popen(self.base + list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


class Observer:
  """The lines of synd-observe, as they come."""

  def __init__(self, host):
    self.process = host.start('synd-observe', MARKER, *UNITS)
    self.lines = []
    self.pids = {}
    self.ended = False
    self.changed = threading.Condition()
    threading.Thread(target=self.read, daemon=True).start()

  def read(self):
    for text in self.process.stdout:
      line = json.loads(text)
      with self.changed:
        self.lines.append(line)
        if line['what'] == 'unit':
          self.pids[line['unit']] = line['main_pid'] if line['active'] == 'active' else 0
        self.changed.notify_all()
    with self.changed:
      self.ended = True
      self.changed.notify_all()

  def command(self, text):
    self.process.stdin.write(text + '\n')

  def wait(self, start, **fields):
    """Until a line has these fields."""
    end = time.monotonic() + LIMIT
    with self.changed:
      while True:
        for line in self.lines[start:]:
          if all(line.get(k) == v for k, v in fields.items()):
            return line
        start = len(self.lines)
        if self.ended or not self.changed.wait(max(0, end - time.monotonic())):
          sys.exit('synd-observe did not say %s' % fields)

  def take_pid(self, unit):
    with self.changed:
      pid = self.pids.get(unit, 0)
      self.pids[unit] = 0
      return pid


def disturb(host, stop, done):
  while True:
    for command in DISTURBANCES:
      if stop.wait(2):
        return
      host.run(*command)
      done.append(command)


def storm(host, observer, kills, seed):
  dice = random.Random(seed)
  killer = host.start('/bin/sh', '-c', 'while read pid; do kill -9 $pid; done')
  start, n = time.monotonic(), 0
  due = start
  while n < kills:
    pid = observer.take_pid(dice.choice(UNITS))
    if pid:
      killer.stdin.write('%d\n' % pid)
      n += 1
    if observer.ended or time.monotonic() > start + LIMIT + kills * 0.1:
      sys.exit('the storm does not get on: %d kills' % n)
    due = max(due + 0.02, time.monotonic() - 1)
    time.sleep(max(0, due - time.monotonic()))
  killer.stdin.close()
  killer.wait(LIMIT)
  return time.monotonic() - start


def from_journal(host, cursor):
  started, failed = {}, set()
  text = host.run('journalctl', '-q', '-o', 'json', '--after-cursor', cursor, '_PID=1',
                  '--output-fields=UNIT,INVOCATION_ID,MESSAGE_ID').stdout
  for line in text.splitlines():
    entry = json.loads(line)
    if entry.get('UNIT') not in UNITS:
      continue
    if entry.get('MESSAGE_ID') == STARTED:
      started.setdefault(entry['UNIT'], []).append(entry['INVOCATION_ID'])
    elif entry.get('MESSAGE_ID') == FAILED:
      failed.add(entry['INVOCATION_ID'])
  return started, failed


def last_states(host):
  text = host.run('systemctl', 'show', '-p', 'Id,ActiveState,InvocationID,MainPID,NRestarts', *UNITS).stdout
  for block in text.strip().split('\n\n'):
    p = dict(line.split('=', 1) for line in block.splitlines())
    yield p['Id'], (p['ActiveState'], p['InvocationID'], int(p['MainPID']), int(p['NRestarts']))


def main():
  tool, name, kills, seed, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
  host, stop, done, problems = Host(tool, name), threading.Event(), [], []
  host.run('sh', '-s', input=SETUP % (' '.join(UNITS), MARKER, ' '.join(UNITS)), check=True)
  host.run('journalctl', '--sync')
  cursor = host.run('journalctl', '-q', '-n', '0', '--show-cursor').stdout.split('cursor: ')[1].strip()
  observer = Observer(host)
  observer.wait(0, what='connected', connected=True)
  observer.wait(0, what='caught-up')
  first = len(observer.lines)

  if mode == 'disturbed':
    threading.Thread(target=disturb, args=(host, stop, done), daemon=True).start()
  seconds = storm(host, observer, kills, seed)
  stop.set()
  # All restarts are done when no job is left; what was told before the marker is all that there is to tell.
  while host.run('systemctl', 'list-jobs', '--no-legend').stdout.strip():
    pass
  host.run('systemctl', 'restart', MARKER, check=True)
  marker = host.run('systemctl', 'show', '--value', '-p', 'InvocationID', MARKER).stdout.strip()
  observer.wait(first, what='unit', unit=MARKER, active='active', invocation=marker)
  host.run('journalctl', '--sync')
  observer.wait(first, what='fact', unit=MARKER, type='started', invocation=marker)

  live, live_failed, facts, fact_failed, last = {}, set(), {}, set(), {}
  for line in observer.lines:
    unit, invocation = line.get('unit'), line.get('invocation')
    if line['what'] == 'unit':
      live.setdefault(unit, []).append(invocation)
      last[unit] = (line['active'], invocation or '', line['main_pid'], line['n_restarts'])
      if line['result'] == 'signal':
        live_failed.add(invocation)
    elif line['what'] == 'fact' and line['type'] == 'starting':
      facts.setdefault(unit, []).append(invocation)
    elif line['what'] == 'fact' and line['type'] == 'failed':
      fact_failed.add(invocation)

  started, failed = from_journal(host, cursor)
  n = n_live = 0
  for unit, invocations in started.items():
    told = [i for i in dict.fromkeys(live.get(unit, []))]
    n += len(invocations)
    n_live += sum(i in told for i in invocations)
    if facts.get(unit) != [i for i in invocations if i in facts.get(unit, ())] or \
        any(i not in told and i not in facts.get(unit, ()) for i in invocations):
      problems.append('%s ran as %s, told from the journal: %s, live: %s' % (unit, invocations, facts.get(unit), told))
    if [i for i in told if i in invocations] != [i for i in invocations if i in told]:
      problems.append('%s: told live out of order' % unit)
  if failed - live_failed - fact_failed:
    problems.append('failures that were not told: %s' % (failed - live_failed - fact_failed))
  if mode == 'calm' and (n_live != n or failed - live_failed):
    problems.append('%d invocations and %d failures were not told live' % (n - n_live, len(failed - live_failed)))
  for unit, state in last_states(host):
    if last.get(unit) != state:
      problems.append('%s is %s, told: %s' % (unit, state, last.get(unit)))
  observer.command('quit')
  if observer.process.wait(LIMIT) != 0:
    problems.append('synd-observe ended with %d' % observer.process.returncode)

  print('%d kills in %.1f s, %d disturbances: %d invocations, %d told live; %d failures, %d told live'
        % (kills, seconds, len(done), n, n_live, len(failed), len(failed & live_failed)))
  print('\n'.join(problems[:20]))
  return 1 if problems or n == 0 else 0


sys.exit(main())
