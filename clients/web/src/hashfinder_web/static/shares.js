// Who gets which part of the server: all from the same readings, so that the parts fit each other.

const WINDOW_MILLISECONDS = 3000;
const SHORTEST_MILLISECONDS = 500; // what less time says is chance

export class Shares {
  #readings = []; // of the last seconds, the oldest first
  #rates = new Map();
  #total = 0;

  /**
   * Take what was counted until `at`, in milliseconds: `server`, the hashes of the server, null where
   * nobody says; and `counts`, those of each search and each client, by any key.
   */
  read(at, server, counts) {
    const restarted = this.#readings.at(-1)?.server > server;
    if (restarted || server === null) this.#readings = [];
    this.#readings.push({ at, server, counts });
    while (this.#readings.length > 2 && this.#readings[1].at <= at - WINDOW_MILLISECONDS) this.#readings.shift();
    const [first] = this.#readings;
    const seconds = (at - first.at) / 1000;
    const per = (now, before) => (at - first.at >= SHORTEST_MILLISECONDS ? Math.max(0, now - before) / seconds : 0);
    this.#rates = new Map([...counts].map(([key, count]) => [key, per(count, first.counts.get(key) ?? 0)]));
    this.#total = per(server ?? 0, first.server ?? 0);
  }

  /** The hashes a second that were counted by this key. */
  rate(key) {
    return this.#rates.get(key) ?? 0;
  }

  /** The hashes a second of the server, those of `keys` at least. */
  total(keys) {
    return Math.max(this.#total, keys.reduce((sum, key) => sum + this.rate(key), 0));
  }
}
