// Streams GET /find/NAME into the page. Leaving the page, or Stop, cancels the search.
const form = document.getElementById("search");
const stop = document.getElementById("stop");
const lines = document.getElementById("lines");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const controller = new AbortController();
  stop.disabled = false;
  stop.onclick = () => controller.abort();
  lines.textContent = "";
  const name = encodeURIComponent(document.getElementById("name").value);
  const show = encodeURIComponent(document.getElementById("show").value);
  try {
    const response = await fetch(`/find/${name}?show-inferior=${show}`, { signal: controller.signal });
    const text = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await text.read(); !part.done; part = await text.read()) {
      lines.textContent += part.value;
    }
  } catch (error) {
    lines.textContent += controller.signal.aborted ? "stopped\n" : `${error}\n`;
  }
  stop.disabled = true;
});
