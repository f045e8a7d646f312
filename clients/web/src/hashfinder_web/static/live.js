// The server, live: from its metrics to the plots.

import { rate, scaled } from "/format.js";
import { Bars, Columns, TimePlot } from "/plots.js";
import { Since } from "/server.js";

const CAUSES = {
  client_cancel: "cancelled",
  disconnect: "disconnect",
  deadline: "deadline",
  budget: "budget",
  quota: "quota",
  overload: "overload",
  shutdown: "shutdown",
  operator: "operator",
};

export class Live {
  /** `board` gets the hashes of the server, and has the rates of its clients. */
  constructor(board) {
    const figure = (name) => document.getElementById(name);
    const axis = (value) => scaled(value).join(" ").trim().replace(/\.0+(?=\s|$)/, "");
    this.#board = board;
    this.#rate = new TimePlot(figure("rate"), [{ name: "a", area: true }, { name: "b", area: true }, { name: "others", area: true }], axis);
    this.#active = new TimePlot(figure("active"), [{ name: "active" }, { name: "queued" }], String);
    this.#stops = new Bars(figure("stops"));
    this.#latency = new Columns(figure("latency"));
  }

  #board;
  #rate;
  #active;
  #stops;
  #latency;
  #sinceStops = new Since();
  #sinceLatency = new Since();

  /** Draw a reading. */
  took(reading) {
    const hashes = reading.value("hashfinder_hashes_total");
    if (hashes === null) {
      this.failed("the gateway gets no figures of the server");
      return;
    }
    document.getElementById("stale").textContent = "";
    describe(reading);
    const rates = this.#board.read(reading.at, hashes);
    this.#rate.push(reading.at, rates, rate(rates.reduce((sum, each) => sum + each)));
    const [active, queued] = ["active", "queued"].map((what) => reading.value(`hashfinder_searches_${what}`) ?? 0);
    const clients = reading.value("hashfinder_clients") ?? 0;
    this.#active.push(reading.at, [active, queued], `${active}${queued ? `, and ${queued} queued` : ""}, of ${clients} ${clients === 1 ? "client" : "clients"}`);
    this.#drawStops(reading);
    this.#drawLatency(reading);
  }

  /** Say that there is no reading. */
  failed(reason) {
    document.getElementById("stale").textContent = `not up to date: ${reason}`;
    this.#board.read(performance.now(), null);
  }

  #drawStops(reading) {
    const grown = this.#sinceStops.of(reading.by("hashfinder_cancellations_total", "cause"));
    const counts = Object.entries(CAUSES).map(([cause, name]) => [name, grown.get(cause) ?? 0]);
    const sum = counts.reduce((total, [, count]) => total + count, 0);
    this.#stops.show(counts, sum ? `${sum}` : "none");
  }

  #drawLatency(reading) {
    const grown = this.#sinceLatency.of(reading.by("hashfinder_cancel_latency_seconds_bucket", "le"));
    const bounds = [...grown.keys()].sort((one, other) => bound(one) - bound(other));
    const all = grown.get("+Inf") ?? 0;
    const buckets = bounds.map((le, index) => [label(le), grown.get(le) - (index ? grown.get(bounds[index - 1]) : 0)]);
    const within = (part) => bounds.find((le) => grown.get(le) >= part * all);
    const words = (le) => (le === "+Inf" ? "more than all buckets" : `≤ ${label(le)}${bound(le) < 1 ? " ms" : ""}`);
    this.#latency.show(buckets, all ? `half ${words(within(0.5))}, 99 % ${words(within(0.99))}` : "no stops yet");
  }
}

function bound(le) {
  return le === "+Inf" ? Infinity : Number(le);
}

function label(le) {
  if (le === "+Inf") return "more";
  return Number(le) < 1 ? `${Number((Number(le) * 1000).toPrecision(3))}` : `${Number(le)} s`;
}

function describe(reading) {
  const one = (name) => reading.series(name)[0]?.labels ?? {};
  const workers = reading.value("hashfinder_workers");
  const kernel = one("hashfinder_kernel_info").backend ?? one("hashfinder_kernel_info").kernel;
  const place = document.getElementById("server");
  const drains = reading.value("hashfinder_draining") > 0;
  place.dataset.state = drains ? "drains" : "serves";
  const words = [drains ? "The server drains" : "The server takes searches", `${workers} ${workers === 1 ? "worker" : "workers"}`, `kernel ${kernel}`];
  place.querySelector("[data-text]").textContent = words.join(" · ");
}
