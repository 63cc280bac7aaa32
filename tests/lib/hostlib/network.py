# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks of hosts: a bridge in a namespace of its own, one namespace with one interface (host0) a host.

Addresses are 10.77.0.1 to 10.77.0.250 in each network; there is no route out, and two networks never meet."""
import os

from . import common
from .common import Failure, Process

MASK = 24


def switch(state, net):
  return state.unique(f'{net}-sw')


def path(state, net):
  return os.path.join(state.nets, net + '.json')


def namespace_exists(name):
  return os.path.exists(f'/run/netns/{name}')


def load(state, net):
  return common.load_json(path(state, net)) or {'members': {}}


def up(state, net, owner=None):
  common.check_name(net)
  with state.lock('net'):
    if os.path.exists(path(state, net)) and namespace_exists(switch(state, net)):
      return
    common.run('ip', 'netns', 'add', switch(state, net))
    common.run('ip', '-n', switch(state, net), 'link', 'add', 'br0', 'type', 'bridge')
    common.run('ip', '-n', switch(state, net), 'link', 'set', 'br0', 'up')
    common.save_json(path(state, net), {'members': {}, 'owner': Process(owner).save() if owner else None})


def down(state, net):
  with state.lock('net'):
    saved = load(state, net)
    for host in saved['members']:
      remove_namespace(state.unique(host))
    remove_namespace(switch(state, net))
    if os.path.exists(path(state, net)):
      os.unlink(path(state, net))


def remove_namespace(name):
  if namespace_exists(name):
    common.run('ip', 'netns', 'del', name)


def attach(state, net, host):
  """Give the host its namespace and its address (the same for as long as it exists)."""
  with state.lock('net'):
    saved = load(state, net)
    if not os.path.exists(path(state, net)):
      raise Failure(f'no network "{net}": testhost net-up {net}')
    members, namespace, sw = saved['members'], state.unique(host), switch(state, net)
    number = members.get(host) or next((i for i in range(1, 251) if i not in members.values()), None)
    if number is None:
      raise Failure(f'network "{net}" is full')
    if not namespace_exists(namespace):
      common.run('ip', 'netns', 'add', namespace)
      common.run('ip', 'link', 'add', f'v{number}', 'netns', sw, 'type', 'veth', 'peer', 'name', 'host0',
                 'netns', namespace)
      common.run('ip', '-n', sw, 'link', 'set', f'v{number}', 'master', 'br0', 'up')
      common.run('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
      common.run('ip', '-n', namespace, 'addr', 'add', f'10.77.0.{number}/{MASK}', 'dev', 'host0')
      common.run('ip', '-n', namespace, 'link', 'set', 'host0', 'up')
    members[host] = number
    common.save_json(path(state, net), saved)
  return f'/run/netns/{namespace}'


def detach(state, net, host):
  with state.lock('net'):
    remove_namespace(state.unique(host))
    saved = common.load_json(path(state, net))
    if saved['members'].pop(host, None):
      common.save_json(path(state, net), saved)


def address(state, net, host):
  saved = load(state, net)
  if host not in saved['members']:
    raise Failure(f'{host} is not in network "{net}"')
  return f'10.77.0.{saved["members"][host]}'


def set_link(state, net, host, carrier):
  """Pull or plug the cable: the host sees its interface lose or gain the carrier."""
  number = address(state, net, host).rpartition('.')[2]
  common.run('ip', '-n', switch(state, net), 'link', 'set', f'v{number}', 'up' if carrier else 'down')


def names(state):
  return sorted(f[:-5] for f in os.listdir(state.nets) if f.endswith('.json'))
