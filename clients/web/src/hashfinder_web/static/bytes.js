// Bytes in fields and cards. On the wire they are base64.

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|(n)|(\\)|)/g;

/** The bytes of a text, UTF-8 with escapes, in base64. Throws a RangeError for an escape that is none. */
export function encoded(text) {
  const bytes = [];
  let from = 0;
  const literal = (part) => bytes.push(...new TextEncoder().encode(part));
  for (const found of text.matchAll(ESCAPE)) {
    literal(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, hex, line, backslash] = found;
    if (hex) bytes.push(parseInt(hex, 16));
    else if (line) bytes.push(10);
    else if (backslash) bytes.push(92);
    else throw new RangeError("a backslash must be followed by x and two hex digits, by n, or by another backslash");
  }
  literal(text.slice(from));
  return btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
}

/** Bytes in base64 as people read them: as text if all can be printed, else in hex. */
export function readable(base64) {
  const text = atob(base64);
  if (text === "") return "(empty)";
  if (/^[\x20-\x7e]+$/.test(text)) return `“${text}”`;
  return [...text].map((each) => each.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
}
