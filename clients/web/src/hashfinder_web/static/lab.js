// The page: the form starts searches, the board shows them, the plots show the server.

import { Board, FULL } from "/board.js";
import { Estimator, showEstimate } from "/estimate.js";
import { EXAMPLES } from "/examples.js";
import { Form, violations } from "/form.js";
import { Live } from "/live.js";
import { watchServer } from "/server.js";

// Another tab is another client; so is this page once it is loaded anew.
const PAGE = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
const CLIENTS = { A: `A-${PAGE}`, B: `B-${PAGE}` };

const form = new Form(document.getElementById("form"));
const board = new Board(CLIENTS, { say: (text) => form.say(text), announce: announcer(), moved: look });
const live = new Live(board);
const estimator = new Estimator(CLIENTS.A, ({ estimate, error }) => {
  const wrong = error ? violations(error) : new Map();
  if (error && wrong.size === 0) wrong.set("", `No estimate: ${error.message}.`);
  form.show(wrong);
  showEstimate(document.getElementById("estimate"), estimate ?? null);
});

function look() {
  const { request, wrong } = form.read();
  form.show(wrong);
  if (wrong.size === 0 && request.desiredName) {
    estimator.ask(request);
  } else {
    estimator.forget();
    showEstimate(document.getElementById("estimate"), null);
  }
}

/** Start a search of each of these clients, if the request is one. */
async function start(labels) {
  const { request, seconds, wrong } = form.read();
  const outcome = wrong.size ? { error: null } : await estimator.now(request);
  if (wrong.size) {
    form.show(wrong);
    form.focus();
  } else if (outcome.error && !canSearchAnyway(outcome.error, request)) {
    form.focus();
  } else if (!board.hasRoom(labels.length)) {
    form.say(FULL);
  } else {
    for (const label of labels) board.start(label, request, seconds, outcome.estimate?.chance ?? null);
  }
}

/** Whether a search can do without an estimate: not if it is invalid, nor if an old server would search for something else. */
function canSearchAnyway(error, request) {
  const classic = new Set(["desiredName", "idealHammingDistance", "interestingHammingDistance", "startPosition", "maximumHashes"]);
  if (error.code === "unimplemented") return Object.keys(request).every((name) => classic.has(name));
  return error.code !== "invalid_argument";
}

/** Returns what tells a screen reader one thing at a time: what comes close together is one sentence after the other. */
function announcer() {
  const place = document.getElementById("announcer");
  const waiting = [];
  return (text) => {
    waiting.push(text);
    setTimeout(() => {
      if (waiting.length) place.textContent = waiting.splice(0).slice(-3).join(" ");
    }, 300);
  };
}

form.element.addEventListener("input", look);
form.element.addEventListener("submit", (event) => {
  event.preventDefault();
  start([event.submitter?.value ?? "A"]);
});
document.getElementById("examples").addEventListener("click", (event) => {
  const example = EXAMPLES[event.target.dataset.example];
  if (!example) return;
  form.fill(example.fields);
  look();
  start(example.labels);
});
addEventListener("pagehide", () => board.leave()); // also where the browser keeps the page to come back to
watchServer((reading) => live.took(reading), (reason) => live.failed(reason));
look();
