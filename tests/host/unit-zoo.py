#!/usr/bin/python3 -SB
# SPDX-License-Identifier: LGPL-2.1-or-later
"""unit-zoo - random unit files of every kind, to compare how two programs read them

    unit-zoo make SEED DIR          writes a tree below DIR (to be copied over a host's /); prints the names to ask for
    unit-zoo compare NAMES A B      A: systemctl show's answer for NAMES, in their order, B: that of unit-paths"""
import os
import random
import sys

SEARCH = ['etc/systemd/system', 'run/systemd/system', 'usr/local/lib/systemd/system', 'usr/lib/systemd/system']
PREFIXES = ['zoo', 'zoo-a', 'zoo-a-b', 'zoo-b', 'zoo--c', 'zoo-d-']
INSTANCES = ['x', 'y', r'a\x2db', 'p@q']
FILES = ['05-a.conf', '10-b.conf', '10-c.conf', '50-d.conf', 'z.conf', '.hidden.conf', 'no.txt']
TEXT = '[Unit]\nDescription=%s\n[Service]\nExecStart=/bin/true\n'


class Zoo:
  def __init__(self, seed, root):
    self.random = random.Random(seed)
    self.root = root

  def pick(self, items):
    return self.random.choice(items)

  def path(self, path):
    full = os.path.join(self.root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full

  def write(self, path, text):
    full = self.path(path)
    if not os.path.lexists(full):
      with open(full, 'w', encoding='utf-8') as f:
        f.write(text)

  def link(self, path, target):
    full = self.path(path)
    if not os.path.lexists(full):
      os.symlink(target, full)

  def name(self, kinds='pti'):
    kind, prefix = self.pick(kinds), self.pick(PREFIXES)
    if kind == 'p':
      return prefix + '.service'
    if kind == 't':
      return prefix + '@.service'
    return '%s@%s.service' % (prefix, self.pick(INSTANCES))

  def fragment(self):
    name, directory = self.name(), self.pick(SEARCH)
    path, dice = os.path.join(directory, name), self.random.random()
    if dice < 0.6:
      self.write(path, TEXT % path)
    elif dice < 0.7:
      self.write(path, '')
    elif dice < 0.8:
      self.link(path, '/dev/null')
    else:
      target = '/srv/zoo/%d.service' % self.random.randrange(3)
      self.write(target[1:], TEXT % target)
      self.link(path, target)

  def alias(self):
    name = self.name()
    kinds = 'p' if '@' not in name else 't' if '@.' in name else 'it'
    target = self.name(kinds)
    if '@' in name and '@.' not in name and '@.' not in target and self.random.random() < 0.8:
      target = target.partition('@')[0] + '@' + name.partition('@')[2]
    directory = self.pick(SEARCH)
    form = self.pick(['%s', '/%s/%%s' % self.pick(SEARCH), '../../../%s/%%s' % SEARCH[0], '/lib/systemd/system/%s'])
    self.link(os.path.join(directory, name), form % target)

  def drop_in(self):
    name = self.pick([self.name(), self.name(), 'service', 'zoo-.service', 'zoo-a-.service', 'zoo-@x.service',
                      'zoo-@.service', 'zoo-.service', 'zoo-a-@y.service'])
    directory, dice = os.path.join(self.pick(SEARCH), name + '.d'), self.random.random()
    path = os.path.join(directory, self.pick(FILES))
    if os.path.islink(os.path.join(self.root, directory)):
      return
    if dice < 0.1 and not os.path.lexists(os.path.join(self.root, directory)):
      self.write('srv/zoo/shared.d/' + self.pick(FILES), '[Unit]\n')
      self.link(directory, '/srv/zoo/shared.d')
    elif dice < 0.2:
      self.link(path, '/dev/null')
    elif dice < 0.25:
      self.link(path, '/srv/zoo/nowhere.conf')
    elif dice < 0.35:
      self.write(path, '')
    else:
      self.write(path, '[Unit]\nDocumentation=man:%s\n' % self.pick('abc'))

  def make(self):
    for count, what in ((14, self.fragment), (10, self.alias), (40, self.drop_in)):
      for _ in range(count):
        what()
    plain = [p + '.service' for p in PREFIXES]
    instances = ['%s@%s.service' % (p, i) for p in PREFIXES for i in INSTANCES]
    return plain + instances


def systemd_answers(text):
  for block in text.strip().split('\n\n'):
    p = dict(line.split('=', 1) for line in block.splitlines())
    yield p['Id'], unescape(p['Names']).split(), p['LoadState'], p['FragmentPath'], p['DropInPaths'].split()


def unescape(path):
  """systemctl quotes items of lists that hold a backslash."""
  return path.replace('"', '').replace('\\\\', '\\')


def canonical(path):
  return path.replace('/lib/systemd', '/usr/lib/systemd', 1) if path.startswith('/lib/') else path


def same_drop_ins(theirs, ours, names):
  """The aliases of a unit have no order in PID 1: of one file name in the directories of two of them, either may win."""
  if [os.path.basename(p) for p in theirs] != [os.path.basename(p) for p in ours]:
    return False
  return all(a == b or len(names) > 2 for a, b in zip(theirs, ours))


def compare(names, theirs, ours):
  wrong = 0
  for asked, a, b in zip(names, systemd_answers(theirs), ours.splitlines(), strict=True):
    unit, aliases, state, fragment, drop_ins = a
    our_unit, our_fragment, our_drop_ins = b.split('\t')
    drop_ins = [unescape(canonical(p)) for p in drop_ins]
    our_drop_ins = [canonical(p) for p in our_drop_ins.split()]
    # PID 1 does not look for drop-ins where it will not load the unit.
    if state in ('masked', 'not-found', 'error'):
      drop_ins = our_drop_ins = []
    # Asked by an alias, PID 1 may not know all other names yet, whose drop-ins count as well. All canonical names are asked.
    if asked != unit:
      drop_ins = our_drop_ins
    # An alias of a template's instance that also has a file of its own: PID 1's answer depends on what it loaded first.
    if unit != our_unit and our_unit in aliases and fragment:
      unit, drop_ins = our_unit, our_drop_ins
    if (unit, canonical(fragment)) != (our_unit, canonical(our_fragment)) or \
       not same_drop_ins(drop_ins, our_drop_ins, aliases):
      wrong += 1
      print('%s (%s):\n  systemd: %s %s %s\n  we:      %s %s %s' %
            (asked, state, unit, fragment, ' '.join(drop_ins), our_unit, our_fragment, ' '.join(our_drop_ins)))
  return wrong


def main():
  if sys.argv[1:2] == ['make'] and len(sys.argv) == 4:
    print('\n'.join(Zoo(int(sys.argv[2]), sys.argv[3]).make()))
    return 0
  if sys.argv[1:2] == ['compare'] and len(sys.argv) == 5:
    names, theirs, ours = (open(p, encoding='utf-8').read() for p in sys.argv[2:])
    return 1 if compare(names.split(), theirs, ours) else 0
  print(__doc__)
  return 2


sys.exit(main())
