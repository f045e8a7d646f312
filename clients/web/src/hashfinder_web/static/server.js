// The server's metrics, by way of the gateway, while the page can be seen.

const EVERY_MILLISECONDS = 1000;
const PATIENCE_MILLISECONDS = 4000;
const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/i;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** One reading: samples with their labels. */
export class Reading {
  constructor(text, at) {
    this.at = at; // milliseconds
    this.#samples = text.split("\n").flatMap((line) => {
      const found = LINE.exec(line);
      if (!found) return [];
      const labels = Object.fromEntries([...(found[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, value]));
      return [{ name: found[1], labels, value: Number(found[3]) }];
    });
  }

  #samples;

  /** All samples of a name. */
  series(name) {
    return this.#samples.filter((sample) => sample.name === name);
  }

  /** The sum of the samples of a name; null where there are none. */
  value(name) {
    const found = this.series(name);
    return found.length ? found.reduce((sum, { value }) => sum + value, 0) : null;
  }

  /** The sums of the samples of a name, by the value of one label. */
  by(name, label) {
    const sums = new Map();
    for (const { labels, value } of this.series(name)) sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
    return sums;
  }
}

/** Read once a second while the page can be seen: `took` gets each reading, `failed` that there was none. */
export function watchServer(took, failed) {
  let busy = false;
  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    const at = performance.now(); // not when the answer is read: a busy page reads several at once
    try {
      const response = await fetch("/metrics", { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      took(new Reading(await response.text(), at));
    } catch (error) {
      failed(error.name === "TimeoutError" ? "no answer in time: all connections may be taken" : "the gateway cannot be reached");
    } finally {
      busy = false;
    }
  };
  setInterval(look, EVERY_MILLISECONDS);
  document.addEventListener("visibilitychange", look);
  look();
}

/** What has been counted since the first reading, also over a restart of the server. */
export class Since {
  #base = new Map();

  /** The growth of each of these counts, by name. */
  of(counts) {
    const grown = new Map();
    for (const [name, value] of counts) {
      if (!this.#base.has(name) || value < this.#base.get(name)) this.#base.set(name, value);
      grown.set(name, value - this.#base.get(name));
    }
    return grown;
  }
}
