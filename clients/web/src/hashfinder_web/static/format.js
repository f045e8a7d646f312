// Numbers as people read them. Positions are BigInt: they have 64 bits.

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const LONG = new Intl.NumberFormat("en", { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 3 });
const YEAR = 365.25 * 86400;

/** A whole number, number or BigInt, all digits: 10,874,376. */
export function grouped(value) {
  return GROUPED.format(value);
}

/** A count to three digits: 10.9 million, 3.2 × 10^18. */
export function about(value) {
  return value < 1e15 ? LONG.format(value) : power(value);
}

/** A hash rate: 61.2 MH/s. */
export function rate(perSecond) {
  const [value, unit] = scaled(perSecond);
  return `${value} ${unit}H/s`;
}

/** A number to three digits, and the letter of its power of a thousand. */
export function scaled(value) {
  const units = ["", "k", "M", "G", "T", "P"];
  let index = 0;
  while (value >= 999.5 && index < units.length - 1) {
    value /= 1000;
    index += 1;
  }
  return [value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value ? value.toFixed(2) : "0", units[index]];
}

/** A duration, from milliseconds to years. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "for ever";
  if (seconds < 0.001) return "< 1 ms";
  if (seconds < 0.9995) return `${(seconds * 1000).toPrecision(seconds < 0.1 ? 2 : 3)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  if (seconds < 2 * YEAR) return `${(seconds / 86400).toFixed(0)} days`;
  return `${about(seconds / YEAR)} years`;
}

/** A part of one. Only what is certain is 0 % or 100 %. */
export function percent(part) {
  const value = part * 100;
  if (value === 0 || value === 100) return `${value} %`;
  if (value < 0.001) return "< 0.001 %";
  if (value > 99.9) return "> 99.9 %";
  return `${value.toFixed(value < 0.1 ? 3 : value < 9.95 ? 2 : 1)} %`;
}

/** A part of the server, which is never known to more than a thousandth. */
export function share(part) {
  return `${(100 * part).toFixed(1)} %`;
}

function power(value) {
  const [mantissa, exponent] = value.toExponential(1).split("e+");
  const digits = [...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
  return `${mantissa} × 10${digits}`;
}
