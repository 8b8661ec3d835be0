#!/usr/bin/env python3
"""Why there is no journal of writes that XAPI does not take: a model of one VM and two hosts.

    journal_model.py --document docs/backends.md [--write]

Whatever can happen is tried in every order, up to MOST_WRITES writes of the guest's, for each rule by
which a journal could work. A write carries all variables, so what is kept is one number here: that
of the last write in it. At each start the VM has to find the last write that it was told is stored, or
what an administrator went back to since. What each rule breaks, and by which shortest story, has to be
what the document's table says; --write replaces the table.
"""

import argparse
import collections
import pathlib
import sys
from typing import NamedTuple, Optional

HOSTS = ("A", "B")
MOST_WRITES = 3


class Rule(NamedTuple):
    name: str
    journal: bool = True  # a write that the toolstack does not take is kept on the host: success
    checks_base: bool = False  # it is replayed only on the state that it was made on
    travels: bool = False  # a migration takes it along
    marks: bool = False  # each start writes into XAPI which host may have a journal
    waits: bool = False  # no start elsewhere while that host is marked, even when it is lost


# Each has one condition more than the one before.
RULES = (
    Rule("no journal", journal=False),
    Rule("replay"),
    Rule("replay on its base", checks_base=True),
    Rule("travelling", checks_base=True, travels=True),
    Rule("marked", checks_base=True, travels=True, marks=True),
    Rule("marked, waiting", checks_base=True, travels=True, marks=True, waits=True),
)


class Kept(NamedTuple):
    """What XAPI's database, a snapshot or a backup of it says of the VM."""
    value: int = 0
    mark: Optional[str] = None
    promised: int = 0  # no program knows this: what the guest was told is stored


class Journal(NamedTuple):
    value: int
    base: int  # what XAPI had


class State(NamedTuple):
    xapi: Kept = Kept()
    reachable: bool = True
    runs_on: Optional[str] = None
    ran_on: str = HOSTS[0]
    memory: int = 0
    journals: tuple = (None, None)
    lost: tuple = (False, False)
    writes: int = 0
    snapshot: Optional[Kept] = None
    backup: Optional[Kept] = None

    def journal(self, host):
        return self.journals[HOSTS.index(host)]

    def is_lost(self, host):
        return self.lost[HOSTS.index(host)]

    def with_journal(self, host, journal):
        return self._replace(journals=put(self.journals, host, journal))

    def keep(self, **fields):
        return self._replace(xapi=self.xapi._replace(**fields))


class Broken(Exception):
    """A start that does not find what it has to find, or that is refused on every host."""


def put(pair, host, value):
    return tuple(value if other == host else old for other, old in zip(HOSTS, pair))


def write(rule, state):
    """The guest writes."""
    number = state.writes + 1
    done = state._replace(writes=number, memory=number)
    if state.reachable:
        # All variables are in it, so it takes in what the journal has.
        yield f"write {number}", done.with_journal(state.runs_on, None).keep(value=number, promised=number)
    elif rule.journal:
        old = state.journal(state.runs_on)
        base = old.base if old else state.xapi.value
        yield (f"write {number} into the journal of {state.runs_on}",
               done.with_journal(state.runs_on, Journal(number, base)).keep(promised=number))
    else:
        yield f"write {number} is refused", state._replace(writes=number)


def drained(state, host):
    """The daemon of the running VM replays its journal."""
    journal = state.journal(host)
    return state.with_journal(host, None).keep(value=journal.value) if journal else state


def start(rule, state, host):
    """XAPI starts the VM on this host."""
    marked = state.xapi.mark
    if rule.marks and marked not in (None, host):
        if not state.is_lost(marked):
            return None  # an administrator starts it there
        if rule.waits:
            raise Broken("starts nowhere")
    journal = state.journal(host)
    if journal and (not rule.checks_base or journal.base == state.xapi.value):
        state = state.keep(value=journal.value)
    state = state.with_journal(host, None)
    if state.xapi.value < state.xapi.promised:
        raise Broken("a write is lost")
    if state.xapi.value > state.xapi.promised:
        raise Broken("going back is undone")
    return state._replace(runs_on=host, ran_on=host, memory=state.xapi.value).keep(mark=host if rule.marks else None)


def steps(rule, state, scenario):
    """Each thing that can happen next, and the state after it."""
    host = state.runs_on
    if host:
        if state.writes < MOST_WRITES:
            yield from write(rule, state)
        if state.reachable and state.journal(host):
            yield "replay", drained(state, host)
        stopped = drained(state, host).keep(mark=None) if state.reachable else state
        yield "stop", stopped._replace(runs_on=None)
    yield ("XAPI goes away" if state.reachable else "XAPI comes back",
           state._replace(reachable=not state.reachable))
    if "migration" in scenario and host and state.reachable:
        other = HOSTS[1 - HOSTS.index(host)]
        if not state.is_lost(other):
            # The last call before the end may be one that XAPI does not take.
            for said, before in (("", drained(state, host)), (", which XAPI does not hear of in time", state)):
                moved = before._replace(runs_on=other, ran_on=other)
                if rule.travels:
                    moved = moved.with_journal(other, before.journal(host)).with_journal(host, None)
                yield (f"migration to {other}{said}", moved.keep(mark=other if rule.marks else None))
    if "loss" in scenario:
        for one in HOSTS:
            gone = state._replace(lost=put(state.lost, one, not state.is_lost(one)))
            if not state.is_lost(one):
                yield (f"{one} is lost", gone._replace(runs_on=None) if host == one else gone)
            else:
                yield f"{one} is back", gone
    if "revert" in scenario and state.reachable:
        yield "snapshot", state._replace(snapshot=state.xapi)
        if state.snapshot and not host:
            yield "revert", state._replace(xapi=state.snapshot)
    if "restore" in scenario and state.reachable:
        yield "backup of XAPI's database", state._replace(backup=state.xapi)
        if state.backup and not host:
            yield "restore of XAPI's database", state._replace(xapi=state.backup)


def starts(rule, state, scenario):
    if state.runs_on or not state.reachable:
        return
    for host in HOSTS if {"elsewhere", "loss"} & scenario else (state.ran_on,):
        if not state.is_lost(host):
            yield host, lambda host=host: start(rule, state, host)


SCENARIOS = (
    ("nothing else", frozenset()),
    ("a start elsewhere", frozenset({"elsewhere"})),
    ("migration", frozenset({"migration"})),
    ("a host is lost, HA restart", frozenset({"loss"})),
    ("revert to a snapshot", frozenset({"revert"})),
    ("XAPI's database restored", frozenset({"restore"})),
)


def search(rule, scenario):
    """What breaks first, and the shortest story of it; nothing when no state that can be reached
    does. Also how many states there are."""
    first = State()
    came_from = {first: None}
    queue = collections.deque([first])

    def story(state, *last):
        words = list(last)
        while came_from[state]:
            state, word = came_from[state]
            words.insert(0, word)
        return words

    while queue:
        state = queue.popleft()
        following = list(steps(rule, state, scenario))
        for host, begin in starts(rule, state, scenario):
            try:
                after = begin()
            except Broken as broken:
                return str(broken), story(state, f"start on {host}"), len(came_from)
            if after:
                following.append((f"start on {host}", after))
        for word, after in following:
            if after not in came_from:
                came_from[after] = (state, word)
                queue.append(after)
    return None, [], len(came_from)


def table():
    lines = ["| rule | beside outages | what breaks | the shortest story |",
             "| --- | --- | --- | --- |"]
    problems = []
    for rule in RULES:
        broken = False
        for name, scenario in SCENARIOS:
            what, words, states = search(rule, scenario)
            broken = broken or what is not None
            lines.append(f"| {rule.name} | {name} | {what or 'nothing'} | "
                         f"{'; '.join(words) or f'none in {states} states'} |")
        if broken != rule.journal:
            problems.append(f"{rule.name}: {'something' if broken else 'nothing'} breaks")
    return lines, problems


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--document", type=pathlib.Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines, problems = table()
    print("\n".join(lines))
    text = options.document.read_text(encoding="utf-8").splitlines()
    first = text.index(lines[0])
    last = first
    while last < len(text) and text[last].startswith("|"):
        last += 1
    if options.write:
        text[first:last] = lines
        options.document.write_text("\n".join(text) + "\n", encoding="utf-8")
    elif text[first:last] != lines:
        problems.append(f"the table in {options.document} is another one: --write replaces it")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
