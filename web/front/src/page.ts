// What every script of ours needs from the page: its metas, its words, a POST with the CSRF token, a toast.

export const meta = (name: string): string =>
  document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";

export const all = <T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T[] => [
  ...root.querySelectorAll<T>(selector),
];

/** A request of ours that the server answered with a status other than 2xx. */
export class AnswerError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    /** What happened, in a few words; `title` says it at length. */
    readonly heading = "",
  ) {
    super(`${status} ${code}`);
  }
}

/** POST JSON with the CSRF token and the cookies; resolves to the answer's JSON, or null when it has none. */
export async function post<T = unknown>(url: string, body: unknown = {}, outlivesPage = false): Promise<T | null> {
  const answer = await fetch(url, {
    method: "POST",
    keepalive: outlivesPage,
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": meta("csrf-token") },
    body: JSON.stringify(body),
  });
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const content: unknown = isJson ? await answer.json() : null;
  if (!answer.ok) {
    const problem = (content ?? {}) as { code?: string; title?: string; detail?: string };
    throw new AnswerError(answer.status, problem.code ?? "", problem.detail ?? problem.title ?? "", problem.title);
  }
  return content as T | null;
}

/** Say something in the corner for some seconds, with a button that takes it back where that can be. */
export function toast(text: string, kind: "ok" | "bad" = "ok", undo?: { word: string; does: () => void }): void {
  const template = document.querySelector<HTMLTemplateElement>("#toast-template");
  const place = document.querySelector("#toasts");
  const made = template?.content.firstElementChild?.cloneNode(true);
  if (!(made instanceof HTMLElement) || !place) return;
  made.classList.toggle("bad", kind === "bad");
  const words = made.querySelector("span");
  if (words) words.textContent = text;
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = undo.word;
    button.addEventListener("click", () => {
      made.remove();
      undo.does();
    });
    words?.after(button);
  }
  place.append(made);
  fade(made);
}

const TOAST_MS = 7000;

/** Let a toast go after a while, unless the pointer or the focus rests on it. */
export function fade(one: HTMLElement): void {
  let timer = 0;
  const go = (): void => {
    timer = window.setTimeout(() => one.remove(), Number(one.dataset["toast"]) * 1000 || TOAST_MS);
  };
  const stay = (): void => window.clearTimeout(timer);
  one.addEventListener("pointerenter", stay);
  one.addEventListener("pointerleave", go);
  one.addEventListener("focusin", stay);
  one.addEventListener("focusout", go);
  one.querySelector("[data-toast-close]")?.addEventListener("click", () => one.remove());
  go();
}

export const language = (): string => document.documentElement.lang || "en-GB";
export const zone = (): string => document.documentElement.dataset["zone"] || "UTC";

/** The time of day in the reader's zone: 12:03:05. */
export const clockText = (at: Date): string =>
  new Intl.DateTimeFormat(language(), { timeStyle: "medium", timeZone: zone(), hourCycle: "h23" }).format(at);

/** A duration: 0:07, 12:31, 1:02:03. */
export function span(seconds: number, pad = false): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (hours) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return `${pad ? two(minutes) : minutes}:${two(whole % 60)}`;
}

const KEYS = "seatline-keys";
/** Whether the agent wants single-key shortcuts on this device (WCAG 2.1.4 lets people turn them off). */
export const keysOn = (): boolean => localStorage.getItem(KEYS) !== "off";
export const setKeys = (on: boolean): void => localStorage.setItem(KEYS, on ? "on" : "off");

/** Whether a key press is for a field or carries a modifier, and so not for a shortcut. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return true;
  const at = event.target;
  return at instanceof HTMLElement && (at.isContentEditable || at.matches("textarea, select, input:not([type=radio], [type=checkbox], [type=range])"));
}
