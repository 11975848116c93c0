// Live parts of ordinary pages. The stream says only that something changed; the part is fetched again as HTML.
// Our own EventSource rather than htmx's extension: the stream may stand on another origin, where a
// fetch with htmx's headers would be preflighted on each reconnect and drop the cookie; and it must go on in a hidden tab.
import htmx from "htmx.org";
import { all, meta } from "./page";

const SETTLE_MS = 250; // changes that come together are fetched once

export function startLive(): void {
  const stream = document.body.dataset["stream"] ?? document.querySelector<HTMLElement>("[data-stream]")?.dataset["stream"];
  if (!stream) return;
  const source = new EventSource(`${meta("live-url")}/live/${stream}`, { withCredentials: true });
  const due = new Map<string, number>();
  const names = new Set(all("[data-live]").map((one) => one.dataset["live"] ?? ""));
  const fetchAgain = (name: string): void => {
    due.delete(name);
    for (const one of all(`[data-live="${CSS.escape(name)}"]`))
      if (one.dataset["src"]) void htmx.ajax("GET", one.dataset["src"], { source: one, target: one, swap: "outerHTML" });
  };
  const later = (name: string): void => {
    if (!due.has(name)) due.set(name, window.setTimeout(() => fetchAgain(name), SETTLE_MS));
  };
  for (const name of names) source.addEventListener(name, () => later(name));
  // figures that age by themselves (a longest wait) are fetched on a beat besides
  for (const one of all("[data-every]"))
    setInterval(() => !document.hidden && later(one.dataset["live"] ?? ""), Number(one.dataset["every"]) * 1000);
  let wasLost = false;
  source.addEventListener("error", () => (wasLost = true));
  source.addEventListener("open", () => {
    if (wasLost) names.forEach(later);
    wasLost = false;
  });
  window.addEventListener("pagehide", () => source.close());
}
