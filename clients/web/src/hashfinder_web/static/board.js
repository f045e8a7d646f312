// The searches of the page: who may start, which cards there are, who has which share.

import { Card } from "/card.js";
import { share } from "/format.js";
import { Search } from "/search.js";
import { Shares } from "/shares.js";

const LABELS = ["A", "B"];
const MOST_ACTIVE = 4; // a browser opens six connections to a server: one is for the figures, one for estimates
const MOST_CARDS = 4; // of each client
const DRAW_MILLISECONDS = 500; // also without events, as time goes by

/** Why no more searches may start. */
export const FULL = "Four searches are running, the most that this page starts: stop one first.";

export class Board {
  /** `clients` names the clients by their labels; `say` shows a sentence, `announce` says one; `moved` is called when a search begins or ends. */
  constructor(clients, { say, announce, moved }) {
    this.#clients = clients;
    this.#say = say;
    this.#announce = announce;
    this.#moved = moved;
    setInterval(() => this.#active().forEach((search) => this.#cards.get(search).changed()), DRAW_MILLISECONDS);
  }

  #clients;
  #say;
  #announce;
  #moved;
  #cards = new Map(); // by search, the newest first
  #removed = new Map(LABELS.map((label) => [label, 0])); // hashes of the searches whose cards are gone
  #shares = new Shares();

  /** Whether `count` more searches may start. */
  hasRoom(count) {
    return this.#active().length + count <= MOST_ACTIVE;
  }

  /** Start a search of a client. `chance` is that one hash is ideal, null where it is not known. */
  start(label, request, seconds, chance) {
    const search = new Search({ request, label, client: this.#clients[label], seconds, chance, changed: () => card.changed() });
    const actions = {
      stop: (each) => each.stop(),
      resume: (each) => (this.hasRoom(1) ? this.#run(each) : this.#say(FULL)),
      remove: (each) => {
        this.#remove(each);
        document.getElementById("board").focus();
      },
    };
    const card = new Card(search, actions, (each) => this.#share(each));
    this.#cards = new Map([[search, card], ...this.#cards]);
    document.querySelector(`.cards[data-client=${label}]`).prepend(card.element);
    const own = [...this.#cards.keys()].filter((each) => each.label === label);
    for (const each of own.slice(MOST_CARDS)) if (!each.active) this.#remove(each);
    this.#run(search);
  }

  /** End all searches: the page is left. */
  leave() {
    for (const search of this.#active()) search.stop("left");
  }

  /** Take how many hashes the server has counted, null where it is not known; returns the rates of A, B and others. */
  read(at, serverHashes) {
    const counts = new Map(this.#removed);
    for (const search of this.#cards.keys()) {
      counts.set(search, Number(search.hashes));
      counts.set(search.label, counts.get(search.label) + Number(search.hashes));
    }
    this.#shares.read(at, serverHashes, counts);
    const [a, b] = LABELS.map((label) => this.#shares.rate(label));
    const total = this.#shares.total(LABELS);
    const others = Math.max(0, total - a - b);
    this.#divide({ A: a, others, B: b }, total);
    return [a, b, others];
  }

  #active() {
    return [...this.#cards.keys()].filter((search) => search.active);
  }

  async #run(search) {
    const name = `${search.request.desiredName}, client ${search.label}`;
    const ran = search.run();
    this.#announce(`Search for ${name} started.`);
    this.#moved();
    await ran;
    this.#announce(`${name}: ${search.ending.text}`);
    this.#moved();
  }

  #remove(search) {
    const card = this.#cards.get(search);
    this.#cards.delete(search);
    this.#removed.set(search.label, this.#removed.get(search.label) + Number(search.hashes));
    card.element.remove();
  }

  #share(key) {
    const total = this.#shares.total(LABELS);
    return total ? this.#shares.rate(key) / total : null;
  }

  #divide(rates, total) {
    let x = 0;
    for (const [name, value] of Object.entries(rates)) {
      const part = total ? value / total : 0;
      const bar = document.querySelector(`#division rect.${name.toLowerCase()}`);
      bar.setAttribute("x", 100 * x);
      bar.setAttribute("width", 100 * part);
      x += part;
      document.querySelector(`[data-share=${name}]`).textContent = total ? share(part) : "–";
    }
  }
}
