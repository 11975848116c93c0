// The console's keys: what each does, which the agent has chosen, and the list of them in the "?" dialog.
import { all, AnswerError, post, toast } from "../page";

export type Deed = "answer" | "decline" | "hold" | "mute" | "keypad" | "pause" | "hang_up" | "notes" | "extend" | "skip" | "dial" | "transfer" | "swap" | "merge" | "leave" | "drop";

/** The keys held down with which the same keys work while one types; "" is none. */
type Family = "ctrl+alt" | "alt+shift" | "";

interface Kept {
  is_on: boolean;
  keys: Partial<Record<Deed, string>>;
  family: Family;
}

/** What browsers do with Alt and Shift by themselves stays theirs; Ctrl with Alt is nobody's. */
const THEIRS: Record<Family, string> = { "ctrl+alt": "", "alt+shift": "abit", "": "" };
const isMac = /mac/i.test(navigator.platform);
const HELD_WORDS: Record<Family, string> = { "ctrl+alt": isMac ? "Ctrl Option" : "Ctrl Alt", "alt+shift": isMac ? "Option Shift" : "Alt Shift", "": "" };

/** Whether just these keys are held. AltGr, which some keyboards report as Ctrl and Alt, writes signs: it is never ours. */
function isHeld(family: Family, event: KeyboardEvent): boolean {
  if (!family || event.metaKey || event.getModifierState("AltGraph")) return false;
  const [ctrl, alt, shift] = family === "ctrl+alt" ? [true, true, false] : [false, true, true];
  return event.ctrlKey === ctrl && event.altKey === alt && event.shiftKey === shift;
}

/** The key itself: with Option a Mac writes another sign on it. */
function signOf(event: KeyboardEvent): string {
  const place = /^(?:Key|Digit)([A-Z0-9])$/.exec(event.code)?.[1];
  return /^[\x21-\x7e]$/.test(event.key) && !event.shiftKey ? event.key.toLowerCase() : (place ?? event.key).toLowerCase();
}

type Say = (key: string, values?: Record<string, string | number>) => string;

/** One sign that stands on a key, and that nothing else on the page wants: no digit, no "?" and no "/". */
const fits = (key: string): boolean => [...key].length === 1 && !/[\s\d?/*#]/.test(key);

export class Shortcuts {
  private kept: Kept;
  private readonly usual: Record<Deed, string>;
  private asking: HTMLButtonElement | null = null;

  constructor(
    kept: string | undefined,
    private readonly say: Say,
  ) {
    const { usual, ...chosen } = JSON.parse(kept || "{}") as Partial<Kept> & { usual?: Record<Deed, string> };
    this.kept = { is_on: true, keys: {}, family: "ctrl+alt", ...chosen };
    this.usual = usual ?? ({} as Record<Deed, string>);
    const held = document.querySelector<HTMLSelectElement>("[data-keys-family]");
    held?.addEventListener("change", () => this.keep({ ...this.kept, family: held.value as Family }));
    const control = document.querySelector<HTMLInputElement>("[data-keys-on]");
    control?.addEventListener("change", () => this.keep({ ...this.kept, is_on: control.checked }));
    document.querySelector("[data-keys-usual]")?.addEventListener("click", () => this.keep({ is_on: true, keys: {}, family: "ctrl+alt" }));
    for (const button of all<HTMLButtonElement>("[data-rebind]")) {
      button.addEventListener("click", () => this.ask(button));
      button.addEventListener("blur", () => this.asking === button && this.ask(null));
      button.addEventListener("keydown", (event) => this.take(event));
    }
    this.show();
  }

  get isOn(): boolean {
    return this.kept.is_on;
  }

  of(deed: Deed): string {
    return this.kept.keys[deed] ?? this.usual[deed];
  }

  /** What a key does, by the agent's own choice. */
  deed(key: string): Deed | undefined {
    const wanted = key.toLowerCase();
    return (Object.keys(this.usual) as Deed[]).find((one) => this.of(one) === wanted);
  }

  /** The key that is pressed together with the family's: it means the same in a field, too; undefined: not ours. */
  held(event: KeyboardEvent): string | undefined {
    if (!isHeld(this.kept.family, event)) return undefined;
    const key = signOf(event);
    return THEIRS[this.kept.family].includes(key) ? undefined : key;
  }

  private ask(button: HTMLButtonElement | null): void {
    this.asking = button;
    this.show();
  }

  private take(event: KeyboardEvent): void {
    const deed = this.asking?.dataset["rebind"] as Deed | undefined;
    if (!deed || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab" || event.key === "Shift") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") return this.ask(null);
    const key = event.key.toLowerCase();
    const other = this.deed(key);
    if (!fits(key)) return toast(this.say("key_unfit"), "bad");
    if (other && other !== deed) return toast(this.say("key_taken", { key: key.toUpperCase() }), "bad");
    this.asking = null;
    this.keep({ ...this.kept, keys: { ...this.kept.keys, [deed]: key } });
  }

  private keep(wanted: Kept): void {
    const before = this.kept;
    this.kept = wanted;
    this.show();
    post("/console/shortcuts", wanted).catch((error: unknown) => {
      this.kept = before;
      this.show();
      toast(error instanceof AnswerError && error.title ? error.title : this.say("failed"), "bad");
    });
  }

  /** Write the keys wherever the page names them. */
  private show(): void {
    for (const place of all("[data-key]")) {
      place.textContent = this.of(place.dataset["key"] as Deed).toUpperCase();
      place.hidden = !this.isOn;
    }
    for (const button of all<HTMLButtonElement>("[data-rebind]")) {
      const isAsked = button === this.asking;
      const word = button.querySelector("kbd");
      if (word) word.textContent = isAsked ? this.say("key_press") : this.of(button.dataset["rebind"] as Deed).toUpperCase();
      button.setAttribute("aria-pressed", String(isAsked));
    }
    for (const place of all("[data-combo]")) {
      const key = this.of(place.dataset["combo"] as Deed);
      const isOurs = this.kept.family !== "" && !THEIRS[this.kept.family].includes(key);
      place.textContent = isOurs ? `${HELD_WORDS[this.kept.family]} ${key.toUpperCase()}` : "";
      place.hidden = !isOurs;
    }
    const held = document.querySelector<HTMLSelectElement>("[data-keys-family]");
    if (held) held.value = this.kept.family;
    const control = document.querySelector<HTMLInputElement>("[data-keys-on]");
    if (control) control.checked = this.isOn;
  }
}
