// The fields of a search: what is in them, and what is wrong with them.

import { encoded } from "/bytes.js";

const WHOLE = {
  idealHammingDistance: 2n ** 31n - 1n,
  interestingHammingDistance: 2n ** 31n - 1n,
  secretLength: 2n ** 32n - 1n,
  startPosition: 2n ** 64n - 1n,
  maximumHashes: 2n ** 64n - 1n,
};
const LONG = new Set(["startPosition", "maximumHashes"]); // 64 bits are text in JSON
const BYTES = ["secretPrefix", "secretSuffix", "secretAlphabet"];
const CHOICES = ["hashAlgorithm", "digestEncoding", "anchor"];

export class Form {
  constructor(element) {
    this.element = element;
    this.#more = element.querySelector("details");
  }

  #more;

  /** The request in JSON, the time limit in seconds, and what is wrong, by field. */
  read() {
    const fields = this.element.elements;
    const wrong = new Map();
    const request = { desiredName: fields.desiredName.value };
    for (const name of CHOICES) {
      if (fields[name].selectedIndex > 0) request[name] = fields[name].value; // the first is what absence means
    }
    for (const [name, largest] of Object.entries(WHOLE)) {
      const text = fields[name].value.trim();
      if (text === "") continue;
      if (!/^\d+$/.test(text) || BigInt(text) > largest) wrong.set(name, `must be a whole number from 0 to ${largest}`);
      else request[name] = LONG.has(name) ? text : Number(text);
    }
    for (const name of BYTES) {
      try {
        if (fields[name].value) request[name] = encoded(fields[name].value);
      } catch (error) {
        wrong.set(name, error.message);
      }
    }
    if (fields.caseSensitive.checked) request.caseSensitive = true;
    if (fields.wildcard.value) request.wildcard = fields.wildcard.value;
    const seconds = fields.seconds.value.trim();
    if (seconds && !(Number(seconds) >= 0.001 && Number(seconds) < 1e7)) wrong.set("seconds", "must be a number of seconds, 0.001 or more");
    return { request, seconds: Number(seconds) || undefined, wrong };
  }

  /** Set the fields; those that `values` does not name become empty, or their first choice. */
  fill(values) {
    this.element.reset();
    for (const field of this.element.querySelectorAll("input:not([type=checkbox])")) field.value = values[field.name] ?? "";
    for (const name of CHOICES) if (values[name]) this.element.elements[name].value = values[name];
    this.element.elements.interestingHammingDistance.value = values.interestingHammingDistance ?? "";
    this.#more.open ||= Object.keys(values).some((name) => this.#more.contains(this.element.elements[name]));
  }

  /** Show at each field what is wrong with it, and what is wrong with none below all of them. */
  show(wrong) {
    const rest = new Map(wrong);
    for (const field of this.element.querySelectorAll("[name]")) {
      const text = rest.get(field.name) ?? "";
      const place = document.getElementById(`${field.name}-error`);
      if (place === null) continue;
      if (place.textContent !== text) place.textContent = text;
      if (text) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      rest.delete(field.name);
    }
    this.say([...rest].map(([name, text]) => (name ? `${name} ${text}` : text)).join("; "));
  }

  /** Show a sentence below the fields. */
  say(text) {
    document.getElementById("form-error").textContent = text;
  }

  /** Bring the person to the first field that is wrong. */
  focus() {
    const field = this.element.querySelector("[aria-invalid]");
    if (field && this.#more.contains(field)) this.#more.open = true;
    field?.focus();
  }
}

/** What is wrong with a request, by field, as the server says it. */
export function violations(error) {
  const found = error.detail("BadRequest")?.fieldViolations ?? [];
  return new Map(found.map(({ field, description }) => [field.replace(/_(.)/g, (_, letter) => letter.toUpperCase()), description]));
}
