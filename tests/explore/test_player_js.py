"""The front end's logic, run by node: the same module that JupyterLab and the page load."""

import json
import shutil
import subprocess

import pytest

from virtlab.explore.player import STATIC

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

PRELUDE = """
import { Controller, announcement, changedRegisters, messageBackend } from "./player.mjs";

const state = (steps, reason = "still") => ({
  steps, reason, mode: "S", pc: "0x8020_0000", sentence: "Here.",
  registers: [["zero", "0x0000"], ["a0", `0x${steps}`]], code: [], console: "", events: [],
});

// Counts slices: after `slices` of them the guest waits.
class FakeBackend {
  constructor(slices) { Object.assign(this, { slices, steps: 0, asked: [] }); }
  answer(name, argument, reason) {
    this.asked.push(argument === undefined ? name : `${name} ${argument}`);
    const now = state(this.steps, reason);
    return new Promise((done) => setTimeout(() => done(now), 0));
  }
  state() { return this.answer("state"); }
  step(n) { this.steps += n; return this.answer("step", n); }
  back(n) {
    if (n > this.steps) return Promise.reject(new Error("cannot go back"));
    this.steps -= n;
    return this.answer("back", n);
  }
  run(until) {
    this.steps += 100;
    this.slices -= 1;
    return this.answer("run", until, this.slices > 0 ? "budget" : "idle");
  }
  type(text) { return this.answer("type", text.trim()); }
}

const seen = [];
const record = (before, now, running, error) =>
  seen.push({ before: before && before.steps, steps: now && now.steps, running, error });
const say = (value) => console.log(JSON.stringify(value));
"""


@pytest.fixture
def run_js(tmp_path):
    shutil.copy(STATIC / "player.js", tmp_path / "player.mjs")

    def run(body):
        (tmp_path / "test.mjs").write_text(PRELUDE + body, encoding="utf-8")
        done = subprocess.run(
            [NODE, "test.mjs"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_run_goes_on_in_slices_until_the_guest_waits(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(3), record);
      await c.start(); await c.run();
      say(seen);
    """)
    assert [(s["steps"], s["running"]) for s in seen] == [
        (0, False),
        (100, True),
        (200, True),
        (300, False),
    ]
    assert seen[-1]["before"] == 0


def test_pause_ends_a_run_after_the_slice_under_way(run_js):
    result = run_js("""
      const b = new FakeBackend(1e9);
      const c = new Controller(b, record);
      await c.start();
      const run = c.run();
      setTimeout(() => c.pause(), 5);
      await run;
      const steps = b.steps;
      await new Promise((done) => setTimeout(done, 20));
      say({ more: b.steps - steps, last: seen.at(-1) });
    """)
    assert result["more"] == 0
    assert result["last"]["running"] is False


def test_a_step_during_a_run_ends_it_first(run_js):
    asked = run_js("""
      const b = new FakeBackend(1e9);
      const c = new Controller(b, record);
      c.run();
      await new Promise((done) => setTimeout(done, 5));
      await c.step(1);
      await new Promise((done) => setTimeout(done, 20));
      say(b.asked.slice(-2));
    """)
    assert asked == ["run null", "step 1"]


def test_step_and_back_compare_with_the_state_before_them(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(1), record);
      await c.start(); await c.step(10); await c.back(4);
      say(seen);
    """)
    assert [(s["before"], s["steps"]) for s in seen] == [(None, 0), (0, 10), (10, 6)]


def test_an_error_is_shown_and_the_next_command_works(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(1), record);
      await c.start(); await c.back(1); await c.step(1);
      say(seen);
    """)
    assert seen[1]["error"] == "cannot go back"
    assert (seen[2]["steps"], seen[2]["error"]) == (1, None)


def test_a_machine_moved_by_a_cell_is_drawn_against_what_was_shown(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(1), record);
      await c.start(); c.accept(state(42));
      say(seen);
    """)
    assert (seen[1]["before"], seen[1]["steps"]) == (0, 42)


def test_changed_registers_and_their_announcement(run_js):
    changed, words, nothing = run_js("""
      say([[...changedRegisters(state(1), state(3))], announcement(state(1), state(3)),
           announcement(null, state(3))]);
    """)
    assert changed == ["a0"]
    assert words == "2 instructions forward. Here. Changed: a0 = 0x3."
    assert nothing == "Here."


def test_messages_are_matched_by_their_id(run_js):
    result = run_js("""
      const handlers = [];
      const model = {
        sent: [],
        on: (name, handler) => handlers.push(handler),
        off: (name, handler) => handlers.splice(handlers.indexOf(handler), 1),
        send(message) { this.sent.push(message); },
      };
      const moved = [];
      const b = messageBackend(model, (s) => moved.push(s.steps), () => 0);
      const first = b.step(7), second = b.back(1);
      const [one, two] = model.sent;
      const reply = (message) => handlers.forEach((handler) => handler(message));
      reply({ id: "somebody else's", state: state(99) });
      reply({ moved: state(5) });
      reply({ id: two.id, error: "no" });
      reply({ id: one.id, state: state(7) });
      const failed = await second.catch((error) => error.message);
      const steps = (await first).steps;
      b.close();
      say({ one, failed, steps, moved, left: handlers.length });
    """)
    assert (result["one"]["method"], result["one"]["argument"]) == ("step", 7)
    assert (result["steps"], result["failed"]) == (7, "no")
    assert (result["moved"], result["left"]) == ([5], 0)
