/*! htmx 4.0.1, Zero-Clause BSD */
// What every page runs: theme, dialogs, toasts, reveal buttons, ages, filters, the player, live parts.
import "htmx.org";
import { startAges } from "./ages";
import { startAnnouncing } from "./announce";
import { startForms } from "./forms";
import { startLive } from "./live";
import { AnswerError, all, fade, isTyping, keysOn, meta, post, setKeys, toast } from "./page";
import { startPasskeys } from "./passkeys";
import { startPlayers } from "./player";
import { startTables } from "./tables";
import { startThemes } from "./theme";

const closest = (event: Event, selector: string): HTMLElement | null =>
  event.target instanceof Element ? event.target.closest<HTMLElement>(selector) : null;

function openDialog(id: string): void {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement) || dialog.open) return;
  document.querySelector<HTMLElement>(":popover-open")?.hidePopover();
  dialog.showModal();
}

function startDialogs(): void {
  document.addEventListener("click", (event) => {
    const opener = closest(event, "[data-dialog]");
    if (opener) openDialog(opener.dataset["dialog"] ?? "");
    closest(event, "[data-close]")?.closest("dialog")?.close();
    if (event.target instanceof HTMLDialogElement) event.target.close(); // the backdrop
  });
  for (const dialog of all<HTMLDialogElement>("dialog[data-open]")) dialog.showModal();
}

/** A long list of boxes: only those whose words hold what is typed; ticked ones always stay in sight. */
function startNarrowing(): void {
  for (const field of all<HTMLInputElement>("input[data-narrow]")) {
    const list = document.getElementById(field.dataset["narrow"] ?? "");
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const label of list?.querySelectorAll("label") ?? [])
        label.hidden = !label.textContent?.toLowerCase().includes(wanted) && !label.querySelector("input")?.checked;
    });
    field.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  }
}

async function reveal(button: HTMLElement): Promise<void> {
  const field = button.previousElementSibling;
  if (!(field instanceof HTMLElement)) return;
  const isOpen = button.getAttribute("aria-pressed") === "true";
  const label = button.getAttribute("aria-label") ?? "";
  try {
    if (isOpen) field.textContent = button.dataset["masked"] ?? "•••";
    else {
      const purpose = document.querySelector<HTMLSelectElement>("[data-purpose]")?.value;
      const answer = await post<{ value: string }>(button.dataset["reveal"] ?? "", purpose ? { purpose } : {});
      button.dataset["masked"] = field.textContent ?? "";
      field.textContent = answer?.value ?? "";
    }
    button.setAttribute("aria-pressed", String(!isOpen));
    button.setAttribute("aria-label", button.dataset["again"] ?? label);
    button.dataset["again"] = label;
  } catch (error) {
    toast(error instanceof AnswerError && error.title ? error.title : String(error), "bad");
  }
}

function startButtons(): void {
  document.addEventListener("click", (event) => {
    const eye = closest(event, "[data-reveal]");
    if (eye) void reveal(eye);
    const show = closest(event, "[data-password]");
    if (show) {
      const input = document.getElementById(show.dataset["password"] ?? "") as HTMLInputElement;
      const isShown = input.type === "text";
      input.type = isShown ? "password" : "text";
      show.setAttribute("aria-pressed", String(!isShown));
    }
    const copy = closest(event, "[data-copy]");
    // nothing said: what stands before the button, so that a page of many samples does not hold each twice
    const copied = copy?.dataset["copy"] || (copy?.previousElementSibling?.textContent ?? "");
    if (copy) void navigator.clipboard.writeText(copied).then(() => toast(copy.dataset["copied"] ?? ""));
    const opener = closest(event, ".disclose");
    if (opener) {
      const isOpen = opener.getAttribute("aria-expanded") !== "true";
      opener.setAttribute("aria-expanded", String(isOpen));
      for (const row of all(`[data-of="${CSS.escape(opener.id)}"]`)) row.hidden = !isOpen;
    }
  });
  // A form that must not be sent twice: the second press finds the button at rest.
  document.addEventListener("submit", (event) => {
    const button = (event as SubmitEvent).submitter;
    if (button?.matches("[data-once]")) setTimeout(() => button.toggleAttribute("disabled", button.toggleAttribute("data-sent", true)));
  });
  // A filter form sends itself when a choice changes; without script it has its button.
  document.addEventListener("change", (event) => {
    const form = closest(event, "form[data-filter]");
    if (form instanceof HTMLFormElement && !(event.target as HTMLElement).matches("[type=search]")) form.requestSubmit();
  });
  // Leave empty filters out of the address.
  document.addEventListener("formdata", (event) => {
    if (!(event.target as Element).matches("form[data-filter]")) return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
  addEventListener("pageshow", () => all("[data-sent]").forEach((one) => one.toggleAttribute("disabled", one.toggleAttribute("data-sent", false))));
}

function startKeys(): void {
  const control = document.querySelector<HTMLInputElement>("[data-keys-switch]");
  if (control) {
    control.checked = keysOn();
    control.addEventListener("change", () => setKeys(control.checked));
  }
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      event.preventDefault();
      openDialog("keys");
    } else if (event.key === "/" && keysOn()) {
      const search = document.querySelector<HTMLElement>("[data-search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
    }
  });
}

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = (event as CustomEvent<{ ctx: { request: { headers: Record<string, string> } } }>).detail;
  ctx.request.headers["X-CSRF-Token"] = meta("csrf-token");
});
document.addEventListener("htmx:after:swap", () => startPlayers());

startThemes();
startDialogs();
startNarrowing();
startButtons();
startKeys();
startForms();
startTables();
startAges();
startPlayers();
startPasskeys();
startLive();
startAnnouncing();
all("[data-toast]").forEach(fade);
// What a form has made and shows once: loading the page again asks for it, and does not make it a second time.
const here = document.querySelector<HTMLElement>("[data-here]")?.dataset["here"];
if (here) history.replaceState(history.state, "", here);
