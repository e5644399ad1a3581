"""The player's front end in a browser: the same modules that JupyterLab and the page load."""

import pytest

from tests.explore.javascript import page_of_modules
from virtlab.explore.player import Player, widget_module

pytestmark = pytest.mark.browser

PRELUDE = """
const { Controller, messageBackend } = await import("/controller.js");
const { mount } = await import("/player.js");
const { announcement, changedRegisters } = await import("/player_draw.js");
const { stretches, timelineText } = await import("/player_timeline.js");

const state = (steps, reason = "still", more = {}) => ({
  steps, reason, mode: "S", pc: "0x8020_0000", sentence: "Here.",
  registers: [["zero", "0x0000"], ["a0", `0x${steps}`]], code: [["0x8020_0000", "nop", true]],
  console: "", events: [], trace: [], since: 0, ...more,
});
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Counts slices: after `slices` of them the guest waits.
class FakeBackend {
  constructor(slices) { Object.assign(this, { slices, steps: 0, asked: [], walks: [] }); }
  async answer(name, argument, reason) {
    this.asked.push(argument === undefined ? name : `${name} ${argument}`);
    const now = state(this.steps, reason);
    await pause(0);
    return now;
  }
  state() { return this.answer("state"); }
  step(n) { this.steps += n; return this.answer("step", n); }
  async back(n) {
    if (n > this.steps) throw new Error("cannot go back");
    this.steps -= n;
    return this.answer("back", n);
  }
  run(until) {
    this.steps += 100;
    this.slices -= 1;
    return this.answer("run", until, this.slices > 0 ? "budget" : "idle");
  }
  async type(text) {
    if (this.deaf) throw new Error("nobody listens");
    return this.answer("type", JSON.stringify(text));
  }
  reset() { this.steps = 0; return this.answer("reset"); }
  async assemble(text) {
    const mistake = new Error("line 2, column 3: foo is not an instruction");
    if (text.includes("foo")) throw Object.assign(mistake, { line: 2, column: 3 });
    this.steps = 0;
    return this.answer("assemble", text);
  }
  async walk(va, access) {
    this.walks.push(`${access} ${va}`);
    if (va === "nowhere") throw new Error("nowhere is no address.");
    const row = ["level 0", "0x1000", 3, "0x00ff", "DAG-X-RV", "leaf: a 4 KiB page"];
    const sentence = `${access} at ${this.steps}.`;
    return { address: va, access, rows: [row], sentence, fault: false };
  }
}

const seen = [];
const record = (before, now, running, error) =>
  seen.push({
    before: before?.steps ?? null, steps: now?.steps, running, error: error?.message ?? null,
  });

// A player in the page, with ways to use it as a reader does.
const show = async (backend, options) => {
  const element = document.createElement("div");
  document.body.replaceChildren(element);
  const player = mount(element, backend, options);
  await player.last;
  await pause(1);
  return Object.assign(player, {
    press: async (name) => {
      [...element.querySelectorAll("button")].find((button) => button.textContent === name).click();
      await pause(10);
      await player.last;
      await pause(10);
    },
    text: (selector) => element.querySelector(selector).textContent,
    element,
  });
};
"""


@pytest.fixture(scope="module")
def tab(browser):
    with page_of_modules(browser) as run:
        yield run


@pytest.fixture
def run_js(tab):
    return lambda body: tab(PRELUDE + body)


def test_a_run_goes_on_in_slices_until_the_guest_waits(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(3), record);
      await c.start(); await c.run();
      return (seen);
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
      await pause(20);
      return ({ more: b.steps - steps, last: seen.at(-1) });
    """)
    assert result["more"] == 0
    assert result["last"]["running"] is False


def test_a_step_during_a_run_ends_it_first(run_js):
    asked = run_js("""
      const b = new FakeBackend(1e9);
      const c = new Controller(b, record);
      c.run();
      await pause(5);
      await c.step(1);
      await pause(20);
      return (b.asked.slice(-2));
    """)
    assert asked == ["run null", "step 1"]


def test_step_and_back_compare_with_the_state_before_them(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(1), record);
      await c.start(); await c.step(10); await c.back(4);
      return (seen);
    """)
    assert [(s["before"], s["steps"]) for s in seen] == [(None, 0), (0, 10), (10, 6)]


def test_an_error_is_shown_and_the_next_command_works(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(1), record);
      await c.start(); await c.back(1); await c.step(1);
      return (seen);
    """)
    assert seen[1]["error"] == "cannot go back"
    assert (seen[2]["steps"], seen[2]["error"]) == (1, None)


def test_a_machine_moved_by_a_cell_is_drawn_against_what_was_shown(run_js):
    seen = run_js("""
      const c = new Controller(new FakeBackend(1), record);
      await c.start(); c.accept(state(42));
      return (seen);
    """)
    assert (seen[1]["before"], seen[1]["steps"]) == (0, 42)


def test_changed_registers_and_their_announcement(run_js):
    changed, words, nothing = run_js("""
      return ([[...changedRegisters(state(1), state(3))], announcement(state(1), state(3)),
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
      return ({ one, failed, steps, moved, left: handlers.length });
    """)
    assert (result["one"]["method"], result["one"]["argument"]) == ("step", 7)
    assert (result["steps"], result["failed"]) == (7, "no")
    assert (result["moved"], result["left"]) == ([5], 0)


def test_buttons_move_the_machine_and_run_becomes_pause(run_js):
    result = run_js("""
      const b = new FakeBackend(1e9);
      const p = await show(b);
      p.view.distance.value = "100";
      await p.press("Step");
      await p.press("Back");
      p.view.run.click();
      await pause(30);
      const during = p.view.run.textContent;
      await p.press("Pause");
      p.view.event.value = "interrupt";
      b.slices = 1;
      await p.press("Next event");
      await p.press("Restart");
      const asked = b.asked.filter((name, at) => name !== b.asked[at - 1]);
      return { asked, during, after: p.view.run.textContent, steps: p.state.steps };
    """)
    assert result["asked"] == [
        "state",
        "step 100",
        "back 100",
        "run null",
        "run interrupt",
        "reset",
    ]
    assert (result["during"], result["after"], result["steps"]) == ("Pause", "Run", 0)


def test_what_is_typed_is_sent_with_its_line_end_and_stays_if_nobody_takes_it(run_js):
    result = run_js("""
      const b = new FakeBackend(1);
      const p = await show(b);
      p.view.line.value = "ls";
      await p.press("Send");
      const sent = [p.view.line.value, b.asked.slice(1)];
      b.deaf = true;
      p.view.line.value = "echo";
      await p.press("Queue");
      return { sent, kept: p.view.line.value, status: p.text("[role=status]") };
    """)
    assert result["sent"] == ["", ['type "ls\\n"', "run null"]]
    assert (result["kept"], result["status"]) == ("echo", "nobody listens")


def test_what_is_typed_while_the_line_is_sent_is_not_lost(run_js):
    result = run_js("""
      const b = new FakeBackend(1);
      const p = await show(b);
      p.view.line.value = "ls";
      p.view.queue.click();
      p.view.line.value = "ls and more";
      await pause(20);
      return p.view.line.value;
    """)
    assert result == "ls and more"


def test_the_walk_follows_the_machine_and_a_bad_address_is_told(run_js):
    result = run_js("""
      const b = new FakeBackend(1);
      const p = await show(b);
      await p.press("Step");
      const followed = [b.walks.at(-1), p.view.walked.textContent, p.view.walk.textContent];
      p.view.address.value = "nowhere";
      p.view.access.value = "load";
      await p.press("Walk");
      return {
        followed, told: [p.view.walked.textContent, p.text("[role=status]")],
        rows: p.view.walk.rows.length, invalid: p.view.address.getAttribute("aria-invalid"),
      };
    """)
    where, sentence, row = result["followed"]
    assert (where, sentence) == ("fetch pc", "fetch at 1.")
    assert row == "level 00x100030x00ffDAG-X-RVleaf: a 4 KiB page"
    assert result["told"] == ["nowhere is no address."] * 2
    assert (result["rows"], result["invalid"]) == (0, "true")


def test_a_mistake_in_the_program_is_told_and_marked_and_the_text_stays(run_js):
    result = run_js("""
      const p = await show(new FakeBackend(1), { source: "nop" });
      const { text, error } = p.view.editor;
      text.value = "nop\\n  foo a0\\nnop";
      await p.press("Assemble and load");
      const told = error.firstChild.textContent;
      const line = error.querySelector("code").textContent;
      const marked = text.value.slice(text.selectionStart, text.selectionEnd);
      const invalid = text.getAttribute("aria-invalid");
      const focused = document.activeElement === text;
      text.value = "nop";
      await p.press("Assemble and load");
      const after = [error.textContent, text.getAttribute("aria-invalid"), text.value];
      return { told, line, marked, invalid, focused, after };
    """)
    assert result["told"] == "line 2, column 3: foo is not an instruction"
    assert (result["line"], result["marked"]) == ("  foo a0", "foo a0")
    assert (result["invalid"], result["focused"]) == ("true", True)
    assert result["after"] == ["", "false", "nop"]


TRACE = """
  const s = state(1000, "still", {
    trace: [
      [100, 2, "M", "S"], [400, 2, "S", "U"], [500, 0, "U", "S"], [550, 2, "S", "U"],
      [700, 1, "U", "S"],
    ],
  });
"""


def test_the_timeline_has_the_stretches_of_each_mode_and_its_text(run_js):
    bars, text, cut, empty = run_js(
        TRACE
        + """
      const cut = stretches({ ...s, since: 100 })[0];
      return [stretches(s), timelineText(s), cut, timelineText(state(0))];
    """
    )
    assert bars == [
        ["M", 0, 100],
        ["S", 100, 400],
        ["U", 400, 500],
        ["S", 500, 550],
        ["U", 550, 700],
        ["S", 700, 1000],
    ]
    assert text == (
        "Instructions 0 to 1,000: machine (M) mode 10.0 %, supervisor (S) mode 65.0 %, "
        "user (U) mode 25.0 %; 1 exception, 1 interrupt."
    )
    assert cut == ["S", 100, 400]
    assert empty == "Nothing has run yet."


def test_the_timeline_is_drawn_in_lanes_with_a_name_for_readers_of_the_screen(run_js):
    result = run_js(
        TRACE
        + """
      const p = await show(new FakeBackend(1), { state: s });
      const svg = p.view.timeline;
      const labels = [...svg.querySelectorAll("text")].map((text) => text.textContent);
      const m = svg.querySelector("path.m").getAttribute("d");
      const named = svg.getAttribute("aria-label") === `Timeline. ${timelineText(s)}`;
      return { labels, m, named, traps: svg.querySelectorAll("path.trap").length };
    """
    )
    assert result["labels"][:5] == [
        "machine (M)",
        "supervisor (S)",
        "user (U)",
        "exceptions",
        "interrupts",
    ]
    assert result["m"] == "M140.0 8H192.4V24H140.0Z"  # a tenth of the 524 units from 140 on
    assert result["labels"][5:-1] == ["0", "200", "400", "600", "800", "1,000"]
    assert (result["named"], result["traps"]) == (True, 2)


def test_everything_that_scrolls_or_answers_has_a_name_and_can_be_reached(run_js):
    nameless, total = run_js("""
      const p = await show(new FakeBackend(1), { source: "nop" });
      const named = (node) =>
        node.getAttribute("aria-label") || node.labels?.length || node.textContent.trim();
      const all = [...p.element.querySelectorAll("button, input, select, textarea, [tabindex]")];
      return [all.filter((node) => !named(node)).length, all.length];
    """)
    assert nameless == 0
    assert total > 15


WIDGET = """
async ([text, source]) => {
  const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const traits = { source, draft: source };
  const model = {
    saved: 0,
    on: (name, receive) => (model.receive = receive),
    off: () => (model.receive = () => {}),
    get: (name) => traits[name],
    set: (name, value) => (traits[name] = value),
    save_changes: () => (model.saved += 1),
    send: async (message) => model.receive({ id: message.id, ...(await python(message)) }),
  };
  globalThis.traits = traits;
  globalThis.close = module.default.render({ model, el: document.body });
}
"""


def test_the_widget_s_module_drives_a_player_in_python(browser):
    player = Player(source="li a0, 6\nli a1, 7\nmul a2, a0, a1\nloop: j loop")
    page = browser.new_page()
    page.expose_function("python", player.handle)
    page.evaluate(WIDGET, [widget_module(), player.source])
    page.get_by_label("by instructions", exact=True).select_option("10")
    page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_role("status").filter(has_text="a2 = 0x002a").wait_for()
    assert player.machine.steps == 10
    page.get_by_label("RISC-V assembly").fill("li a0, 1")
    page.get_by_label("Address", exact=True).focus()
    assert page.evaluate("traits.draft") == "li a0, 1"
    assert player.source.startswith("li a0, 6")
    page.get_by_role("button", name="Assemble and load").click()
    page.get_by_role("status").filter(has_text="10 instructions back.").wait_for()
    assert player.source == "li a0, 1"
    page.get_by_label("Address", exact=True).fill("a0")
    page.get_by_role("button", name="Walk").click()
    page.get_by_role("status").filter(has_text="fetch at 0x0000: no entry read").wait_for()
    page.evaluate("close()")
    page.close()
