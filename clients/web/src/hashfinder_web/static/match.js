// Where in the text of a hash a name stands: the rules of the contract, for marking.

/**
 * The place where `text` comes closest to the name, the first of several.
 *
 * `request` is a HashNameRequest. Returns the offset of the name's first character, and for each of
 * its characters whether the text has it there; a wildcard has everything.
 */
export function locate(text, request) {
  const fold = (value) => (request.caseSensitive ? value : value.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
  const name = [...fold(request.desiredName)];
  const folded = fold(text);
  const wildcard = request.wildcard ? fold(request.wildcard) : null;
  let closest = null;
  for (const offset of offsets(text, name.length, request.anchor)) {
    const hits = name.map((symbol, index) => symbol === wildcard || symbol === folded[offset + index]);
    const distance = hits.filter((hit) => !hit).length;
    if (closest === null || distance < closest.distance) closest = { offset, hits, distance };
  }
  return closest;
}

function* offsets(text, length, anchor) {
  if (anchor === "ANCHOR_START") yield 0;
  else if (anchor === "ANCHOR_END") yield text.replace(/=+$/, "").length - length;
  else for (let offset = 0; offset + length <= text.length; offset++) yield offset;
}
