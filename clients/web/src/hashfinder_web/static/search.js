// One search of the page, over as many calls as it takes: it can be stopped and resumed.

import { CallError, stream } from "/connect.js";
import { failed, found, stopped } from "/endings.js";

const PROGRESS = "0.25s";
const WINDOW_MILLISECONDS = 2000;
const KEPT = 50;
const LAST = 2n ** 64n - 1n;

export class Search {
  /**
   * `request` is a HashNameRequest in JSON; `label` is A or B, and `client` what the gateway knows it
   * as; `seconds` is the time limit of each of its calls, if any; `chance` is that one hash is ideal,
   * null where nobody has said; `changed` is called after each event.
   */
  constructor({ request, label, client, seconds, chance, changed }) {
    Object.assign(this, { request, label, client, chance, limit: seconds, changed });
    this.state = "ended"; // connecting, starting, searching, ended
    this.ending = null;
    this.hashes = 0n;
    this.next = BigInt(request.startPosition ?? 0); // the first position not yet searched; null after the last one
    this.best = null;
    this.candidates = []; // the newest first
    this.count = 0;
    this.#budget = request.maximumHashes === undefined ? null : BigInt(request.maximumHashes);
  }

  #budget;
  #controller = null;
  #why = null;
  #samples = [];
  #from = 0n;
  #before = 0n;
  #elapsed = 0;
  #began = null;

  get active() {
    return this.state !== "ended";
  }

  /** Seconds of searching so far. */
  get seconds() {
    return this.#elapsed + (this.#began === null ? 0 : (performance.now() - this.#began) / 1000);
  }

  /** Hashes a second: over the last two seconds, or of all its time once it has ended. */
  get rate() {
    if (!this.active) return this.seconds ? Number(this.hashes) / this.seconds : 0;
    const since = performance.now() - WINDOW_MILLISECONDS;
    while (this.#samples.length > 2 && this.#samples[1].at < since) this.#samples.shift();
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || last.at < since) return 0;
    return first === last ? last.average : (Number(last.hashes - first.hashes) * 1000) / (last.at - first.at);
  }

  /** How probable it was to have found an ideal match by now; null where nobody has said. */
  get probability() {
    if (this.chance === null) return null;
    return this.hashes === 0n ? 0 : -Math.expm1(Number(this.hashes) * Math.log1p(-this.chance));
  }

  /** Begin, or continue where it ended. Returns when it has ended. */
  async run() {
    this.#controller = new AbortController();
    this.#why = null;
    this.#samples = [];
    this.#from = this.next;
    this.#before = this.hashes;
    this.ending = null;
    this.#enter("connecting");
    try {
      for await (const message of stream("FindRange", this.#message(), this.#options())) this.#take(message);
      this.#conclude(found);
    } catch (error) {
      if (this.#why !== null) {
        this.#conclude((self) => stopped(self, this.#why));
      } else {
        const known = error instanceof CallError ? error : new CallError({ message: String(error) });
        const progress = known.detail("SearchProgress");
        if (progress) this.#advance(progress);
        this.#conclude((self) => failed(known, self));
      }
    }
  }

  /** End it: `why` is "stopped" or "left". */
  stop(why = "stopped") {
    if (!this.active || this.#why !== null) return;
    this.#why = why;
    this.#controller.abort();
  }

  #message() {
    const message = { ...this.request, startPosition: String(this.#from), progressInterval: PROGRESS };
    if (this.#budget !== null) {
      const left = this.#budget - this.hashes;
      message.maximumHashes = String(left > 0n ? left : this.#budget); // spent: as much again
    }
    return message;
  }

  #options() {
    const opened = () => {
      this.#began = performance.now();
      this.#enter("starting");
    };
    return { client: this.client, signal: this.#controller.signal, seconds: this.limit, opened };
  }

  #take(message) {
    if (message.progress) {
      this.#advance(message.progress);
    } else {
      const candidate = { ...message, position: BigInt(message.position) };
      this.count += 1;
      this.candidates.unshift(candidate);
      this.candidates.length = Math.min(this.candidates.length, KEPT);
      this.#consider(candidate);
      const end = candidate.position + 1n;
      this.next = candidate.position === LAST ? null : end;
      this.hashes = this.#before + end - this.#from;
    }
    if (this.state === "searching") this.changed();
    else this.#enter("searching");
  }

  #advance(progress) {
    const computed = BigInt(progress.hashesComputed);
    this.hashes = this.#before + computed;
    this.next = progress.nextPosition === undefined ? null : BigInt(progress.nextPosition);
    if (progress.bestCandidate) this.#consider(progress.bestCandidate);
    this.#samples.push({ at: performance.now(), hashes: computed, average: progress.hashesPerSecond });
  }

  #consider(candidate) {
    if (this.best === null || candidate.hammingDistance < this.best.hammingDistance) this.best = candidate;
  }

  #conclude(ending) {
    this.#elapsed = this.seconds;
    this.#began = null;
    this.ending = ending(this);
    this.#enter("ended");
  }

  #enter(state) {
    this.state = state;
    this.changed();
  }
}
