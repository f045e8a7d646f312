// Searches to begin with: their fields, and which clients start one.

export const EXAMPLES = {
  gap: { fields: { desiredName: "do?tor", wildcard: "?", interestingHammingDistance: "1" }, labels: ["A"] },
  commit: {
    fields: { desiredName: "c0ffee", digestEncoding: "DIGEST_ENCODING_HEX", anchor: "ANCHOR_START", secretPrefix: "tree " },
    labels: ["A"],
  },
  work: {
    fields: {
      desiredName: "0".repeat(24),
      hashAlgorithm: "HASH_ALGORITHM_SHA_256",
      digestEncoding: "DIGEST_ENCODING_BINARY",
      anchor: "ANCHOR_START",
      secretPrefix: "challenge:",
      secretAlphabet: "0123456789",
    },
    labels: ["B"],
  },
  fair: { fields: { desiredName: "hashfinder", interestingHammingDistance: "4" }, labels: ["A", "B", "B", "B"] },
};
