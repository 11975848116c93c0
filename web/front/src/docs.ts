// The API's reference: one language of samples at a time, and a box that finds operations.
import { all } from "./page";

const KEPT = "seatline-docs-language";

function startLanguages(): void {
  const group = document.querySelector<HTMLElement>("[data-docs-language]");
  if (!group) return;
  const buttons = all<HTMLButtonElement>("[data-choose]", group);
  const choose = (language: string): void => {
    document.body.dataset["samples"] = language;
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset["choose"] === language));
  };
  for (const one of buttons)
    one.addEventListener("click", () => {
      // what is being read stays where it is
      const top = one.getBoundingClientRect().top;
      choose(one.dataset["choose"] ?? "curl");
      scrollBy(0, one.getBoundingClientRect().top - top);
      try {
        localStorage.setItem(KEPT, one.dataset["choose"] ?? "curl");
      } catch {
        // a browser that keeps nothing
      }
    });
  group.hidden = false;
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // a browser that keeps nothing
  }
  choose(kept === "python" ? "python" : "curl");
}

/** What an operation is found by: its id, method, path and scope, and what it does. */
const textOf = (one: HTMLElement): string =>
  [one.id, ...all(".card-head, h3", one).map((part) => part.textContent ?? "")].join(" ").toLowerCase();

function startFinding(): void {
  const box = document.querySelector<HTMLInputElement>("[data-docs-find]");
  const none = document.querySelector<HTMLElement>("[data-docs-none]");
  if (!box) return;
  const find = (): void => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const one of all("[data-operation]")) {
      const fits = words.every((word) => textOf(one).includes(word));
      one.hidden = !fits;
      if (fits) found++;
      for (const link of all(`[data-find="${CSS.escape(one.dataset["operation"] ?? "")}"]`)) link.hidden = !fits;
    }
    for (const group of all("[data-group]"))
      group.hidden = !all("[data-operation], [data-find]", group).some((one) => !one.hidden);
    if (none) none.hidden = found > 0;
  };
  box.addEventListener("input", find);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    all("[data-operation]").find((one) => !one.hidden)?.scrollIntoView();
  });
}

startLanguages();
startFinding();
// the contents on a phone close behind the reader
for (const menu of all<HTMLDetailsElement>(".docs-menu"))
  menu.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("a")) menu.open = false;
  });
