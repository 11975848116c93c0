// Live figures carry their age. When no newer one comes in time, they say so; nothing pretends to be fresh.
import { all, clockText, language } from "./page";

const TICK_MS = 1000;

function mark(): void {
  const now = Date.now();
  for (const one of all("[data-asof]")) {
    const at = Date.parse(one.dataset["asof"] ?? "");
    const after = Number(one.dataset["after"] ?? "15") * 1000;
    const words = one.querySelector(".asof-t");
    if (!words || Number.isNaN(at) || now - at < after || one.classList.contains("stale")) continue;
    one.classList.add("stale");
    words.textContent = `${one.dataset["stale"] ?? ""} ${clockText(new Date(at))}`;
  }
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

function relate(): void {
  const words = new Intl.RelativeTimeFormat(language(), { numeric: "auto" });
  for (const one of all<HTMLTimeElement>("time[data-relative]")) {
    const seconds = (Date.parse(one.dateTime) - Date.now()) / 1000;
    if (Number.isNaN(seconds)) continue;
    const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["minute", 60];
    one.textContent = words.format(Math.round(seconds / size), unit);
  }
}

/** Note that the server was heard from: figures that did not change are as fresh as those that did. */
export function refresh(root: ParentNode = document): void {
  for (const one of all("[data-asof]", root)) {
    const at = new Date();
    one.dataset["asof"] = at.toISOString();
    one.classList.remove("stale");
    const words = one.querySelector(".asof-t");
    if (words && one.dataset["as"]) words.textContent = one.dataset["as"].replace("%", clockText(at));
  }
}

export function startAges(): void {
  relate();
  setInterval(mark, TICK_MS);
  setInterval(relate, 30 * TICK_MS);
}
