// Forms with work in them: leaving the page with unsaved changes asks first.
import { all } from "./page";

const state = (form: HTMLFormElement): string =>
  JSON.stringify([...new FormData(form)].map(([name, value]) => [name, typeof value === "string" ? value : value.name]));

export function startForms(): void {
  const before = new Map(all<HTMLFormElement>("form[data-guard]").map((form) => [form, state(form)]));
  if (!before.size) return;
  let isSent = false;
  document.addEventListener("submit", (event) => {
    if (event.target instanceof HTMLFormElement && before.has(event.target)) isSent = true;
  });
  addEventListener("pageshow", () => (isSent = false));
  addEventListener("beforeunload", (event) => {
    if (isSent) return;
    for (const [form, was] of before) if (form.isConnected && (form.dataset["guard"] === "dirty" || state(form) !== was)) event.preventDefault();
  });
}
