// A search as a person sees it.

import { readable } from "/bytes.js";
import { duration, grouped, percent, rate, share } from "/format.js";
import { locate } from "/match.js";

const STATES = { connecting: "Connecting", starting: "Starting", searching: "Searching" };
const WAITING = "Waiting: the browser opens six connections to a server at most, and all are taken";
const WAITING_SECONDS = 1.5;
const AROUND = 20; // characters of a long text beside the name

export class Card {
  /** `actions` has stop, resume and remove, each taking the search; `share` says its part of the server. */
  constructor(search, actions, share) {
    this.search = search;
    this.share = share;
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.#parts = new Map([...this.element.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    const name = search.request.desiredName;
    this.#part("name").textContent = name;
    this.#part("kind").textContent = kind(search.request);
    this.element.setAttribute("aria-label", `${name}, client ${search.label}`);
    for (const [action, act] of Object.entries(actions)) {
      const button = this.#part(action);
      button.addEventListener("click", () => act(search));
      this.#call(action, button.textContent);
    }
  }

  #parts;
  #asked = false;
  #drawn = null; // the newest candidate in the table
  #since = performance.now();

  /** Draw what has changed, with the next frame. */
  changed() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.draw();
    });
  }

  draw() {
    const { search } = this;
    const { active, ending, probability } = search;
    const part = active ? this.share(search) : null;
    this.element.dataset.state = active ? search.state : ending.tone;
    this.#text("state", active ? this.#stateText() : ending.title);
    this.#text("rate", rate(search.rate));
    this.#text("share", part === null ? "–" : share(part));
    this.#text("chance", probability === null ? "–" : percent(probability));
    this.#part("progress").value = probability ?? 0;
    this.#part("progress").setAttribute("aria-label", "chance of a match by now");
    this.#text("time", duration(search.seconds));
    this.#text("position", search.next === null ? "the last" : grouped(search.next));
    this.#part("stop").hidden = !active;
    this.#part("resume").hidden = active || ending.resume === null;
    this.#part("remove").hidden = active;
    this.#part("ending").hidden = active;
    if (!active) {
      this.#text("ending", ending.text);
      this.#call("resume", ending.action ?? "Resume");
    }
    this.#drawBest(search.best);
    this.#drawCandidates();
  }

  #stateText() {
    if (this.search.state !== "connecting") {
      this.#since = performance.now();
      return STATES[this.search.state];
    }
    return performance.now() - this.#since > WAITING_SECONDS * 1000 ? WAITING : STATES.connecting;
  }

  #drawBest(best) {
    this.#part("best-line").hidden = best === null;
    if (best === null) return;
    this.#text("best-distance", away(best.hammingDistance));
    this.#part("best").replaceChildren(...marked(best.hashedName, this.search.request));
  }

  #drawCandidates() {
    const { candidates, count } = this.search;
    this.#part("candidates").hidden = count === 0;
    if (candidates[0] === this.#drawn) return;
    const rows = this.#part("rows");
    let fresh = candidates.indexOf(this.#drawn);
    if (fresh < 0) fresh = candidates.length;
    this.#drawn = candidates[0];
    rows.prepend(...candidates.slice(0, fresh).map((candidate) => row(candidate, this.search.request)));
    while (rows.children.length > candidates.length) rows.lastElementChild.remove();
    const shown = count > candidates.length ? `, the last ${candidates.length} of them here` : "";
    this.#text("caption", `${grouped(count)} ${count === 1 ? "candidate" : "candidates"}${shown}`);
  }

  /** Name a button: what it does, and for a screen reader also to which search. */
  #call(action, text) {
    const { request, label } = this.search;
    this.#text(action, text);
    this.#part(action).setAttribute("aria-label", `${text} ${request.desiredName}, client ${label}`);
  }

  #part(name) {
    return this.#parts.get(name);
  }

  #text(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
  }
}

function kind(request) {
  const word = (field, otherwise) => (request[field] ?? otherwise).replace(/^.*?(SHA|BASE|HEX|BINARY|ANYWHERE|START|END)/, "$1");
  const places = { ANYWHERE: "anywhere", START: "at the start", END: "at the end" };
  const parts = [
    word("hashAlgorithm", "SHA_1").replace("_", "-"),
    word("digestEncoding", "BASE64").toLowerCase(),
    places[word("anchor", "ANYWHERE")],
  ];
  if (request.idealHammingDistance) parts.push(`up to ${away(request.idealHammingDistance)}`);
  if (request.caseSensitive) parts.push("case counts");
  if (request.wildcard) parts.push(`${request.wildcard} matches any`);
  if (request.secretPrefix) parts.push(`after ${readable(request.secretPrefix)}`);
  if (request.secretSuffix) parts.push(`before ${readable(request.secretSuffix)}`);
  if (request.secretAlphabet) parts.push(`of ${readable(request.secretAlphabet)}`);
  if (request.secretLength !== undefined) parts.push(`${request.secretLength} bytes`);
  return parts.join(" · ");
}

function row(candidate, request) {
  const line = document.createElement("tr");
  const cell = (kind, ...content) => {
    const each = document.createElement("td");
    each.className = kind;
    each.append(...content);
    line.append(each);
  };
  if (candidate.hammingDistance <= (request.idealHammingDistance ?? 0)) line.className = "ideal";
  cell("number", String(candidate.hammingDistance));
  cell("number", grouped(candidate.position));
  cell("text", ...marked(candidate.hashedName, request));
  cell("secret", readable(candidate.secret));
  return line;
}

function away(distance) {
  return distance === 0 ? "exact" : distance === 1 ? "1 character off" : `${distance} characters off`;
}

/** A hash's text, the name in it marked, and what differs there; a long text is cut to what is near. */
function marked(text, request) {
  const { offset, hits } = locate(text, request);
  const end = offset + hits.length;
  const from = text.length > 64 ? Math.max(0, offset - AROUND) : 0;
  const to = text.length > 64 ? Math.min(text.length, end + AROUND) : text.length;
  const mark = document.createElement("mark");
  for (let index = 0; index < hits.length; ) {
    let next = index;
    while (next < hits.length && hits[next] === hits[index]) next += 1;
    const part = text.slice(offset + index, offset + next);
    if (hits[index]) mark.append(part);
    else mark.append(Object.assign(document.createElement("i"), { textContent: part }));
    index = next;
  }
  return [(from ? "…" : "") + text.slice(from, offset), mark, text.slice(end, to) + (to < text.length ? "…" : "")];
}
