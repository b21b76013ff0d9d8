"use strict";
// Everything that comes from the gateways is put into the page as text, never as markup.

const $ = (id) => document.getElementById(id);
let token = new URLSearchParams(location.hash.slice(1)).get("token") || sessionStorage.getItem("token") || "";
if (token) {
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname); // out of the address bar
}

function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

async function ask(path, body) {
  const options = { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (path === "/api/events" && answer.ok) return answer;
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error || answer.statusText);
  return found;
}

function span(seconds) {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
const since = (at) => (at ? span((Date.now() - Date.parse(at)) / 1000) : "–");
const clock = (at) => new Date(at).toLocaleString();
const TONES = { ready: "good", restarted: "good", "already-satisfied": "good", updated: "good", starting: "warn", draining: "warn", down: "bad", crashing: "bad", failed: "bad", unknown: "bad" };

function phases(found) {
  const longest = Math.max(0.001, ...found.map((one) => one.lasted));
  const list = el("ol", { className: "phases", "aria-label": "Phases of the restart" });
  for (const one of found) {
    const fill = el("div", { className: "fill" });
    fill.style.width = `${(100 * one.lasted) / longest}%`;
    const turns = one.turns ? `, ${one.turns} turn${one.turns === 1 ? "" : "s"}` : "";
    const name = one.phase === "demanded" ? "demand start" : one.phase + turns;
    const over = one.phase === "settled";
    list.append(el("li", { title: clock(one.at) }, el("span", {}, name),
      el("span", { className: "lasted" }, over ? "" : `${one.lasted.toFixed(3)} s`),
      over ? el("span") : el("div", { className: "room", "aria-hidden": "true" }, fill)));
  }
  return list;
}

// --- the profiles

const cards = new Map();
let shown = null;

function draw(seen) {
  shown = seen;
  const place = $("profiles");
  const names = new Set(seen.profiles.map((one) => one.profile));
  for (const [name, card] of cards) if (!names.has(name)) { card.node.remove(); cards.delete(name); }
  for (const one of seen.profiles) {
    let card = cards.get(one.profile);
    if (!card) {
      card = make(one.profile);
      cards.set(one.profile, card);
      place.append(card.node);
    }
    fill(card, one);
  }
}

function make(name) {
  const title = `profile-${name}`;
  const card = { badge: el("span", { className: "badge" }), facts: el("dl"), more: el("div"), said: "" };
  const button = (text, act, label) => el("button", { type: "button", onclick: act, "aria-label": `${label || text} ${name}` }, text);
  card.start = button("Start", () => confirm(name, "start"));
  card.stop = button("Stop", () => confirm(name, "stop"));
  card.restart = button("Restart", () => confirm(name, "restart"));
  card.node = el("article", { className: "card", "aria-labelledby": title },
    el("div", { className: "bar" }, el("h2", { id: title }, name), card.badge), card.facts, card.more,
    el("div", { className: "acts" }, card.restart, card.start, card.stop,
      button("Update", () => confirm(name, "update")),
      button("History", () => openHistory(name), "History of"), button("Log", () => openLog(name), "Log of")));
  return card;
}

function fill(card, one) {
  card.badge.textContent = one.state;
  card.badge.className = `badge ${TONES[one.state] || ""}`;
  const facts = [
    ["since", one.since ? `${since(one.since)} (${clock(one.since)})` : "–"],
    ["restarts", one.restarts === null ? "–" : String(one.restarts)],
    ["revision", (one.revision || "–") + (one.skew ? " (not what is installed)" : "")],
    ["manager", one.manager + (one.kind === "own" ? "" : `, ${one.kind}`)],
  ];
  if (one.waiting_for) facts.push(["pending", `waiting for ${one.waiting_for}`]);
  card.facts.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  const more = [];
  if (one.phases) more.push(phases(one.phases));
  for (const id of (one.pending || []).map((intent) => intent.id)) {
    more.push(el("button", { type: "button", onclick: () => confirm(one.profile, "cancel", id), "aria-label": `Cancel restart of ${one.profile}` }, "Cancel the restart"));
  }
  for (const problem of one.problems || []) {
    more.push(el("div", { className: "problem" }, problem.text, el("pre", { tabIndex: 0 }, problem.mend)));
  }
  const same = JSON.stringify([one.phases, one.pending && one.pending.map((intent) => intent.id), one.problems]);
  if (same !== card.said) { // what has the focus is not replaced for nothing
    card.more.replaceChildren(...more);
    card.said = same;
  }
  const stopped = ["stopped", "down", "not installed"].includes(one.state);
  const adopted = one.kind === "adopted";
  card.start.disabled = adopted || !(stopped || one.state === "crashing"); // it may be at rest after so many crashes
  card.stop.disabled = adopted || stopped;
}

// --- acts

const WORDS = {
  restart: ["Restart", "Running turns may finish first; then the gateway is started anew.", "gateway restart"],
  start: ["Start", "The gateway is started.", "gateway start"],
  stop: ["Stop", "The gateway is stopped, and stays so until somebody starts it. Pending restarts are cancelled.", "gateway stop"],
  update: ["Update", "The installation is updated, which all profiles share, and this gateway is restarted.", "update"],
  cancel: ["Cancel the restart of", "A drain that has begun still ends in a restart.", "gateway intents cancel"],
};

function confirm(profile, act, id) {
  const [title, text, command] = WORDS[act];
  $("confirm-title").textContent = `${title} ${profile}?`;
  $("confirm-text").textContent = text;
  $("confirm-command").textContent = ["hermes", "-p", profile, command, id].filter(Boolean).join(" ");
  $("confirm-yes").textContent = title.split(" ")[0];
  $("confirm-yes").onclick = () => { $("confirm").close(); act_on(profile, act, id); };
  $("confirm").showModal();
  $("confirm-no").focus();
}

async function act_on(profile, act, id) {
  say(`${act} ${profile}…`);
  try {
    const done = await ask("/api/act", { profile, act, id, confirmed: true });
    say(`${profile}: ${done.said}`, done.code === 0 ? 8000 : 0);
  } catch (error) {
    say(`${profile}: ${error.message}`);
  }
}

let silence = 0;
function say(text, patience = 0) {
  clearTimeout(silence);
  $("said").textContent = text;
  if (patience) silence = setTimeout(() => { $("said").textContent = ""; }, patience);
}

// --- history and logs

let following = 0;

function open(title, body) {
  clearInterval(following);
  $("detail-title").textContent = title;
  $("detail-body").replaceChildren(...body);
  $("detail").hidden = false;
  $("detail-title").focus();
}

async function openHistory(profile) {
  try {
    const found = await ask(`/api/history?profile=${encodeURIComponent(profile)}`);
    const restarts = found.restarts.map((one) => el("details", {},
      el("summary", {}, el("strong", { className: TONES[one.outcome] || "" }, one.outcome), ` ${clock(one.at)}, ${one.took.toFixed(1)} s, ${one.reason} by ${one.requester}`),
      el("p", { className: "quiet" }, `${one.detail} (${one.id})`), phases(one.phases)));
    const starts = el("table", {}, el("thead", {}, el("tr", {}, ...["started", "why", "pid", "ran", "ended"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...found.starts.map((one) => el("tr", {}, el("td", {}, clock(one.at)), el("td", {}, one.why), el("td", {}, String(one.pid || "–")),
        el("td", {}, span(one.ran)), el("td", { className: one.crashed ? "bad" : "" }, one.end || "runs")))));
    open(`History of ${profile}`, [el("h3", {}, "Restarts"), ...(restarts.length ? restarts : [el("p", {}, "none yet")]),
      el("h3", {}, "Starts"), el("div", { className: "wide" }, starts), el("h3", {}, "Updates"), el("pre", { tabIndex: 0 }, found.updates.join("\n"))]);
  } catch (error) { say(error.message); }
}

async function openLog(profile) {
  const lines = el("pre", { className: "log", tabIndex: 0, role: "log", "aria-label": `Log of ${profile}` });
  const which = el("select", { "aria-label": "Which log" }, ...["gateway", "restarter", "update"].map((name) => el("option", {}, name)));
  const look = async () => {
    try {
      const found = await ask(`/api/logs?profile=${encodeURIComponent(profile)}&log=${which.value}`);
      const text = found.lines.join("\n");
      if (text === lines.textContent) return;
      const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4;
      lines.textContent = text;
      if (atEnd) lines.scrollTop = lines.scrollHeight;
    } catch (error) { say(error.message); }
  };
  which.onchange = look;
  open(`Log of ${profile}`, [which, lines]);
  await look();
  following = setInterval(look, 1500);
}

// --- live

async function follow() {
  for (;;) {
    try {
      const answer = await ask("/api/events");
      $("live").textContent = "live";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) if (part.startsWith("data: ")) draw(JSON.parse(part.slice(6)));
      }
      $("live").textContent = "not connected; trying again";
    } catch (error) {
      $("live").textContent = `not connected: ${error.message}`;
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  $("confirm-no").onclick = () => $("confirm").close();
  $("detail-close").onclick = () => { clearInterval(following); $("detail").hidden = true; };
  setInterval(() => { if (shown) draw(shown); }, 1000); // ages go on without news
  follow();
});
