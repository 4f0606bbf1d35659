
"use strict";
// Values become text nodes and nothing else: see `element`.
const base = location.pathname.replace(/\/*$/, "/") + "api/";
const $ = (id) => document.getElementById(id);

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "text") made.textContent = value;
    else if (key === "onclick" || key === "onchange") made.addEventListener(key.slice(2), value);
    else if (key === "checked" || key === "disabled") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// --- numbers and times ---

const count = (number) => number.toLocaleString("en");
const plural = (number, noun) => count(number) + " " + noun + (number === 1 ? "" : "s");

function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return ms.toFixed(2) + " ms";
  if (ms < 1000) return Math.round(ms) + " ms";
  if (ms < 60e3) return (ms / 1e3).toFixed(1) + " s";
  if (ms < 3600e3) return Math.round(ms / 60e3) + " min";
  if (ms < 48 * 3600e3) return Math.round(ms / 3600e3) + " h";
  return Math.round(ms / 86400e3) + " d";
}

function time(text) {
  const date = new Date(text);
  const today = date.toDateString() === new Date().toDateString();
  return element("time", { datetime: date.toISOString(), text: today ? date.toLocaleTimeString() : date.toLocaleString() });
}

// --- asking ---

class Refused extends Error {}

async function answer(response) {
  const kind = response.headers.get("content-type") || "";
  const data = kind.startsWith("application/json") ? await response.json() : null;
  if (response.ok && data !== null) return data;
  if (data && data.error) throw new Refused(data.error);
  if (response.status === 401 || response.status === 403) throw new Refused("not signed in: load this page again");
  throw new Refused("the answer is not the dashboard's (status " + response.status + ")");
}

async function get(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values || {})) {
    if (value !== "" && value !== null && value !== undefined) query.set(name, value);
  }
  const response = await fetch(base + path + "?" + query, { headers: { accept: "application/json" }, redirect: "error" });
  return answer(response);
}

async function act(action, order) {
  const response = await fetch(base + "do/" + action, {
    method: "POST",
    headers: { "content-type": "application/json", "x-roan-dashboard": "1" },
    body: JSON.stringify(order),
    redirect: "error",
  });
  return answer(response);
}

function say(text) {
  $("said").textContent = text;
}

function words(error) {
  return error instanceof Refused ? error.message : "cannot reach the program";
}

/// Runs one at a time, and once more if it was asked for meanwhile.
function oneAtATime(work) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await work();
    } catch (error) {
      say(words(error));
    } finally {
      running = false;
    }
    if (again) {
      again = false;
      setTimeout(run, 500);
    }
  };
}

// --- the state, live ---

let state = null;
/// What waits in a durable outbox, also for other processes. Null without one.
let outbox = null;
let frozen = false;
let events = null;
let polling = null;
let late = null;

function connection(text) {
  const shown = $("connection");
  if (shown.textContent !== text) shown.textContent = text;
}

function disconnect() {
  if (events) events.close();
  clearTimeout(polling);
  clearTimeout(late);
  events = polling = late = null;
}

function connect() {
  disconnect();
  if (frozen || document.hidden) return;
  events = new EventSource(base + "live");
  events.addEventListener("open", () => {
    clearTimeout(late);
    late = null;
    connection("Live");
  });
  events.addEventListener("state", (event) => show(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    // A stream ends after a while, and the browser opens the next one.
    if (events && events.readyState === EventSource.CLOSED) poll();
    else late ??= setTimeout(() => connection("Reconnecting"), 4000);
  });
}

/// Where no stream is to be had.
async function poll() {
  disconnect();
  if (frozen || document.hidden) return;
  try {
    show(await get("state"));
    connection("Every 5 seconds");
  } catch (error) {
    connection("Not connected: " + words(error));
  }
  polls += 1;
  polling = setTimeout(polls % 3 === 0 ? connect : poll, 5000);
}
let polls = 0;

$("freeze").addEventListener("click", () => {
  frozen = !frozen;
  $("freeze").setAttribute("aria-pressed", frozen);
  if (frozen) {
    disconnect();
    connection("Frozen");
  } else {
    connection("Connecting");
    connect();
  }
});
document.addEventListener("visibilitychange", connect);

function show(next) {
  const before = state;
  state = next;
  const first = before === null;
  if (first) prepare();
  showTroubles();
  showFigures();
  showNodes(before);
  showCharts();
  if (first && state.has.durable) others();
  if (first && next.has.fleet) fleet.load();
  if (first || before.purges !== next.purges || before.asked !== next.asked) purges.news();
  if (next.has.dead && (first || gone(before) !== gone(next))) dead.news();
}

const gone = (state) => state.nodes.reduce((sum, node) => sum + node.dead + node.refused, 0);

function prepare() {
  for (const part of document.querySelectorAll("[data-has]")) part.hidden = !state.has[part.dataset.has];
  for (const part of document.querySelectorAll("[data-writes]")) part.hidden = part.hidden || state.read_only;
  for (const select of document.querySelectorAll("select[name=node]")) {
    for (const node of new Set(state.nodes.map((node) => node.node))) select.append(element("option", { text: node }));
  }
}

function showTroubles() {
  const troubles = state.troubles.slice();
  if (state.invalid) troubles.push(plural(state.invalid, "target") + " of a rule could not be made from a row: the log says which");
  if (state.refused) troubles.push(plural(state.refused, "target") + " could not be sent to any cache: the log says why");
  if (state.dropped) troubles.push(plural(state.dropped, "target") + " were dropped because too many waited");
  if (state.not_stored) troubles.push(plural(state.not_stored, "write") + " could not be stored in the outbox, and were purged from memory");
  const shown = $("troubles");
  const text = troubles.join("\n");
  if (shown.dataset.text === text) return;
  shown.dataset.text = text;
  shown.replaceChildren(...troubles.map((trouble) => element("p", { class: "trouble", text: trouble })));
}

function showFigures() {
  const sum = (name) => state.nodes.reduce((sum, node) => sum + node[name], 0);
  const figures = [
    ["Purges a second", sum("rate").toFixed(1)],
    ["Waiting", count(outbox ? outbox.writes.waiting + outbox.writes.taken + outbox.deliveries : state.waiting + sum("pending"))],
    // In an outbox they are counted by their writes.
    state.has.durable ? ["Answered", count(sum("purged") + sum("not_cached"))] : ["Asked for", count(state.asked)],
    ["Purged", count(sum("purged"))],
    ["Not cached", count(sum("not_cached"))],
    ["Given up", count(gone(state))],
  ];
  const shown = $("figures");
  if (shown.children.length === 0) {
    for (const [name] of figures) shown.append(element("div", null, element("dt", { text: name }), element("dd")));
  }
  figures.forEach(([, value], place) => {
    const at = shown.children[place].lastChild;
    if (at.textContent !== value) at.textContent = value;
  });
}

function health(node) {
  if (node.paused_ms !== null) return ["wait", "❚ paused"];
  if (node.down) return ["bad", "✕ down"];
  return ["good", "● up"];
}

function waitingInOutbox(node) {
  const there = outbox && outbox.nodes.find((there) => there.cache === node.cache && there.node === node.node);
  return there ? there.waiting : 0;
}

const nodeRows = new Map();

function showNodes(before) {
  const body = $("node-table").tBodies[0];
  for (const node of state.nodes) {
    const key = JSON.stringify([node.cache, node.node]);
    let row = nodeRows.get(key);
    if (!row) {
      row = nodeRow(node);
      nodeRows.set(key, row);
      body.append(row.tr);
    }
    row.update(node);
    const old = before && before.nodes.find((old) => old.cache === node.cache && old.node === node.node);
    if (old && health(old)[1] !== health(node)[1]) say(node.cache + " " + node.node + " is " + health(node)[1].slice(2) + " now.");
  }
}

function nodeRow(node) {
  const name = nodeName(node);
  const cell = (extra) => element("td", { class: extra || "number" });
  const cells = {
    health: cell(" "), pending: cell(), in_flight: cell("number wider"), rate: cell(), lag: cell(), longest: cell("number wider"),
    purged: cell("number wide"), not_cached: cell("number wider"), failed: cell("number wide"), dead: cell(), error: cell("text"),
  };
  const action = element("button", { type: "button", class: "small", onclick: () => pause(row.node) });
  const last = element("td", { hidden: state.read_only }, action);
  const tr = element("tr", null, element("th", { scope: "row" }, node.cache, node.cache === node.node ? null : element("span", { class: "node", text: node.node })), ...Object.values(cells), last);
  const put = (at, text) => {
    if (at.textContent !== text) at.textContent = text;
  };
  const row = {
    tr,
    node,
    update(node) {
      row.node = node;
      const [kind, text] = health(node);
      cells.health.className = kind;
      put(cells.health, text);
      put(cells.pending, count(Math.max(node.pending, waitingInOutbox(node))));
      put(cells.in_flight, count(node.in_flight));
      put(cells.rate, node.rate.toFixed(1) + "/s");
      put(cells.lag, span(node.lag_ms));
      put(cells.longest, span(node.longest_lag_ms));
      put(cells.purged, count(node.purged));
      put(cells.not_cached, count(node.not_cached));
      put(cells.failed, count(node.failed));
      put(cells.dead, count(node.dead + node.refused + node.dropped));
      const error = node.last_error;
      put(cells.error, error ? error + " (" + new Date(node.last_error_at).toLocaleTimeString() + ")" : "–");
      const verb = node.paused_ms === null ? "Pause" : "Resume";
      put(action, verb);
      if (action.getAttribute("aria-label") !== verb + " " + name) action.setAttribute("aria-label", verb + " " + name);
    },
  };
  return row;
}

async function pause(node) {
  const paused = node.paused_ms !== null;
  try {
    await act(paused ? "resume" : "pause", { cache: node.cache, node: node.node });
    say(node.cache + " " + node.node + (paused ? " is purged again." : " is paused: its purges wait."));
  } catch (error) {
    say(words(error));
  }
}

// --- charts ---

const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/// Rounds a scale up to 1, 2 or 5 times a power of ten.
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value);
}

function showCharts() {
  $("chart-note").hidden = state.missed === 0;
  $("chart-note").textContent = plural(state.missed, "answer") + " came faster than they could be counted here.";
  const { step_s: step, points } = state.chart;
  const text = JSON.stringify(points);
  if (showCharts.text === text) return;
  showCharts.text = text;
  const start = 120 - points.length;
  const rates = points.map((point) => [(point[0] + point[1]) / step, (point[2] + point[3]) / step]);
  const top = ceiling(Math.max(...rates.map(([good, bad]) => good + bad)));
  const bars = [];
  rates.forEach(([good, bad], place) => {
    const x = start + place;
    const height = (100 * good) / top;
    const more = (100 * bad) / top;
    if (good) bars.push(shape("rect", { class: "good", x: x + 0.1, width: 0.8, y: 100 - height, height }));
    if (bad) bars.push(shape("rect", { class: "bad", x: x + 0.1, width: 0.8, y: 100 - height - more, height: more }));
  });
  $("rate-chart").replaceChildren(...bars);
  $("rate-scale").textContent = "top: " + count(top) + "/s";
  const most = Math.max(0, ...points.map((point) => point[5] ?? 0));
  const lagTop = ceiling(most);
  const line = (kind, place) => {
    let path = "";
    let drawn = false;
    points.forEach((point, at) => {
      if (point[place] === null) {
        drawn = false;
        return;
      }
      const x = start + at + 0.5;
      const y = 99 - (97 * point[place]) / lagTop;
      path += drawn ? "L" + x + " " + y : "M" + (x - 0.4) + " " + y + "L" + (x + 0.4) + " " + y;
      drawn = true;
    });
    return shape("path", { class: kind, d: path });
  };
  $("lag-chart").replaceChildren(line("most", 5), line("mean", 4));
  $("lag-scale").textContent = "top: " + span(lagTop);
  minutes(points, step);
}

function minutes(points, step) {
  const size = Math.round(60 / step);
  const rows = [];
  for (let end = points.length, ago = 0; end > 0; end -= size, ago += 1) {
    const some = points.slice(Math.max(0, end - size), end);
    const sum = (place) => some.reduce((sum, point) => sum + point[place], 0);
    const done = sum(0) + sum(1);
    const lag = some.reduce((sum, point) => sum + (point[4] ?? 0) * (point[0] + point[1]), 0);
    const most = Math.max(...some.map((point) => point[5] ?? 0));
    const cells = [count(sum(0)), count(sum(1)), count(sum(2)), count(sum(3)), done ? span(lag / done) : "–", done ? span(most) : "–"];
    const name = ago === 0 ? "now" : ago + " min ago";
    rows.push(element("tr", null, element("th", { scope: "row", text: name }), ...cells.map((text) => element("td", { class: "number", text }))));
  }
  $("chart-table").tBodies[0].replaceChildren(...rows);
  const last = rows[0] ? Array.from(rows[0].cells, (cell) => cell.textContent) : [];
  const label = "In the last minute: " + last[1] + " purged, " + last[2] + " not cached, " + last[3] + " failed attempts";
  $("rate-chart").setAttribute("aria-label", label);
  $("lag-chart").setAttribute("aria-label", "In the last minute: mean lag " + last[5] + ", longest lag " + last[6]);
}

// --- lists ---

function values(form) {
  return Object.fromEntries(new FormData(form));
}

function whenChanged(form, work) {
  let soon = null;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    work();
  });
  form.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(work, 200);
  });
}

function targetParts(target) {
  const about = [target.kind === "url" || !target.text ? null : target.kind, target.site ? "at " + target.site : null].filter(Boolean).join(" ");
  return [element("code", { text: target.text || target.kind }), about ? element("span", { class: "soft", text: " " + about }) : null];
}

/// A purge for one node has one target; the row of a write has several, or a payload that does not name them.
function storedTargets(row) {
  const [first, ...others] = row.targets;
  const parts = first ? targetParts(first) : [element("code", { text: row.payload })];
  if (others.length) parts.push(element("span", { class: "soft", text: " and " + plural(others.length, "target") + " more" }));
  return element("td", { class: "text" }, ...parts);
}

function storedError(row) {
  return [row.result === "refused" || row.result === "failed" ? row.result : null, row.error].filter(Boolean).join(": ") || "–";
}

function list(items, more, noun) {
  const rest = more ? element("li", { class: "soft", text: "and " + plural(more, noun) + " more" }) : null;
  return element("ul", null, ...items, rest);
}

function targetsCell(purge) {
  const items = purge.targets.map((target) => element("li", null, ...targetParts(target)));
  return element("td", { class: "text" }, list(items, purge.more_targets, "target"));
}

function whyCell(purge) {
  const items = purge.causes.map((cause) =>
    element("li", null, cause.text, cause.trace_id ? element("span", { class: "soft", text: ", trace " }) : null, cause.trace_id ? element("code", { text: cause.trace_id + "-" + cause.span_id }) : null));
  if (items.length === 0) items.push(element("li", { class: "soft", text: "not known" }));
  const facts = [];
  if (purge.asks > 1) facts.push("asked for " + count(purge.asks) + " times");
  if (state.has.durable && purge.id > 0) facts.push("write " + purge.id);
  if (purge.replay_of !== null) facts.push("a replay of write " + purge.replay_of);
  if (facts.length) items.push(element("li", { class: "soft", text: facts.join(", ") }));
  return element("td", { class: "text" }, element("ul", null, ...items));
}

const MARKS = { purged: ["good", "✓ "], "not-cached": ["good", "✓ "], waiting: ["wait", "… "], failed: ["wait", "… "] };

/// An embedded cache is a node of its own name.
function nodeName(row) {
  return row.cache === row.node ? row.node : row.cache + " " + row.node;
}

function answerItem(answer) {
  const [kind, mark] = MARKS[answer.result] || ["bad", "✕ "];
  const name = nodeName(answer);
  const facts = [];
  if (answer.status) facts.push("status " + answer.status);
  if (answer.verified) facts.push("verified");
  if (answer.attempts > 1) facts.push(plural(answer.attempts, "attempt"));
  if (answer.rebound) facts.push("second purge");
  if (answer.other_urls) facts.push("other URLs");
  if (answer.count > 1) facts.push(plural(answer.count, "URL"));
  return element("li", null,
    element("span", { class: kind, text: mark + answer.result.replace("-", " ") }),
    element("span", { class: "soft", text: (name ? " by " + name : "") + (facts.length ? ", " + facts.join(", ") : "") }),
    answer.error ? ": " + answer.error : null);
}

function answersCell(purge) {
  const items = purge.answers.map(answerItem);
  if (items.length === 0) items.push(element("li", { class: "wait", text: "… " + purge.state }));
  if (purge.error) items.push(element("li", { class: "bad", text: "✕ " + purge.error }));
  return element("td", { class: "text" }, list(items, purge.more_answers, "answer"));
}

const purges = {
  before: null,
  news() {
    if (purges.before === null) purges.load();
    else $("purge-newest").disabled = false;
  },
  load: oneAtATime(async () => {
    const found = await get("purges", { ...values($("purge-filter")), before: purges.before });
    const rows = found.purges.map((purge) =>
      element("tr", null, element("td", null, time(purge.asked)), targetsCell(purge), whyCell(purge), answersCell(purge)));
    $("purge-table").tBodies[0].replaceChildren(...rows);
    const last = found.purges.at(-1);
    purges.next = found.more && last ? last.id : null;
    $("purge-older").disabled = purges.next === null;
    $("purge-newest").disabled = purges.before === null;
    $("purge-note").textContent = rows.length ? "" : "No purge matches.";
  }),
  next: null,
};
whenChanged($("purge-filter"), () => {
  purges.before = null;
  purges.load();
});
$("purge-older").addEventListener("click", () => {
  purges.before = purges.next;
  purges.load();
});
$("purge-newest").addEventListener("click", () => {
  purges.before = null;
  purges.load();
});

const fleet = {
  load: oneAtATime(async () => {
    let found;
    try {
      found = await get("fleet");
    } catch (error) {
      $("fleet-note").textContent = words(error);
      return;
    }
    const ago = (ms) => (ms === null ? "–" : span(ms) + " ago");
    const rows = found.nodes.map((node) => {
      const kind = node.problem === null ? "good" : "bad";
      const answer = node.last_answer;
      return element("tr", null,
        element("th", { scope: "row", text: node.node }),
        element("td", { class: kind, text: (kind === "good" ? "● " : "✕ ") + node.state }),
        element("td", { class: "number", text: node.acknowledged === null ? "–" : count(node.lag) }),
        element("td", { class: "number", text: node.oldest === null ? "–" : count(node.oldest) + ", " + ago(node.lag_ms) }),
        element("td", { class: "number wide", text: node.acknowledged === null ? "–" : count(node.acknowledged) }),
        element("td", { class: "text wide", text: answer ? answer.outcome + ", " + ago(answer.since_ms) : "–" }),
        element("td", { class: "number", text: node.heard_ms === null ? "never" : ago(node.heard_ms) }),
        element("td", { class: "text", text: [node.problem, ...node.warnings].filter(Boolean).join("; ") || "–" }));
    });
    $("fleet-table").tBodies[0].replaceChildren(...rows);
    const kept = found.messages ? plural(found.messages, "message") + ", " + count(found.first) + " to " + count(found.last) : "no message";
    $("fleet-note").textContent = "Stream " + found.stream + ": " + kept + (rows.length ? "." : "; no node has used it.");
    for (const words of [found.problem, ...found.warnings]) {
      if (words) $("fleet-note").textContent += " " + words + ".";
    }
  }),
};

/// The state of this process does not have what the servers know.
setInterval(() => {
  if (!frozen && !document.hidden && state && state.has.fleet) fleet.load();
}, 2000);

const waiting = {
  after: null,
  next: null,
  load: oneAtATime(async () => {
    const found = await get("waiting", { ...values($("waiting-filter")), after: waiting.after });
    const rows = found.waiting.map((row) =>
      element("tr", null,
        storedTargets(row),
        element("td", { class: "text", text: nodeName(row) || "all" }),
        element("td", { text: row.state }),
        element("td", { class: "number wide", text: count(row.attempts) }),
        element("td", { class: "number", text: span(row.age_ms) }),
        element("td", { class: "number wide", text: span(row.due_in_ms) }),
        element("td", { class: "text", text: storedError(row) })));
    $("waiting-table").tBodies[0].replaceChildren(...rows);
    const status = found.status;
    const facts = [
      plural(status.writes.waiting, "write") + " not taken yet",
      count(status.writes.taken) + " taken",
      plural(status.deliveries, "purge") + " for nodes that did not answer at first",
      status.writes.left ? count(status.writes.left) + " for another version of the program" : null,
      status.writes.oldest_ms === null ? null : "the oldest " + span(status.writes.oldest_ms) + " old",
    ];
    $("waiting-note").textContent = facts.filter(Boolean).join(", ") + ".";
    waiting.next = found.more ? found.waiting.at(-1).id : null;
    $("waiting-next").disabled = waiting.next === null;
    $("waiting-first").disabled = waiting.after === null;
  }),
};
whenChanged($("waiting-filter"), () => {
  waiting.after = null;
  waiting.load();
});
$("waiting-details").addEventListener("toggle", () => {
  if ($("waiting-details").open) waiting.load();
});
$("waiting-next").addEventListener("click", () => {
  waiting.after = waiting.next;
  waiting.load();
});
$("waiting-first").addEventListener("click", () => {
  waiting.after = null;
  waiting.load();
});

/// What other processes do is not in the state of this one.
const others = oneAtATime(async () => {
  outbox = await get("outbox");
  showFigures();
  showNodes(state);
});
setInterval(() => {
  if (frozen || document.hidden || state === null || !state.has.durable) return;
  others();
  if ($("waiting-details").open && waiting.after === null) waiting.load();
  dead.news();
}, 5000);

const dead = {
  after: null,
  next: null,
  chosen: new Set(),
  shown: [],
  news() {
    if (dead.after === null && dead.chosen.size === 0) dead.load();
  },
  load: oneAtATime(async () => {
    const found = await get("dead", { ...values($("dead-filter")), after: dead.after });
    dead.shown = found.dead.map((row) => row.id);
    dead.chosen = new Set(dead.shown.filter((id) => dead.chosen.has(id)));
    $("dead-table").tBodies[0].replaceChildren(...found.dead.map(deadRow));
    dead.next = found.more ? dead.shown.at(-1) : null;
    $("dead-next").disabled = dead.next === null;
    $("dead-first").disabled = dead.after === null;
    $("dead-note").textContent = dead.shown.length ? "" : "No dead purge matches.";
    for (const id of ["retry-all", "drop-all"]) $(id).disabled = dead.shown.length === 0;
    dead.choice();
  }),
  choice() {
    const none = dead.chosen.size === 0;
    for (const id of ["retry-chosen", "drop-chosen"]) $(id).disabled = none;
    $("choose-all").checked = !none && dead.chosen.size === dead.shown.length;
  },
  async do(action, order, what) {
    try {
      const done = await act(action, order);
      say(plural(done.count, "purge") + " " + what + ".");
      dead.chosen.clear();
      dead.after = null;
      await dead.load();
    } catch (error) {
      say(words(error));
    }
  },
};

function deadRow(row) {
  const choose = element("input", {
    type: "checkbox",
    checked: dead.chosen.has(row.id),
    "aria-label": "Choose " + row.id,
    onchange(event) {
      if (event.target.checked) dead.chosen.add(row.id);
      else dead.chosen.delete(row.id);
      dead.choice();
    },
  });
  return element("tr", null,
    element("td", { hidden: state.read_only }, choose),
    element("td", { class: "number wide", text: row.id }),
    storedTargets(row),
    element("td", { class: "text", text: nodeName(row) || "none" }),
    element("td", { class: "text", text: storedError(row) }),
    element("td", { class: "number wide", text: count(row.attempts) }),
    element("td", { class: "number", text: span(row.age_ms) }));
}

whenChanged($("dead-filter"), () => {
  dead.after = null;
  dead.chosen.clear();
  dead.load();
});
$("dead-next").addEventListener("click", () => {
  dead.after = dead.next;
  dead.chosen.clear();
  dead.load();
});
$("dead-first").addEventListener("click", () => {
  dead.after = null;
  dead.load();
});
$("choose-all").addEventListener("change", (event) => {
  dead.chosen = new Set(event.target.checked ? dead.shown : []);
  for (const box of $("dead-table").tBodies[0].querySelectorAll("input")) box.checked = event.target.checked;
  dead.choice();
});

function confirmed(text, word) {
  const dialog = $("confirm");
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = word;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
$("confirm-yes").addEventListener("click", () => $("confirm").close("yes"));
$("confirm-no").addEventListener("click", () => $("confirm").close("no"));

const chosen = () => ({ ids: Array.from(dead.chosen) });
$("retry-chosen").addEventListener("click", () => dead.do("retry", chosen(), "will be sent again"));
$("drop-chosen").addEventListener("click", async () => {
  const order = chosen();
  const text = "Drop " + plural(order.ids.length, "dead purge") + "? Their pages stay as they are.";
  if (await confirmed(text, "Drop")) dead.do("drop", order, "dropped");
});
async function allThatMatch(action, question, verb, what) {
  const filter = values($("dead-filter"));
  try {
    const found = await get("dead/count", filter);
    if (await confirmed(question(plural(found.count, "dead purge")), verb)) dead.do(action, { filter }, what);
  } catch (error) {
    say(words(error));
  }
}
$("retry-all").addEventListener("click", () =>
  allThatMatch("retry", (purges) => "Send " + purges + " again?", "Retry all", "will be sent again"));
$("drop-all").addEventListener("click", () =>
  allThatMatch("drop", (purges) => "Drop " + purges + "? Their pages stay as they are.", "Drop all", "dropped"));

$("page-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = values($("page-form"));
  const noun = asked.kind === "url" ? "tag" : "page";
  try {
    const found = await get(asked.kind === "url" ? "tags" : "pages", { ...asked, limit: 200 });
    const shown = found.found.length;
    $("page-note").textContent = plural(found.count, noun) + (shown < found.count ? ", of which " + shown + " are shown" : "") + ".";
    $("page-list").replaceChildren(...found.found.map((one) => element("li", null, ...targetParts(one))));
  } catch (error) {
    $("page-note").textContent = words(error);
    $("page-list").replaceChildren();
  }
});

async function rules() {
  const found = await get("rules");
  const rows = found.map((rule) => {
    const watched = rule.watched.length ? " of " + rule.watched.join(", ") : "";
    return element("tr", null,
      element("th", { scope: "row", text: rule.model, title: rule.module }),
      element("td", { text: rule.events + watched }),
      element("td", { class: "text" }, element("code", { text: rule.rule })),
      element("td", { class: "text" }, rule.condition ? element("code", { text: rule.condition }) : "–"),
      element("td", { text: rule.site || "default" }),
      element("td", { class: "text" }, rule.file ? element("code", { text: rule.file + ":" + rule.line }) : "made at run time"));
  });
  $("rule-table").tBodies[0].replaceChildren(...rows);
}

// --- the start ---

async function start() {
  try {
    show(await get("state"));
    await rules();
    connect();
  } catch (error) {
    connection("Not connected: " + words(error));
    setTimeout(start, 5000);
  }
}
start();
