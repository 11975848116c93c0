// The wrap-up's form: kept on the server as the agent types, so that neither a reload nor the clock loses a word.
import { AnswerError, clockText, post } from "../page";
import { holdsCardNumber } from "./cards";
import type { Outcome } from "./state";

const SETTLE_MS = 700;
const AGAIN_MS = 2500;

interface Written {
  disposition: string | null;
  notes: string;
  callback_at: string | null;
}

type Say = (key: string, values?: Record<string, string | number>) => string;

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
/** What a datetime-local field holds for an instant, in the browser's own zone. */
const local = (at: Date): string => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export class WrapUp {
  readonly form = get<HTMLFormElement>("wrap");
  private readonly notes = get<HTMLTextAreaElement>("notes");
  private readonly callback = get<HTMLInputElement>("callback");
  private readonly callbackAt = get<HTMLInputElement>("callback-at");
  private readonly subCodes = get("sub-codes");
  private outcomes: Outcome[] = [];
  private callId = "";
  private isTouched = false;
  private timer = 0;
  private saving: Promise<void> | null = null;
  /** Something is written here that the server does not have yet. */
  isDirty = false;

  constructor(private readonly say: Say) {
    this.form.addEventListener("input", (event) => {
      if ((event.target as HTMLInputElement).name === "disposition") this.below("");
      this.changed();
    });
    this.callback.addEventListener("change", () => {
      this.callbackAt.hidden = !this.callback.checked;
      this.callbackAt.min = local(new Date());
      if (this.callback.checked && !this.callbackAt.value) {
        const tomorrow = new Date(Date.now() + 86_400_000);
        tomorrow.setMinutes(0);
        this.callbackAt.value = local(tomorrow);
      }
      this.changed();
    });
    addEventListener("pagehide", () => this.isDirty && void this.save(true));
  }

  /** The call in hand is this one: fetch what has been written about it, unless something stands here already. */
  begin(callId: string): void {
    if (callId === this.callId) return;
    if (this.callId) this.clear();
    this.callId = callId;
    if (this.isTouched) return this.changed();
    void fetch(`/console/calls/${encodeURIComponent(callId)}/draft`, { credentials: "same-origin" })
      .then((answer) => (answer.ok ? (answer.json() as Promise<Written & { saved_at: string | null }>) : null))
      .then((kept) => kept?.saved_at && callId === this.callId && !this.isTouched && this.fill(kept, kept.saved_at))
      .catch(() => undefined);
  }

  /** The code that is kept: of what stands under the outcome, or of the outcome itself. */
  get chosen(): string {
    const form = new FormData(this.form);
    return String(form.get("sub") ?? form.get("disposition") ?? "");
  }

  /** An outcome is chosen of which the agent has still to say which. */
  get wantsMore(): boolean {
    return this.outcomes.some((one) => one.parent === this.chosen);
  }

  choose(radio: HTMLInputElement): void {
    radio.checked = true;
    this.below("");
    this.changed();
  }

  /** Offer these outcomes; what was chosen stays. */
  offer(list: Outcome[]): void {
    const before = this.chosen;
    this.outcomes = list;
    const row = get<HTMLTemplateElement>("disposition-row").content.firstElementChild;
    get("dispositions").replaceChildren(
      ...list
        .filter((one) => !one.parent)
        .slice(0, 9)
        .map((one, index) => {
          const made = row?.cloneNode(true) as HTMLElement;
          const [input, key, label] = [made.querySelector("input"), made.querySelector("kbd"), made.querySelector("span")];
          if (input) input.value = one.code;
          if (key) key.textContent = String(index + 1);
          if (label) label.textContent = one.label;
          return made;
        }),
    );
    this.mark(before);
  }

  get isWritten(): boolean {
    return this.isTouched;
  }

  get hasCard(): boolean {
    return holdsCardNumber(this.notes.value);
  }

  /** What stands in the form; null when a call back is promised without a time. */
  value(): Written | null {
    const at = this.callback.checked ? new Date(this.callbackAt.value) : null;
    if (at && Number.isNaN(at.getTime())) return null;
    return { disposition: this.chosen || null, notes: this.notes.value, callback_at: at?.toISOString() ?? null };
  }

  focus(): void {
    this.notes.focus({ preventScroll: true });
  }

  clear(): void {
    clearTimeout(this.timer);
    this.form.reset();
    this.below("");
    this.callbackAt.hidden = true;
    this.callId = "";
    this.isTouched = this.isDirty = false;
    this.fault("");
    this.told("");
  }

  /** Wait until what was typed last has been kept. */
  async settle(): Promise<void> {
    clearTimeout(this.timer);
    await this.saving;
  }

  /** Keep now what was typed, without waiting for a pause. */
  async keep(): Promise<void> {
    await this.settle();
    if (this.isDirty) await this.save();
  }

  private fill(kept: Written, savedAt: string): void {
    this.mark(kept.disposition ?? "");
    this.notes.value = kept.notes;
    this.callback.checked = !!kept.callback_at;
    this.callbackAt.hidden = !kept.callback_at;
    this.callbackAt.value = kept.callback_at ? local(new Date(kept.callback_at)) : "";
    this.isTouched = true;
    this.told(this.say("saved_at", { time: clockText(new Date(savedAt)) }));
  }

  /** Choose a code, and above it the outcome under which it stands. */
  private mark(code: string): void {
    const above = this.outcomes.find((one) => one.code === code)?.parent ?? code;
    const radio = this.form.querySelector<HTMLInputElement>(`[name=disposition][value="${CSS.escape(above)}"]`);
    if (radio) radio.checked = true;
    this.below(code);
  }

  /** Show what stands under the chosen outcome, with one of them chosen. */
  private below(code: string): void {
    const above = String(new FormData(this.form).get("disposition") ?? "");
    const there = this.outcomes.filter((one) => above && one.parent === above);
    const row = get<HTMLTemplateElement>("sub-row").content.firstElementChild;
    get("sub-list").replaceChildren(
      ...there.map((one) => {
        const made = row?.cloneNode(true) as HTMLElement;
        const [input, label] = [made.querySelector("input"), made.querySelector("span")];
        if (input) [input.value, input.checked] = [one.code, one.code === code];
        if (label) label.textContent = one.label;
        return made;
      }),
    );
    this.subCodes.hidden = !there.length;
  }

  private changed(): void {
    this.isTouched = this.isDirty = true;
    this.fault(this.hasCard ? this.say("card") : "");
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.save(), SETTLE_MS);
  }

  private async save(isLast = false): Promise<void> {
    const callId = this.callId;
    const written = this.value();
    if (!callId || !written || this.hasCard) return;
    if (!isLast) await this.saving;
    this.told(this.say("saving"));
    this.isDirty = false;
    this.saving = post<{ saved_at: string }>(`/console/calls/${encodeURIComponent(callId)}/draft`, written, isLast)
      .then((answer) => {
        if (answer && callId === this.callId && !this.isDirty) this.told(this.say("saved_at", { time: clockText(new Date(answer.saved_at)) }));
      })
      .catch((error: unknown) => {
        if (callId !== this.callId) return;
        if (error instanceof AnswerError && error.status < 500) {
          this.told("");
          if (error.code === "card-number") this.fault(this.say("card"));
          return;
        }
        this.isDirty = true;
        this.told(this.say("unsaved"));
        this.timer = window.setTimeout(() => void this.save(), AGAIN_MS);
      });
    await this.saving;
  }

  private fault(text: string): void {
    const place = get("notes-error");
    place.hidden = !text;
    const word = place.querySelector("span");
    if (word && word.textContent !== text) word.textContent = text;
    this.notes.setAttribute("aria-invalid", String(!!text));
  }

  private told(text: string): void {
    get("notes-saved").textContent = text;
  }
}
