"""What tests of the page's machine share: a tab with the machine in it, and Python's beside it."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np

from tests.explore.machine_page import spec_of
from virtlab.explore import recipe
from virtlab.explore.player import Player
from virtlab.machine import Machine

# Fields that follow the pieces in which a run was made; what was printed is compared as a whole.
OF_THE_SLICE = {"first", "end", "horizon", "stop", "stop_detail", "watch", "console"}

# A module for the tests: the machine and what the worker does with it, without a worker.
PROBE = """
import { inflate, wasmModule } from "./assets.js";
import { Machine, unpack } from "./machine.js";
import { open } from "./wasm.js";
import { Player, revive } from "./worker.js";

let player = null;

const told = (error) => ({ error: error.line ? String(error) : error.message });

async function begin(spec, image) {
  const name = virtlab.assets["machine.wasm"] ? "machine.wasm" : "hypervisors.wasm";
  const { bytes, manifest } = await wasmModule(virtlab.assets, name);
  const { "machine.tables": tables, tables: isa } = virtlab.assets;
  const { recipe, actions, steps } = spec;
  const given = { wasm: bytes, manifest, tables, image, program: recipe.program, actions, steps };
  const machine = await revive(given);
  player = new Player(machine, isa);
  return { state: player.state() };
}

// A run of a number of steps, in as many showings as it takes.
async function run([until, budget]) {
  const end = player.machine.steps + budget;
  for (;;) {
    const state = await player.run(until, undefined, end - player.machine.steps);
    if (state.reason !== "budget" || state.steps >= end) return { state };
  }
}

async function one([method, argument]) {
  if (method === "begin") return begin(...argument);
  if (method === "run") return run(argument);
  if (method === "whole") {
    const [until, budget] = argument;
    return { state: player.view.state(player.machine.run(budget, until)) };
  }
  if (method === "walk") return { walk: player.walk(argument) };
  if (method === "step") player.machine.step(argument);
  return { state: method === "step" ? player.state() : await player[method](argument) };
}

async function digest(bytes) {
  const sum = await crypto.subtle.digest("SHA-256", bytes.slice());
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The answers to a list of [method, argument].
export async function answers(operations) {
  const found = [];
  for (const operation of operations) found.push(await one(operation).catch(told));
  return found;
}

// Everything that a guest can change.
export async function insides() {
  const { hart, ram, disk, log, harts, history } = player.machine;
  const fields = {};
  for (const [name, { shape }] of Object.entries(hart.layout.fields)) {
    const length = shape.reduce((product, n) => product * n, 1);
    fields[name] = Array.from({ length }, (_, k) => String(hart.get(name, k)));
  }
  const { parts = {} } = player.machine; // of a virtual machine
  const digested = async ([name, array]) => [name, await digest(array.bytes)];
  const more = Object.entries(parts).map(digested);
  const record = player.machine.vm;
  const names = Object.keys(record?.layout.fields ?? {});
  const vm = Object.fromEntries(names.map((name) => [name, String(record.get(name))]));
  return {
    fields,
    vm,
    more: Object.fromEntries(await Promise.all(more)),
    ram: await digest(ram.bytes),
    disk: await digest(disk.bytes),
    log: await digest(log.bytes),
    snapshots: history.snapshots.map((taken) => taken.steps),
    bytes: harts.bytes.length,
  };
}
"""


class Tab:
    """A browser's tab with the page's machine in it, and calls that carry JSON.

    whole : runs are made in one piece, as in Python, instead of in pieces of some milliseconds
    """

    def __init__(self, browser, folder: Path, script: str, whole: bool = False):
        self.whole = whole
        (folder / "page.html").write_text("<!doctype html><title>machine</title>")
        self.page = browser.new_page()
        self.page.goto((folder / "page.html").as_uri())
        self.page.add_script_tag(content=script)

    def __call__(self, *operations) -> list[dict]:
        """The page's answers to operations, each (method, argument)."""
        if self.whole:
            operations = [
                ("whole" if method == "run" else method, argument)
                for method, argument in operations
            ]
        return json.loads(
            self.page.evaluate(
                "async (given) => JSON.stringify(await virtlab.probe.answers(JSON.parse(given)))",
                json.dumps(operations),
            )
        )

    def begin(self, html: str) -> dict:
        """Build the machine that a notebook's output describes; returns its state."""
        spec = spec_of(html)
        (answer,) = self(("begin", [spec, recipe.bake(spec["recipe"])]))
        return answer["state"]

    def insides(self) -> dict:
        return self.page.evaluate("virtlab.probe.insides()")


def ask(player: Player, method: str, argument=None) -> dict:
    """What Python's player answers, as JSON carries it."""
    if method == "run":
        until, player.slice_instructions = argument
        argument = until
    answer = player.handle({"method": method, "argument": argument})
    return {"error": answer["error"]} if "error" in answer else json.loads(json.dumps(answer))


def agree(tab: Tab, player: Player, operations: list[tuple]) -> list[dict]:
    """Do the same on both and compare every answer; returns the answers."""
    here = [ask(player, *operation) for operation in operations]
    there = tab(*operations)
    for operation, mine, its in zip(operations, here, there, strict=True):
        assert its == mine, operation
    return here


def same_insides(tab: Tab, machine: Machine) -> None:
    """Every field of the record, RAM, disk and log are equal, and the snapshots' steps."""
    inside = tab.insides()
    hart = machine._hart
    assert set(inside["fields"]) == set(hart.dtype.names)
    for name in set(hart.dtype.names) - OF_THE_SLICE:
        mine = np.atleast_1d(hart[name]).ravel().tolist()
        assert [int(value) for value in inside["fields"][name]] == mine, name
    mem, log = machine._host, machine._mem.log
    for name, data in (("ram", mem.u8), ("disk", mem.disk), ("log", log)):
        assert inside[name] == hashlib.sha256(data.tobytes()).hexdigest(), name
    assert inside["snapshots"] == [taken.steps for taken in machine._history.snapshots]


def a_walk(rng: random.Random) -> tuple:
    va = rng.choice(
        ["pc", "sp", "ra", "x5", "fp", "", "main", "0x8020_0000", "0x0", "nowhere", "12345"]
        + [hex(rng.getrandbits(rng.choice((32, 39, 64))))]
    )
    return "walk", {"va": va, "access": rng.choice(["load", "store", "fetch", "read"])}


def an_operation(rng: random.Random) -> tuple:
    """Something that a reader may do to a machine that runs the teaching OS."""
    until = rng.choice(["trap", "exception", "interrupt", "return", "mode", "idle", "never"])
    return rng.choice(
        [
            ("step", rng.choice([0, 1, 1, 10, 1000, rng.randrange(100_000)])),
            ("back", rng.choice([1, 1, 10, 1000, rng.randrange(200_000)])),
            ("run", [None, rng.randrange(1, 600_000)]),
            ("run", [until, rng.randrange(1, 300_000)]),
            ("run", [None, 9_000_000]),
            ("type", rng.choice(["ls\n", "x", "\b", "cat readme\n", "help\n", "ünï\n"])),
            ("walk", a_walk(rng)[1]),
            ("walk", a_walk(rng)[1]),
            ("state", None),
        ]
    )
