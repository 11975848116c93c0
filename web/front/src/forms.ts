// Forms with work in them: leaving the page with unsaved changes asks first; what the reader did not touch is said so.
import { all } from "./page";

const state = (form: HTMLFormElement): string =>
  JSON.stringify([...new FormData(form)].map(([name, value]) => [name, typeof value === "string" ? value : value.name]));

/** Send along what each field held when the form was opened: on a conflict only what was typed stands against what was saved. */
function startOrigins(): void {
  document.addEventListener("formdata", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.querySelector("input[name=revision]") || form.dataset["guard"] === "dirty") return;
    for (const field of form.elements) {
      if (field instanceof HTMLSelectElement) {
        const first = [...field.options].find((one) => one.defaultSelected) ?? field.options[0];
        if (first) event.formData.append(`${field.name}-was`, first.value);
      } else if (field instanceof HTMLTextAreaElement || (field instanceof HTMLInputElement && !["hidden", "radio", "checkbox", "submit"].includes(field.type)))
        event.formData.append(`${field.name}-was`, field.defaultValue);
    }
  });
}

export function startForms(): void {
  startOrigins();
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
