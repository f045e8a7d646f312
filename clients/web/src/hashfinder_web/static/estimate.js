// The estimate of the search that is being typed: one question at a time, the last one counts.

import { unary } from "/connect.js";
import { about, duration, rate } from "/format.js";

const PAUSE_MILLISECONDS = 200;

export class Estimator {
  /** `client` is on whose behalf; `answered` gets what was asked last: its estimate, or its error. */
  constructor(client, answered) {
    this.#client = client;
    this.#answered = answered;
  }

  #client;
  #answered;
  #timer = null;
  #latest = null;
  #queue = Promise.resolve();

  /** Ask once the person pauses. */
  ask(request) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#latest = request;
      this.#queue = this.#queue.then(() => (this.#latest === request ? this.#asked(request) : null));
    }, PAUSE_MILLISECONDS);
  }

  /** Forget what was asked. */
  forget() {
    clearTimeout(this.#timer);
    this.#latest = null;
  }

  /** Ask, and return the estimate or the error. */
  now(request) {
    clearTimeout(this.#timer);
    this.#latest = request;
    this.#queue = this.#queue.then(() => this.#asked(request));
    return this.#queue;
  }

  async #asked(request) {
    let outcome;
    try {
      outcome = { estimate: await unary("Estimate", request, this.#client) };
    } catch (error) {
      outcome = { error };
    }
    if (this.#latest === request) this.#answered(outcome);
    return outcome;
  }
}

/** Write an estimate into the figures below `element`; dashes for null. */
export function showEstimate(element, estimate) {
  const put = (name, text, below = "") => {
    const figure = element.querySelector(`[data-figure=${name}]`);
    figure.textContent = text;
    figure.append(Object.assign(document.createElement("small"), { textContent: below }));
  };
  if (estimate === null) {
    for (const name of ["mean", "half", "most", "rate"]) put(name, "–");
    return;
  }
  const { expectedHashes, hashesFor50Percent, hashesFor99Percent, hashesPerSecond } = estimate;
  const putBoth = (name, hashes) => put(name, duration(hashes / hashesPerSecond), `${about(hashes)} hashes`);
  putBoth("mean", expectedHashes);
  putBoth("half", hashesFor50Percent);
  putBoth("most", hashesFor99Percent);
  put("rate", rate(hashesPerSecond), "shared with all searches");
}
