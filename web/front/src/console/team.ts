// A team leader's card: who does what in the teams they lead, and how they are in another agent's call.
import { AnswerError, post, toast } from "../page";

type Say = (key: string, values?: Record<string, string | number>) => string;

const LOOK_MS = 1500; // the switchboard tells once a second: nothing here is two seconds old

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** The card exists only for who leads a team; without it nothing here does anything. */
export class Team {
  private readonly card = document.getElementById("team-card") as HTMLDetailsElement | null;
  private looking = 0;
  private company = "";
  private call = "";
  private ear = "";

  constructor(
    private readonly say: Say,
    private readonly has: (key: string) => boolean,
  ) {
    this.card?.addEventListener("toggle", () => void this.look());
    document.addEventListener("visibilitychange", () => void this.look());
    this.card?.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("button[data-lead]") : null;
      if (button) void this.act(button);
    });
    this.card?.addEventListener("change", (event) => {
      const chosen = event.target;
      if (chosen instanceof HTMLSelectElement && chosen.dataset["lead"] && chosen.value) void this.act(chosen);
    });
    for (const ear of ["listen", "whisper", "barge", "take-over", "leave"]) document.getElementById(`watch-${ear}`)?.addEventListener("click", () => void this.ask({ act: ear, company: this.company, call: this.call }));
  }

  /** The switchboard says how this leader is in which call; no ear: not any more. */
  told(call: string, ear: string, why: string): void {
    const word = ear ? `watch_${ear}` : why && this.has(`watch_${why.replaceAll("-", "_")}`) ? `watch_${why.replaceAll("-", "_")}` : "watch_over";
    if (!ear && !this.ear && !why) return;
    [this.call, this.ear] = ear ? [call, ear] : ["", ""];
    get("watching").hidden = !ear;
    get("watch-word").textContent = this.say(word);
    for (const one of ["listen", "whisper", "barge"]) get(`watch-${one}`).setAttribute("aria-pressed", String(one === ear));
    get("announce").textContent = this.say(word);
    if (!ear) toast(this.say(word), why && why !== "over" ? "bad" : "ok");
    void this.look();
  }

  refused(reason: string): void {
    const key = `lead_${reason.replaceAll("-", "_")}`;
    toast(this.say(this.has(key) ? key : "failed"), "bad");
    void this.look();
  }

  private act(from: HTMLElement): Promise<void> {
    const { lead, company, call, agent, status } = from.dataset;
    const [now, reason] = (status ?? "").split(":");
    const chosen = from instanceof HTMLSelectElement ? from.value : "";
    const about = {
      act: lead,
      company,
      ...(call ? { call } : {}),
      ...(agent ? { agent: Number(agent), status: now, reason: reason ?? chosen } : {}),
      ...(chosen && !agent ? { queue: chosen } : {}),
    };
    if (from instanceof HTMLSelectElement) from.value = "";
    if (company) this.company = company;
    return this.ask(about);
  }

  private async ask(about: object): Promise<void> {
    try {
      await post("/console/team/acts", about);
    } catch (error) {
      toast(error instanceof AnswerError && error.title ? error.title : this.say("failed"), "bad");
    }
    void this.look();
  }

  /** Fetch the board while it is open and seen; whoever had the focus keeps it. */
  private async look(): Promise<void> {
    clearTimeout(this.looking);
    if (!this.card?.open || document.hidden) return;
    const answer = await fetch("/console/team", { credentials: "same-origin" }).catch(() => null);
    const board = get("team");
    const focused = document.activeElement?.id;
    const isChoosing = document.activeElement instanceof HTMLSelectElement && board.contains(document.activeElement);
    if (answer?.ok && !isChoosing) {
      board.innerHTML = await answer.text();
      if (focused && board.querySelector(`#${CSS.escape(focused)}`)) get(focused).focus({ preventScroll: true });
    }
    clearTimeout(this.looking);
    this.looking = window.setTimeout(() => void this.look(), LOOK_MS);
  }
}
