// Tables of pages: arrow keys walk the rows, menus close, and the focus stays where it was when htmx swaps the part.
import { all, isTyping } from "./page";

/** The first link or button of each row, in order; those are the stops of the arrow keys. */
function stops(table: Element): HTMLElement[] {
  return all<HTMLTableRowElement>("tbody tr", table)
    .map((row) => row.querySelector<HTMLElement>("a[href], button:not([disabled])"))
    .filter((stop): stop is HTMLElement => stop !== null);
}

function walk(event: KeyboardEvent): void {
  const from = event.target instanceof Element ? event.target : null;
  const table = from?.closest("[data-table] table, [data-table] .table-wrap")?.closest("[data-table]")?.querySelector("table");
  if (!table || isTyping(event)) return;
  const list = stops(table);
  const row = from?.closest("tbody tr");
  const at = row ? list.findIndex((stop) => row.contains(stop)) : -1;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1 }[event.key];
  const stop = to === undefined ? undefined : list[Math.max(0, to)];
  if (!stop || (at < 0 && event.key !== "ArrowDown")) return;
  event.preventDefault();
  stop.focus();
}

function closeMenus(except: Node | null): void {
  for (const menu of all<HTMLDetailsElement>("details[data-drop][open]")) if (!except || !menu.contains(except)) menu.open = false;
}

// On a phone filters are folded away (seatline.css); those a person has opened stay so when htmx swaps the part.
const unfolded = new Set<string>();

function fold(form: HTMLElement): void {
  const isOpen = unfolded.has(form.id);
  form.classList.toggle("open", isOpen);
  form.querySelector("[data-fold]")?.setAttribute("aria-expanded", String(isOpen));
}

function startFolding(): void {
  document.addEventListener("click", (event) => {
    const form = event.target instanceof Element ? event.target.closest("[data-fold]")?.closest<HTMLElement>("form") : null;
    if (!form) return;
    if (!unfolded.delete(form.id)) unfolded.add(form.id);
    fold(form);
  });
  document.addEventListener("htmx:after:swap", () => all("form.folds").forEach(fold));
}

export function startTables(): void {
  startFolding();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = document.activeElement?.closest<HTMLDetailsElement>("details[data-drop][open]");
      closeMenus(null);
      menu?.querySelector("summary")?.focus();
    } else walk(event);
  });
  document.addEventListener("click", (event) => closeMenus(event.target instanceof Node ? event.target : null));
  let focused = "";
  document.addEventListener("htmx:before:swap", () => (focused = document.activeElement?.id ?? ""));
  document.addEventListener("htmx:after:swap", () => {
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
  });
}
