// How a search ended, in words.

import { about, duration, grouped } from "/format.js";

const BY_REASON = {
  HASH_BUDGET_EXHAUSTED: ["Budget spent", "Its budget of hashes is spent."],
  TIME_LIMIT_REACHED: ["Time limit", "It took as long as one search may take on this server."],
  CLIENT_QUOTA_EXHAUSTED: ["Quota spent", "This client has used up its hash rate."],
  TOO_MANY_SEARCHES: ["Refused", "This client has as many searches under way as it may have."],
  SERVER_OVERLOADED: ["Server full", "The server has reached its limit of searches."],
  SERVER_DRAINING: ["Server leaves", "The server shuts down."],
  STOPPED_BY_OPERATOR: ["Stopped by operator", "The server’s operator stopped it: ask before you resume."],
};
const BY_CODE = {
  deadline_exceeded: ["Time limit", "Your time limit has passed."],
  unavailable: ["Connection lost", "The server or the gateway cannot be reached."],
  invalid_argument: ["Refused", ""],
  unauthenticated: ["Refused", "The server does not know the gateway."],
  permission_denied: ["Refused", "The server does not allow it."],
};
const BEGAN = new Set(["deadline_exceeded", "unavailable", "resource_exhausted", "aborted"]);

/** The end of a search that found its ideal match. */
export function found(search) {
  const text = `Found after ${about(Number(search.hashes))} hashes and ${duration(search.seconds)}.`;
  return { tone: "found", title: "Found", text, resume: search.next, action: "Find the next" };
}

/** The end of a search that the person stopped, or whose page was left. */
export function stopped(search, why) {
  const text = why === "left" ? "You left the page: the server stopped searching." : "You stopped it: the server is free for others.";
  return { tone: "stopped", title: "Stopped", text: text + at(search.next), resume: search.next };
}

/** The end of a search by an error of the call. */
export function failed(error, search) {
  const [title, words] = BY_REASON[error.reason] ?? BY_CODE[error.code] ?? ["Failed", "A fault of the server, or on the way to it."];
  const parts = [words];
  const progress = error.detail("SearchProgress");
  const isOver = progress && progress.nextPosition === undefined;
  if (isOver) parts[0] = "The last position is searched: there is no match.";
  if (!BY_REASON[error.reason] && error.message) parts.push(sentence(error.message));
  const delay = error.detail("RetryInfo")?.retryDelay;
  if (delay) parts.push(`Try again in ${duration(parseFloat(delay))}.`);
  const id = error.detail("RequestInfo")?.requestId;
  if (id) parts.push(`The server’s log has more under ${id}.`);
  const resume = isOver || !BEGAN.has(error.code) ? null : search.next;
  const tone = BEGAN.has(error.code) ? "stopped" : "failed";
  return { tone, title: isOver ? "Nothing left" : title, text: parts.filter(Boolean).join(" ") + at(resume), resume };
}

function at(position) {
  return position === null ? "" : ` It resumes at position ${grouped(position)}.`;
}

function sentence(text) {
  const clean = text.replace(/\.$/, "");
  return `${clean.charAt(0).toUpperCase()}${clean.slice(1)}.`;
}
