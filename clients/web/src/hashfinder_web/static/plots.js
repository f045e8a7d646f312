// Plots in SVG, drawn anew with each reading, in the pixels that the figure has.

const NAMESPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 132;
const SPAN_MILLISECONDS = 60_000;
const LEFT = 44;
const BOTTOM = 18;
const TOP = 8;

/** Lines and stacked areas over the last minute. */
export class TimePlot {
  /** `series` is a list of {name, area}; `format` writes a value of the axis. */
  constructor(figure, series, format) {
    this.#figure = figure;
    this.#series = series;
    this.#format = format;
    this.#svg = canvas(figure);
    new ResizeObserver(() => this.#draw()).observe(figure);
  }

  #figure;
  #series;
  #format;
  #svg;
  #points = [];

  /** Add a value for each series, and say them in words. */
  push(at, values, caption) {
    this.#points.push({ at, values });
    while (this.#points[0].at < at - SPAN_MILLISECONDS - 2000) this.#points.shift();
    say(this.#figure, this.#svg, caption);
    this.#draw();
  }

  #draw() {
    const width = this.#figure.clientWidth;
    const last = this.#points.at(-1)?.at ?? 0;
    const tops = this.#points.map(({ values }) => this.#tops(values));
    const most = ceiling(Math.max(...tops.flat(), 0));
    const x = (at) => LEFT + ((at - last) / SPAN_MILLISECONDS + 1) * (width - LEFT - 6);
    const y = (value) => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM);
    const parts = axis(width, most, y, this.#format);
    for (const [seconds, anchor] of [[60, "start"], [30, "middle"], [0, "end"]]) {
      const text = seconds ? `−${seconds} s` : "now";
      parts.push(node("text", { x: x(last - seconds * 1000), y: HEIGHT - 4, "text-anchor": anchor, class: "tick" }, text));
    }
    this.#series.forEach(({ name, area }, index) => {
      const upper = this.#points.map(({ at }, point) => `${fixed(Math.max(x(at), LEFT))},${fixed(y(tops[point][index]))}`);
      const lower = this.#points.map(({ at }, point) => `${fixed(Math.max(x(at), LEFT))},${fixed(y(area && index ? tops[point][index - 1] : 0))}`);
      if (area) parts.push(node("polygon", { points: [...upper, ...lower.reverse()].join(" "), class: `area ${name}` }));
      parts.push(node("polyline", { points: upper.join(" "), class: `line ${name}` }));
    });
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(...parts);
  }

  /** Where each series ends: areas stand on each other. */
  #tops(values) {
    let sum = 0;
    return values.map((value, index) => (this.#series[index].area ? (sum += value) : value));
  }
}

/** A bar for each name, lying. */
export class Bars {
  constructor(figure) {
    this.#figure = figure;
    this.#svg = canvas(figure);
  }

  #figure;
  #svg;

  /** Draw a list of [name, count], and say it in words. */
  show(counts, caption) {
    say(this.#figure, this.#svg, caption);
    const width = this.#figure.clientWidth;
    const most = Math.max(1, ...counts.map(([, count]) => count));
    const step = (HEIGHT - 2) / Math.max(1, counts.length);
    const left = 88;
    const parts = counts.flatMap(([name, count], index) => {
      const y = index * step;
      const length = (count / most) * (width - left - 52);
      return [
        node("text", { x: left - 8, y: y + step / 2 + 4, "text-anchor": "end", class: "tick" }, name),
        node("rect", { x: left, y: y + 3, width: fixed(Math.max(length, count ? 2 : 0)), height: fixed(step - 6), rx: 2, class: "bar" }),
        node("text", { x: fixed(left + length + 6), y: y + step / 2 + 4, class: count ? "count" : "tick" }, String(count)),
      ];
    });
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(...parts);
  }
}

/** A column for each bucket. */
export class Columns {
  constructor(figure) {
    this.#figure = figure;
    this.#svg = canvas(figure);
  }

  #figure;
  #svg;

  /** Draw a list of [upper bound as text, count], and say it in words. */
  show(buckets, caption) {
    say(this.#figure, this.#svg, caption);
    const width = this.#figure.clientWidth;
    const most = ceiling(Math.max(...buckets.map(([, count]) => count), 0));
    const y = (value) => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM);
    const step = (width - LEFT - 6) / Math.max(1, buckets.length);
    const parts = axis(width, most, y, (value) => String(value));
    buckets.forEach(([bound, count], index) => {
      const x = LEFT + index * step;
      parts.push(node("rect", { x: fixed(x + 2), y: fixed(y(count)), width: fixed(step - 4), height: fixed(y(0) - y(count)), class: "bar" }));
      parts.push(node("text", { x: fixed(x + step / 2), y: HEIGHT - 4, "text-anchor": "middle", class: "tick" }, bound));
    });
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(...parts);
  }
}

function canvas(figure) {
  const svg = node("svg", { role: "img", height: HEIGHT });
  figure.append(svg);
  return svg;
}

function say(figure, svg, caption) {
  figure.querySelector("figcaption b").textContent = caption;
  svg.setAttribute("aria-label", `${figure.querySelector("figcaption").firstChild.textContent.trim()}: ${caption}`);
}

function axis(width, most, y, format) {
  return [0, most / 2, most].flatMap((value) => [
    node("line", { x1: LEFT, x2: width - 6, y1: fixed(y(value)), y2: fixed(y(value)), class: "grid" }),
    node("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end", class: "tick" }, Number.isInteger(value) || most > 10 ? format(value) : ""),
  ]);
}

/** The next number of the form 2, 4, 10 times a power of ten: its half is round. */
function ceiling(value) {
  if (value <= 2) return 2;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((most) => most >= value);
}

function node(name, attributes, text) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function fixed(value) {
  return value.toFixed(1);
}
