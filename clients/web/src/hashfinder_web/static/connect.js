// The Connect protocol, as far as the page needs it: a unary call and a server stream, in JSON.

const SERVICE = "/hash_name.HashFinder/";
const HEAD = 5; // one byte of flags, four of length
const END = 2;
const UNARY_MILLISECONDS = 5000;
const BUSY_MILLISECONDS = 12;

/** A call that failed: `code` as Connect spells it, and the details of the status. */
export class CallError extends Error {
  constructor({ code = "unknown", message = "", details = [] }) {
    super(message);
    this.code = code;
    this.details = details;
  }

  /** A detail by its type's last name, such as BadRequest; undefined where there is none. */
  detail(name) {
    return this.details.find((each) => each.type.endsWith(`.${name}`))?.debug;
  }

  /** The reason of the contract, such as HASH_BUDGET_EXHAUSTED. */
  get reason() {
    return this.detail("ErrorInfo")?.reason;
  }
}

/** The answer of a unary method. Throws a CallError. */
export async function unary(method, message, client) {
  const signal = AbortSignal.timeout(UNARY_MILLISECONDS);
  const response = await post(method, "application/json", JSON.stringify(message), { client, signal });
  return response.json();
}

/**
 * The messages of a stream; leaving the loop ends the call. Throws a CallError.
 *
 * `opened` is called when the answer begins. `seconds` is the deadline, if there is one.
 */
export async function* stream(method, message, { client, signal, seconds, opened }) {
  const body = enveloped(new TextEncoder().encode(JSON.stringify(message)));
  const response = await post(method, "application/connect+json", body, { client, signal, seconds });
  opened();
  const pause = pauser();
  for await (const { flags, value } of envelopes(response.body.getReader())) {
    if (flags & END) {
      if (value.error) throw new CallError(value.error);
      return;
    }
    yield value;
    await pause();
  }
  throw new CallError({ code: "unavailable", message: "the answer was cut off" });
}

async function post(method, type, body, { client, signal, seconds }) {
  const headers = { "content-type": type, "connect-protocol-version": "1", "hashfinder-client": client };
  if (seconds) headers["connect-timeout-ms"] = String(Math.max(1, Math.round(seconds * 1000)));
  let response;
  try {
    response = await fetch(SERVICE + method, { method: "POST", headers, body, signal });
  } catch (error) {
    if (error.name === "TimeoutError") throw new CallError({ code: "deadline_exceeded", message: "no answer in time" });
    throw error instanceof TypeError ? new CallError({ code: "unavailable", message: "the gateway cannot be reached" }) : error;
  }
  if (response.ok) return response;
  const text = await response.text();
  let error = { message: text.trim() || response.statusText };
  if (response.headers.get("content-type") === "application/json") error = JSON.parse(text);
  throw new CallError(error);
}

function enveloped(message) {
  const body = new Uint8Array(HEAD + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, HEAD);
  return body;
}

async function* envelopes(reader) {
  const decoder = new TextDecoder();
  let held = new Uint8Array(0);
  try {
    for (;;) {
      let at = 0;
      while (held.length - at >= HEAD) {
        const length = new DataView(held.buffer, held.byteOffset + at).getUint32(1);
        const end = at + HEAD + length;
        if (end > held.length) break;
        yield { flags: held[at], value: JSON.parse(decoder.decode(held.subarray(at + HEAD, end))) };
        at = end;
      }
      const { done, value } = await read(reader);
      if (done) return;
      const rest = held.subarray(at);
      held = new Uint8Array(rest.length + value.length);
      held.set(rest);
      held.set(value, rest.length);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    throw error instanceof TypeError ? new CallError({ code: "unavailable", message: "the connection was lost" }) : error;
  }
}

/** Returns what lets the page draw now and then, however quickly messages come. */
function pauser() {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < BUSY_MILLISECONDS) return;
    await new Promise((resume) => setTimeout(resume));
    since = performance.now();
  };
}
