// For who hears the page: what changes without the focus moving there is said once, in a region that stays. A note after a
// deed (the page came with it, and what is there from the beginning is not read out), what a filter has found, what a wish costs.
import { all } from "./page";

const SETTLE_MS = 150; // a region is heard when it changes after the page has been looked at

const words = (selector: string): string =>
  all(selector)
    .map((one) => (one.textContent ?? "").replace(/\s+/g, " ").trim())
    .filter((text) => text)
    .join(" ");

export function startAnnouncing(): void {
  const region = document.getElementById("announcer");
  if (!region) return;
  const say = (text: string): void => {
    if (text) setTimeout(() => (region.textContent = text), SETTLE_MS);
  };
  say(words("[data-toast] > span"));
  let before = words("[data-announce]");
  document.addEventListener("htmx:after:swap", () => {
    const now = words("[data-announce]");
    if (now !== before) say(now);
    before = now;
  });
}
