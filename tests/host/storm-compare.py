#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""storm-compare.py JOURNAL EVENTS RUNS: is every invocation in the event log exactly once and in order?

JOURNAL: journalctl -o json of PID 1. EVENTS: synctl events --json from the beginning. RUNS: lines "UNIT:INVOCATION",
written by the processes of the units themselves. The truth about starts is what either of the two knows: a process may be
killed before it writes, journald restarted. Prints what differs, and ends with 1 if anything does.
"""
import collections
import json
import sys

problems = []


def problem(text):
  if len(problems) < 40:
    problems.append(text)


def unique(values):
  return list(dict.fromkeys(values))


def read_journal(path):
  starts = collections.defaultdict(list)
  with open(path, encoding='utf-8') as lines:
    for line in lines:
      entry = json.loads(line)
      unit, invocation = entry.get('UNIT', ''), entry.get('INVOCATION_ID')
      if unit.startswith('storm-') and invocation and isinstance(invocation, str):
        starts[unit].append(invocation)
  return {unit: unique(ids) for unit, ids in starts.items()}


def read_runs(path):
  runs = collections.defaultdict(list)
  with open(path, encoding='utf-8') as lines:
    for line in lines:
      unit, invocation = line.strip().split(':')
      runs[unit].append(invocation)
  return runs


def read_events(path):
  with open(path, encoding='utf-8') as lines:
    return [json.loads(line) for line in lines]


def check_sequence(events):
  """No hole and no step back, whatever happened to synd meanwhile."""
  seqs = [event['seq'] for event in events]
  for before, after in zip(seqs, seqs[1:]):
    if after != before + 1:
      problem(f'event {after} follows {before}')
  seen = collections.Counter(event['id'] for event in events)
  for event_id, n in seen.items():
    if n > 1:
      problem(f'event id {event_id} is there {n} times')
  for event in events:
    if event.get('cause_seq') and event['cause_seq'] >= event['seq']:
      problem(f'event {event["seq"]} was caused by the later {event["cause_seq"]}')


def told(events, kind):
  by_unit = collections.defaultdict(list)
  for event in events:
    if event['type'] == kind and event.get('unit', '').startswith('storm-'):
      by_unit[event['unit']].append(event['data'].get('invocation', '').replace('-', ''))
  return by_unit


def check_order(unit, truth, ours, name):
  both = set(truth) & set(ours)
  a, b = [i for i in ours if i in both], [i for i in truth if i in both]
  if a != b:
    wrong = next(n for n, (x, y) in enumerate(zip(a, b)) if x != y)
    problem(f'{unit}: not in the order of the {name}: {a[wrong]} instead of {b[wrong]}')


def compare_unit(unit, journal, runs, ours):
  """What journald lost while it was restarted, the process of the unit may know, and the other way round."""
  for invocation, n in collections.Counter(ours).items():
    if n > 1:
      problem(f'{unit}: invocation {invocation} is told {n} times')
  missing = [i for i in unique(journal + runs) if i not in ours]
  extra = [i for i in ours if i not in journal and i not in runs]
  if missing:
    problem(f'{unit}: {len(missing)} are missing, the first is {missing[0]}')
  if extra:
    problem(f'{unit}: {len(extra)} that nobody else knows, the first is {extra[0]}')
  check_order(unit, journal, unique(ours), 'journal')
  check_order(unit, runs, unique(ours), 'processes')


def check_ends(events):
  """Each invocation ends at most once, and every one but the last has its end."""
  ends = collections.defaultdict(list)
  for kind in ('service.failed', 'service.stopped'):
    for unit, ids in told(events, kind).items():
      ends[unit] += ids
  for unit, ids in told(events, 'service.starting').items():
    for invocation in ids[:-1]:
      if invocation not in ends[unit]:
        problem(f'{unit}: {invocation} has no end in the log')


def main():
  journal, events, runs = read_journal(sys.argv[1]), read_events(sys.argv[2]), read_runs(sys.argv[3])
  starting = told(events, 'service.starting')

  for unit in sorted(set(journal) | set(starting) | set(runs)):
    compare_unit(unit, journal.get(unit, []), runs.get(unit, []), starting.get(unit, []))
  check_sequence(events)
  check_ends(events)

  backfilled = sum(1 for e in events if e['type'] == 'service.starting' and e['data'].get('origin') == 'backfilled')
  print(f'{sum(map(len, journal.values()))} invocations of {len(journal)} units, {len(events)} events, '
        f'{backfilled} starts backfilled')
  for text in problems:
    print(text)
  sys.exit(1 if problems else 0)


main()
