# SPDX-License-Identifier: LGPL-2.1-or-later
"""Find and remove what killed runs left behind."""
import os

from . import cgroup, common, container, network, vm
from .common import Process


def garbage(state, everything=False, bases=False):
  """Yields one line for each thing that was removed."""
  for name in container.names(state):
    h = container.Container(state, name)
    if h.destroy(only_if=None if everything else orphaned):
      yield f'host {name}'
    elif h.status() == 'dirty' and h.power_cut(only_if=lambda h: h.status() == 'dirty'):
      yield f'processes of {name}, whose systemd-nspawn was killed'
  for name in vm.names(state):
    if vm.Vm(state, name).destroy(only_if=None if everything else orphaned):
      yield f'machine {name}'
  for net in network.names(state):
    if everything or orphaned_owner(network.load(state, net).get('owner')):
      network.down(state, net)
      yield f'network {net}'
  yield from strays(state)
  if bases:
    yield from unused_bases(state)


def orphaned_owner(saved):
  owner = Process.load(saved)
  return owner is not None and not owner.alive()


def orphaned(host):
  return not host.exists() or orphaned_owner(host.data.get('owner'))


def strays(state):
  """Global things with our prefix that belong to no host and no network. A host's directory is made before all
  else of it: so looking for the things first, and then for the hosts, never takes a booting host for a stray."""
  groups = cgroup.find(state.prefix + '-')
  namespaces = os.listdir('/run/netns') if os.path.isdir('/run/netns') else []
  known = {state.unique(n) for n in container.names(state)}
  groups = [d for d in groups if os.path.basename(d) not in known]
  if groups:
    cgroup.kill(groups)
    cgroup.remove(groups)
    yield from (f'cgroup {d}' for d in groups)
  known |= {network.switch(state, n) for n in network.names(state)}
  for namespace in namespaces:
    if namespace.startswith(state.prefix + '-') and namespace not in known:
      network.remove_namespace(namespace)
      yield f'network namespace {namespace}'
  for point in common.mounted_below(state.hosts):
    name = os.path.relpath(point, state.hosts).split('/')[0]
    if name not in container.names(state):
      common.unmount_below(point)
      yield f'mount {point}'


def unused_bases(state):
  used = {container.Container(state, n).data.get('base') for n in container.names(state)}
  used |= {vm.Vm(state, n).data.get('base') for n in vm.names(state)}
  for name in sorted(os.listdir(state.bases)):
    path = os.path.join(state.bases, name)
    if path in used:
      continue
    try:
      # whoever builds it, or what a killed build left behind (NAME.new), holds this lock
      with state.lock(f'base-{name.split(".")[0]}', timeout=1):
        common.unmount_below(path)
        common.remove_tree(path)
    except common.TimedOut:
      continue
    yield f'base {name}'
