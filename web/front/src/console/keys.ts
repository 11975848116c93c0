// The console's keys: what each does, which the agent has chosen, and the list of them in the "?" dialog.
import { all, AnswerError, post, toast } from "../page";

export type Deed = "answer" | "decline" | "hold" | "mute" | "keypad" | "pause" | "hang_up" | "notes" | "extend" | "skip" | "dial" | "transfer" | "swap" | "merge" | "leave" | "drop";

const USUAL: Record<Deed, string> = { answer: "a", decline: "d", hold: "p", mute: "m", keypad: "k", pause: "r", hang_up: "h", notes: "n", extend: "e", skip: "q", dial: "c", transfer: "t", swap: "s", merge: "j", leave: "l", drop: "x" };

interface Kept {
  is_on: boolean;
  keys: Partial<Record<Deed, string>>;
}

type Say = (key: string, values?: Record<string, string | number>) => string;

/** One sign that stands on a key, and that nothing else on the page wants: no digit, no "?" and no "/". */
const fits = (key: string): boolean => [...key].length === 1 && !/[\s\d?/*#]/.test(key);

export class Shortcuts {
  private kept: Kept;
  private asking: HTMLButtonElement | null = null;

  constructor(
    kept: string | undefined,
    private readonly say: Say,
  ) {
    this.kept = { is_on: true, keys: {}, ...(JSON.parse(kept || "{}") as Partial<Kept>) };
    const control = document.querySelector<HTMLInputElement>("[data-keys-on]");
    control?.addEventListener("change", () => this.keep({ ...this.kept, is_on: control.checked }));
    document.querySelector("[data-keys-usual]")?.addEventListener("click", () => this.keep({ ...this.kept, keys: {} }));
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
    return this.kept.keys[deed] ?? USUAL[deed];
  }

  /** What a key does, by the agent's own choice. */
  deed(key: string): Deed | undefined {
    const wanted = key.toLowerCase();
    return (Object.keys(USUAL) as Deed[]).find((one) => this.of(one) === wanted);
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
    const control = document.querySelector<HTMLInputElement>("[data-keys-on]");
    if (control) control.checked = this.isOn;
  }
}
