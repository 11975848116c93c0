// Giving a call on: the panel with queues and colleagues, and the buttons of a conversation of three. The switchboard decides.
import { AnswerError, post, toast } from "../page";
import type { State } from "./state";

interface Target {
  label: string;
  words: string;
  isFree: boolean;
  body: { queue: string } | { agent: number } | { entry: string } | { number: string };
}

interface Targets {
  queues: ({ id: string; name: string; free: number; is_own: boolean } & Hours)[];
  agents: { number: number; name: string; doing: string }[];
  entries: ({ id: string; number: string; queue: string } & Hours)[];
  may_type: boolean;
}

/** Whether somebody takes its calls at this hour; `opens` is the next time, in words, if that is known. */
interface Hours {
  is_open: boolean;
  opens: string;
}

type Say = (key: string, values?: Record<string, string | number>) => string;
type Deed = "swap" | "merge" | "leave" | "drop" | "end";

const REFUSALS: Record<string, string> = { "agent-busy": "give_busy", "queue-not-found": "give_gone", "number-not-found": "give_gone", "entry-closed": "give_closed", "queue-closed": "give_queue_closed", "at-telephone": "give_at_telephone" };
const NOT_REACHED = new Set(["busy", "no-answer", "unallocated", "rejected", "failed"]);
const LOOKS_LIKE_A_NUMBER = /^\+?\d[\d\s().\/-]{5,}$/;
const TYPED_MS = 250;
const LOOK_MS = 3000;

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export class Transfer {
  private readonly panel = get("give-panel");
  private readonly button = get<HTMLButtonElement>("give");
  private readonly field = get<HTMLInputElement>("give-find");
  private readonly list = get("give-list");
  private targets: Target[] = [];
  private outside: Target | null = null;
  private mayType = false;
  private typing = 0;
  private looking = 0;
  private call = "";
  private given = ""; // to whom, until the switchboard has done it
  private isAsking = false;
  private stage = "";
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly say: Say,
    private readonly has: (key: string) => boolean,
    private readonly done: () => void,
  ) {
    this.button.addEventListener("click", () => this.toggle());
    get("give-close").addEventListener("click", () => this.close(true));
    this.field.addEventListener("input", () => this.typed());
    this.panel.addEventListener("keydown", (event) => this.onKey(event));
    for (const deed of ["swap", "merge", "leave", "drop"] as const) get(`co-${deed}`).addEventListener("click", () => this.confer(deed));
  }

  get isOpen(): boolean {
    return !this.panel.hidden;
  }

  /** Draw what the state says of a conversation of three; tell its changes politely. */
  show(state: State): void {
    const call = state.call;
    const consult = call?.consult ?? null;
    const isMine = !!consult && !consult.is_asked;
    if (call?.call_id !== this.call) this.close(false);
    this.call = call?.call_id ?? "";
    get("conference").hidden = !consult;
    get("co-buttons").hidden = !isMine;
    this.button.disabled = !call || !!consult || !!call.paused;
    if (consult && this.isOpen) this.close(false);
    for (const deed of ["swap", "merge", "leave"] as const) get<HTMLButtonElement>(`co-${deed}`).disabled = !consult || consult.stage === "ringing";
    for (const deed of ["swap", "merge"] as const) get<HTMLButtonElement>(`co-${deed}`).hidden = consult?.stage === "together";
    const who = consult?.is_asked ? "asked" : consult?.outside ? "out" : "co";
    const stage = consult ? `${who}_${consult.stage}` : "";
    const word = consult ? this.say(stage, { agent: consult.agent ?? "", number: consult.outside ?? "" }) : this.stage && call ? this.say("co_over") : "";
    if (stage !== this.stage) {
      this.stage = stage;
      get("co-word").textContent = word;
      if (word) get("announce").textContent = word;
    }
    if (this.given && state.wrap) {
      const told = this.say("given", { to: this.given });
      this.given = "";
      get("announce").textContent = told;
      toast(told);
    }
  }

  refused(reason: string): void {
    this.given = "";
    const name = reason.replaceAll("-", "_");
    const known = [REFUSALS[reason] ?? "", `refused_${name}`, NOT_REACHED.has(reason) ? `dialled_${name}` : ""].find((key) => key && this.has(key));
    if (!known) return toast(this.say("give_not_now"), "bad");
    const why = this.say(known);
    toast(REFUSALS[reason] ? why : this.say("give_still", { why: /[.。]$/.test(why) ? why : `${why}.` }), "bad");
  }

  /** Why nobody took the call given to a colleague or a number outside, as a sentence, and where the caller is now. */
  cameBack(reason: string): string {
    if (reason.startsWith("colleague-")) {
      const why = reason.replaceAll("-", "_");
      return this.say("came_back_colleague", { why: this.say(this.has(why) ? why : "colleague_phone_gone") });
    }
    const key = `dialled_${reason.replaceAll("-", "_")}`;
    return this.say("came_back", { why: this.say(this.has(key) ? key : "dialled_failed") });
  }

  toggle(): void {
    if (this.isOpen) return this.close(true);
    if (this.button.disabled) return;
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.field.value = "";
    this.targets = [];
    this.outside = null;
    this.list.replaceChildren();
    get("give-none").textContent = this.say("give_looking");
    this.field.focus();
    void this.load();
  }

  confer(deed: Deed): void {
    if (deed !== "end" && deed !== "drop" && get<HTMLButtonElement>(`co-${deed}`).disabled) return;
    if (get("co-buttons").hidden || !this.call) return;
    this.turn = this.turn.then(() => this.ask("conference", { deed })); // two quick keys are two deeds, in order
  }

  close(takesFocus: boolean): void {
    if (!this.isOpen) return;
    this.panel.hidden = true;
    clearTimeout(this.looking);
    this.button.setAttribute("aria-expanded", "false");
    if (takesFocus) this.button.focus();
  }

  private async load(): Promise<void> {
    const answer = await fetch(`/console/calls/${encodeURIComponent(this.call)}/targets`, { credentials: "same-origin", headers: { Accept: "application/json" } }).catch(() => null);
    if (!this.isOpen) return;
    clearTimeout(this.looking);
    this.looking = window.setTimeout(() => void this.load(), LOOK_MS); // colleagues become free while one looks
    if (!answer?.ok) {
      if (!this.targets.length) get("give-none").textContent = this.say("failed");
      return;
    }
    const found = (await answer.json()) as Targets;
    // whoever is listed keeps the place, so that nobody moves away under a finger
    const places = new Map(this.targets.map((one, index) => [JSON.stringify(one.body), index]));
    const place = (one: Target): number => places.get(JSON.stringify(one.body)) ?? places.size;
    this.targets = [
      ...found.agents.map((one) => ({
        label: `${one.name} · ${one.number}`,
        words: this.say(`agent_${one.doing}`),
        isFree: one.doing === "free",
        body: { agent: one.number },
      })),
      ...found.queues.map((one) => ({
        label: one.is_own ? `${one.name} (${this.say("give_own")})` : one.name,
        words: this.closed(one) || this.say("give_free", { n: one.free }),
        isFree: one.is_open,
        body: { queue: one.id },
      })),
      ...found.entries.map((one) => ({
        label: this.say("give_entry", { number: one.number }),
        words: [one.queue, this.closed(one)].filter(Boolean).join(" · "),
        isFree: one.is_open,
        body: { entry: one.id },
      })),
    ];
    this.targets.sort((one, other) => place(one) - place(other));
    if (this.mayType !== found.may_type) {
      this.mayType = found.may_type;
      this.typed();
    } else this.draw();
  }

  private closed(one: Hours): string {
    if (one.is_open) return "";
    return one.opens ? this.say("give_opens", { time: one.opens }) : this.say("give_shut");
  }

  /** What is typed narrows the list; a telephone number is read by the server, and shown as it was understood. */
  private typed(): void {
    this.outside = null;
    clearTimeout(this.typing);
    const typed = this.field.value.trim();
    if (this.mayType && LOOKS_LIKE_A_NUMBER.test(typed)) this.typing = window.setTimeout(() => void this.read(typed), TYPED_MS);
    this.draw();
  }

  private async read(typed: string): Promise<void> {
    let number = "";
    try {
      number = ((await post(`/console/calls/${this.call}/number`, { number: typed })) as { number?: string }).number ?? "";
    } catch {
      /* no number yet: the agent goes on typing */
    }
    if (typed !== this.field.value.trim() || !this.isOpen) return;
    this.outside = number ? { label: number, words: this.say("give_outside"), isFree: true, body: { number } } : null;
    this.draw();
    if (!number) get("give-none").textContent = this.say("give_no_number");
  }

  private draw(): void {
    const focused = document.activeElement;
    const held = focused instanceof HTMLButtonElement && this.list.contains(focused) ? focused.getAttribute("aria-label") : null;
    const wanted = this.field.value.trim().toLowerCase();
    const found = this.targets.filter((one) => one.label.toLowerCase().includes(wanted));
    const shown = this.outside ? [...found, this.outside] : found;
    const row = get<HTMLTemplateElement>("give-row").content.firstElementChild;
    this.list.replaceChildren(
      ...shown.map((target) => {
        const made = row?.cloneNode(true) as HTMLElement;
        const part = (name: string): HTMLElement => made.querySelector(`[data-${name}]`) as HTMLElement;
        part("name").textContent = target.label;
        part("words").textContent = target.words;
        const [ask, give] = [part("ask") as HTMLButtonElement, part("give") as HTMLButtonElement];
        ask.hidden = !("agent" in target.body || "number" in target.body);
        ask.disabled = give.disabled = !target.isFree;
        ask.setAttribute("aria-label", this.say("ask_whom", { to: target.label }));
        give.setAttribute("aria-label", this.say("give_whom", { to: target.label }));
        ask.addEventListener("click", () => void this.ask("consult", target.body));
        give.addEventListener("click", () => void this.give(target));
        return made;
      }),
    );
    // by whom it leads to, never by its place: another may stand there now
    if (held) ([...this.list.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === held) ?? this.field).focus();
    get("give-none").textContent = shown.length ? this.say("give_found", { n: shown.length }) : this.say("give_nobody");
  }

  /** Arrows walk the list, Enter in the field takes the one that is left, Escape closes. */
  private onKey(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      return this.close(true);
    }
    const able = [...this.list.querySelectorAll<HTMLButtonElement>("button:not([disabled]):not([hidden])")];
    if (event.key === "Enter" && event.target === this.field) {
      event.preventDefault();
      const gives = able.filter((one) => "give" in one.dataset);
      if (gives.length === 1) gives[0]?.click();
      else able[0]?.focus();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const here = able.indexOf(document.activeElement as HTMLButtonElement);
    const next = here + step;
    if (next < 0) this.field.focus();
    else able[Math.min(next, able.length - 1)]?.focus();
  }

  private async give(target: Target): Promise<void> {
    if (await this.ask("transfer", target.body)) this.given = target.label;
  }

  private async ask(what: string, body: object): Promise<boolean> {
    if (this.isAsking || !this.call) return false;
    this.isAsking = true;
    try {
      await post(`/console/calls/${this.call}/${what}`, body);
      this.close(true);
      return true;
    } catch (error) {
      const said = error instanceof AnswerError ? (error.heading ? `${error.heading}. ${error.title}` : error.title) : "";
      toast(said || this.say("failed"), "bad");
      if (this.isOpen) void this.load();
      return false;
    } finally {
      this.isAsking = false;
      this.done();
    }
  }
}
