// The page that vCenter's server gives a person: a login, then the view, brought up to date as things
// change. It asks its own server alone, by requests that carry JSON.

import { mount } from "./view.js";

const AGAIN_MS = 2000; // after the server could not be reached
const find = (id) => document.getElementById(id);
const [login, view, who, wrong] = ["login", "view", "who", "wrong"].map(find);

async function post(path, message) {
  const answered = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  });
  const said = await answered.json();
  if (answered.status === 401) show(false);
  if (!answered.ok) throw new Error(said.text);
  return said;
}

const draw = mount(view, (message) => post("/ui/act", message));
let turn = 0; // of logging in and out; a loop of an earlier one ends

function show(inside, user = "") {
  turn += 1;
  const before = view.hidden;
  login.hidden = inside;
  view.hidden = who.hidden = !inside;
  find("user").textContent = user;
  if (!inside && !before) find("name").focus();
}

async function follow() {
  const mine = turn;
  let version = "";
  while (mine === turn) {
    try {
      const answered = await fetch(`/ui/state?version=${version}`);
      if (mine !== turn) return;
      if (answered.status === 401) return show(false);
      const state = await answered.json();
      version = state.version;
      draw(state);
      if (view.hidden) show(true, state.user), void follow();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

login.addEventListener("submit", async (event) => {
  event.preventDefault();
  wrong.textContent = "";
  try {
    const { user } = await post("/ui/login", { user: find("name").value, password: find("password").value });
    find("password").value = "";
    show(true, user);
    void follow();
    find("leave").focus();
  } catch (error) {
    wrong.textContent = error.message;
  }
});

find("leave").addEventListener("click", async () => {
  await post("/ui/logout", {}).catch(() => {});
  show(false);
});

login.hidden = false;
void follow(); // who has logged in before need not again
